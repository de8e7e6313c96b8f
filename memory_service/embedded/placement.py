"""Where Postgres runs from and as whom.

A normal user runs everything in place. Root must not run Postgres, so in this order: inside a user namespace (in place,
files stay root's), as another user in place, as another user from a folder of our own that holds binaries and cluster.
"""

import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from memory_service.embedded import folders
from memory_service.embedded.binaries import PostgresBinaries
from memory_service.embedded.privileges import (
    Mode,
    Privileges,
    can_run,
    namespace_candidates,
    setuid_candidates,
)
from memory_service.errors import Misconfigured

# Folders that survive a restart of the machine, in order of preference. Temporary folders do not.
LASTING_FOLDERS = (Path("/var/lib"), Path("/var/tmp"))


@dataclass(frozen=True, slots=True)
class Placement:
    """Everything about a cluster that depends on who we are and where the checkout lies."""

    binaries: PostgresBinaries
    cluster: Path
    sockets: Path
    privileges: Privileges


def pointer_file(data_dir: Path) -> Path:
    """Return the file that says where the cluster lies when it could not stay in the data directory."""
    return data_dir / "postgres.location"


def recorded_cluster(data_dir: Path) -> Path:
    """Return where the cluster of this data directory lies, or will lie."""
    try:
        return Path(pointer_file(data_dir).read_text(encoding="utf-8").strip())
    except FileNotFoundError:
        return data_dir / "postgres"


def place(
    data_dir: Path,
    binaries: PostgresBinaries,
    *,
    mode: Mode = "auto",
    lasting_folders: Sequence[Path] = LASTING_FOLDERS,
) -> Placement:
    """Choose the first way that works here, and prepare its folders.

    Raises:
        Misconfigured: root found no way to run Postgres as somebody else.
    """
    if os.geteuid() != 0:
        return _settled(data_dir, binaries, recorded_cluster(data_dir), Privileges())
    for privileges in _candidates(data_dir, mode):
        cluster = recorded_cluster(data_dir)
        if can_run([binaries.program("postgres"), "--version"], privileges, reach=[cluster.parent]):
            return _settled(data_dir, binaries, cluster, privileges)
        if privileges.kind == "setuid" and (home := _home_of_our_own(data_dir, privileges, lasting_folders)):
            copied = _copy_binaries(binaries, home)
            if can_run([copied.program("postgres"), "--version"], privileges, reach=[home]):
                return _settled(data_dir, copied, _move_cluster(data_dir, home), privileges)
    raise Misconfigured(
        "Postgres refuses to run as root, and no other user can run it here: user namespaces are not allowed, and no "
        "unprivileged user reaches a folder that lasts. Run as a normal user, or set DATABASE_URL to another server."
    )


def _candidates(data_dir: Path, mode: Mode) -> Iterator[Privileges]:
    if mode != "setuid":
        yield from namespace_candidates()
    if mode != "namespace":
        cluster = recorded_cluster(data_dir)
        yield from setuid_candidates(cluster.stat().st_uid if cluster.exists() else None)


def _settled(data_dir: Path, binaries: PostgresBinaries, cluster: Path, privileges: Privileges) -> Placement:
    if cluster.exists() and cluster.stat().st_uid != privileges.owner:
        if os.geteuid() != 0:
            raise Misconfigured(
                f"The database in {cluster} belongs to another user (id {cluster.stat().st_uid}). Run as that user, or "
                "set MEMORY_SERVICE_DATA_DIR to another folder."
            )
        give_to(cluster, privileges)
    return Placement(binaries, cluster, _sockets(data_dir, binaries, privileges), privileges)


def _sockets(data_dir: Path, binaries: PostgresBinaries, privileges: Privileges) -> Path:
    inside = folders.inside_socket_folder(data_dir, "postgres")
    fits = folders.fits(inside)
    if fits and privileges.kind != "same":
        fits = can_run([binaries.program("postgres"), "--version"], privileges, reach=[inside.parent])
    folder = inside if fits else folders.outside_socket_folder(data_dir, "postgres")
    return folders.own_folder(folder, owner=privileges.owner, group=privileges.group)


def give_to(folder: Path, privileges: Privileges) -> None:
    """Hand a folder that we made to the user the server runs as; links are not followed."""
    owner, group = privileges.owner, privileges.group
    os.chown(folder, owner, group, follow_symlinks=False)
    for parent, names, files in os.walk(folder):
        for name in (*names, *files):
            os.chown(os.path.join(parent, name), owner, group, follow_symlinks=False)


def _home_of_our_own(data_dir: Path, privileges: Privileges, lasting_folders: Sequence[Path]) -> Path | None:
    for base in lasting_folders:
        if not can_run([Path("/bin/sh"), "-c", ":"], privileges, reach=[base]):
            continue
        home = base / f"memory-service-{folders.fingerprint(data_dir)}"
        try:
            home.mkdir(mode=0o711)
            home.chmod(0o711)  # Whatever the umask: the server's user passes through, nobody lists.
        except FileExistsError:
            found = home.lstat()
            if home.is_symlink() or not home.is_dir() or found.st_uid != os.geteuid():
                raise Misconfigured(f"{home} is not a folder of ours. Remove it and start again.") from None
        except OSError:
            continue
        return home
    return None


def _copy_binaries(binaries: PostgresBinaries, home: Path) -> PostgresBinaries:
    """Copy the installation with the libraries it finds by relative path, once per version."""
    site = binaries.package.parent
    target = home / "programs-{}.{}".format(*binaries.version)
    if not target.exists():
        staging = home / "programs.new"
        shutil.rmtree(staging, ignore_errors=True)
        installation = binaries.bin.parent
        shutil.copytree(installation, staging / installation.relative_to(site), symlinks=True)
        for libraries in site.glob(f"{binaries.package.name}.libs"):
            shutil.copytree(libraries, staging / libraries.name, symlinks=True)
        for parent, names, _ in os.walk(staging):
            for folder in (parent, *(os.path.join(parent, name) for name in names)):
                os.chmod(folder, 0o755)
        staging.rename(target)
    return PostgresBinaries(target / binaries.bin.relative_to(site), binaries.version)


def _move_cluster(data_dir: Path, home: Path) -> Path:
    """Return the cluster's place in `home`, bringing along one that lies in the data directory."""
    target = home / "postgres"
    present = recorded_cluster(data_dir)
    if present == target:
        return target
    if present.exists():
        staging = home / "postgres.copy"
        shutil.rmtree(staging, ignore_errors=True)
        shutil.copytree(present, staging, symlinks=True)
        staging.rename(target)
    elif target.exists():
        # The data directory was removed and made anew, so this cluster belongs to nobody any more; keep it aside.
        target.rename(_free_name(home / "postgres.orphan"))
    temporary = pointer_file(data_dir).with_suffix(".new")
    temporary.write_text(f"{target}\n", encoding="utf-8")
    temporary.replace(pointer_file(data_dir))
    if present.exists():
        present.rename(_free_name(data_dir / "postgres.moved"))
    return target


def _free_name(path: Path) -> Path:
    names = (path.with_name(f"{path.name}{number or ''}") for number in range(10_000))
    return next(name for name in names if not name.exists())
