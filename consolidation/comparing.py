"""Compare two encoders on one namespace: the same questions searched under both, before anything is cut over."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from consolidation.tenancy import Tenancy
from memory_service.filters import parse_filter
from memory_service.storage import reindexes, saved_queries
from memory_service.storage.namespaces import Namespace
from retrieval.loading import load
from retrieval.place import Place
from retrieval.preparing import prepare
from retrieval.ranking import best_first, rank
from retrieval.request import RecallRequest
from retrieval.resident import Residents

MOST: Final = 50  # questions of each kind, the newest
DEPTH: Final = 10
RESIDENT_BYTES: Final = 256 << 20  # for each of the two
RESIDENT_LARGEST: Final = 10_000  # memories; of a larger namespace candidates are ranked, as in a search

EncodeUnder = Callable[[int, str], NDArray[np.float32]]


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two: an encoder, and the shelf on which its vectors of the namespace lie."""

    encoder_id: int
    shelf: int


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked, and what a good answer holds where that is known."""

    query: str
    relevant: frozenset[UUID] = frozenset()
    filter: Any = None


def compare(
    tenancy: Tenancy, namespace: Namespace, old: Side, new: Side, *, encode: EncodeUnder, go_on: Callable[[], bool]
) -> dict[str, float | int | None] | None:
    """Search the saved and the recent questions of a namespace under both; None when it was to stop.

    Returns:
        How many questions there were, how much of the first ten both share on average, and recall@10 of the saved ones under
        either, each null where there is nothing to measure it by.
    """
    now = tenancy.clock()
    questions = _questions(tenancy, namespace)
    kept = [Residents(limit_bytes=RESIDENT_BYTES, largest=RESIDENT_LARGEST) for _ in (old, new)]
    overlaps: list[float] = []
    recalls: list[tuple[float, float]] = []
    for question in questions:
        if not go_on():
            return None
        before, after = (
            _first(tenancy, namespace, side, question, encode=encode, residents=residents, now=now)
            for side, residents in zip((old, new), kept, strict=True)
        )
        if before or after:
            overlaps.append(len(before & after) / max(len(before), len(after)))
        if question.relevant:
            shares = [len(found & question.relevant) / len(question.relevant) for found in (before, after)]
            recalls.append((shares[0], shares[1]))
    return {
        "queries": len(questions),
        "judged": len(recalls),
        "overlap_at_10": _mean(overlaps),
        "recall_before": _mean([one for one, _ in recalls]),
        "recall_after": _mean([one for _, one in recalls]),
    }


def _questions(tenancy: Tenancy, namespace: Namespace) -> list[Question]:
    with tenancy.open() as session:
        saved = saved_queries.list_saved_queries(session, tenancy.tenant_id, namespace_id=namespace.id, limit=MOST)
        recent = reindexes.recent_queries(session, tenancy.tenant_id, namespace.path, limit=MOST)
    judged = [Question(row["query"], frozenset(row["relevant"]), row["filter"]) for row in saved]
    known = {one.query for one in judged}
    return [*judged, *(Question(query) for query in recent if query not in known)]


def _first(
    tenancy: Tenancy,
    namespace: Namespace,
    side: Side,
    question: Question,
    *,
    encode: EncodeUnder,
    residents: Residents,
    now: datetime,
) -> frozenset[UUID]:
    """Return the first ten memories that a search under one encoder ranks; no connection is held while it encodes."""
    where = parse_filter(question.filter) if question.filter is not None else None
    request = RecallRequest(query=question.query, namespace=namespace.path, filter=where)
    with tenancy.open() as session:
        prepared = prepare(session, tenancy.tenant_id, request, now=now)
    vector = encode(side.encoder_id, prepared.parsed.spoken)
    under = tuple(replace(one, encoder_id=side.encoder_id, shelf=side.shelf) for one in prepared.corpus.namespaces)
    corpus = replace(prepared.corpus, namespaces=under)
    with tenancy.open() as session:
        place = Place(tenancy.tenant_id, under, corpus, now)
        loaded = load(session, place, request, prepared.parsed, residents=residents, vector=vector)
    ranked = rank(loaded.rows, prepared.parsed, vector=vector, allowed=loaded.allowed, learned=corpus.factors)
    return frozenset(
        ranked.ids[row] for row in best_first(ranked.score, ranked.found, ranked.ids, limit=DEPTH).tolist()
    )


def _mean(values: Sequence[float]) -> float | None:
    return round(float(np.mean(values)), 4) if values else None
