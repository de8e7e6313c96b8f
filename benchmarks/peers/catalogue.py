"""Who takes part: which package, in which of its ways of working, and what is not equal about it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from memory_service.cli.failures import CommandFailure

ADAPTERS = "benchmarks.peers.adapters"


@dataclass(frozen=True, slots=True)
class Entry:
    """One row of the table that is a process of its own."""

    name: str
    adapter: str
    """Module that speaks for it."""
    setup: str
    """What the adapter is asked to measure."""
    requirements: str
    """Name of the file of pinned versions, which is also that of the environment."""
    encodes: str
    """Where its own encoding happens, in the words of the table."""
    environ: Mapping[str, str] = field(default_factory=dict)
    """Its own switches: against telemetry, and for the setup."""
    postgres: bool = False
    """Whether it is given an empty database."""
    conversations: int | None = None
    """Of each file only so many, for one too slow for all of them."""
    left_out: str = ""
    """Why it does not run unless it is named; empty for those that always do."""
    note: str = ""
    """What a reader has to know to compare it."""


FLOOR = Entry(
    name="floor",
    adapter=f"{ADAPTERS}.floor",
    setup="numpy",
    requirements="encoder",
    encodes="in the call",
    note="no memory system: sentence-transformers and an exact scan of the conversation's vectors",
)

PEERS: tuple[Entry, ...] = (
    Entry(
        name="txtai",
        adapter=f"{ADAPTERS}.txtai",
        setup="hybrid",
        requirements="txtai",
        encodes="in the call",
        note="an index per conversation, held in memory; a library in the caller's process",
    ),
    Entry(
        name="mem0-qdrant",
        adapter=f"{ADAPTERS}.mem0",
        setup="qdrant",
        requirements="mem0",
        encodes="in the call",
        environ={"MEM0_TELEMETRY": "False"},
        note="infer=False; local Qdrant in the caller's process; its BM25 and entity signals need models from a hub and are off",
    ),
    Entry(
        name="mem0-faiss",
        adapter=f"{ADAPTERS}.mem0",
        setup="faiss",
        requirements="mem0",
        encodes="in the call",
        environ={"MEM0_TELEMETRY": "False"},
        note="infer=False; FAISS in the caller's process, which has no keyword search in mem0",
    ),
    Entry(
        name="langgraph-memory",
        adapter=f"{ADAPTERS}.langgraph",
        setup="memory",
        requirements="langgraph",
        encodes="in the call",
        environ={"LANGSMITH_TRACING": "false"},
        note="nothing is on disk; vectors only",
    ),
    Entry(
        name="langgraph-postgres",
        adapter=f"{ADAPTERS}.langgraph",
        setup="postgres",
        requirements="langgraph",
        encodes="in the call",
        environ={"LANGSMITH_TRACING": "false"},
        postgres=True,
        note="our Postgres and pgvector as the store sets them up; the server's memory is counted with it; vectors only",
    ),
    Entry(
        name="superlocalmemory-lexical",
        adapter=f"{ADAPTERS}.superlocalmemory",
        setup="lexical",
        requirements="superlocalmemory",
        encodes="not at all",
        environ={"SLM_STORE_FAST_EMBED_TIMEOUT_MS": "0"},
        note="store_fast told to wait for no vector (its default waits a second for each), searched without vectors",
    ),
    Entry(
        name="superlocalmemory-full",
        adapter=f"{ADAPTERS}.superlocalmemory",
        setup="full",
        requirements="superlocalmemory",
        encodes="in a worker process of its own",
        conversations=1,
        left_out="stores about 0.3 memories a second: half an hour for one conversation; name it in --peers to wait for it",
        note="the first conversation of each file only",
    ),
)

SERVICE = "memory-service"
SERVICE_NOTE = (
    "a server with durable storage behind HTTP, which its times contain; told speaker and date as fields, and the "
    "question's date where the file has one"
)


def chosen(text: str | None) -> tuple[Entry, ...]:
    """Return the peers that ``text`` names by commas, in the catalogue's order; without it those that run by themselves.

    Raises:
        CommandFailure: a name is not known.

    >>> [one.name for one in chosen("mem0-faiss, txtai")]
    ['txtai', 'mem0-faiss']
    """
    if text is None:
        return tuple(one for one in PEERS if not one.left_out)
    asked = {name.strip() for name in text.split(",") if name.strip()}
    if unknown := sorted(asked - {one.name for one in PEERS}):
        raise CommandFailure(
            f"there is no peer {', '.join(unknown)}", hint=f"Known are {', '.join(one.name for one in PEERS)}."
        )
    return tuple(one for one in PEERS if one.name in asked)
