"""By which languages' rules the memories of a namespace are cut into terms."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

_NOTE = text(
    "UPDATE namespace SET languages = ARRAY(SELECT unnest(languages) UNION SELECT CAST(:language AS text) ORDER BY 1) "
    "WHERE tenant_id = :tenant AND id = :namespace AND NOT :language = ANY(languages)"
)


def note_languages(session: Session, tenant_id: UUID, pairs: Sequence[tuple[UUID, str]]) -> None:
    """Remember that a namespace holds memories cut by the rules of a language; queries are then cut by them, too.

    Runs in the transaction that writes the first such memory, hardly ever afterwards. An erasure leaves the language
    behind: a code of two letters says nothing of a text, and costs a query no more than a few look-ups.

    Args:
        session: the caller's transaction.
        tenant_id: whose namespaces.
        pairs: (namespace, language), sorted: two writers that take the same locks take them in the same order.
    """
    for namespace_id, language in pairs:
        session.execute(_NOTE, {"tenant": tenant_id, "namespace": namespace_id, "language": language})
