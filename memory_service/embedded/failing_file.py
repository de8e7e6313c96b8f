"""What the supervisor writes down of parts that fail, for API processes and the doctor."""

import contextlib
import os
from collections.abc import Sequence
from pathlib import Path

from memory_service.embedded.cluster import write_secret
from memory_service.failing_parts import FAILING, FailingPart, as_text
from memory_service.process_identity import identify


class FailingFile:
    """The file `failing.json` in the folder that API processes have in common, which has room when the disk has none."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / FAILING
        self._written: list[FailingPart] = []

    def write(self, parts: Sequence[FailingPart]) -> None:
        """Write down what changed; what could not be written, as on a full disk, is tried again with the next call."""
        if list(parts) != self._written and (ourselves := identify(os.getpid())):
            with contextlib.suppress(OSError):
                write_secret(self._path, as_text(parts, supervisor=ourselves))
                self._written = list(parts)
