"""Cut memories anew whose terms were cut by an earlier version of the rules, a batch per transaction.

A newer checkout on older data must find what an older one stored. Until a namespace is done, queries are cut by the rules of
before as well (``retrieval.corpus``). A worker that dies leaves what it committed: the next goes on behind it.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from consolidation.tenancy import Tenancy
from memory_service.analysis.memory_terms import language_of, memory_terms
from memory_service.analysis.tokens import TERMS_VERSION
from memory_service.storage import outdated_terms
from memory_service.storage.languages import note_languages
from memory_service.storage.outdated_terms import Posting, Progress

BATCH = 500  # memories locked at once: a writer waits for some tenths of a second at most
EARLIER_BATCH = 2_000  # memories whose earlier texts are cut at once: each batch reads the postings of the namespace


def recut_namespace(tenancy: Tenancy, namespace_id: UUID, *, go_on: Callable[[], bool] = lambda: True) -> bool:
    """Cut the memories of a namespace anew; True when all of its terms are of today's version.

    Args:
        tenancy: whose namespace.
        namespace_id: which one.
        go_on: asked between batches; False leaves the rest to a later call.
    """
    while True:
        with tenancy.open() as session:
            progress = outdated_terms.lock_progress(session, tenancy.tenant_id, namespace_id)
            if progress is None:
                return False
            if progress.version >= TERMS_VERSION:
                return True
            further = _recut_batch(session, tenancy.tenant_id, namespace_id, progress)
            if further is None:
                outdated_terms.finish(session, tenancy.tenant_id, namespace_id, version=TERMS_VERSION)
                return True
            outdated_terms.keep_progress(session, tenancy.tenant_id, namespace_id, further)
        if not go_on():
            return False


def _recut_batch(session: Session, tenant_id: UUID, namespace_id: UUID, progress: Progress) -> Progress | None:
    """Cut the next texts anew, present ones before earlier ones; None when there are none left."""
    rows = outdated_terms.lock_present(session, tenant_id, namespace_id, after=progress.present_to, limit=BATCH)
    if rows:
        cut = _cut(session, tenant_id, namespace_id, rows)
        changed = [one for one, row in zip(cut, rows, strict=True) if list(one.terms) != row["terms"]]
        if changed:
            outdated_terms.replace_present(session, tenant_id, namespace_id, changed)
        return replace(progress, present_to=rows[-1]["id"])
    rows = outdated_terms.earlier_texts(
        session, tenant_id, namespace_id, after=progress.earlier_to, limit=EARLIER_BATCH
    )
    if rows:
        outdated_terms.replace_earlier(session, tenant_id, namespace_id, _cut(session, tenant_id, namespace_id, rows))
        return replace(progress, earlier_to=rows[-1]["id"])
    return None


def _cut(session: Session, tenant_id: UUID, namespace_id: UUID, rows: Sequence[Any]) -> list[Posting]:
    """Return today's terms of some texts, and note their languages."""
    found: list[Posting] = []
    languages: set[str] = set()
    for row in rows:
        language = language_of(row["content"], row["language"])
        languages.add(language)
        terms = memory_terms(
            row["content"],
            language=language,
            speaker=row["speaker"],
            observed_at=row["observed_at"],
            title=row["title"],
            context=row["context"],
            computed=row["computed"],
        )
        found.append(Posting(row["id"], row["version"], terms))
    note_languages(session, tenant_id, [(namespace_id, language) for language in sorted(languages)])
    return found
