"""A sign of life: when the event loop of an API process last came round, for its supervisor."""

import struct
import time
from pathlib import Path
from typing import Final

from memory_service.api.sharing import mapped

_MOMENT: Final = struct.Struct("=d")
_NEVER: Final = 0.0


def _file(folder: Path, name: str) -> Path:
    return folder / f"pulse_{name}"


class Pulse:
    """Written by the process of this name, in the folder that it has in common with the others."""

    def __init__(self, folder: Path, name: str) -> None:
        """Open its file."""
        self._memory = mapped(_file(folder, name), _MOMENT.size)

    def beat(self) -> None:
        """Say that the process lives; a write into memory, which cannot fail on a full disk."""
        _MOMENT.pack_into(self._memory, 0, time.monotonic())


def pulse_of(folder: Path, name: str) -> float | None:
    """Return the moment of the last sign of life; None where there was none, or nothing that can be read."""
    try:
        (moment,) = _MOMENT.unpack(_file(folder, name).read_bytes())
    except (OSError, struct.error):
        return None
    return None if moment == _NEVER else float(moment)
