"""Plan what becomes of new memories and of those near them: one merge each, or what it supersedes, or one question. Pure."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from consolidation.conflicts.decisions import DEFAULT, Action, ConflictSettings, Decision, decide
from consolidation.planning import Ask, Change, Join, Merge, ReviewKind, Step, Supersede, Why
from consolidation.records import Considered, Neighbour, Record
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
    turns = _turns(considered)
    for one in sorted(considered, key=lambda one: _place(one.record)):
        if one.record.id in gone or not _lives(one.record, now):
            continue
        decided = []
        for other in turns[one.record.id]:
            if other.record.id in gone or not _lives(other.record, now):
                continue
            old, new = sorted((other.record, one.record), key=_place)
            decision = decide(
                new, old, cosine=other.cosine, new_facts=facts.get(new.id, ()), old_facts=facts.get(old.id, ()),
                settings=settings,
            )  # fmt: skip
            if decision.action is not Action.ADD:
                decided.append((decision, new, old))
        planned = _planned(one.record, decided)
        changes += planned
        gone |= {change.duplicate.id for change in planned if isinstance(change, Merge)}
        gone |= {change.old.id for change in planned if isinstance(change, Supersede)}
    return changes


def _place(record: Record) -> tuple[datetime, UUID]:
    return record.observed_at, record.id


def _turns(considered: Sequence[Considered]) -> dict[UUID, list[Neighbour]]:
    """Return by memory with whom it is compared when its turn comes: each pair once, in the turn of the later one.

    Those with the same attribute see each other. Were they compared in the turn of the earlier one, it would be decided about
    the third value before the second has ended the first. Only the later ones that have no turn are compared in its.
    """
    turns: dict[UUID, list[Neighbour]] = {one.record.id: [] for one in considered}
    seen: set[frozenset[UUID]] = set()
    for one in considered:
        for other in (*one.neighbours, *one.kin):
            pair = frozenset((one.record.id, other.record.id))
            if pair in seen:
                continue
            seen.add(pair)
            if other.record.id in turns and _place(other.record) > _place(one.record):
                turns[other.record.id].append(Neighbour(one.record, other.cosine))
            else:
                turns[one.record.id].append(other)
    return turns


def _lives(record: Record, now: datetime) -> bool:
    ended = record.valid_to is not None and record.valid_to <= now
    return record.state != "archived" and record.superseded_by is None and not ended


_Decided = tuple[Decision, Record, Record]


_CONFLICTS: Final = frozenset({Action.SUPERSEDE, Action.ASK_CONFLICT})


def _planned(one: Record, decided: Sequence[_Decided]) -> list[Change]:
    """Return the changes that follow from all decisions in the turn of one memory."""
    changes = _after_earlier([entry for entry in decided if entry[1].id == one.id])
    if any(isinstance(change, Merge) for change in changes):
        return changes
    return changes + _before_later([entry for entry in decided if entry[2].id == one.id])


def _after_earlier(decided: Sequence[_Decided]) -> list[Change]:
    """Return what becomes of a memory beside earlier ones: one merge, or what it supersedes, or one question."""
    best = sorted(decided, key=lambda one: (-one[0].score, one[2].id))
    # What was contradicted in between and is said again is no repetition: whatever becomes of the first, the last word stands.
    contradicted = [_place(one[2]) for one in best if one[0].action in _CONFLICTS]
    duplicates = [
        one for one in best
        if one[0].action is Action.DUPLICATE and all(place < _place(one[2]) for place in contradicted)
    ]  # fmt: skip
    if duplicates:
        # The earliest is what the others repeat.
        return [_repeats(min(duplicates, key=lambda one: _place(one[2])))]
    changes: list[Change] = []
    asked = False
    # "My brother moved": which one, where two are known by name?
    several = len({one[0].called for one in best if one[0].action is Action.SUPERSEDE} - {None}) > 1
    for one in best:
        unsure = one[0].action is Action.ASK_CONFLICT or (several and one[0].called is not None)
        if one[0].action is Action.SUPERSEDE and not unsure:
            changes.append(_replaces(one))
        elif unsure and not asked:
            asked = True
            changes += _contradicts(one)
    return changes or [_ask_whether_it_repeats(one) for one in best[:1]]


def _before_later(decided: Sequence[_Decided]) -> list[Change]:
    """Return what becomes of a memory beside later ones that had their turn before it came, up to the first that replaces it."""
    changes: list[Change] = []
    asked = False
    for one in sorted(decided, key=lambda one: _place(one[1])):
        if one[0].action is Action.DUPLICATE and not asked:
            changes.append(_repeats(one))
        elif one[0].action is Action.SUPERSEDE and one[0].called is None:
            return [*changes, _replaces(one)]
        # "My brother moved", and now that Tom lives in Leeds: whether there are others was not looked for.
        elif one[0].action in _CONFLICTS and not asked:
            asked = True
            changes += _contradicts(one)
    best = sorted(decided, key=lambda one: (-one[0].score, one[1].id))
    return changes or [_ask_whether_it_repeats(one) for one in best[:1]]


def _why(decision: Decision) -> Why:
    return Why(Step.CONFLICTS, decision.reason, decision.score)


def _repeats(decided: _Decided) -> Change:
    decision, new, old = decided
    return _ask_whether_it_repeats(decided) if new.pinned else Merge(new.ref, old.ref, _why(decision))


def _ask_whether_it_repeats(decided: _Decided) -> Change:
    decision, new, old = decided
    return Ask(ReviewKind.DUPLICATE, (new.ref, old.ref), "merge", _why(decision))


def _replaces(decided: _Decided) -> Change:
    decision, new, old = decided
    if old.pinned:
        return Ask(ReviewKind.CONFLICT, (old.ref, new.ref), "supersede", _why(decision))
    since = decision.valid_from
    begins = since if since is not None and since > old.observed_at else new.observed_at
    return Supersede(old.ref, new.ref, begins, _why(decision))


def _contradicts(decided: _Decided) -> list[Change]:
    decision, new, old = decided
    return [
        Join(new.id, old.id, CONTRADICTS, max(0.0, min(1.0, decision.score)), _why(decision)),
        Ask(ReviewKind.CONFLICT, (old.ref, new.ref), "supersede", _why(decision)),
    ]


CONTRADICTS: Final = "contradicts"
