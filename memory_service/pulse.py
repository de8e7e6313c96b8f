"""A sign of life, for the supervisor: when an API process last came round, a worker ended its work, beat looked what is due."""

import os
import struct
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

from memory_service.mapping import fill, mapped

_MOMENT: Final = struct.Struct("=d")
_NEVER: Final = 0.0
_HUSHED: Final = -1.0
STEP: Final = "worker_step"  # the name under which a worker says that a task without end in sight moves on
PULSES: Final = "MEMORY_SERVICE_PULSES"  # names the folder to those that are not told of it otherwise


def _file(folder: Path, name: str) -> Path:
    return folder / f"pulse_{name}"


class Pulse:
    """Written by the process of this name, in the folder that it has in common with the others."""

    def __init__(self, folder: Path, name: str) -> None:
        """Open its file."""
        self._file = _file(folder, name)
        self._memory = mapped(self._file, _MOMENT.size)

    def beat(self) -> None:
        """Say that the process lives; a write into memory, which cannot fail on a full disk."""
        if not self._file.exists():
            # Somebody removed the folder, which may have been made again: nobody sees what is written into the old file.
            with suppress(OSError):
                self._memory = mapped(self._file, _MOMENT.size)
        _MOMENT.pack_into(self._memory, 0, time.monotonic())

    def hush(self) -> None:
        """Say nothing until the next beat: nobody knows how long that will take."""
        _MOMENT.pack_into(self._memory, 0, _HUSHED)


def own_pulse(name: str) -> Pulse | None:
    """Return the pulse of a process of this name; None where no supervisor asks for one, or there is no room for it."""
    folder = os.environ.get(PULSES)
    try:
        return Pulse(Path(folder), name) if folder else None
    except OSError:
        return None


def await_pulse(folder: Path, name: str) -> None:
    """Forget the signs of a predecessor: from here on, who gives none has hung as it began. Without room nothing is awaited."""
    with suppress(OSError):
        _file(folder, name).unlink(missing_ok=True)  # Written over, a predecessor that still ends would write into it.
        fill(_file(folder, name), _MOMENT.size)


def pulse_of(folder: Path, name: str) -> float | None:
    """Return the moment of the last sign of life, 0 where there was none yet; None where none is to be expected."""
    try:
        (moment,) = _MOMENT.unpack(_file(folder, name).read_bytes())
    except (OSError, struct.error):
        return None
    return None if moment == _HUSHED else float(moment)
