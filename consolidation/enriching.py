"""Enrich memories after they were stored: language, keywords, entities, times and facts, in batches that anyone may repeat."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy.orm import Session

from consolidation.attributing import with_voices
from consolidation.enrichment import Once, enrich, name_entities, time_mentions
from consolidation.formation import Formed, form, keep_echoes
from consolidation.tenancy import Tenancy
from memory_service.analysis.facts import facts
from memory_service.analysis.names import people_of
from memory_service.errors import Unavailable
from memory_service.storage import entities, pending
from memory_service.storage.database import translate_errors
from memory_service.storage.facts import keep_facts
from memory_service.storage.time_mentions import keep_time_mentions

BATCH = 200

log = structlog.get_logger(__name__)


def enrich_pending(
    tenancy: Tenancy, *, ids: Sequence[UUID] | None = None, all_of: UUID | None = None, most: int | None = None
) -> int:
    """Enrich memories that wait for it, batch by batch, or `most` of them at once; return how many.

    Rows that another worker has locked are left to it; with `all_of`, a namespace, they are waited for, so that none of it
    waits any more when this returns. Running it twice changes nothing: what is enriched is marked in
    the same transaction.

    Raises:
        Unavailable: the database is down, or another worker was waited for in vain.
    """
    done = 0
    remaining = list(ids) if ids is not None else None
    while True:
        chunk = remaining[:BATCH] if remaining is not None else None
        with tenancy.open() as session:
            rows = pending.lock_pending(session, tenancy.tenant_id, ids=chunk, all_of=all_of, limit=most or BATCH)
            _enrich_rows(session, tenancy.tenant_id, rows, now=tenancy.clock())
        done += len(rows)
        if remaining is not None:
            remaining = remaining[BATCH:]
            if not remaining:
                return done
        elif most is not None or len(rows) < BATCH:
            return done
        # What one writes by the thousand keeps others waiting for a batch, not for all of it.
        tenancy.give_way()


def _enrich_rows(session: Session, tenant_id: UUID, rows: Sequence[Any], *, now: datetime) -> None:
    """Enrich locked rows; one that cannot be is marked as done without a finding, so that it never holds up the others.

    Raises:
        Unavailable: the database, not a row, is at fault; all of them wait on.
    """
    if not rows:
        return
    try:
        with session.begin_nested(), translate_errors():
            formed, once = form(session, tenant_id, with_voices(session, tenant_id, rows)), Once()
            pending.keep_enrichment(session, tenant_id, [(one.row, _decide(one, once)) for one in formed])
            keep_echoes(session, tenant_id, formed, now=now)
            # What follows reads what each memory says in its own words.
            keep_findings(session, tenant_id, [one.row for one in formed], once=once)
    except Unavailable:
        raise
    except Exception as error:
        if len(rows) > 1:
            for row in rows:
                _enrich_rows(session, tenant_id, [row], now=now)
            return
        # The message of the error may quote the text.
        log.warning("enrichment_failed", memory_id=str(rows[0]["id"]), error=type(error).__name__)
        pending.keep_enrichment(session, tenant_id, [(rows[0], {})])


def _decide(formed: Formed, once: Once) -> dict[str, Any]:
    row = formed.row
    found = enrich(
        row["content"],
        stated_language=row["language"],
        has_keywords=bool(row["keywords"]),
        has_entities=bool(row["entities"]),
        speakers=[row["speaker"]] if row["speaker"] else [],
        once=once,
    )
    return {
        "language": found.language,
        "keywords": list(found.keywords) if found.keywords is not None else None,
        "entities": list(found.entities) if found.entities is not None else None,
        "speaker": row["speaker"],
        "role": row["role"],
        **formed.values,
    }


def keep_findings(session: Session, tenant_id: UUID, rows: Sequence[Any], *, once: Once | None = None) -> None:
    """Read texts and store the moments, facts and entities in them; the same again changes nothing."""
    once = once or Once()
    _keep_times(session, tenant_id, rows)
    _keep_facts(session, tenant_id, rows, once)
    _keep_mentions(session, tenant_id, rows, once)


def _keep_times(session: Session, tenant_id: UUID, rows: Sequence[Any]) -> None:
    """Store the moments that texts speak of, resolved against when each was observed."""
    found = {
        row["id"]: (
            row["content_version"],
            time_mentions(row["content"], observed_at=row["observed_at"], stated_language=row["language"]),
        )
        for row in rows
    }
    keep_time_mentions(session, tenant_id, found)


def _keep_facts(session: Session, tenant_id: UUID, rows: Sequence[Any], once: Once) -> None:
    """Store what texts state as subject, attribute and value."""
    found = {
        row["id"]: (
            row["content_version"],
            facts(
                row["content"],
                speaker=row["speaker"],
                role=row["role"],
                language=row["language"],
                observed_at=row["observed_at"],
                guess=once.guess,
                cut=once.cut,
            ),
        )
        for row in rows
    }
    keep_facts(session, tenant_id, found)


def _keep_mentions(session: Session, tenant_id: UUID, rows: Sequence[Any], once: Once) -> None:
    """Store which entities the texts name; short forms are resolved against those who speak in the namespace."""
    namespaces = {row["namespace_id"] for row in rows}
    speakers = entities.speakers_in(session, tenant_id, namespaces)
    apart = entities.apart_in(session, tenant_id, namespaces)
    found = []
    for row in rows:
        heard = speakers.get(row["namespace_id"], [])
        names = name_entities(
            row["content"],
            speaker=row["speaker"],
            stated=row["entities"],
            stated_language=row["language"],
            people=people_of(
                {*heard, row["speaker"]} if row["speaker"] else heard,
                apart=apart.get(row["namespace_id"], frozenset()),
            ),
            once=once,
        )
        found.append(entities.Mentioned(row["id"], row["namespace_id"], row["content_version"], names))
    entities.keep_mentions(session, tenant_id, found)
