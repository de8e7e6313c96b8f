"""Say whether one short statement takes the place of another: "I moved to Porto" of "I live in Lisbon". Pure.

Similarity cannot say which of two statements still holds, and values alone (`updates`) only where both hold one beside the
same words. Three things else tell:

- *facts*: both give a value of the same attribute of the same subject, which holds one at a time, and it is asked for;
- *ends*: the later one says that something the earlier one names is over: "sold the Civic", "left Northwind", "switched
  from VS Code to Neovim";
- *changes*: the later one says that something changed, or gives another value of the same kind; it shares words with the
  earlier one and lacks no word of the query that the earlier one has, but for verbs of everyday life.

Who is spoken of must be the same, and what is asked, wished, quoted, past or so for a while takes no place. Read for questions
after what is so now only. It moves results and hides none, so it dares more than consolidation does, which supersedes
(`consolidation.conflicts`). English only.
"""

from typing import Final

from memory_service.analysis.facts import Fact
from memory_service.analysis.facts.attributes import FAMILY, FUNCTIONAL
from memory_service.analysis.facts.places import exclude_each_other
from memory_service.analysis.facts.values import ValueKind, of_one_sort, same_value
from memory_service.analysis.facts.wording import content_words, speaks_of_the_way_back
from memory_service.analysis.tokens import UNKNOWN_LANGUAGE
from retrieval.change_words import (
    ASKS_STATE,
    ASKS_WHERE,
    CAPITAL,
    FILLERS,
    FOR_A_WHILE,
    HIMSELF,
    LIGHT,
    OTHERWISE,
    OWN,
    OWNED,
    RELATIONS,
    SWITCHES,
    USER,
)
from retrieval.said import End, Said, Sort, every_word, modifiers, people_in

LONGEST: Final = 600  # characters of a text that is read; a longer one says many things
NEAR: Final = 0.35  # cosine of two statements at least, for what ends another
ABOUT_THE_SAME: Final = 0.45  # and for what says that something changed
ALIKE: Final = 0.6  # and for what does not name what changed
ENGLISH: Final = frozenset({"en", UNKNOWN_LANGUAGE})


def takes_place(new: Said, old: Said, *, cosine: float, asked: frozenset[str], query: str) -> bool:
    """Say whether a later statement makes an earlier one outdated.

    Args:
        new: The later one.
        old: The earlier one, by the same speaker.
        cosine: Of their vectors.
        asked: The content words of the query.
        query: Its text, for who is spoken of in it.

    >>> def said(text):
    ...     return Said(text, None, "en")
    >>> def outdated(old, new, query):
    ...     return takes_place(said(new), said(old), cosine=0.6, asked=frozenset(content_words(query)), query=query)
    >>> outdated("I live in Lisbon.", "I moved to Porto last week.", "Where do I live?")
    True
    >>> outdated("I drive a Honda Civic.", "I sold the Civic and bought a Tesla.", "What car do I have?")
    True
    >>> outdated("I go to the gym on Mondays.", "I changed my gym day to Fridays.", "Which day do I go to the gym?")
    True
    >>> outdated("I live in Lisbon.", "My sister moved to Porto.", "Where do I live?")
    False
    >>> outdated("My rent is 900 euros.", "My parking is now 90 euros.", "How much is my rent?")
    False
    """
    if cosine < NEAR or max(len(new.text), len(old.text)) > LONGEST or not {new.spoken, old.spoken} <= ENGLISH:
        return False
    if FOR_A_WHILE.search(new.text):
        return False
    # Reading facts costs most: both have to speak of what is asked for.
    of_attribute = asked & _OF_ATTRIBUTES or asked & old.words & new.words
    if of_attribute and _another_value(new, old, asked):
        return True
    if new.beside:
        return False
    # "My daughter Ella …", and later only "Ella …".
    named = set(CAPITAL.findall(new.text)) & set(CAPITAL.findall(old.text)) - {"I", "User"}
    lost = (asked & old.words) - new.words - LIGHT - (RELATIONS if named else frozenset())
    if "renamed" in new.plain:
        lost -= _NAME
    if any(_is_of(one, old, query) and not lost - one.words for one in new.ended):
        return True
    if cosine < ABOUT_THE_SAME or not _changed(new, old, asked, lost, cosine, query):
        return False
    # The train from Basel is another than the one to Basel.
    if speaks_of_the_way_back(new.text, old.text):
        return False
    # "Rosa's dog" is none of what "Rosa lives in Porto" is about.
    owned = OWNED.match(new.stated)
    if owned is not None and frozenset(content_words(owned["what"])).isdisjoint(old.words | asked):
        return False
    return not new.about - every_word(f"{old.text} {query}")


_NAME: Final = frozenset(content_words("name"))


def _is_of(end: End, old: Said, query: str) -> bool:
    """Say whether what is over is a thing of an earlier statement, ended by whom that speaks of."""
    if end.head not in old.words or people_in(end.who) - every_word(f"{old.text} {query}"):
        return False
    subject = every_word(end.who) - FILLERS
    return not subject or bool(subject & (OWN | every_word(old.text)))


def _another_value(new: Said, old: Said, asked: frozenset[str]) -> bool:
    """Say whether an attribute that is asked for has another value in the later statement."""
    wanted = [fact for fact in old.facts if fact.functional and asked & _names_of(fact)]
    return bool(wanted) and any(
        fact.attribute == other.attribute
        and _holder(fact) == _holder(other)
        and exclude_each_other(fact.key, other.key)
        and of_one_sort(fact.value, other.value, fact.attribute)
        for fact in new.facts
        if fact.functional and fact.positive and not fact.ended
        for other in wanted
    )


def _holder(fact: Fact) -> str:
    return fact.subject.removesuffix(" and others")  # who says that "we moved" moved


def _names_of(fact: Fact) -> frozenset[str]:
    """Return the words by which one asks for the attribute of a fact."""
    label = fact.attribute.removeprefix("number_of_").replace("_", " ")
    own = "" if label == "is" else label
    said = f"{own} {FAMILY.get(fact.attribute, '')} {_ASKED_AS.get(fact.attribute, '')} {fact.subject}"
    return frozenset(content_words(said)) - USER


_ASKED_AS: Final = {
    "lives_in": "city town country place address apartment",
    "works_at": "employer office",
    "job": "position role occupation living",
    "studies_at": "school college",
    "relationship": "marital status relationship partner",
    "diet": "eat food",
    "spouse": "partner",
}
"""Further words of questions for an attribute, beside those that state it (`FAMILY`)."""
_OF_ATTRIBUTES: Final = frozenset(
    content_words(" ".join([*(FAMILY.get(one, "") for one in FUNCTIONAL), *_ASKED_AS.values(), *FUNCTIONAL]))
)


def _changed(new: Said, old: Said, asked: frozenset[str], lost: frozenset[str], cosine: float, query: str) -> bool:
    """Say whether a later statement tells a change of what an earlier one and the query are about."""
    # Which words both have costs most to read: first whether anything could follow from them.
    if lost:
        # "My daughter switched to Maple Academy" does not say that it is a school.
        switches = len(lost) == 1 and cosine >= ALIKE and SWITCHES.search(new.plain) is not None
        return switches and bool(_common(new, old, asked) & asked)
    if new.ended and not new.values:
        return False  # what it ends is something else
    others = _other_values(new, old, asked)
    if others and not new.changes:
        others = OTHERWISE.search(new.stated) is None and not new.names - every_word(old.text)
    tells = new.changes and not old.values and bool(new.words - old.words - asked)
    if not (others or tells):
        return False
    common = _common(new, old, asked)
    if new.changed_thing is not None and common.isdisjoint(new.changed_thing):
        return False  # "My gym raised its prices"
    if common:
        return others or (tells and _answers(new, old, asked, query))
    # "I'm down to 78 kg": nothing but the unit tells what of.
    return others and cosine >= ALIKE and not HIMSELF.isdisjoint(every_word(" ".join(new.stated.split()[:2])))


def _common(new: Said, old: Said, asked: frozenset[str]) -> frozenset[str]:
    """Return the words both have that say what they are about."""
    common = (old.words & new.words) - LIGHT
    # "12 years old" and "34 years old" have no more in common than their unit.
    common -= frozenset(content_words(" ".join(one.text for one in new.values)))
    # "A new laptop bag" is no new laptop; of a hotel restaurant and a hotel kitchen both are of a hotel.
    return common - (modifiers(new.stated, known=old.words | asked) - modifiers(old.stated)) if common else common


def _answers(new: Said, old: Said, asked: frozenset[str], query: str) -> bool:
    """Say whether what is so now of a thing is what is asked of it: where it is, or what else it has, is another matter."""
    sort, heads = new.sort
    if not (new.only_since_when or sort is Sort.WHERE):
        return True
    match sort:
        case Sort.WHERE:
            return old.sort[0] is Sort.WHERE or ASKS_WHERE.search(query) is not None
        case Sort.STATE:
            return old.sort[0] is Sort.STATE or ASKS_STATE.match(query) is not None
        case Sort.HAVING:
            return not heads.isdisjoint(old.words | asked)
        case _:
            return True


def _other_values(new: Said, old: Said, asked: frozenset[str]) -> bool:
    """Say whether both hold values of one kind and unit that differ; "the third floor" says which, unless it is asked for."""
    return any(
        one.kind is two.kind
        and one.unit == two.unit
        and not same_value(one, two)
        and (one.kind is not ValueKind.ORDINAL or not asked.isdisjoint(content_words(new.stated[one.end :])[:1]))
        for one in new.values
        for two in old.values
    )
