"""Install what takes part, and open it: a process in its environment, with an empty database beside it if it asks."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psutil

from benchmarks.peers.catalogue import Entry
from benchmarks.peers.contestants import ContestantFailed
from benchmarks.peers.environments import Environments
from benchmarks.peers.pipe import Command, PeerProcess
from memory_service.embedded.postgres import EmbeddedPostgres
from memory_service.errors import MemoryServiceError

Installed = Mapping[str, Path | ContestantFailed]
"""By name of the environment, its interpreter or why there is none."""


def install(entries: Sequence[Entry], environments: Environments, *, say: Callable[[str], None]) -> Installed:
    """Make the environments that are needed; one that cannot be made does not keep others from it."""
    found: dict[str, Path | ContestantFailed] = {}
    for name in dict.fromkeys(entry.requirements for entry in entries):
        if not environments.is_ready(name):
            say(f"installing {name}")
        try:
            found[name] = environments.python(name)
        except ContestantFailed as failure:
            found[name] = failure
    return found


def open_peer(
    entry: Entry, resources: ExitStack, *, installed: Installed, folder: Path, budget_s: float
) -> PeerProcess:
    """Start a peer; ``resources`` ends it.

    Args:
        entry: who.
        resources: closes the process and its database.
        installed: the environments.
        folder: where it gets a folder of its own.
        budget_s: seconds that its own steps may take together.

    Raises:
        ContestantFailed: it is not installed, or did not open.
    """
    python = installed[entry.requirements]
    if isinstance(python, ContestantFailed):
        raise python
    postgres = resources.enter_context(_database(folder / f"{entry.name}-database")) if entry.postgres else None
    command = Command(
        python=python,
        arguments=("-m", entry.adapter),
        setup=entry.setup,
        environ=entry.environ,
        postgres_url=None if postgres is None else postgres.url.replace("+psycopg", "", 1),
    )
    servers = list if postgres is None else _tree(postgres)
    return resources.enter_context(PeerProcess(command, folder=folder / entry.name, budget_s=budget_s, servers=servers))


@contextmanager
def _database(folder: Path) -> Iterator[EmbeddedPostgres]:
    """Run an empty Postgres with pgvector, with the settings of our own."""
    try:
        # What root has to move elsewhere stays beside it, and goes with the run's folder.
        with EmbeddedPostgres(folder, lasting_folders=(folder.parent,)) as postgres:
            yield postgres
    except MemoryServiceError as error:
        raise ContestantFailed(f"its database did not start: {error}") from error


def _tree(postgres: EmbeddedPostgres) -> Callable[[], list[psutil.Process]]:
    """Return what finds the server's processes, which come and go with connections."""

    def processes() -> list[psutil.Process]:
        leader = psutil.Process(postgres.child.pid)
        return [leader, *leader.children(recursive=True)]

    return processes
