"""Which foreign sources there are, and which of them a file looks like."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from memory_service.importers import langgraph, mcp, mem0
from memory_service.importers.report import Item, Report, Unreadable

BEGINNING: Final = 64 * 1024  # characters that are looked at to tell what a file is


class Convert(Protocol):
    """Turn a source into items, counting as it goes."""

    def __call__(self, source: str, report: Report, *, namespace: str | None = None) -> Iterator[Item]:
        """Yield items of POST /v1/memories/batch; none of the report's counts is final before the last."""


@dataclass(frozen=True, slots=True)
class Source:
    """A system whose memories can be brought here."""

    name: str
    title: str
    takes: str  # what is to be named, for people
    convert: Convert


def _mem0(source: str, report: Report, *, namespace: str | None = None) -> Iterator[Item]:
    return mem0.items(_file(source), report, namespace=namespace or "default")


def _mcp(source: str, report: Report, *, namespace: str | None = None) -> Iterator[Item]:
    return mcp.items(_file(source), report, namespace=namespace or "default")


def _langgraph(source: str, report: Report, *, namespace: str | None = None) -> Iterator[Item]:
    if not langgraph.is_langgraph(source):
        raise Unreadable("LangGraph's store is read from its database: name it as postgresql://user@host/database.")
    return langgraph.items(source, report, namespace=namespace or langgraph.ROOT)


SOURCES: Final[dict[str, Source]] = {
    one.name: one
    for one in (
        Source("mem0", "mem0", "a file with what get_all or an export answered", _mem0),
        Source("mcp", "MCP reference memory server", "its memory file (JSON lines)", _mcp),
        Source("langgraph", "LangGraph store in Postgres", "the address of its database", _langgraph),
    )
}


def _file(source: str) -> Path:
    path = Path(source)
    if not path.is_file():
        raise Unreadable("There is no such file.")
    return path


def sniff(source: str) -> str | None:
    """Return the name of the source that a file or an address looks like; None when it looks like none.

    >>> sniff("postgresql://ana@db/agents")
    'langgraph'

    Raises:
        Unreadable: there is no such file.
    """
    if langgraph.is_langgraph(source):
        return "langgraph"
    with _file(source).open(encoding="utf-8", errors="replace") as file:
        beginning = file.read(BEGINNING)
    if mcp.is_mcp(beginning):
        return "mcp"
    return "mem0" if mem0.is_mem0(beginning) else None


def convert(source: str, report: Report, *, kind: str | None = None, namespace: str | None = None) -> Iterator[Item]:
    """Yield the memories of a foreign source as items of POST /v1/memories/batch.

    Args:
        source: a file, or the address of a database.
        report: counts what is read, kept aside and left out; complete after the last item.
        kind: one of `SOURCES`; None looks at the source.
        namespace: where the memories are to lie; None for the usual place of the source.

    Raises:
        Unreadable: there is no such file or database, or it is none of these.
    """
    kind = kind or sniff(source)
    if kind is None:
        raise Unreadable(f"The file looks like none of {', '.join(SOURCES)}; say which of them it is.")
    if kind not in SOURCES:
        raise Unreadable(f"There is no importer {kind!r}; there are {', '.join(SOURCES)}.")
    return SOURCES[kind].convert(source, report, namespace=namespace)
