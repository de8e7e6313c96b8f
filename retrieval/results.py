"""From a ranking to results: diversity, records, succession, the budget."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping
from sqlalchemy.orm import Session

from memory_service.analysis.tokens import terms as terms_of
from memory_service.storage import memories
from retrieval.diversity import mmr
from retrieval.fusion import FusedResult
from retrieval.packing import Passage, pack
from retrieval.request import CountTokens, RecallRequest
from retrieval.statements import Scope, vectors_of


@dataclass(frozen=True, slots=True)
class Result:
    """One memory found, with its row and what each channel said."""

    fused: FusedResult[UUID]
    rank: int
    row: RowMapping
    matched_terms: tuple[str, ...]


def matched_terms(row: RowMapping, query_terms: frozenset[str]) -> tuple[str, ...]:
    """Return the query's words that stand in the memory, in the memory's own order."""
    found = terms_of(f"{row['speaker'] or ''} {row['title'] or ''} {row['content']}")
    return tuple(dict.fromkeys(t for t in found if t in query_terms))


def diverse(
    session: Session, scope: Scope, fused: Sequence[FusedResult[UUID]], *, diversity: float
) -> list[FusedResult[UUID]]:
    """Reorder the best by maximal marginal relevance; those without a vector keep their place at the end."""
    vectors = vectors_of(session, scope, [item.id for item in fused])
    with_vector = [item for item in fused if item.id in vectors]
    order = mmr([item.score for item in with_vector], [vectors[item.id] for item in with_vector], diversity=diversity)
    return [with_vector[place] for place in order] + [item for item in fused if item.id not in vectors]


def within_budget(
    shown: Sequence[FusedResult[UUID]], rows: Mapping[UUID, Any], *, budget: int, count_tokens: CountTokens
) -> list[FusedResult[UUID]]:
    """Keep the results whose contents together fit into the budget, from the best down."""
    counts = count_tokens([rows[item.id]["content"] for item in shown]) if shown else []
    passages = [Passage(item.id, "", count) for item, count in zip(shown, counts, strict=True)]
    kept = {passage.id for passage in pack(passages, budget=budget).passages}
    return [item for item in shown if item.id in kept]


def with_records(
    session: Session, scope: Scope | None, request: RecallRequest, fused: Sequence[FusedResult[UUID]]
) -> tuple[list[FusedResult[UUID]], Mapping[UUID, Any]]:
    """Fetch the records of the best, and put what was superseded below what superseded it."""
    chosen = list(fused[: request.top_k])
    if scope is None:
        return [], {}
    tenant_id = scope.tenant_id
    rows = _fetch(session, tenant_id, request, [item.id for item in chosen])
    by_id = {item.id: item for item in fused}
    present = {item.id for item in chosen}
    # A successor among the candidates takes the better place of the two, even from below the cut. It may have been
    # superseded itself, so all that is left is fetched: one round trip however long the chain.
    if any(row["superseded_by"] in by_id and row["superseded_by"] not in present for row in rows.values()):
        rows |= _fetch(session, tenant_id, request, [item.id for item in fused if item.id not in present])
    ordered = _newer_first([i for i in chosen if i.id in rows], rows, by_id)
    return ordered[: request.top_k], rows


def _fetch(session: Session, tenant_id: UUID, request: RecallRequest, ids: Sequence[UUID]) -> dict[UUID, Any]:
    if not ids:
        return {}
    if request.as_of.known is not None:
        return dict(memories.get_records_as_known(session, tenant_id, ids, known=request.as_of.known))
    return dict(memories.get_records(session, tenant_id, ids))


def _newer_first(
    chosen: Sequence[FusedResult[UUID]], rows: Mapping[UUID, Any], by_id: Mapping[UUID, FusedResult[UUID]]
) -> list[FusedResult[UUID]]:
    """Move each superseded memory directly below its successor, which takes the better of their two places."""
    ordered: list[FusedResult[UUID]] = []
    placed: set[UUID] = set()

    def place(item: FusedResult[UUID]) -> None:
        if item.id in placed:
            return
        placed.add(item.id)
        successor = rows[item.id]["superseded_by"]
        if successor in by_id and successor in rows:
            place(by_id[successor])
        ordered.append(item)

    for item in chosen:
        place(item)
    return ordered
