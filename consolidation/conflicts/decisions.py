"""Decide what becomes of two memories that speak of the same: one of them, the newer one, both, or a person decides. Pure.

The order of the rules (ALGORITHMS "Conflict"; Mem0, with the changed number as an update):

1. who is compared: one speaker of one user and agent, in one role; neither is superseded, ended or made from the other;
2. the new one says nothing that the old one does not say: it is a *duplicate* and becomes a second source of the old one;
3. it gives another value of the same attribute, or denies what the old one says, at present: it *supersedes* the old one,
   provided that nothing else which the old one says would be lost with it;
4. if something would be lost, or if it is not sure: a person is *asked*;
5. otherwise both stand.

Precision comes first. A duplicate too many costs a line in a result; a wrong merge hides what somebody said.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

from consolidation.conflicts.facts import Agreement, agree
from consolidation.conflicts.statements import (
    Difference,
    Reading,
    Statement,
    compare,
    numbered_otherwise,
    read_parts,
    read_statements,
)
from consolidation.planning import Ask, Change, Join, Merge, ReviewKind, Step, Supersede, Why
from consolidation.records import Considered, Record
from memory_service.analysis.facts import SILENT_ROLES, USER, Fact, subject_of
from memory_service.analysis.facts.values import Value, ValueKind
from memory_service.analysis.facts.wording import content_words
from memory_service.analysis.times import find_times
from memory_service.analysis.times.reading import words_in


class Action(StrEnum):
    """What a decision does."""

    DUPLICATE = "duplicate"
    SUPERSEDE = "supersede"
    ASK_DUPLICATE = "ask_duplicate"
    ASK_CONFLICT = "ask_conflict"
    ADD = "add"


@dataclass(frozen=True, slots=True)
class Decision:
    """What becomes of two memories; `score` is the cosine of the two, and `reason` says which rule decided."""

    action: Action
    score: float
    reason: str
    valid_from: datetime | None = None  # since when the new value holds, where the text says


@dataclass(frozen=True, slots=True)
class ConflictSettings:
    """How near two memories must be; cosines of all-MiniLM-L6-v2."""

    duplicate: float = 0.80  # with the same words: the vector only guards against words in another order
    shorter: float = 0.85  # the new one leaves something out
    ask_duplicate: float = 0.95  # with a word or two of another kind
    update: float = 0.45  # "I live in Berlin" and "I've moved to Munich" are .5 apart
    same_fact: float = 0.60  # of two texts that state one fact and no more
    least_words: int = 3  # a repeated remark of fewer is small talk, unless it is a fact
    kept: float = 0.6  # share of the old one's words that a shorter repetition keeps at least
    after: int = 3  # further words that a stated change may bring along


DEFAULT: Final = ConflictSettings()
KEEP: Final = "both stand"


def decide(
    new: Record,
    old: Record,
    *,
    cosine: float,
    new_facts: Sequence[Fact] = (),
    old_facts: Sequence[Fact] = (),
    settings: ConflictSettings = DEFAULT,
) -> Decision:
    """Decide about a memory and one that was observed before it.

    Args:
        new: The later one by `observed_at`.
        old: The earlier one.
        cosine: Of their vectors.
        new_facts: What `memory_service.analysis.facts` finds in the new one.
        old_facts: The same of the old one.
        settings: How near they must be.

    >>> from datetime import UTC
    >>> def said(number, text):
    ...     at = datetime(2024, 1, number, tzinfo=UTC)
    ...     return Record(UUID(int=number), 1, text, at, at, language="en")
    >>> decide(said(2, "My rent is now 1,020 euros."), said(1, "My rent is 950 euros."), cosine=0.9).action.value
    'supersede'
    >>> decide(said(2, "my rent is EUR 950"), said(1, "My rent is 950 euros."), cosine=0.9).action.value
    'duplicate'
    >>> decide(said(2, "My sister's rent is 1,020 euros."), said(1, "My rent is 950 euros."), cosine=0.9).action.value
    'add'
    """
    keep = Decision(Action.ADD, cosine, KEEP)
    if not _comparable(new, old):
        return keep
    related = _share_attribute(new_facts, old_facts)
    # Reading costs more than all else; far apart, or one long and the other of another length, they cannot be the same.
    apart = cosine < (settings.update if len(old.content) <= LONGEST_UPDATED else settings.duplicate)
    if apart and not related:
        return keep
    before, after = read_statements(old.content, old.language), read_statements(new.content, new.language)
    found = agree(after, before, new_facts, old_facts, corrected=after.whole.corrects)
    decision = _duplicate(new, old, after, before, found, cosine, settings)
    if decision is not None and _other_days(new, old):
        decision = None
    if decision is None and not _suggests(new) and not _suggests(old):
        decision = _update(new, old, after, before, found, cosine, settings)
    if decision is None:
        decision = _near(after, before, cosine, settings)
    return decision or keep


LONGEST_UPDATED: Final = 600  # characters; a longer text says too much to be replaced as a whole


def _share_attribute(new: Sequence[Fact], old: Sequence[Fact]) -> bool:
    if not new or not old:
        return False
    return not {(one.subject, one.attribute) for one in new}.isdisjoint((one.subject, one.attribute) for one in old)


def _comparable(new: Record, old: Record) -> bool:
    return (
        new.id != old.id
        and (new.user_id, new.agent_id) == (old.user_id, old.agent_id)
        and _who(new) == _who(old)
        and new.memory_type == old.memory_type
        and new.derivation_method == old.derivation_method
        and old.superseded_by is None
        and new.superseded_by is None
        and old.id not in new.parents
        and new.id not in old.parents
        and (old.valid_to is None or old.valid_to > new.observed_at)
    )


def _who(record: Record) -> tuple[str, str]:
    """Return who speaks, and as what; a speaker that is only a role is nobody."""
    return subject_of(record.speaker), record.role or USER


def _suggests(record: Record) -> bool:
    """Say whether what is said is advice rather than a statement about the user."""
    return record.role in SILENT_ROLES


def _duplicate(
    new: Record,
    old: Record,
    after: Reading,
    before: Reading,
    found: Agreement,
    cosine: float,
    settings: ConflictSettings,
) -> Decision | None:
    a, b = after.whole, before.whole
    if a.asks or b.asks:
        return None
    if new.outlasts(old) or new.trust > old.trust:
        return None  # With the old one it would end, or be believed less.
    if after.long or before.long:
        same = " ".join(new.content.split()) == " ".join(old.content.split())
        return Decision(Action.DUPLICATE, cosine, "the same text") if same else None
    if found.same and not found.other and cosine >= settings.same_fact and not a.supposes and not b.supposes:
        return Decision(Action.DUPLICATE, cosine, "the same fact")
    if a.negated != b.negated or a.supposes != b.supposes or a.persons - b.persons:
        return None
    difference = compare(b, a)
    if difference.extra or difference.come or difference.gone:
        return None
    if a.size < settings.least_words and not found.same and not (a.values and a.persons and a.size > 1):
        return None
    if not difference.missing:
        if len(a.names) > 1 and _crossed(a.names, b.names):
            return Decision(Action.ASK_DUPLICATE, cosine, "the same words in another order")
        return Decision(Action.DUPLICATE, cosine, "the same words") if cosine >= settings.duplicate else None
    if (
        difference.common >= settings.kept * (difference.common + len(difference.missing))
        and cosine >= settings.shorter
    ):
        return Decision(Action.DUPLICATE, cosine, "nothing beyond what was said")
    return None


def _other_days(new: Record, old: Record) -> bool:
    """Say whether words such as "yesterday" mean other days in the two."""
    new_days, old_days = (
        {(time.starts, time.ends) for time in find_times(one.content, one.observed_at, language=one.language)}
        for one in (new, old)
    )
    return bool(new_days - old_days)


def _crossed(new: tuple[str, ...], old: tuple[str, ...]) -> bool:
    """Say whether two names stand in the other order: "Tom beat Max" and "Max beat Tom".

    >>> _crossed(("Tom", "Max"), ("Max", "Tom")), _crossed(("Tom", "Max"), ("Tom", "Ann", "Max"))
    (True, False)
    """
    both = [name for name in dict.fromkeys(new) if name in old]
    places = [old.index(name) for name in both]
    return places != sorted(places)


def _update(
    new: Record,
    old: Record,
    after: Reading,
    before: Reading,
    found: Agreement,
    cosine: float,
    settings: ConflictSettings,
) -> Decision | None:
    if before.long or before.whole.asks or before.whole.supposes:
        return None
    if not before.whole.persons and before.whole.size < 2:
        return None
    if found.other is not None:
        since = found.other.valid_from
        if since is not None and since < old.observed_at and not found.corrected:
            return Decision(Action.ASK_CONFLICT, cosine, f"another {found.other.attribute}, said to hold since before")
        if found.lost or not found.sure:
            return Decision(Action.ASK_CONFLICT, cosine, f"another {found.other.attribute}, and more would be lost")
        return Decision(Action.SUPERSEDE, cosine, f"another {found.other.attribute}", since)
    if cosine < settings.update:
        return None
    if len(old.content) > LONGEST_UPDATED:
        return None
    for part in read_parts(new.content, new.language):
        reason = _replaced(before.whole, part, settings)
        if reason is not None:
            return Decision(Action.SUPERSEDE, cosine, reason)
    return None


def _replaced(old: Statement, new: Statement, settings: ConflictSettings) -> str | None:
    """Return why a part of a text takes the place of the whole of another; None where it does not.

    All that the old one says must be in it except the values that changed, and it must speak of the same persons.
    """
    if old.persons - new.persons or (old.persons and new.persons - old.persons):
        return None
    difference = compare(old, new)
    if _put_aside(old, new, difference):
        return "it is replaced"
    tells = (new.changed and not old.changed) or new.corrects
    if not difference.common or not _extra_is_aside(new, old, difference, tells=tells, most=settings.after):
        return None
    if new.past and not tells:
        return None
    if old.negated != new.negated:
        return _denied(old, new, difference, tells=tells)
    if _other_word(old, new, difference, tells=tells):
        return "another word"
    if difference.missing or not difference.gone or new.negated:
        return None
    pairs = _pairs(difference)
    if not pairs:
        return None
    if not tells and (new.scoped or old.past or _several_kinds(pairs) or any(gone.perhaps_name for gone, _ in pairs)):
        return None
    return f"another {pairs[0][1].kind.value}"


def _put_aside(old: Statement, new: Statement, difference: Difference) -> bool:
    """Say whether the new statement names what the old one has as replaced: "from X to Y", "Y instead of X"."""
    put_aside = set(new.replaced) & set(old.words)
    left = set(difference.missing) - put_aside - _LIGHT
    return bool(put_aside) and set(new.replaced) <= set(old.words) and not left and not difference.gone


def _other_word(old: Statement, new: Statement, difference: Difference, *, tells: bool) -> bool:
    """Say whether one word took the place of another in a statement that says that something changed."""
    verbs = set(old.words) & _LISTING
    return (
        tells
        and not verbs
        and len(difference.missing) == len(difference.extra) == 1
        and not numbered_otherwise(difference.missing, difference.extra)
        and not (difference.gone or difference.come)
        and (difference.common > 1 or (difference.common == 1 and _names_one(difference, old, new)))
        and new.text.strip().lower().rstrip(".!").endswith(_AT_PRESENT)
    )


def _names_one(difference: Difference, old: Statement, new: Statement) -> bool:
    """Say whether a name took the place of a name."""
    before, after = (content_words(" ".join(one.names)) for one in (old, new))
    return difference.missing[0] in before and difference.extra[0] in after


# Verbs that the description of a change does without.
_LIGHT: Final = words_in("use work go run be make take live")
# Verbs of which one object does not exclude another.
_LISTING: Final = words_in(
    "like love enjoy hate speak play know visit read see watch eat drink buy collect use meet tri learn teach want "
    "need make cook have own"
)
_AT_PRESENT: Final = (
    "now",
    "these days",
    "nowadays",
    "instead",
    "from now on",
    "jetzt",
    "maintenant",
    "ahora",
    "adesso",
)


def _denied(old: Statement, new: Statement, difference: Difference, *, tells: bool) -> str | None:
    if difference.gone or difference.come:
        return None
    # Who does it no longer does not do it every morning either.
    allowed = 1 if new.ends and difference.common > 1 else 0
    if len(difference.missing) > allowed:
        return None
    if not tells and (difference.extra or new.past or old.past):
        return None
    return "it is denied" if new.negated else "it is so after all"


def _extra_is_aside(new: Statement, old: Statement, difference: Difference, *, tells: bool, most: int) -> bool:
    """Say whether what the new statement says besides comes after what both say: before, it would be of another thing."""
    if not difference.extra:
        return True
    if not tells or len(difference.extra) > most:
        return False
    first = next(place for place, word in enumerate(new.words) if word in old.words)
    return not any(word in difference.extra for word in new.words[:first] if word not in _CHANGE_STEMS)


# Verbs of change, stemmed as statements are: they may stand before what changed.
_CHANGE_STEMS: Final = words_in(
    "move chang switch postpon extend reschedul rais increas lower reduc updat reach correct mistyp meant wrong "
    "new now promot push delay cut bump drop upgrad bring set"
)


def _pairs(difference: Difference) -> list[tuple[Value, Value]]:
    """Pair each value that is gone with one of its kind that has come; empty where one has none."""
    free = list(difference.come)
    pairs = []
    for gone in difference.gone:
        match = next(
            (
                one
                for one in free
                if one.kind is gone.kind and one.unit == gone.unit and one.kind is not ValueKind.ORDINAL
            ),
            None,
        )
        if match is None:
            return []
        free.remove(match)
        pairs.append((gone, match))
    return pairs


_TIMES: Final = frozenset({ValueKind.DATE, ValueKind.WEEKDAY})


def _several_kinds(pairs: Sequence[tuple[Value, Value]]) -> bool:
    """Say whether a date changed and something else with it: that is another occasion, not another value."""
    dated = [one for one, _ in pairs if one.kind in _TIMES]
    counted = [one for one, _ in pairs if one.kind not in _TIMES and one.kind is not ValueKind.CLOCK]
    return bool(dated and counted)


def _near(after: Reading, before: Reading, cosine: float, settings: ConflictSettings) -> Decision | None:
    """Ask about what is all but the same."""
    a, b = after.whole, before.whole
    if (
        cosine < settings.ask_duplicate
        or a.asks
        or b.asks
        or after.long
        or before.long
        or a.size < settings.least_words
    ):
        return None
    difference = compare(b, a)
    if difference.gone or difference.come or a.negated != b.negated or a.supposes != b.supposes:
        return None
    if len(difference.extra) > 1 or len(difference.missing) > 1 or a.persons != b.persons:
        return None
    if numbered_otherwise(difference.missing, difference.extra):
        return None  # "memory number 16", "memory number 17": nobody has to be asked whether they are one
    return Decision(Action.ASK_DUPLICATE, cosine, "almost the same words")


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
