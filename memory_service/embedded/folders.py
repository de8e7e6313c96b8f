"""The folders of a data directory, and socket folders short enough for the kernel."""

import contextlib
import errno
import hashlib
import os
import pwd
import shutil
import socket
import stat
import tempfile
from collections.abc import Sequence
from pathlib import Path

from memory_service.errors import Misconfigured

IN_MEMORY = Path("/dev/shm")
SHARED_ROOM = 32 << 20  # bytes that what API processes have in common may take: two tables of counts, two that are kept
PROCESS_ROOM = 6 << 20  # and the numbers of each
# A socket address holds 108 bytes on Linux and 104 on macOS, with the closing zero.
LONGEST_SOCKET_PATH = 103
# How programs say it: the system's words, the hint of Postgres, the name of its error in Python.
_FULL = (os.strerror(errno.ENOSPC), "Check free disk space", "errors.DiskFull")


def make_data_dir(data_dir: Path) -> None:
    """Create the data directory and what every part expects inside.

    Raises:
        Misconfigured: the folder cannot be made or belongs to somebody else.
    """
    try:
        # Root leaves the way through open, so that a server that dropped root reaches its own folder inside.
        data_dir.mkdir(mode=0o711 if os.geteuid() == 0 else 0o700, parents=True, exist_ok=True)
        for name in ("run", "logs", "models"):
            (data_dir / name).mkdir(mode=0o700, exist_ok=True)
        owner = (data_dir / "run").stat().st_uid
    except (PermissionError, FileExistsError, NotADirectoryError) as error:
        raise Misconfigured(
            f"The data folder {data_dir} cannot be used: {error.strerror}. Run as the user who owns it, or set "
            "MEMORY_SERVICE_DATA_DIR to another folder."
        ) from error
    except OSError as error:
        raise Misconfigured(f"The data folder {data_dir} cannot be made: {error.strerror}.") from error
    if owner != os.geteuid():  # Also for root, who could: the files it leaves would lock the owner out.
        raise Misconfigured(
            f"The data folder {data_dir} belongs to the user {_name(owner)}. Run as that user, or set "
            "MEMORY_SERVICE_DATA_DIR to another folder."
        )


def full_disk(data_dir: Path, words: Sequence[str]) -> str | None:
    """Return the sentence about a full disk when a program's last words complain of one, else None.

    >>> full_disk(Path("/data"), ["FATAL:  could not write lock file: No space left on device"])
    'the disk of /data is full.'
    """
    return f"the disk of {data_dir} is full." if any(said in word for said in _FULL for word in words) else None


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"with id {uid}"


def fingerprint(data_dir: Path) -> str:
    """Return a short name for this data directory, for folders that cannot lie inside it."""
    return hashlib.sha256(os.fsencode(data_dir)).hexdigest()[:12]


def inside_socket_folder(data_dir: Path, part: str) -> Path:
    """Return the natural place of a part's socket."""
    return data_dir / "run" / part


def outside_socket_folder(data_dir: Path, part: str) -> Path:
    """Return the place of a part's socket when the natural one is too deep or out of reach."""
    name = f"memory-service-{os.geteuid()}-{fingerprint(data_dir)}-{part}"
    folder = Path(tempfile.gettempdir()) / name
    return folder if fits(folder) else Path("/tmp") / name


def fits(folder: Path) -> bool:
    """Tell whether a socket in `folder` has an address the kernel accepts."""
    return len(os.fsencode(folder / ".s.PGSQL.5432")) <= LONGEST_SOCKET_PATH


def own_folder(folder: Path, *, owner: int, group: int) -> Path:
    """Make `folder` with mode 0700 for `owner`, or check that it is already so.

    Raises:
        Misconfigured: something else lies there; in a folder open to all it may be somebody's trap.
    """
    try:
        folder.mkdir(mode=0o700)
        if owner != os.geteuid():
            os.chown(folder, owner, group)
    except FileExistsError:
        found = folder.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid not in {owner, os.geteuid()}:
            raise Misconfigured(f"{folder} is not a folder of ours. Remove it and start again.") from None
        if found.st_uid != owner:
            os.chown(folder, owner, group)
        if stat.S_IMODE(found.st_mode) != 0o700:
            folder.chmod(0o700)
    return folder


def shared_places(data_dir: Path, *, owner: int) -> tuple[Path, Path]:
    """Return where the folder that API processes of a user have in common may lie: in memory, or in the data folder."""
    # Containers may have the same path for their data, and the same memory.
    name = f"memory-service-{owner}-{fingerprint(Path(f'{socket.gethostname()}:{data_dir}'))}-shared"
    return IN_MEMORY / name, data_dir / "run" / "shared"


def fresh_shared_folder(data_dir: Path, *, processes: int) -> Path:
    """Return an empty folder for what API processes have in common.

    It lies in memory where the system has a place for that: what is mapped there needs no disk, which may be full.
    """
    in_memory, on_disk = shared_places(data_dir, owner=os.geteuid())
    room = SHARED_ROOM + processes * PROCESS_ROOM
    # Should somebody else take the name, or the room, there is another place.
    with contextlib.suppress(OSError, Misconfigured):
        if os.access(IN_MEMORY, os.W_OK | os.X_OK) and shutil.disk_usage(IN_MEMORY).free >= room:
            return _empty(in_memory)
    return _empty(on_disk)


def _empty(folder: Path) -> Path:
    own_folder(folder, owner=os.geteuid(), group=os.getegid())
    for file in folder.iterdir():
        file.unlink()
    return folder


def remove_shared_folder(folder: Path) -> None:
    """Remove the folder and the files in it."""
    shutil.rmtree(folder, ignore_errors=True)


def remove_socket_folder(folder: Path, data_dir: Path) -> None:
    """Remove an empty socket folder that had to lie outside the data directory."""
    if not folder.is_relative_to(data_dir):
        with contextlib.suppress(OSError):
            folder.rmdir()


def socket_folder(data_dir: Path, part: str) -> Path:
    """Return the folder for the socket of a part that runs as the present user; it exists afterwards."""
    inside = inside_socket_folder(data_dir, part)
    folder = inside if fits(inside) else outside_socket_folder(data_dir, part)
    return own_folder(folder, owner=os.geteuid(), group=os.getegid())
