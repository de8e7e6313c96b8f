"""What a search must know of its namespaces before it encodes the query."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from memory_service.analysis.language import guess
from memory_service.analysis.term_groups import query_terms
from memory_service.analysis.tokens import TERMS_VERSION, UNKNOWN_LANGUAGE
from memory_service.storage.namespaces import Namespace


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


MOST_SPEAKERS = 200
_LATEST = datetime(9999, 1, 1, tzinfo=UTC)  # what is in force now is so until further notice

# One round trip: which of the namespaces exist, how many documents they hold, who speaks, which terms are common.
_CORPUS = text(
    """
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
            AND w.known_from <= :at AND w.known_to > :at) END AS factors
    """
)


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
    those speak who had spoken by then, and the learned factors are those in force then.

    Args:
        session: a transaction of the tenant.
        tenant_id: whose namespaces.
        paths: which of them.
        query: what is asked.
        at: as of when; None for now.
        languages: by whose rules the query is cut; None for those of the memories that are there.
    """
    asked = _terms(query, [UNKNOWN_LANGUAGE, guess(query)])
    params = {"tenant": tenant_id, "paths": list(paths), "terms": asked, "speakers": MOST_SPEAKERS, "at": at or _LATEST}
    row = session.execute(_CORPUS, params).one()
    found = {n["path"]: n for n in row.namespaces or ()}
    if languages is None:
        languages = _languages(found.values())
    common = {term: int(df) for term, df in (row.common or {}).items()}
    more = sorted(set(_terms(query, languages)) - set(asked))
    if more:
        params = {"tenant": tenant_id, "namespaces": [n["id"] for n in found.values()], "terms": more}
        common |= {term: int(df) for term, df in session.execute(_COMMON, params)}
    speakers = tuple(row.speakers)
    if at is not None and speakers:
        params = {"tenant": tenant_id, "namespaces": [n["id"] for n in found.values()], "known": at}
        speakers = tuple(session.scalars(_SPEAKERS_KNOWN, params | {"speakers": MOST_SPEAKERS}))
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
        speakers=speakers,
        languages=languages,
        common=common,
        factors=dict(row.factors or {}),
    )


def _terms(query: str, languages: Sequence[str]) -> list[str]:
    return [term for group in query_terms(query, languages) for term in group]


def _languages(namespaces: Collection[Mapping[str, Any]]) -> tuple[str, ...]:
    """Return by whose rules the memories of some namespaces are cut; English as long as some wait to be cut anew."""
    found = {language for n in namespaces for language in n["languages"]}
    if any(n["terms_version"] < TERMS_VERSION for n in namespaces):
        found.add(UNKNOWN_LANGUAGE)
    return tuple(sorted(found))
