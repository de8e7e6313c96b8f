"""What a search must know of its namespaces before it encodes the query."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cache
from typing import Any, Final, NamedTuple
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from memory_service.analysis.language import guess
from memory_service.analysis.term_groups import in_order, query_terms
from memory_service.analysis.tokens import TERMS_VERSION, UNKNOWN_LANGUAGE
from memory_service.storage.driver import Question, in_driver_words, later
from memory_service.storage.memories import AS_KNOWN
from memory_service.storage.namespaces import Namespace
from retrieval.bearers import Said, meant_by
from retrieval.fusion_policy import NONE as NO_POLICY
from retrieval.fusion_policy import FusionPolicy, read_fusion
from retrieval.parties import NAMES, alike


@dataclass(frozen=True, slots=True)
class Corpus:
    """What a search must know of its namespaces before it encodes the query."""

    namespaces: tuple[Namespace, ...]
    documents: int
    speakers: tuple[str, ...]
    languages: tuple[str, ...]  # by whose rules the memories are cut into terms
    common: dict[str, int]  # document frequencies of the query's common terms
    factors: dict[str, float] = field(
        default_factory=dict
    )  # learned, on the channels; only where one namespace is asked
    fusion: FusionPolicy = NO_POLICY  # of the namespace, likewise


MOST_SPEAKERS = 200
_LATEST = datetime(9999, 1, 1, tzinfo=UTC)  # what is in force now is so until further notice

# One round trip: which of the namespaces exist, how many documents they hold, who speaks, which terms are common.
_CORPUS_SQL: Final = """
    WITH n AS MATERIALIZED (
        SELECT id, path, settings, encoder_id, shelf, folded_docs, languages, terms_version,
            CAST(retention_policy AS text) AS retention_policy FROM namespace
        WHERE tenant_id = :tenant AND path = ANY(CAST(:paths AS text[]))
    ),
    stat AS (
        SELECT s.term, sum(s.df) AS df FROM n JOIN term_stat s ON s.tenant_id = :tenant AND s.namespace_id = n.id
        WHERE s.term = ANY(CAST(:terms AS text[])) GROUP BY s.term
    )
    SELECT
        (SELECT jsonb_agg(to_jsonb(n)) FROM n) AS namespaces,
        (SELECT coalesce(sum(folded_docs), 0) FROM n)
        + (SELECT coalesce(sum(d.docs), 0) FROM n JOIN corpus_delta d ON d.tenant_id = :tenant AND d.namespace_id = n.id)
            AS documents,
        ARRAY(SELECT DISTINCT s.name FROM n JOIN speaker s ON s.tenant_id = :tenant AND s.namespace_id = n.id
              ORDER BY s.name LIMIT :speakers) AS speakers,
        (SELECT jsonb_object_agg(term, df) FROM stat) AS common,
        -- Nobody has judged a ranking over several namespaces.
        CASE WHEN (SELECT count(*) FROM n) = 1 THEN (
            SELECT w.factors FROM fusion_weights w WHERE w.tenant_id = :tenant AND w.namespace_id = (SELECT id FROM n)
            AND w.known_from <= :at AND w.known_to > :at) END AS factors,
        -- Nor can two that say different things both have their way.
        CASE WHEN (SELECT count(*) FROM n) = 1 THEN (
            SELECT p.body FROM policy p WHERE p.tenant_id = :tenant AND p.namespace_id = (SELECT id FROM n)
            AND p.kind = 'fusion' AND p.known_from <= :at AND p.known_to > :at) END AS fusion
"""
_CORPUS: Final = text(_CORPUS_SQL)
_CORPUS_OF_DRIVER: Final = in_driver_words(_CORPUS_SQL)


# A query is cut by the rules of the languages that are there, which only this statement tells; the terms that it is asked for
# are a guess. Where the guess was short, the frequencies are asked for once more.
_COMMON = text(
    """
    SELECT term, sum(df) AS df FROM term_stat
    WHERE tenant_id = :tenant AND namespace_id = ANY(CAST(:namespaces AS uuid[])) AND term = ANY(CAST(:terms AS text[]))
    GROUP BY term
    """
)


# Who had spoken by a moment: nobody's name is kept for this, so that erasure leaves none behind.
_SPEAKERS_KNOWN = text(
    """
    SELECT DISTINCT speaker FROM memory WHERE tenant_id = :tenant AND namespace_id = ANY(CAST(:namespaces AS uuid[]))
        AND speaker IS NOT NULL AND created_at <= :known
    ORDER BY speaker LIMIT :speakers
    """
)


def describe_corpus(
    session: Session,
    tenant_id: UUID,
    paths: Sequence[str],
    query: str,
    *,
    at: datetime | None = None,
    languages: tuple[str, ...] | None = None,
) -> Corpus:
    """Return what there is under the paths, those that exist in the order asked, and what is common of the query there.

    One round trip, where the query is in English or says itself in which language it is; else two. As of an earlier moment
    those speak who had spoken by then, and the learned factors and the fusion policy are those in force then.

    Args:
        session: a transaction of the tenant.
        tenant_id: whose namespaces.
        paths: which of them.
        query: what is asked.
        at: as of when; None for now.
        languages: by whose rules the query is cut; None for those of the memories that are there.
    """
    spoken = guess(query)
    guessed = [UNKNOWN_LANGUAGE, spoken]
    asked = _terms(query, guessed, spoken=spoken)
    corpus = _corpus(session.execute(_CORPUS, _params(tenant_id, paths, asked, at)).one(), paths, languages)
    ids = [namespace.id for namespace in corpus.namespaces]
    as_guessed = in_order(corpus.languages, first=spoken) == in_order(guessed, first=spoken)
    more = [] if as_guessed else sorted(set(_terms(query, corpus.languages, spoken=spoken)) - set(asked))
    if more:
        params: dict[str, Any] = {"tenant": tenant_id, "namespaces": ids, "terms": more}
        common = {term: int(df) for term, df in session.execute(_COMMON, params)}
        corpus = replace(corpus, common=corpus.common | common)
    if at is not None and corpus.speakers:
        params = {"tenant": tenant_id, "namespaces": ids, "known": at, "speakers": MOST_SPEAKERS}
        corpus = replace(corpus, speakers=tuple(session.scalars(_SPEAKERS_KNOWN, params)))
    return corpus


MOST_SAID: Final = 100  # texts read to find out whom a name means, the newest
_LONGEST_SAID: Final = 2_000  # characters of each


class NamesAsked:
    """The question whom of the speakers names mean though none bears them (``bearers``), which travels with other statements."""

    def __init__(
        self, session: Session, tenant_id: UUID, corpus: Corpus, names: Sequence[str], *, at: datetime | None = None
    ) -> None:
        """Ask with the next statements of the session.

        Args:
            session: a transaction of the tenant.
            tenant_id: whose namespaces.
            corpus: what there is in them.
            names: as a query writes them, one word each.
            at: as of when; None for now.
        """
        self._session, self._corpus, self._names = session, corpus, names
        self._then = at is not None
        self._params: dict[str, Any] = {
            "tenant": tenant_id,
            "namespaces": [namespace.id for namespace in corpus.namespaces],
            "at": at or _LATEST,
            "known": at or _LATEST,
            "most": MOST_SAID,
            "longest": _LONGEST_SAID,
        }
        self._parties = later(session, _PARTIES, self._params) if names and not corpus.speakers else None
        self._said = self._asked(corpus.speakers)

    def called(self) -> dict[str, str]:
        """Return whom they mean, by name; names that mean none are left out. To be called once.

        Where two people are called user and assistant, what they said of the names is asked only here.
        """
        speakers, said = self._corpus.speakers, self._said
        if self._parties is not None:
            speakers = _people(self._parties.rows())
            said = self._asked(speakers)
        found = {}
        for name, question in said.items():
            texts = [Said(speaker, content, frozenset(beside)) for speaker, content, beside in question.rows()]
            found[name] = meant_by(name, texts, speakers)
        return {name: speaker for name, speaker in found.items() if speaker is not None}

    def _asked(self, speakers: Sequence[str]) -> dict[str, Question]:
        """Ask for the texts that say the names, where there is somebody whom they may mean."""
        if not speakers:
            return {}
        statement = _saying(beside=len(speakers) > _TWO, then=self._then)
        return {
            name: later(self._session, statement, self._params | {"terms": _terms(name, self._corpus.languages)})
            for name in self._names
        }


def _people(parties: Sequence[Any]) -> tuple[str, ...]:
    """Return the two roles where they are people by what was said last: "Hi Kate!" to an assistant names nobody there."""
    of = {role: (turns, own, words) for role, turns, own, words in parties}
    return NAMES if of.keys() == set(NAMES) and alike(*(of[name] for name in NAMES)) else ()


# How the two roles spoke lately, of those who have no name: turns, words of the first person, terms.
_PARTIES: Final = in_driver_words(
    """
    SELECT lower(m.role), count(*), coalesce(sum((m.traits >> 3) & 7), 0), sum(cardinality(m.terms))
    FROM unnest(CAST(:namespaces AS uuid[])) AS n (id)
    CROSS JOIN LATERAL (
        SELECT role, traits, terms FROM memory WHERE tenant_id = :tenant AND namespace_id = n.id AND created_at <= :known
        ORDER BY observed_at DESC, id DESC LIMIT :most
    ) m
    WHERE lower(m.role) IN ('user', 'assistant') GROUP BY 1
    """
)
_TWO: Final = 2  # speakers, of whom it is known who talks with whom
_BESIDE: Final = 3  # turns before a text and as many after it, that tell it where more speak
_NOBODY: Final = "CAST('{}' AS text[])"


def _turns(compared: str, descending: str, *, of_session: bool) -> str:
    """Say which turns without a session, or of its session, stand before or after one (m)."""
    mine = "i.session_id = m.session_id" if of_session else "m.session_id IS NULL"
    return f"""SELECT t.speaker FROM (
        SELECT i.speaker, i.session_id FROM memory i
        WHERE i.tenant_id = :tenant AND i.namespace_id = m.namespace_id AND i.created_at <= :known AND {mine}
            AND (i.observed_at, i.id) {compared} (m.observed_at, m.id)
        ORDER BY i.observed_at {descending}, i.id {descending} LIMIT {_BESIDE}
    ) t WHERE t.session_id IS NOT DISTINCT FROM m.session_id"""


_WAYS: Final = (("<", "DESC"), (">", "ASC"))
_OTHERS: Final = f"""(
    SELECT coalesce(array_agg(DISTINCT b.speaker), {_NOBODY})
    FROM ({" UNION ALL ".join(_turns(*way, of_session=session) for session in (True, False) for way in _WAYS)}) b
    WHERE b.speaker <> m.speaker
)"""


@cache
def _saying(*, beside: bool, then: bool) -> str:
    """Return the question for the newest texts that hold a term: who says it, what, and who speaks beside it if needed."""
    return in_driver_words(
        f"""
        SELECT coalesce(m.speaker, lower(m.role)), left(m.content, :longest), {_OTHERS if beside else _NOBODY}
        FROM (
            SELECT p.memory_id FROM posting p
            WHERE p.tenant_id = :tenant AND p.namespace_id = ANY(CAST(:namespaces AS uuid[]))
                AND p.term = ANY(CAST(:terms AS text[])) AND p.known_from <= :at AND p.known_to > :at
            ORDER BY p.memory_id DESC LIMIT :most
        ) p
        JOIN {AS_KNOWN if then else "memory"} m ON m.tenant_id = :tenant AND m.id = p.memory_id
        WHERE coalesce(m.speaker, m.role) IS NOT NULL
        """
    )


class Foreseen:
    """A corpus that an earlier search saw, and the question whether it still is so, which travels with other statements."""

    def __init__(
        self, session: Session, tenant_id: UUID, paths: Sequence[str], terms: Sequence[str], *, seen: Corpus
    ) -> None:
        """Ask with the next statements of the session; the terms are those of a query that was read by `seen`."""
        self._paths = paths
        self._seen = seen
        self._question = later(session, _CORPUS_OF_DRIVER, _params(tenant_id, paths, terms, None))

    def corpus(self) -> Corpus | None:
        """Return the corpus as it is now; None where the query would be read in another way than foreseen."""
        (row,) = self._question.rows()
        now = _corpus(_Row(*row), self._paths, None)
        return now if _read_alike(now, self._seen) else None


def _read_alike(now: Corpus, seen: Corpus) -> bool:
    def places(corpus: Corpus) -> list[tuple[UUID, int, int]]:
        return [(one.id, one.shelf, one.encoder_id) for one in corpus.namespaces]

    said = (now.speakers, now.languages, now.fusion) == (seen.speakers, seen.languages, seen.fusion)
    return said and places(now) == places(seen)


class _Row(NamedTuple):
    namespaces: Any
    documents: Any
    speakers: Any
    common: Any
    factors: Any
    fusion: Any


def _params(tenant_id: UUID, paths: Sequence[str], terms: Sequence[str], at: datetime | None) -> dict[str, Any]:
    return {
        "tenant": tenant_id,
        "paths": list(paths),
        "terms": list(terms),
        "speakers": MOST_SPEAKERS,
        "at": at or _LATEST,
    }


def _corpus(row: Any, paths: Sequence[str], languages: tuple[str, ...] | None) -> Corpus:
    """Read what the statement answered; languages are those of the memories unless they are given."""
    found = {n["path"]: n for n in row.namespaces or ()}
    return Corpus(
        namespaces=tuple(
            Namespace(
                UUID(n["id"]),
                n["path"],
                n["settings"],
                n["encoder_id"],
                n["shelf"],
                tuple(n["languages"]),
                n["retention_policy"],
            )
            for n in (found[path] for path in paths if path in found)
        ),
        documents=max(0, int(row.documents)),
        speakers=tuple(row.speakers),
        languages=_languages(found.values()) if languages is None else languages,
        common={term: int(df) for term, df in (row.common or {}).items()},
        factors=dict(row.factors or {}),
        fusion=NO_POLICY if row.fusion is None else read_fusion(row.fusion)[0],
    )


def _terms(query: str, languages: Sequence[str], *, spoken: str | None = None) -> list[str]:
    return [term for group in query_terms(query, languages, spoken=spoken) for term in group]


def _languages(namespaces: Collection[Mapping[str, Any]]) -> tuple[str, ...]:
    """Return by whose rules the memories of some namespaces are cut; English as long as some wait to be cut anew."""
    found = {language for n in namespaces for language in n["languages"]}
    if any(n["terms_version"] < TERMS_VERSION for n in namespaces):
        found.add(UNKNOWN_LANGUAGE)
    return tuple(sorted(found))
