"""Which processes a supervisor started, so that the next one can end what a killed one left."""

import contextlib
import json
import signal
from pathlib import Path

from memory_service.embedded.cluster import write_secret
from memory_service.embedded.processes import end, session_members
from memory_service.process_identity import ProcessIdentity

# Seconds a leftover gets to stop by itself. It has been told already, by the death of its supervisor.
GRACE_S = {"postgres": 60.0}
DEFAULT_GRACE_S = 10.0


class Roster:
    """The file `run/parts.json`: name of each part and the identity of its process."""

    def __init__(self, data_dir: Path) -> None:
        self._path = data_dir / "run" / "parts.json"
        self._parts: dict[str, ProcessIdentity] = {}
        self._unsaved = False

    def record(self, name: str, identity: ProcessIdentity | None) -> None:
        """Note the present process of a part; on a full disk the file follows later, with ``save``."""
        if identity is None:
            self._parts.pop(name, None)
        else:
            self._parts[name] = identity
        self._unsaved = True
        self.save()

    def save(self) -> None:
        """Write down what could not be written before; the file only serves the successor of a killed supervisor."""
        if self._unsaved:
            with contextlib.suppress(OSError):
                write_secret(self._path, json.dumps({n: [i.pid, i.started] for n, i in self._parts.items()}))
                self._unsaved = False

    def clear(self) -> None:
        """Forget everything: all parts were stopped."""
        self._parts = {}
        self._path.unlink(missing_ok=True)

    def end_leftovers(self) -> list[str]:
        """End the processes that a killed supervisor recorded and that still run; return their names.

        Only call this while holding the lock of the data directory.
        """
        ended = []
        for name, leader in self._read().items():
            members = session_members(leader)
            if members:
                first = signal.SIGINT if name == "postgres" else signal.SIGTERM
                end(members, first=first, grace_s=GRACE_S.get(name, DEFAULT_GRACE_S))
                ended.append(name)
        self.clear()
        return ended

    def _read(self) -> dict[str, ProcessIdentity]:
        try:
            stored = json.loads(self._path.read_text(encoding="utf-8"))
            return {str(name): ProcessIdentity(int(pid), str(started)) for name, (pid, started) in stored.items()}
        except FileNotFoundError:
            return {}
        except (ValueError, TypeError, AttributeError):  # Not written by us: there is nothing to go by.
            return {}
