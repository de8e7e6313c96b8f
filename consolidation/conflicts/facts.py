"""Compare the facts of two memories: which are the same, which took another value, what else the old one says. Pure."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from consolidation.conflicts.statements import Reading, numbered_otherwise
from memory_service.analysis.facts import Fact
from memory_service.analysis.facts.attributes import FAMILY, LISTS, ONE_OF_MANY, PERSONAL, ROLES_OF_PEOPLE
from memory_service.analysis.facts.places import exclude_each_other
from memory_service.analysis.facts.values import of_one_sort, read_values, same_value
from memory_service.analysis.facts.wording import content_words


@dataclass(frozen=True, slots=True)
class Agreement:
    """How the facts of a new memory stand to those of an old one.

    Attributes:
        same: Every fact of the new memory is one of the old one, and it says nothing else.
        other: The fact of the new memory that gives another value of an attribute, or denies one.
        lost: The old memory says more than that attribute, and the new one does not repeat it.
        sure: The attribute, its value or a word of change make it certain that the old value is gone.
        corrected: The new memory takes back what was said.
        called: Whom the old memory names as the relative of whom the new one speaks without a name.
    """

    same: bool = False
    other: Fact | None = None
    lost: bool = False
    sure: bool = False
    corrected: bool = False
    called: str | None = None


NONE: Final = Agreement()


def agree(
    after: Reading, before: Reading, new: Sequence[Fact], old: Sequence[Fact], *, corrected: bool = False
) -> Agreement:
    """Compare the facts of a new memory with those of an old one.

    >>> from consolidation.conflicts.statements import read_statements
    >>> from memory_service.analysis.facts import facts
    >>> texts = "I've moved to Munich.", "I live in Berlin.", "I live in Berlin with my aunt Ida."
    >>> readings, found = [read_statements(text, "en") for text in texts], [facts(text) for text in texts]
    >>> one = agree(readings[0], readings[1], found[0], found[1])
    >>> one.other.value, one.lost, one.sure
    ('Munich', False, True)
    >>> agree(readings[0], readings[2], found[0], found[2]).lost
    True
    """
    if not new or not old:
        return NONE
    old = [other for other in old if all(_of_one(fact, after, other, before) for fact in new)]
    present = [fact for fact in new if not fact.ended]
    known = [fact for fact in present if any(_same(fact, other) for other in old)]
    # "I'm married to Jonas" says that he is the husband and that I am married: one stretch of text, said once.
    implied = all(any(fact.span[0] == one.span[0] for one in known) for fact in present)
    if known and implied and len(present) == len(new):
        said = set(before.whole.words)
        besides = _besides(after, present) - said
        return Agreement(same=not besides and not _new_values(after, before, present), corrected=corrected)
    for fact in present:
        for other in old:
            if (fact.subject, fact.attribute) != (other.subject, other.attribute) or other.ended:
                continue
            verdict = _takes_place(fact, other, corrected=corrected)
            if verdict is None:
                continue
            left = _besides(before, [other]) - set(after.whole.words)
            if numbered_otherwise(left, _besides(after, [fact]) - set(before.whole.words)):
                continue  # "Test 1: the value is 7", "Test 2: the value is 14"
            lost = bool(left) or _new_values(before, after, [other])
            whose, called_before = _name(fact, after), _name(other, before)
            called = None if whose else called_before
            # Of friends the one may be Tom and the other not: where one of the two is not named, nobody knows.
            one_person = whose is not None and called_before is not None
            sure = verdict and (one_person or fact.subject.partition(" of ")[0] not in ONE_OF_MANY)
            return Agreement(other=fact, lost=lost, sure=sure, corrected=corrected, called=called)
    return NONE


# "My brother Tom lives in Rome": one of perhaps several brothers.
_CALLED: Final = re.compile(
    rf"(?:my|our)\s+(?:[a-z][\w-]*\s+)?(?:{'|'.join(sorted(ROLES_OF_PEOPLE))}),?\s+(?-i:(?P<name>[A-Z][\w-]+))",
    re.IGNORECASE,
)


def _of_one(new: Fact, after: Reading, old: Fact, before: Reading) -> bool:
    """Say whether two facts may be of one person: a sister Ida is not the sister Mia, though both are a sister."""
    if new.subject != old.subject:
        return True
    names = _name(new, after), _name(old, before)
    return None in names or len(set(names)) == 1


def _name(fact: Fact, reading: Reading) -> str | None:
    """Return the name of the relative that a fact is about, where it is said."""
    found = _CALLED.match(reading.whole.text, fact.span[0])
    return None if found is None else found["name"]


def _takes_place(new: Fact, old: Fact, *, corrected: bool) -> bool | None:
    """Say whether one fact takes the place of another: True for certain, False perhaps, None not at all."""
    told = new.changed or corrected
    if new.positive != old.positive:
        same = _same_key(new, old)
        return (told or new.attribute in PERSONAL) if same else None
    functional = (new.functional and old.functional) or (corrected and new.attribute not in LISTS)
    if not (functional and new.positive) or _same_key(new, old) or not exclude_each_other(new.key, old.key):
        return None
    if not of_one_sort(new.value, old.value, new.attribute):
        return None
    certain = told or new.attribute in PERSONAL or new.attribute.startswith("favourite_")
    if certain or (new.number is not None and old.number is not None and new.unit == old.unit):
        return True
    return True if new.value[:1].isupper() and old.value[:1].isupper() else None


def _same(new: Fact, old: Fact) -> bool:
    return (
        (new.subject, new.attribute, new.positive) == (old.subject, old.attribute, old.positive)
        and not old.ended
        and _same_key(new, old)
    )


def _same_key(new: Fact, old: Fact) -> bool:
    one, other = read_values(new.value), read_values(old.value)
    if one and len(one) == len(other):
        return all(map(same_value, one, other))  # "100 Mb" and "100 MB" have one key
    return new.key == old.key


def _besides(reading: Reading, facts: Sequence[Fact]) -> set[str]:
    """Return the content words of a text that stand outside some of its facts."""
    covered: set[str] = set()
    for fact in facts:
        stretch = reading.whole.text[fact.span[0] : fact.span[1]]
        for said in (stretch, FAMILY.get(fact.attribute, ""), fact.attribute.replace("_", " "), fact.subject):
            covered |= set(content_words(said, reading.language))
    return set(reading.whole.words) - covered


def _new_values(reading: Reading, other: Reading, facts: Sequence[Fact]) -> bool:
    """Say whether a text has a value outside some of its facts that another text has not."""
    outside = [
        value
        for value in reading.whole.values
        if not any(fact.span[0] <= value.start and value.end <= fact.span[1] for fact in facts)
    ]
    return any(not any(same_value(value, one) for one in other.whole.values) for value in outside)
