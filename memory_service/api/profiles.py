"""Profiles as they are read: lines that still stand, whether or not a run has passed since they were written."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping
from sqlalchemy.orm import Session

from consolidation.structure.profiles import cited, corrected, still_said, told_of
from memory_service.storage.facts import facts_of
from memory_service.storage.structure import live_and_holding, standing_versions


def standing_lines(
    session: Session, tenant_id: UUID, rows: Sequence[RowMapping], *, now: datetime
) -> list[dict[str, Any]]:
    """Return the lines of profiles that still stand, each with its namespace.

    What has been superseded, archived, corrected, or ended since, or has expired, is left out at once: profiles are written anew
    once a week. What a corrected text says as before is told again once it has been read.
    """
    written = [line for row in rows for line in row["lines"]]
    told = told_of(written)
    versions = standing_versions(session, tenant_id, told, now=now) if told else {}
    live, holding = live_and_holding(session, tenant_id, cited(written), now=now)
    anew = facts_of(session, tenant_id, corrected(written, live))
    lines = []
    for row in rows:
        for line in row["lines"]:
            left = still_said(line, versions, live, holding, anew)
            if left is not None:
                lines.append({**left, "namespace": row["namespace"]})
    return lines
