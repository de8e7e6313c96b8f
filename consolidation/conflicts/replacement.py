"""Say whether one statement takes the place of another: the same but for a value, a word or a denial. Pure."""

import re
from collections.abc import Sequence
from typing import Final

from consolidation.conflicts.statements import Difference, Statement, compare, numbered_otherwise
from memory_service.analysis.facts.attributes import NATIONALITIES, ROLES_OF_PEOPLE
from memory_service.analysis.facts.values import Value, ValueKind
from memory_service.analysis.facts.wording import content_words, turned_around, words
from memory_service.analysis.times.reading import words_in


def replaced(old: Statement, new: Statement, *, most_after: int) -> str | None:
    """Return why a part of a text takes the place of the whole of another; None where it does not.

    All that the old one says must be in it except the values that changed, and it must speak of the same persons. At
    most so many further words may come after a stated change.
    """
    if old.persons - new.persons or (old.persons and new.persons - old.persons):
        return None
    if turned_around(new.text, old.text):
        return None
    if _OBJECTS.intersection(words(old.text)) != _OBJECTS.intersection(words(new.text)):
        return None  # "Tom owes me 20 euros", "I owe Tom 30 euros"
    difference = compare(old, new)
    if _put_aside(old, new, difference):
        return "it is replaced"
    tells = (new.changed and not old.changed) or new.corrects
    if not difference.common or not _extra_is_aside(new, old, difference, tells=tells, most=most_after):
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


_OBJECTS: Final = words_in("me him us them mich mir uns ihn ihm ihnen")


def _put_aside(old: Statement, new: Statement, difference: Difference) -> bool:
    """Say whether the new statement names what the old one has as replaced: "from X to Y", "Y instead of X"."""
    put_aside = set(new.replaced) & set(old.words)
    left = set(difference.missing) - put_aside - LIGHT
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
        and _of_one_sort(difference, old, new)
        and new.text.strip().lower().rstrip(".!").endswith(_AT_PRESENT)
    )


def _names_one(difference: Difference, old: Statement, new: Statement) -> bool:
    """Say whether a name took the place of a name."""
    before, after = (content_words(" ".join(one.names)) for one in (old, new))
    # "My trainer is Kim", "My trainers are Nikes": one word by its stem only.
    written = [
        {word for word in words(one.text) if content_words(word) and content_words(word)[0] in old.words}
        for one in (old, new)
    ]
    return difference.missing[0] in before and difference.extra[0] in after and written[1] <= written[0]


def _of_one_sort(difference: Difference, old: Statement, new: Statement) -> bool:
    """Say whether two words say the same of a thing: "is in London" does not say which bank it is, "is Swiss" not which wife."""
    before, after = _led_by(old, difference.missing[0]), _led_by(new, difference.extra[0])
    return before == after and all(
        kind.isdisjoint(difference.missing) == kind.isdisjoint(difference.extra) for kind in _KINDS
    )


def _led_by(statement: Statement, term: str) -> str | None:
    """Return the preposition before a word, one for all that say where; None where there is none."""
    every = words(statement.text)
    place = next((at for at, word in enumerate(every) if term in content_words(word)), 0)
    before = [word for word in every[max(0, place - 2) : place] if word not in {"the", "a", "an", "my", "our"}][-1:]
    return _PREPOSITIONS.get(before[0]) if before else None


_PREPOSITIONS: Final = dict.fromkeys(words_in("in at on near to into"), "in") | {
    word: word for word in ("from", "with", "for", "by", "of", "under", "until", "since")
}
_KINDS: Final = tuple(frozenset(content_words(" ".join(sorted(kind)))) for kind in (NATIONALITIES, ROLES_OF_PEOPLE))
# Verbs that the description of a change does without.
LIGHT: Final = words_in("use work go run be make take live")
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
    if not tells or len(difference.extra) > most or _qualified(new, old, difference):
        return False
    if not _WAY_BACK.isdisjoint(difference.extra):
        return False
    first = next(place for place, word in enumerate(new.words) if word in old.words)
    return not any(word in difference.extra for word in new.words[:first] if word not in _CHANGE_STEMS)


def _qualified(new: Statement, old: Statement, difference: Difference) -> bool:
    """Say whether further words stand between what both speak of and the verb: "the budget for travel is" another budget."""
    verb = _VERB.search(new.text)
    before = content_words(new.text[: verb.start()]) if verb else ()
    known = next((place for place, word in enumerate(before) if word in old.words), len(before))
    return any(word in difference.extra and word not in _CHANGE_STEMS for word in before[known:])


_WAY_BACK: Final = frozenset(content_words("home back return homeward"))
_VERB: Final = re.compile(r"\s(?:is|are|was|were|has|have|will)\b", re.IGNORECASE)


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
