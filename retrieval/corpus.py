"""What a search must know of its namespaces before it encodes the query."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from memory_service.storage.namespaces import Namespace


@dataclass(frozen=True, slots=True)
class Corpus:
    """What a search must know of its namespaces before it encodes the query."""

    namespaces: tuple[Namespace, ...]
    documents: int
    speakers: tuple[str, ...]
    common: dict[str, int]


MOST_SPEAKERS = 200

# One round trip: which of the namespaces exist, how many documents they hold, who speaks, which terms are common.
_CORPUS = text(
    """
    WITH n AS MATERIALIZED (
        SELECT id, path, settings, encoder_id, shelf, folded_docs FROM namespace
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
        (SELECT jsonb_object_agg(term, df) FROM stat) AS common
    """
)


def describe_corpus(session: Session, tenant_id: UUID, paths: Sequence[str], terms: Sequence[str]) -> Corpus:
    """Return what there is under the paths, those that exist in the order asked."""
    params = {"tenant": tenant_id, "paths": list(paths), "terms": list(terms), "speakers": MOST_SPEAKERS}
    row = session.execute(_CORPUS, params).one()
    found = {n["path"]: n for n in row.namespaces or ()}
    return Corpus(
        namespaces=tuple(
            Namespace(UUID(n["id"]), n["path"], n["settings"], n["encoder_id"], n["shelf"])
            for n in (found[path] for path in paths if path in found)
        ),
        documents=max(0, int(row.documents)),
        speakers=tuple(row.speakers),
        common={term: int(df) for term, df in (row.common or {}).items()},
    )
