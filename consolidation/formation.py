"""What is worked out about new memories from those before them: what they repeat, how surprising they are."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import numpy as np
from numpy.typing import NDArray
from sqlalchemy.orm import Session

from consolidation.surprise import CONTEXT, first_importance, surprises
from memory_service.analysis.memory_terms import language_of
from memory_service.analysis.recalled import Echo, Known, find_recalled, may_repeat, own_words
from memory_service.analysis.trust import flags_of, trust_of
from memory_service.storage import formation
from memory_service.storage.formation import Stream

RECALLED_WITHIN: Final = timedelta(days=1)  # before a message: a conversation that pauses longer searches again
RECALLED: Final = "recalled"  # the method of an echo


@dataclass(frozen=True, slots=True)
class Formed:
    """A memory to enrich: `row` has its own words only, `values` what was found, as columns and their values."""

    row: Mapping[str, Any]
    values: dict[str, Any]


def keep_echoes(session: Session, tenant_id: UUID, formed: Sequence[Formed], *, now: datetime) -> None:
    """Draw the edges from echoes to what they repeat."""
    edges = [
        (one.row["namespace_id"], one.row["id"], UUID(parent))
        for one in formed
        for parent in one.values.get("derivation_parents", ())
    ]
    if edges:
        formation.link_echoes(session, tenant_id, edges, now=now)


def form(session: Session, tenant_id: UUID, rows: Sequence[Mapping[str, Any]]) -> list[Formed]:
    """Look at memories beside what was recalled and said before them.

    In the rows that come back what repeats recalled memories is blanked: whatever is drawn from `content` after this is
    drawn from what was said anew, and stands where it stood. The language stays that of the whole text.
    """
    echoes = _echoes(session, tenant_id, rows)
    measured = _surprises(session, tenant_id, rows)
    return [_formed(row, echoes.get(row["id"]), measured.get(row["id"])) for row in rows]


@dataclass(frozen=True, slots=True)
class _Heard:
    """An echo, with how far what it repeats is trusted."""

    echo: Echo
    trust: float
    flags: tuple[str, ...]


def _formed(row: Mapping[str, Any], heard: _Heard | None, surprise: float | None) -> Formed:
    values: dict[str, Any] = {}
    if surprise is not None:
        values |= {"surprise": surprise, "importance": first_importance(surprise)}
    if heard is None or not heard.echo.spans:
        return Formed(row, values)
    if heard.echo.whole:
        values |= {"derivation_parents": [str(i) for i in heard.echo.parents], "derivation_method": RECALLED}
    if heard.echo.parents:
        values |= {"trust": heard.trust, "flags": list(heard.flags)}
    if row["language"] is None:
        values["language"] = language_of(row["content"], None)
    said = own_words(row["content"], heard.echo.spans)
    language = row["language"] or values["language"]
    return Formed({**row, "content": said, "language": language}, values)


def _echoes(session: Session, tenant_id: UUID, rows: Sequence[Mapping[str, Any]]) -> dict[UUID, _Heard]:
    """Return what memories repeat of what searches of their namespaces recalled before they were stored."""
    suspects = [row for row in rows if may_repeat(row["content"], row["role"])]
    if not suspects:
        return {}
    since = min(row["created_at"] for row in suspects) - RECALLED_WITHIN
    shown = formation.recently_recalled(session, tenant_id, {row["namespace_id"] for row in suspects}, since=since)
    known = {
        namespace_id: [
            Known.of(
                m["id"], m["content"], tuple(m["derivation_parents"]) if m["derivation_method"] == RECALLED else ()
            )
            for m in memories
        ]
        for namespace_id, memories in shown.items()
    }
    trusted = {m["id"]: m for memories in shown.values() for m in memories}
    found = {}
    for row in suspects:
        # Only what was there before it can have been recalled before it.
        before = [memory for memory in known.get(row["namespace_id"], ()) if memory.id < row["id"]]
        echo = find_recalled(row["content"], before, role=row["role"])
        # An echo among them has the trust of what it repeats.
        quoted = [trusted[i] for i in echo.repeats]
        trust = trust_of((m["trust"] for m in quoted), own=row["trust"])
        found[row["id"]] = _Heard(echo, trust, flags_of((m["flags"] for m in quoted), own=row["flags"]))
    return found


def _surprises(session: Session, tenant_id: UUID, rows: Sequence[Mapping[str, Any]]) -> dict[UUID, float]:
    """Return how surprising each memory is after those before it in its session, or in its namespace outside sessions."""
    streams: dict[tuple[UUID, str | None], list[UUID]] = defaultdict(list)
    for row in sorted(rows, key=lambda row: row["id"]):
        streams[row["namespace_id"], row["session_id"]].append(row["id"])
    keys = [Stream(namespace_id, session_id, ids[0]) for (namespace_id, session_id), ids in streams.items()]
    earlier = formation.came_before(session, tenant_id, keys, limit=CONTEXT)
    wanted = {memory.id for stream in earlier for memory in stream} | {i for ids in streams.values() for i in ids}
    vectors = formation.vectors_of(session, tenant_id, wanted)
    found: dict[UUID, float] = {}
    for ids, before in zip(streams.values(), earlier, strict=True):
        present = [i for i in ids if i in vectors]
        context = [vectors[memory.id] for memory in before if memory.id in vectors]
        if present:
            last = before[-1].surprise if before else None
            measured = surprises(_rows([vectors[i] for i in present]), _rows(context) if context else None, before=last)
            found |= {i: round(float(value), 4) for i, value in zip(present, measured, strict=True)}
    return found


def _rows(vectors: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    return np.stack(vectors)
