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

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from consolidation.conflicts.facts import Agreement, agree
from consolidation.conflicts.repetition import cased_otherwise, leaves_a_hedge_out, repeats, same_order, signs
from consolidation.conflicts.replacement import replaced
from consolidation.conflicts.screening import worth_reading
from consolidation.conflicts.statements import (
    Reading,
    compare,
    lettered_otherwise,
    numbered_otherwise,
    read_parts,
    read_statements,
)
from consolidation.records import Record
from memory_service.analysis.facts import SILENT_ROLES, USER, Fact, subject_of
from memory_service.analysis.times import find_times


class Action(StrEnum):
    """What a decision does."""

    DUPLICATE = "duplicate"
    SUPERSEDE = "supersede"
    ASK_DUPLICATE = "ask_duplicate"
    ASK_CONFLICT = "ask_conflict"
    ADD = "add"


@dataclass(frozen=True, slots=True)
class Decision:
    """What becomes of two memories; `score` is the cosine of the two, and `reason` says which rule decided.

    `called` names the relative of whom the old one speaks, where the new one does not say which it means.
    """

    action: Action
    score: float
    reason: str
    valid_from: datetime | None = None  # since when the new value holds, where the text says
    called: str | None = None


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
OTHER_ORDER: Final = "the same words in another order"


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
    >>> from uuid import UUID
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
    if not related and not worth_reading(new, old, cosine=cosine, near=settings.ask_duplicate):
        return keep
    if lettered_otherwise(new.content, old.content):
        return keep
    before, after = read_statements(old.content, old.language), read_statements(new.content, new.language)
    found = agree(after, before, new_facts, old_facts, corrected=after.whole.corrects)
    decision = _duplicate(new, old, after, before, found, cosine, settings)
    other_days = [] if decision is None else _other_days(new, old)
    if decision is None or other_days:
        advice = _suggests(new) or _suggests(old)
        decision = None if advice else _update(new, old, after, before, found, cosine, settings)
    # Whoever runs every day and says so each time is not to be asked each time; which year's 3 May is meant is asked about.
    # Nor is whoever writes down calls of one ticket after the other.
    if decision is None and new.stated <= old.stated and all(map(_has_digit, other_days)):
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
    if new.outlasts(old) or new.trust > old.trust or new.stated - old.stated:
        return None  # With the old one it would end, be believed less, or not be found by its value, metadata or tags.
    if after.long or before.long:
        same = " ".join(new.content.split()) == " ".join(old.content.split())
        return Decision(Action.DUPLICATE, cosine, "the same text") if same else None
    if a.negated != b.negated or signs(new.content) != signs(old.content):
        return None
    if cased_otherwise(new.content, old.content):
        return None
    if found.same and not found.other and cosine >= settings.same_fact and not a.supposes and not b.supposes:
        return Decision(Action.DUPLICATE, cosine, "the same fact")
    if a.supposes != b.supposes or a.persons - b.persons:
        return None
    difference = compare(b, a)
    if difference.extra or difference.come or difference.gone or leaves_a_hedge_out(difference.missing):
        return None
    if a.size < settings.least_words and not found.same and not (a.values and a.persons and a.size > 1):
        return None
    if not repeats(new.content, old.content, a, b):
        return None
    if not difference.missing and len(a.names) > 1 and _crossed(a.names, b.names):
        return Decision(Action.ASK_DUPLICATE, cosine, OTHER_ORDER)
    if not same_order(a, b, after.language):
        return Decision(Action.ASK_DUPLICATE, cosine, OTHER_ORDER) if cosine >= settings.ask_duplicate else None
    if not difference.missing:
        return Decision(Action.DUPLICATE, cosine, "the same words") if cosine >= settings.duplicate else None
    if (
        difference.common >= settings.kept * (difference.common + len(difference.missing))
        and cosine >= settings.shorter
    ):
        return Decision(Action.DUPLICATE, cosine, "nothing beyond what was said")
    return None


def _other_days(new: Record, old: Record) -> list[str]:
    """Return the words of the new one, such as "yesterday", that mean another day than any in the old one."""
    new_times, old_times = (find_times(one.content, one.observed_at, language=one.language) for one in (new, old))
    known = {(time.starts, time.ends) for time in old_times}
    return [time.phrase for time in new_times if (time.starts, time.ends) not in known]


def _has_digit(phrase: str) -> bool:
    return any(letter.isdigit() for letter in phrase)


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
        return Decision(Action.SUPERSEDE, cosine, f"another {found.other.attribute}", since, found.called)
    if cosine < settings.update:
        return None
    if len(old.content) > LONGEST_UPDATED:
        return None
    for part in read_parts(new.content, new.language):
        reason = replaced(before.whole, part, most_after=settings.after)
        if reason is not None:
            return Decision(Action.SUPERSEDE, cosine, reason)
    return None


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
