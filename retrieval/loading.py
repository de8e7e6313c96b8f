"""Bring what a search ranks into memory: whole namespaces where they are small, candidates where they are not.

Three ways lead to `Rows`. What is searched as it is now and fits is *resident*: kept in memory and brought up to date. What
is searched as of an earlier moment, or with its archive, and fits together with what is archived is read whole for this one
search, so that it ranks as it would have then. Of everything larger the hybrid statement brings candidates, and the turns
around them.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import text
from sqlalchemy.orm import Session

from memory_service.storage.driver import fetch
from memory_service.storage.memories import AS_KNOWN
from memory_service.storage.sql import Sql
from retrieval.candidates import Early, keywords_asked, rows_of_candidates
from retrieval.conditions import conditions
from retrieval.place import Place
from retrieval.query import ParsedQuery
from retrieval.reading import snapshot
from retrieval.request import RecallRequest
from retrieval.resident import Look, Residents
from retrieval.rows import Rows

_READ_WHOLE: Final = 2_000  # memories that are read for a single search rather than candidates of them; about .1 s

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


def load(
    session: Session,
    place: Place,
    request: RecallRequest,
    parsed: ParsedQuery,
    *,
    residents: Residents,
    vector: NDArray[np.float32] | None,
    look: Look | None = None,
    early: Early | None = None,
) -> Loaded:
    """Load what a search ranks.

    Args:
        session: a transaction of the tenant.
        place: where to look; it names at least one namespace.
        request: what is asked.
        parsed: what was understood of it.
        residents: the namespaces that are kept in memory.
        vector: the query as float32[d], None where no channel needs it.
        look: a look at what is kept that was begun already.
        early: what `asked_early` began.
    """
    known, where = request.as_of.known, conditions(request, at=place.at(request))
    # What was asked early was asked because candidates are.
    way = CANDIDATES if early is not None else _way(session, place, request, residents)
    if way != RESIDENT and not _looks_back(request):
        # What outgrew its room: kept on, other processes would answer otherwise, and nobody would bring it up to date.
        residents.drop(place.tenant_id, place.namespaces)
    if way == CANDIDATES:
        rows, allowed = rows_of_candidates(session, place, request, parsed, vector, where, early)
        return Loaded(rows, allowed, CANDIDATES, whole=False)
    if way == RESIDENT:
        return load_resident(session, place, request, residents=residents, look=look)
    gathering = snapshot(
        session, place.tenant_id, place.namespaces, known=known, at=place.at(request),
        archived=request.archived, expired=request.expired, widths=place.widths,
    )  # fmt: skip
    rows = gathering.rows()
    allowed = np.ones(len(rows), dtype=np.bool_)
    if not request.expired:
        allowed = ~(gathering.expires_at() <= place.at(request).timestamp())
    if where.text != "true":
        allowed = allowed & _satisfying(session, place, request, where, rows)
    return Loaded(rows, allowed, SNAPSHOT, whole=True)


def load_resident(
    session: Session, place: Place, request: RecallRequest, *, residents: Residents, look: Look | None
) -> Loaded:
    """Load what `residents.admits`, which needs no vector; for the arguments see `load`."""
    where = conditions(request, at=place.at(request))
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


def asked_early(
    session: Session, place: Place, request: RecallRequest, parsed: ParsedQuery, *, residents: Residents
) -> Early | None:
    """Ask, with the next statements of the session, for what `load` will need and no vector tells; None where that is nothing."""
    if _way(session, place, request, residents) != CANDIDATES:
        return None
    return keywords_asked(session, place, request, parsed, conditions(request, at=place.at(request)))


def looked_early(session: Session, place: Place, request: RecallRequest, *, residents: Residents) -> Look | None:
    """Ask, with the next statements of the session, what was written to what is kept; None where `load` goes another way."""
    resident = not _looks_back(request) and residents.admits(place.tenant_id, place.namespaces, place.corpus.documents)
    return residents.look(session, place.tenant_id, place.namespaces) if resident else None


def _way(session: Session, place: Place, request: RecallRequest, residents: Residents) -> str:
    documents = place.corpus.documents
    if _looks_back(request):
        # Only then is a large namespace worth reading whole for one search.
        fits = documents <= residents.largest and _records_fit(session, place, _WITH_ARCHIVE * residents.largest)
        return SNAPSHOT if fits else CANDIDATES
    if residents.admits(place.tenant_id, place.namespaces, documents):
        return RESIDENT
    return SNAPSHOT if documents <= min(_READ_WHOLE, residents.largest) else CANDIDATES


def _looks_back(request: RecallRequest) -> bool:
    """Say whether a search is as of an earlier moment, or with the archive: what is kept in memory is what is live now."""
    return request.as_of.known is not None or request.archived


# Times as many as are live: what was archived since then must not send a replay another way than its search went.
_WITH_ARCHIVE: Final = 4
# As many entries of an index at most as a snapshot may have memories.
_RECORDS: Final = """
    SELECT count(*) FROM (
        SELECT FROM memory m WHERE m.tenant_id = %(tenant)s AND m.namespace_id = ANY(%(namespaces)s) LIMIT %(most)s
    ) k
"""


def _records_fit(session: Session, place: Place, most: int) -> bool:
    """Say whether namespaces have at most so many records, archived ones too: a corpus counts what is live now."""
    namespaces = [namespace.id for namespace in place.namespaces]
    params = {"tenant": place.tenant_id, "namespaces": namespaces, "most": most + 1}
    ((records,),) = fetch(session, _RECORDS, params)
    return int(records) <= most


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
