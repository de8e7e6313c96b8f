"""Who a server runs as. Postgres refuses root, so root has to become somebody."""

import json
import os
import pwd
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

LAUNCHER = Path(__file__).with_name("launcher.py")

Mode = Literal["auto", "namespace", "setuid"]


@dataclass(frozen=True, slots=True)
class Privileges:
    """The user a program sees itself as: the same, one of a user namespace, or another real one."""

    kind: Literal["same", "namespace", "setuid"] = "same"
    uid: int = -1
    gid: int = -1

    @property
    def owner(self) -> int:
        """User id that must own the program's files, as seen from here."""
        return self.uid if self.kind == "setuid" else os.geteuid()

    @property
    def group(self) -> int:
        """Group id that goes with `owner`."""
        return self.gid if self.kind == "setuid" else os.getegid()


def launch_command(
    command: Sequence[str | Path],
    *,
    privileges: Privileges | None = None,
    session: bool = False,
    death_signal: int = 0,
    reach: Sequence[Path] = (),
) -> list[str]:
    """Return the command line that runs `command` through the launcher."""
    options = {
        "privileges": asdict(privileges or Privileges()),
        "session": session,
        "death_signal": death_signal,
        "parent": os.getpid(),
        "reach": [str(folder) for folder in reach],
    }
    return [sys.executable, "-I", "-S", str(LAUNCHER), json.dumps(options), *(str(part) for part in command)]


def can_run(command: Sequence[str | Path], privileges: Privileges, *, reach: Sequence[Path] = ()) -> bool:
    """Try whether `command` runs with these privileges and the folders are accessible to it."""
    done = subprocess.run(
        launch_command(command, privileges=privileges, reach=reach),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd="/",
        timeout=60,
        check=False,
    )
    return done.returncode == 0


def namespace_candidates() -> Iterator[Privileges]:
    """Yield the identity root may show inside a user namespace.

    The id has no meaning outside; initdb only insists that it has a name.
    """
    if not sys.platform.startswith("linux"):
        return
    named = {entry.pw_name: entry for entry in pwd.getpwall() if entry.pw_uid != 0}
    for name in (*(n for n in ("postgres", "daemon", "nobody") if n in named), *named):
        entry = named[name]
        yield Privileges("namespace", entry.pw_uid, entry.pw_gid or entry.pw_uid)
        return


def setuid_candidates(existing_owner: int | None) -> Iterator[Privileges]:
    """Yield real users root may become, best first: who owns the cluster, who called sudo, a service user."""
    seen: set[int] = {0}
    wanted: list[pwd.struct_passwd] = []
    for uid in (existing_owner, _sudo_uid()):
        if uid is not None:
            wanted.extend(entry for entry in pwd.getpwall() if entry.pw_uid == uid)
    for name in ("memory-service", "postgres", "nobody"):
        wanted.extend(entry for entry in pwd.getpwall() if entry.pw_name == name)
    for entry in wanted:
        if entry.pw_uid not in seen:
            seen.add(entry.pw_uid)
            yield Privileges("setuid", entry.pw_uid, entry.pw_gid)


def _sudo_uid() -> int | None:
    text = os.environ.get("SUDO_UID", "")
    return int(text) if text.isdigit() else None
