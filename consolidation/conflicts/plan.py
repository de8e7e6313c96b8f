"""Plan what becomes of new memories and of those near them: one merge each, or what it supersedes, or one question. Pure."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from consolidation.conflicts.decisions import DEFAULT, Action, ConflictSettings, Decision, decide
from consolidation.planning import Ask, Change, Join, Merge, ReviewKind, Step, Supersede, Why
from consolidation.records import Considered, Record
from memory_service.analysis.facts import Fact


def plan_conflicts(
    considered: Sequence[Considered],
    facts: Mapping[UUID, Sequence[Fact]],
    *,
    now: datetime,
    settings: ConflictSettings = DEFAULT,
) -> list[Change]:
    """Plan what becomes of memories that are new to consolidation and of those near them.

    Args:
        considered: The new memories with their neighbours; among the neighbours should be those with the same subject and
            functional attribute, whatever their cosine.
        facts: By memory, of all that are considered and of their neighbours.
        now: When the plan is made; what is archived or has ended by then is left alone.
        settings: How near they must be.
    """
    changes: list[Change] = []
    gone: set[UUID] = set()
    compared: set[frozenset[UUID]] = set()  # those with the same attribute see each other
    for one in sorted(considered, key=lambda one: (one.record.observed_at, one.record.id)):
        if one.record.id in gone or not _lives(one.record, now):
            continue
        decided = []
        for neighbour in (*one.neighbours, *one.kin):
            pair = frozenset((one.record.id, neighbour.record.id))
            if pair in compared or neighbour.record.id in gone or not _lives(neighbour.record, now):
                continue
            compared.add(pair)
            old, new = sorted((neighbour.record, one.record), key=lambda record: (record.observed_at, record.id))
            decision = decide(
                new, old, cosine=neighbour.cosine, new_facts=facts.get(new.id, ()), old_facts=facts.get(old.id, ()),
                settings=settings,
            )  # fmt: skip
            if decision.action is not Action.ADD:
                decided.append((decision, new, old))
        planned = _planned(decided)
        changes += planned
        gone |= {change.duplicate.id for change in planned if isinstance(change, Merge)}
        gone |= {change.old.id for change in planned if isinstance(change, Supersede)}
    return changes


def _lives(record: Record, now: datetime) -> bool:
    ended = record.valid_to is not None and record.valid_to <= now
    return record.state != "archived" and record.superseded_by is None and not ended


_Decided = tuple[Decision, Record, Record]


def _planned(decided: Sequence[_Decided]) -> list[Change]:
    """Return the changes that follow from all decisions about one memory: one merge, or what it supersedes, or one question."""
    best = sorted(decided, key=lambda one: (-one[0].score, one[2].id))
    duplicates = [one for one in best if one[0].action is Action.DUPLICATE]
    if duplicates:
        # The earliest is what the others repeat.
        decision, new, old = min(duplicates, key=lambda one: (one[2].observed_at, one[2].id))
        why = Why(Step.CONFLICTS, decision.reason, decision.score)
        if new.pinned:
            return [Ask(ReviewKind.DUPLICATE, (new.ref, old.ref), "merge", why)]
        return [Merge(new.ref, old.ref, why)]
    changes: list[Change] = []
    ended: set[UUID] = set()
    asked = False
    for decision, new, old in best:
        why = Why(Step.CONFLICTS, decision.reason, decision.score)
        if decision.action is Action.SUPERSEDE and old.id not in ended:
            if old.pinned:
                changes.append(Ask(ReviewKind.CONFLICT, (old.ref, new.ref), "supersede", why))
                continue
            since = decision.valid_from
            begins = since if since is not None and since > old.observed_at else new.observed_at
            changes.append(Supersede(old.ref, new.ref, begins, why))
            ended.add(old.id)
        elif decision.action is Action.ASK_CONFLICT and not asked:
            asked = True
            changes.append(Join(new.id, old.id, CONTRADICTS, max(0.0, min(1.0, decision.score)), why))
            changes.append(Ask(ReviewKind.CONFLICT, (old.ref, new.ref), "supersede", why))
    if not changes:
        for decision, new, old in best[:1]:
            why = Why(Step.CONFLICTS, decision.reason, decision.score)
            changes.append(Ask(ReviewKind.DUPLICATE, (new.ref, old.ref), "merge", why))
    return changes


CONTRADICTS: Final = "contradicts"
