"""Read what the structure steps need: sessions to cut, memories without a topic, what names what, what to quote."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import text
from sqlalchemy.orm import Session as Transaction

from consolidation.planning import Change, Join, Part, Supersede
from consolidation.structure.communities import Association
from consolidation.structure.episodes import Session, SessionKey, Turn
from consolidation.structure.gist import Source, Written
from consolidation.structure.profiles import Happening
from consolidation.structure.topics import TopicRow
from memory_service.storage import structure
from memory_service.storage.namespaces import Namespace
from retrieval.feed import vectors_of

_SESSIONS_TOGETHER: Final = 500
_SOURCES_TOGETHER: Final = 5_000
_VECTORS_TOGETHER: Final = 10_000

Vector = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a step works: one namespace, as of now, without the memories that earlier steps of the run take away.

    Every question is a short transaction of its own: deciding takes minutes where there is much, and the database ends a
    transaction that is idle for one.
    """

    open: Callable[[], AbstractContextManager[Transaction]]
    tenant_id: UUID
    namespace: Namespace
    now: datetime
    leaving: frozenset[UUID] = frozenset()
    planned: Sequence[
        Change
    ] = ()  # what earlier steps of the run want to change: links that come and go, validity that ends

    @property
    def ending(self) -> dict[UUID, datetime]:
        """When what earlier steps of the run supersede ceases to hold."""
        return {change.old.id: change.valid_from for change in self.planned if isinstance(change, Supersede)}

    def all(self, statement: str, **params: Any) -> Sequence[Any]:
        """Run a statement with this place's parameters."""
        fixed = {
            "tenant": self.tenant_id, "namespace": self.namespace.id, "now": self.now, "leaving": sorted(self.leaving),
        }  # fmt: skip
        with self.open() as transaction:
            return transaction.execute(text(statement), {**fixed, **params}).all()


def sessions_to_cut(place: Place) -> Iterator[Session]:
    """Give the sessions whose live turns are not those of their episodes, with the vectors of their turns, a few at a time."""
    keys = [SessionKey(row.session_id, row.user_id, row.agent_id) for row in place.all(_CHANGED_SESSIONS)]
    for start in range(0, len(keys), _SESSIONS_TOGETHER):
        some = keys[start : start + _SESSIONS_TOGETHER]
        wanted = {
            "sessions": [key.session_id for key in some],
            "users": [key.user_id for key in some],
            "agents": [key.agent_id for key in some],
        }
        turns: dict[SessionKey, list[Turn]] = {key: [] for key in some}
        versions: dict[UUID, int] = {}
        for row in place.all(_TURNS, **wanted):
            turns[SessionKey(row.session_id, row.user_id, row.agent_id)].append(Turn(row.id, row.observed_at))
            versions[row.id] = row.content_version
        vectors = mean_vectors(place, versions)
        episodes: dict[SessionKey, dict[UUID, Sequence[UUID]]] = {}
        condition = f"t.namespace_id = :namespace AND {_IN_SESSIONS.format('t')}"
        params = {"namespace": place.namespace.id, **wanted}
        with place.open() as transaction:
            found = structure.live_where(transaction, place.tenant_id, "episode", condition, params)
        for id, values in found.items():
            key = SessionKey(values["session_id"], values["user_id"], values["agent_id"])
            episodes.setdefault(key, {})[id] = values["members"]
        for key in some:
            known = [turn for turn in turns[key] if turn.id in vectors]
            matrix = np.array([vectors[turn.id] for turn in known], np.float32)
            yield Session(key, known, matrix, episodes.get(key, {}))


def topic_rows(place: Place) -> list[TopicRow]:
    """Return the live topics of the namespace."""
    with place.open() as transaction:
        found = structure.live_in(transaction, place.tenant_id, "topic", place.namespace.id)
    return [
        TopicRow(id, values["parent_id"], values["level"], values["centroid"], values["members"])
        for id, values in found.items()
    ]


def without_topic(place: Place) -> dict[UUID, int]:
    """Return the live memories that have no topic, with the version of their content."""
    return {row.id: row.content_version for row in place.all(_WITHOUT_TOPIC)}


def gone_from_topics(place: Place) -> list[UUID]:
    """Return the members of topics that are no longer live."""
    return [row.memory_id for row in place.all(_NOT_LIVE_MEMBERS, structure="topic")]


def versions_of(place: Place, ids: Collection[UUID]) -> dict[UUID, int]:
    """Return the version of the content of memories."""
    return {row.id: row.content_version for row in place.all(_VERSIONS, ids=sorted(ids))}


def standing(place: Place, ids: Collection[UUID]) -> dict[UUID, int]:
    """Return the version of the content of those of the memories whose texts still stand."""
    ended = {id for id, at in place.ending.items() if at <= place.now}
    wanted = sorted(set(ids) - place.leaving - ended)
    if not wanted:
        return {}
    with place.open() as transaction:
        return structure.standing_versions(transaction, place.tenant_id, wanted, now=place.now)


def mean_vectors(place: Place, versions: Mapping[UUID, int]) -> dict[UUID, Vector]:
    """Return the normalised mean of the chunks of memories in these versions, of those that have vectors."""
    if not versions:
        return {}
    found = {}
    ids = sorted(versions)
    for start in range(0, len(ids), _VECTORS_TOGETHER):
        some = ids[start : start + _VECTORS_TOGETHER]
        with place.open() as transaction:
            chunks = vectors_of(
                transaction, place.tenant_id, [place.namespace.id], shelf=place.namespace.shelf,
                encoder_id=place.namespace.encoder_id, ids=some,
            )  # fmt: skip
        for id in some:
            mine = chunks.get((id, versions[id]))
            if mine is not None:
                mean = mine.mean(axis=0)
                norm = float(np.linalg.norm(mean))
                found[id] = (mean / norm if norm > 0 else mean).astype(np.float32)
    return found


def sources(place: Place, ids: Collection[UUID]) -> dict[UUID, Source]:
    """Return memories as gists quote them, those that are live and have vectors."""
    found: dict[UUID, Source] = {}
    wanted = sorted(set(ids) - place.leaving)
    for start in range(0, len(wanted), _SOURCES_TOGETHER):
        rows = place.all(_SOURCES, ids=wanted[start : start + _SOURCES_TOGETHER])
        vectors = mean_vectors(place, {row.id: row.content_version for row in rows})
        for row in rows:
            if row.id in vectors:
                found[row.id] = Source(
                    row.id, row.content_version, row.content, vectors[row.id], tuple(row.keywords), row.language,
                    speaker=row.speaker, role=row.role, observed_at=row.observed_at,
                )  # fmt: skip
    return found


def written_gists(place: Place, kind: str) -> dict[UUID, Written]:
    """Return the present gists of one structure in the namespace, by what they are gists of."""
    condition = "t.namespace_id = :namespace AND t.target_structure = :kind"
    params = {"namespace": place.namespace.id, "kind": kind}
    with place.open() as transaction:
        found = structure.live_where(transaction, place.tenant_id, "gist", condition, params)
    return {
        values["target_id"]: Written(id, values["text"], spans_of(values["spans"]), values["method"])
        for id, values in found.items()
    }


def spans_of(stored: Sequence[Sequence[Any]]) -> tuple[tuple[UUID, int, int, int], ...]:
    """Return spans as they are planned."""
    return tuple((UUID(id), version, start, end) for id, version, start, end in stored)


def outdated_targets(place: Place, kind: str) -> dict[UUID, list[UUID]]:
    """Return the live rows of a structure without a gist, or with one that quotes a text that has changed; by their members."""
    ids = [row.id for row in place.all(_OUTDATED.format(table=structure.TABLES[kind].name))]
    with place.open() as transaction:
        return structure.members_of(transaction, place.tenant_id, ids)


def associations(place: Place) -> tuple[list[Association], list[Association], int]:
    """Return which live memories name which entities, which are linked, and how many there are."""
    mentions = [Association(row.memory_id, row.entity_id) for row in place.all(_MENTIONS)]
    parted = {change.link_id for change in place.planned if isinstance(change, Part)}
    links = [Association(row.source_id, row.target_id, row.weight) for row in place.all(_LINKS) if row.id not in parted]
    links += [
        Association(change.source, change.target, change.weight) for change in place.planned if isinstance(change, Join)
    ]
    return mentions, links, place.all(_COUNT)[0].n


def communities(place: Place) -> dict[UUID, Sequence[UUID]]:
    """Return the members of the present communities."""
    with place.open() as transaction:
        found = structure.live_in(transaction, place.tenant_id, "community", place.namespace.id)
    return {id: values["members"] for id, values in found.items()}


def happenings(place: Place, *, latest: int) -> dict[str, list[Happening]]:
    """Return the latest episodes of every user that have a gist."""
    found: dict[str, list[Happening]] = {}
    for row in place.all(_HAPPENINGS, latest=latest):
        found.setdefault(row.user_id, []).append(Happening(row.id, row.ends, row.text, spans_of(row.spans)))
    return found


def statements(place: Place) -> Iterator[Any]:
    """Give the live memories of users, their texts with what rules need to read them, user by user."""
    after: tuple[str, UUID] = ("", UUID(int=0))
    while True:
        rows = place.all(_STATEMENTS, user=after[0], after=after[1], most=_SOURCES_TOGETHER)
        yield from rows
        if len(rows) < _SOURCES_TOGETHER:
            return
        after = (rows[-1].user_id, rows[-1].id)


def profiles(place: Place) -> dict[str, tuple[UUID, list[dict[str, Any]]]]:
    """Return id and lines of the present profiles, by user."""
    with place.open() as transaction:
        found = structure.live_in(transaction, place.tenant_id, "profile", place.namespace.id)
    return {values["user_id"]: (id, values["lines"]) for id, values in found.items()}


_LIVE: Final = (
    "m.archived_at IS NULL AND (m.expires_at IS NULL OR m.expires_at > :now) AND m.extract <> 'none' "
    "AND NOT m.id = ANY(CAST(:leaving AS uuid[]))"
)
_MEMBER: Final = (
    "SELECT FROM structure_member s WHERE s.tenant_id = :tenant AND s.memory_id = m.id AND s.structure = '{}' "
    "AND s.known_to = 'infinity'"
)
_CHANGED_SESSIONS: Final = f"""
    SELECT DISTINCT m.session_id, m.user_id, m.agent_id FROM memory m
    WHERE m.tenant_id = :tenant AND m.namespace_id = :namespace AND m.session_id IS NOT NULL
    AND ({_LIVE}) <> EXISTS ({_MEMBER.format("episode")})
    ORDER BY m.session_id, m.user_id, m.agent_id
"""
_IN_SESSIONS: Final = (
    "EXISTS (SELECT FROM unnest(CAST(:sessions AS text[]), CAST(:users AS text[]), CAST(:agents AS text[])) AS k (s, u, a) "
    "WHERE k.s = {0}.session_id AND k.u IS NOT DISTINCT FROM {0}.user_id AND k.a IS NOT DISTINCT FROM {0}.agent_id)"
)
_TURNS: Final = f"""
    SELECT m.id, m.session_id, m.user_id, m.agent_id, m.observed_at, m.content_version FROM memory m
    WHERE m.tenant_id = :tenant AND m.namespace_id = :namespace AND m.session_id = ANY(CAST(:sessions AS text[]))
    AND {_IN_SESSIONS.format("m")} AND {_LIVE} ORDER BY m.observed_at, m.id
"""
_WITHOUT_TOPIC: Final = f"""
    SELECT m.id, m.content_version FROM memory m
    WHERE m.tenant_id = :tenant AND m.namespace_id = :namespace AND {_LIVE} AND NOT EXISTS ({_MEMBER.format("topic")})
    ORDER BY m.id
"""
_NOT_LIVE_MEMBERS: Final = f"""
    SELECT s.memory_id FROM structure_member s JOIN memory m ON m.tenant_id = :tenant AND m.id = s.memory_id
    WHERE s.tenant_id = :tenant AND s.namespace_id = :namespace AND s.structure = :structure AND s.known_to = 'infinity'
    AND NOT ({_LIVE}) ORDER BY s.memory_id
"""
_VERSIONS: Final = "SELECT id, content_version FROM memory WHERE tenant_id = :tenant AND id = ANY(CAST(:ids AS uuid[]))"
_SOURCES: Final = f"""
    SELECT m.id, m.content_version, m.content, m.keywords, m.language, m.speaker, m.role, m.observed_at FROM memory m
    WHERE m.tenant_id = :tenant AND m.id = ANY(CAST(:ids AS uuid[])) AND {_LIVE} ORDER BY m.observed_at, m.id
"""
_OUTDATED: Final = """
    SELECT t.id FROM {table} t
    LEFT JOIN gist g ON g.tenant_id = :tenant AND g.target_id = t.id AND g.known_to = 'infinity'
    WHERE t.tenant_id = :tenant AND t.namespace_id = :namespace AND t.known_to = 'infinity'
    AND (g.id IS NULL OR EXISTS (SELECT FROM structure_member s JOIN memory m ON m.tenant_id = :tenant AND m.id = s.memory_id
        WHERE s.tenant_id = :tenant AND s.structure_id = g.id AND s.known_to = 'infinity'
        AND (m.updated_at > g.known_from OR m.archived_at > g.known_from)))
    ORDER BY t.id
"""
_COUNT: Final = f"""
    SELECT count(*) AS n FROM memory m WHERE m.tenant_id = :tenant AND m.namespace_id = :namespace AND {_LIVE}
"""
_MENTIONS: Final = f"""
    SELECT x.memory_id, x.entity_id FROM mention x JOIN memory m ON m.tenant_id = :tenant AND m.id = x.memory_id
    WHERE x.tenant_id = :tenant AND x.namespace_id = :namespace AND m.namespace_id = :namespace
    AND x.known_to = 'infinity' AND {_LIVE}
"""
_LINKS: Final = f"""
    SELECT l.id, l.source_id, l.target_id, l.weight FROM link l
    JOIN memory m ON m.tenant_id = :tenant AND m.id = l.source_id
    JOIN memory o ON o.tenant_id = :tenant AND o.id = l.target_id
    WHERE l.tenant_id = :tenant AND l.namespace_id = :namespace AND l.known_to = 'infinity'
    AND {_LIVE} AND {_LIVE.replace("m.", "o.")}
"""
_HAPPENINGS: Final = """
    SELECT * FROM (
        SELECT e.id, e.user_id, e.ends, g.text, g.spans,
            row_number() OVER (PARTITION BY e.user_id ORDER BY e.ends DESC, e.id DESC) AS place
        FROM episode e JOIN gist g ON g.tenant_id = :tenant AND g.target_id = e.id AND g.known_to = 'infinity'
        WHERE e.tenant_id = :tenant AND e.namespace_id = :namespace AND e.known_to = 'infinity' AND e.user_id IS NOT NULL
    ) x WHERE place <= :latest ORDER BY user_id, ends, id
"""
_STATEMENTS: Final = f"""
    SELECT m.id, m.user_id, m.content, m.content_version, m.speaker, m.role, m.language, m.observed_at, m.valid_to
    FROM memory m
    WHERE m.tenant_id = :tenant AND m.namespace_id = :namespace AND m.user_id IS NOT NULL AND {_LIVE}
    AND (m.user_id, m.id) > (:user, CAST(:after AS uuid)) ORDER BY m.user_id, m.id LIMIT :most
"""
