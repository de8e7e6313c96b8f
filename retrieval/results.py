"""From a ranking to results: records, succession, the budget."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from memory_service.analysis.memory_terms import language_of
from memory_service.analysis.tokens import terms as terms_of
from memory_service.storage import memories
from memory_service.storage.sql import Row
from retrieval.packing import Passage, pack
from retrieval.priors import CHANNEL_OF, SUCCESSION
from retrieval.query import ParsedQuery
from retrieval.ranking import ChannelCell, Shown
from retrieval.request import CountTokens, RecallRequest
from retrieval.rows import Rows
from retrieval.updates import DEFAULT as UPDATES
from retrieval.updates import Statement, newest_first, usual_terms


@dataclass(frozen=True, slots=True)
class Result:
    """One memory found, with its row and what each channel said."""

    found: Shown  # its place in the ranking, before succession and budget; its score with what succession gave it
    rank: int
    row: Row
    matched_terms: tuple[str, ...]


def matched_terms(row: Row, query_terms: frozenset[str]) -> tuple[str, ...]:
    """Return the query's words that stand in the memory, in the memory's own order."""
    language = language_of(row["content"], row["language"])
    found = terms_of(f"{row['speaker'] or ''} {row['title'] or ''} {row['content']}", language)
    return tuple(dict.fromkeys(t for t in found if t in query_terms))


def within_budget(
    shown: Sequence[Shown], rows: Mapping[UUID, Any], *, budget: int, count_tokens: CountTokens
) -> list[Shown]:
    """Keep the results whose contents together fit into the budget, from the best down."""
    counts = count_tokens([rows[item.id]["content"] for item in shown]) if shown else []
    passages = [Passage(item.id, "", count) for item, count in zip(shown, counts, strict=True)]
    kept = {passage.id for passage in pack(passages, budget=budget).passages}
    return [item for item in shown if item.id in kept]


def with_records(
    session: Session, tenant_id: UUID, request: RecallRequest, best: Sequence[Shown]
) -> tuple[list[Shown], Mapping[UUID, Any]]:
    """Fetch the records of the best, and put what was superseded below what superseded it.

    At least as many are returned as may hold a newer value of what is first: that is not to depend on how many are asked for.
    """
    most = max(request.top_k, UPDATES.considered)
    chosen = list(best[:most])
    rows = records_of(session, tenant_id, request, [item.id for item in chosen])
    by_id = {item.id: item for item in best}
    present = {item.id for item in chosen}
    # A successor among the candidates takes the better place of the two, even from below the cut. It may have been
    # superseded itself, so all that is left is fetched: one round trip however long the chain.
    if any(row["superseded_by"] in by_id and row["superseded_by"] not in present for row in rows.values()):
        rows |= records_of(session, tenant_id, request, [item.id for item in best if item.id not in present])
    ordered = _newer_first([i for i in chosen if i.id in rows], rows, by_id)
    return ordered[:most], rows


def newest_value_first(
    shown: Sequence[Shown], records: Mapping[UUID, Any], rows: Rows, query: ParsedQuery
) -> list[Shown]:
    """Put newer values of what the query asks for above older ones."""
    statements = [
        Statement(
            text=records[item.id]["content"],
            observed_at=float(rows.observed_at[item.row]),
            speaker=records[item.id]["speaker"] or records[item.id]["role"],
            vector=rows.vectors[item.row],
            language=records[item.id]["language"],
        )
        for item in shown
    ]
    order, _ = newest_first(query, statements, usual=usual_terms(query, rows))
    return [shown[place] for place in order]


def with_places(shown: Sequence[Shown], best: Sequence[Shown]) -> list[Shown]:
    """Give what was put above others the score of the best of them, as a signal: scores go on telling the order where they did.

    Args:
        shown: in their new order.
        best: the same and others, in their order before.
    """
    before = {item.id: place for place, item in enumerate(best)}
    if all(before[one.id] < before[next_.id] for one, next_ in pairwise(shown)):
        return list(shown)
    return [
        _lifted(item, max((o.score for o in shown[place:] if before[o.id] < before[item.id]), default=item.score))
        for place, item in enumerate(shown)
    ]


def _lifted(item: Shown, score: float) -> Shown:
    gained = score - item.score
    if gained <= 0:
        return item
    # Of one channel asked alone, everything is its own.
    name = CHANNEL_OF[SUCCESSION] if len(item.channels) != 1 else next(iter(item.channels))
    cell = item.channels.get(name, ChannelCell(None, None, 0.0, 0.0))
    cells = {**item.channels, name: replace(cell, contribution=cell.contribution + gained)}
    return replace(item, score=score, channels=cells, signals={**item.signals, SUCCESSION: gained})


def records_of(session: Session, tenant_id: UUID, request: RecallRequest, ids: Sequence[UUID]) -> dict[UUID, Any]:
    """Fetch records by id as the search knows them; what was erased is missing."""
    if not ids:
        return {}
    if request.as_of.known is not None:
        return dict(memories.get_records_as_known(session, tenant_id, ids, known=request.as_of.known))
    return dict(memories.get_records(session, tenant_id, ids))


def _newer_first(chosen: Sequence[Shown], rows: Mapping[UUID, Any], by_id: Mapping[UUID, Shown]) -> list[Shown]:
    """Move each superseded memory directly below its successor, which takes the better of their two places."""
    ordered: list[Shown] = []
    placed: set[UUID] = set()

    def place(item: Shown) -> None:
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
