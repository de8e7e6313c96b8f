"""Bring what a search ranks into memory: whole namespaces where they are small, candidates where they are not.

Three ways lead to `Rows`. What is searched as it is now and fits is *resident*: kept in memory and brought up to date. What
is searched as of an earlier moment, or with its archive, and fits is read whole for this one search, so that it ranks as
it would have then. Of everything larger the hybrid statement brings candidates, and the turns around them.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import pairwise
from typing import Final
from uuid import UUID

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import text
from sqlalchemy.orm import Session

from memory_service.storage.memories import AS_KNOWN
from memory_service.storage.namespaces import Namespace
from memory_service.storage.neighbours import runs_around
from memory_service.storage.sql import Sql
from retrieval.bm25 import FEWEST_DOCUMENTS
from retrieval.conditions import conditions
from retrieval.corpus import Corpus
from retrieval.encoders import Widths, part_of
from retrieval.keyword_plan import KeywordQuery, plan_keywords
from retrieval.query import ParsedQuery
from retrieval.reading import gathered, snapshot
from retrieval.request import PRESETS, RecallRequest
from retrieval.resident import Look, Residents
from retrieval.rows import NONE, Rows
from retrieval.statements import Candidates, Scope, find_candidates

_READ_WHOLE: Final = 2_000  # memories that are read for a single search rather than candidates of them; about .1 s
_AROUND: Final = 2  # turns on each side of a candidate that are ranked with it

RESIDENT: Final = "resident"
SNAPSHOT: Final = "snapshot"
CANDIDATES: Final = "candidates"


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a search ranks."""

    rows: Rows
    allowed: NDArray[np.bool_]  # (n,) which rows may be results; the others are their surroundings
    way: str  # how the rows came here: resident, snapshot or candidates
    whole: bool  # the rows are all there is, so that what is not among them does not exist


@dataclass(frozen=True, slots=True)
class Place:
    """Where a search looks, and as of when."""

    tenant_id: UUID
    namespaces: tuple[Namespace, ...]
    corpus: Corpus
    now: datetime
    widths: Widths = field(default_factory=dict)  # dimensions by encoder, where the query has vectors of several

    def at(self, request: RecallRequest) -> datetime:
        """Return the moment of knowledge: the one asked for, or the present."""
        return request.as_of.known or self.now


def load(
    session: Session,
    place: Place,
    request: RecallRequest,
    parsed: ParsedQuery,
    *,
    residents: Residents,
    vector: NDArray[np.float32] | None,
    look: Look | None = None,
) -> Loaded:
    """Load what a search ranks; `place` names at least one namespace, of which there may have been a look already."""
    known, documents = request.as_of.known, place.corpus.documents
    where = conditions(request, at=place.at(request))
    if known is None and not request.archived and residents.admits(place.tenant_id, place.namespaces, documents):
        view = residents.view(session, place.tenant_id, place.namespaces, now=place.now.timestamp(), look=look)
        allowed = view.live
        if where.text != "true":
            asked = f"{where.text} {sorted(where.params.items())}"
            known_to = view.satisfying.get(asked)
            if known_to is None:
                known_to = _satisfying(session, place, request, where, view.rows)
                view.satisfying.keep(asked, known_to)
            allowed = allowed & known_to
        return Loaded(view.rows, allowed, RESIDENT, whole=True)
    # Only as of an earlier moment, or with the archive, is a large namespace worth reading whole for one search.
    earlier = known is not None or request.archived
    if documents <= (residents.largest if earlier else min(_READ_WHOLE, residents.largest)):
        gathering = snapshot(
            session, place.tenant_id, place.namespaces, known=known, at=place.at(request),
            archived=request.archived, widths=place.widths,
        )  # fmt: skip
        rows = gathering.rows()
        allowed = np.ones(len(rows), dtype=np.bool_)
        if not request.archived:
            allowed = ~(gathering.expires_at() <= place.at(request).timestamp())
        if where.text != "true":
            allowed = allowed & _satisfying(session, place, request, where, rows)
        return Loaded(rows, allowed, SNAPSHOT, whole=True)
    return _from_candidates(session, place, request, parsed, vector, where)


def _satisfying(session: Session, place: Place, request: RecallRequest, where: Sql, rows: Rows) -> NDArray[np.bool_]:
    """Say which rows satisfy a condition on their records: (n,)."""
    records = "memory" if request.as_of.known is None else AS_KNOWN
    found = session.execute(
        text(
            f"SELECT m.id FROM {records} m WHERE m.tenant_id = :tenant "
            f"AND m.namespace_id = ANY(CAST(:namespaces AS uuid[])) AND ({where.text})"
        ),
        {
            "tenant": place.tenant_id,
            "namespaces": [namespace.id for namespace in place.namespaces],
            "known": place.at(request),
            **where.params,
        },
    )
    places = rows.once("places", lambda: {id_: place for place, id_ in enumerate(rows.ids)})
    satisfying = np.zeros(len(rows), dtype=np.bool_)
    satisfying[[places[row.id] for row in found if row.id in places]] = True
    return satisfying


def _from_candidates(
    session: Session,
    place: Place,
    request: RecallRequest,
    parsed: ParsedQuery,
    vector: NDArray[np.float32] | None,
    where: Sql,
) -> Loaded:
    """Rank what the hybrid statement brings, with the turns around it."""
    at = place.at(request)
    keyword = keyword_query(parsed, place.corpus)
    ids: list[UUID] = []
    frequency: Counter[str] = Counter()
    # One statement per shelf: large namespaces have one of their own.
    for (shelf, encoder_id), namespaces in _by_shelf(place.namespaces).items():
        scope = Scope(
            tenant_id=place.tenant_id,
            namespace_ids=tuple(namespace.id for namespace in namespaces),
            shelf=shelf,
            encoder_id=encoder_id,
            at=at,
            as_known=request.as_of.known is not None,
            archived=request.archived,
            where=where,
        )
        part = None if vector is None else part_of(vector, encoder_id, place.widths)
        found = _candidates(session, scope, request, keyword, part)
        ids += found.ids
        # Common terms come with their count over all namespaces, rarer ones as each statement counted them.
        rare = set(keyword.rare) if keyword is not None else set()
        for term, count in found.document_frequency.items():
            frequency[term] = frequency[term] + count if term in rare else count
    runs = runs_around(session, place.tenant_id, ids, distance=_AROUND, at=at, known=request.as_of.known)
    around = [one for run in runs for one in run]
    gathering = gathered(
        session,
        place.tenant_id,
        place.namespaces,
        list(dict.fromkeys([*ids, *around])),
        known=request.as_of.known,
        at=at,
        archived=request.archived,
        terms=[one for term in parsed.terms for one in parsed.all_of(term)],
        widths=place.widths,
    )
    rows = gathering.rows(documents=place.corpus.documents, document_frequency=frequency)
    rows = _with_neighbours(rows, runs)
    chosen = set(ids)
    allowed = np.fromiter((id_ in chosen for id_ in rows.ids), dtype=np.bool_, count=len(rows))
    if where.text == "true":
        # The surroundings may be results, too: a turn beside the best is often the answer.
        allowed[:] = True
    return Loaded(rows, allowed, CANDIDATES, whole=False)


def _with_neighbours(rows: Rows, runs: Sequence[Sequence[UUID]]) -> Rows:
    """Return the rows with the neighbours that runs name: two candidates of one session need not stand side by side."""
    place = {memory_id: row for row, memory_id in enumerate(rows.ids)}
    previous, following = np.full(len(rows), NONE, np.int32), np.full(len(rows), NONE, np.int32)
    for before, after in (pair for run in runs for pair in pairwise(run)):
        if before in place and after in place:
            previous[place[after]] = place[before]
            following[place[before]] = place[after]
    return replace(rows, previous=previous, following=following)


def _by_shelf(namespaces: Sequence[Namespace]) -> dict[tuple[int, int], list[Namespace]]:
    groups: dict[tuple[int, int], list[Namespace]] = {}
    for namespace in namespaces:
        groups.setdefault((namespace.shelf, namespace.encoder_id), []).append(namespace)
    return groups


def _candidates(
    session: Session,
    scope: Scope,
    request: RecallRequest,
    keyword: KeywordQuery | None,
    vector: NDArray[np.float32] | None,
) -> Candidates:
    if vector is None and keyword is None:
        return Candidates([], None, None, {}, exhausted=True)
    wanted = max(PRESETS[request.preset], 2 * request.top_k)
    found = find_candidates(session, scope, vector=vector, keyword=keyword, per_channel=wanted, scored=False)
    # Long texts have many chunks near the query; take more rows until enough different memories are among them.
    while vector is not None and not found.exhausted and len(found.ids) < request.top_k:
        wanted *= 4
        found = find_candidates(session, scope, vector=vector, keyword=keyword, per_channel=wanted, scored=False)
    return found


def keyword_query(parsed: ParsedQuery, corpus: Corpus) -> KeywordQuery | None:
    """Split the terms of the query into those that choose candidates and those that only add."""
    return plan_keywords(
        parsed.terms,
        documents=max(FEWEST_DOCUMENTS, corpus.documents),
        common=corpus.common,
        alternatives=parsed.alternatives,
    )
