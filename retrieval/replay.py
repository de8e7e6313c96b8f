"""Search again as of an earlier search, and find out where a memory fell out of it. Nothing is written."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from itertools import pairwise
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from memory_service.storage import memories
from memory_service.storage.memories import AS_KNOWN
from memory_service.storage.sql import Row
from memory_service.types import State
from retrieval.conditions import Condition, conditions_apart
from retrieval.feed import vectors_of
from retrieval.ranking import Shown
from retrieval.recalled import Recalled
from retrieval.request import CountTokens, RecallRequest
from retrieval.reranking import RERANKER
from retrieval.results import matched_terms, with_records
from retrieval.why_not import Shortfall, shortfall, shown


class Stage(StrEnum):
    """Where a memory fell out of a search."""

    FOUND = "found"
    BELOW_TOP_K = "below_top_k"
    BUDGET = "budget"
    NOT_A_CANDIDATE = "not_a_candidate"
    FILTERED = "filtered"
    ARCHIVED = "archived"
    EXPIRED = "expired"
    NOT_YET_KNOWN = "not_yet_known"
    OTHER_NAMESPACE = "other_namespace"


@dataclass(frozen=True, slots=True)
class Budget:
    """What the results cost, and what the memory would have."""

    limit: int
    used: int
    tokens: int


@dataclass(frozen=True, slots=True)
class Fate:
    """Where a memory fell out of a search, with the evidence that there is at that stage."""

    stage: Stage
    detail: str  # one sentence for people
    version: int | None = None  # of the memory, as it was then
    rank: int | None = None
    it: Shown | None = None
    last: Shown | None = None
    shortfall: Shortfall | None = None
    excluded_by: Sequence[Condition] = ()
    budget: Budget | None = None
    cosine: float | None = None  # where it was no candidate
    matches: Sequence[str] = ()  # words of the query that it holds, where it was no candidate


def as_it_was(
    request: RecallRequest, *, namespaces: Sequence[str], languages: Sequence[str] | None, at: datetime
) -> RecallRequest:
    """Return a search as of when it was made: over the namespaces there were, with what was known then."""
    known = at if request.as_of.known is None else min(request.as_of.known, at)
    return replace(
        request,
        namespace=None,
        namespaces=tuple(namespaces),
        namespace_prefix=None,
        as_of=replace(request.as_of, known=known),
        now=request.now or request.asked.now or at,
        languages=None if languages is None else tuple(languages),
    )


def left_out(record: Row, request: RecallRequest, *, namespaces: Sequence[str]) -> Fate | None:
    """Say whether a memory was outside of what a search looked at, from its record as it is now.

    Args:
        record: the memory.
        request: the search, as it was.
        namespaces: where it looked.
    """
    known = request.as_of.known
    if known is not None and record["created_at"] > known:
        return Fate(
            Stage.NOT_YET_KNOWN,
            f"It was stored at {_moment(record['created_at'])}, after what the search could know ({_moment(known)}).",
        )
    if record["namespace"] not in namespaces:
        return Fate(
            Stage.OTHER_NAMESPACE,
            f"It lies in the namespace {record['namespace']}; the search looked into {_few(namespaces) or 'none'}.",
        )
    return None


def why_not(
    session: Session,
    tenant_id: UUID,
    request: RecallRequest,
    recalled: Recalled,
    memory_id: UUID,
    *,
    count_tokens: CountTokens,
) -> Fate:
    """Say where a memory fell out of a search.

    Args:
        session: the transaction in which the search was made again.
        tenant_id: who searches.
        request: what was asked, as it was (``as_it_was``).
        recalled: what it found.
        memory_id: a memory of the namespaces searched (``left_out``).
        count_tokens: of contents; asked only where there is a budget.
    """
    known = request.as_of.known
    assert known is not None  # a search as it was
    record = memories.get_records_as_known(session, tenant_id, [memory_id], known=known).get(memory_id)
    if record is None:
        return Fate(Stage.NOT_YET_KNOWN, f"Nothing is kept of how it stood at {_moment(known)}.")
    fate = _fate(session, tenant_id, request, recalled, record, count_tokens=count_tokens)
    return replace(fate, version=record["version"])


def _fate(
    session: Session,
    tenant_id: UUID,
    request: RecallRequest,
    recalled: Recalled,
    record: Row,
    *,
    count_tokens: CountTokens,
) -> Fate:
    # As it was ranked: what succession gave it, no channel did.
    ends = recalled.results[-1].found.id if recalled.results else None
    last = next((one for one in recalled.candidates if one.id == ends), None)
    for result in recalled.results:
        if result.found.id == record["id"]:
            return Fate(
                Stage.FOUND, f"It was found, at rank {result.rank}.", rank=result.rank, it=result.found, last=last
            )
    excluded = _state(request, record) or _conditions(session, tenant_id, request, record)
    if excluded is not None:
        return replace(excluded, last=last)
    loaded, ranked = recalled.loaded, recalled.ranked
    row = _row_of(recalled, record["id"])
    if loaded is None or ranked is None or row is None:
        return _no_candidate(session, tenant_id, recalled, record, last=last)
    if not loaded.allowed[row]:
        detail = (
            "It was looked at beside a candidate only: the search brought others that pass the filter and are nearer."
        )
        return Fate(Stage.NOT_A_CANDIDATE, detail, last=last)
    if not ranked.found[row]:
        asked = " or ".join(ranked.channels) or "that was asked"
        return Fate(Stage.NOT_A_CANDIDATE, f"No channel with weight found it: it has no score by {asked}.", last=last)
    if request.token_budget is not None:
        fate = _budget(session, tenant_id, request, recalled, record, last, count_tokens=count_tokens)
        if fate is not None:
            return fate
    return _below(request, recalled, row, last)


def _state(request: RecallRequest, record: Row) -> Fate | None:
    known = request.as_of.known
    if record["state"] in {State.ARCHIVED, State.MERGED}:
        if request.archived:
            return None
        what = "archived" if record["state"] == State.ARCHIVED else "merged into another"
        return Fate(Stage.ARCHIVED, f'It was {what} then; "include": ["archived"] brings such memories back.')
    if request.expired:
        return None
    if record["state"] == State.EXPIRED or (record["expires_at"] is not None and record["expires_at"] <= known):
        when = f" at {_moment(record['expires_at'])}" if record["expires_at"] else ""
        return Fate(Stage.EXPIRED, f"It had expired{when}.")
    return None


def _conditions(session: Session, tenant_id: UUID, request: RecallRequest, record: Row) -> Fate | None:
    """Evaluate every condition of the search by itself on the memory as it was."""
    known = request.as_of.known
    assert known is not None
    apart = conditions_apart(request, at=known)
    if not apart:
        return None
    columns = ", ".join(f"({one.sql.text}) IS TRUE" for one in apart)
    params: dict[str, Any] = {"tenant": tenant_id, "id": record["id"], "known": known}
    for one in apart:
        params |= one.sql.params
    row = session.execute(
        text(f"SELECT {columns} FROM {AS_KNOWN} m WHERE m.tenant_id = :tenant AND m.id = :id"), params
    ).one()
    failed = [one for one, holds in zip(apart, row, strict=True) if not holds]
    if not failed:
        return None
    said = "; ".join(one.text or f"a nested part of the {one.part}" for one in failed)
    return Fate(Stage.FILTERED, f"It does not satisfy what the search asked of it: {said}.", excluded_by=failed)


def _row_of(recalled: Recalled, memory_id: UUID) -> int | None:
    if recalled.loaded is None:
        return None
    ids = recalled.loaded.rows.ids
    return next((row for row, id_ in enumerate(ids) if id_ == memory_id), None)


def _no_candidate(
    session: Session,
    tenant_id: UUID,
    recalled: Recalled,
    record: Row,
    *,
    last: Shown | None,
) -> Fate:
    """Say how near a memory is that the statement of a large namespace did not bring."""
    namespace = next((n for n in recalled.namespaces if n.path == record["namespace"]), None)
    cosine = None
    vector = None if namespace is None else recalled.vectors.get(namespace.encoder_id)
    if vector is not None and namespace is not None:
        found = vectors_of(
            session, tenant_id, [namespace.id], shelf=namespace.shelf, encoder_id=namespace.encoder_id, ids=[record["id"]]
        )  # fmt: skip
        vectors = found.get((record["id"], record["content_version"]))
        cosine = None if vectors is None else float((vectors @ vector).max())
    terms = frozenset(one for term in recalled.parsed.terms for one in recalled.parsed.all_of(term))
    matches = matched_terms(record, terms)
    evidence = [] if cosine is None else [f"its cosine is {cosine:.2f}"]
    evidence.append(
        f"it holds {', '.join(matches[:6])} of the query's words" if matches else "it holds no word of the query"
    )
    detail = f"No channel chose it among {recalled.considered:,} candidates: {', and '.join(evidence)}."
    return Fate(Stage.NOT_A_CANDIDATE, detail, last=last, cosine=cosine, matches=matches)


def _budget(
    session: Session,
    tenant_id: UUID,
    request: RecallRequest,
    recalled: Recalled,
    record: Row,
    last: Shown | None,
    *,
    count_tokens: CountTokens,
) -> Fate | None:
    """Say whether a memory would be a result if the results might hold any number of tokens."""
    chosen, _ = with_records(session, tenant_id, request, recalled.candidates)
    place = next((n for n, item in enumerate(chosen[: request.top_k], start=1) if item.id == record["id"]), None)
    if place is None or request.token_budget is None:
        return None
    tokens, *used = count_tokens([record["content"], *(result.row["content"] for result in recalled.results)])
    budget = Budget(request.token_budget, sum(used), tokens)
    detail = (
        f"At place {place} its {tokens} tokens did not fit into the budget of {budget.limit}, of which the results hold "
        f"{budget.used}."
    )
    return Fate(Stage.BUDGET, detail, rank=place, it=chosen[place - 1], last=last, budget=budget)


def _below(request: RecallRequest, recalled: Recalled, row: int, last: Shown | None) -> Fate:
    ranked = recalled.ranked
    assert ranked is not None
    if last is None:
        return Fate(Stage.BELOW_TOP_K, "Nothing was returned.", it=shown(ranked, row))
    fell = shortfall(ranked, row, last, top_k=request.top_k)
    candidate = next((n for n, c in enumerate(recalled.candidates, start=1) if c.id == fell.it.id), None)
    rank = candidate or fell.it.rank
    scores = [c.score for c in recalled.candidates]
    if request.diversity > 0 or any(b > a + 1e-9 for a, b in pairwise(scores)):
        # Other memories stand where they are for another reason than their score: a weight promises nothing.
        fell = replace(fell, change=None)
    return Fate(
        Stage.BELOW_TOP_K, _told(fell, rank, request, len(recalled.results)), rank=rank, it=fell.it, last=last, shortfall=fell
    )  # fmt: skip


def _told(fell: Shortfall, rank: int, request: RecallRequest, results: int) -> str:
    if fell.missing <= 0:
        reason = "results are spread over topics or time" if rank > request.top_k else "a newer memory took its place"
        return f"It has rank {rank}, with a score of {fell.it.score:.2f} not below that of the last result: {reason}."
    said = f"It has rank {rank} with a score of {fell.it.score:.2f}; the last of {results} results has {fell.last.score:.2f}"
    if fell.dearest is not None:
        said += f", {fell.costs[fell.dearest]:.2f} more by the {_name(fell.dearest)}"
    said += f". It comes in with top_k {rank}"
    if fell.change is not None:
        said += f", or with {fell.change.factor:g} times the weight of the {fell.change.channel} channel"
    return f"{said}."


def _name(cost: str) -> str:
    return cost if cost == RERANKER else f"{cost} channel"


def _moment(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")


def _few(paths: Sequence[str]) -> str:
    return ", ".join(paths[:3]) + (f" and {len(paths) - 3:,} more" if len(paths) > 3 else "")
