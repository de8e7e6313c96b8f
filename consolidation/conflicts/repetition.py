"""Say whether two statements of the same words say the same: order, signs, capitals, quotations, tense may tell. Pure."""

import re
from collections import Counter
from typing import Final

from consolidation.conflicts.statements import Statement
from memory_service.analysis.facts.mood import quotations
from memory_service.analysis.facts.values import ValueKind, read_values
from memory_service.analysis.facts.wording import content_words, turned_around, words
from memory_service.analysis.times.reading import words_in

# Signs that are no words: of comparisons and sums, before a negative number, in "C++" and "!found". A dash is punctuation, and
# what begins a line a bullet or the mark of a quotation.
_SIGNS: Final = re.compile(
    r"[!=<>]==?|&&|\|\||[≠≤≥±]"
    r"|(?<=\w)(?:\+\+|\#)(?!\w)"
    r"|(?<=[\w)\]])[ \t]*[+*/×÷<>](?=[ \t]*[\w([])"
    r"|(?<![\w!])!(?=\w)"
    r"|(?<![^\s($€£=])[-−](?=[$€£]?\d)"
)
_EMPHASIS: Final = re.compile(r"(?<!\w)(\*{1,3})(?=\S)(.+?)(?<=\S)\1(?!\w)")
_LINK: Final = re.compile(r"\b\w+://\S+")
# "almost finished" is not finished.
_HEDGES: Final = words_in(
    "almost nearly hardly barely seldom rarely half partly fast beinahe kaum selten presque casi quasi"
)


def repeats(new_text: str, old_text: str, new: Statement, old: Statement) -> bool:
    """Say whether nothing beside the words tells the new statement from the old one; their order is asked for by itself.

    Args:
        new_text: The whole text of the new one, quotations in it.
        old_text: The same of the old one.
        new: How it reads.
        old: The same of the old one.

    >>> from consolidation.conflicts.statements import read_statements
    >>> def compared(new, old):
    ...     return repeats(new, old, *(read_statements(one, "en").whole for one in (new, old)))
    >>> compared("return a - b", "return a + b"), compared("Our cat Minka sleeps - a lot!", "Our cat Minka sleeps a lot")
    (False, True)
    >>> compared("Ida lived in the old mill.", "Ida lives in the old mill.")
    False
    """
    return (
        signs(new_text) == signs(old_text)
        and _quoted(new_text) == _quoted(old_text)
        and new.past == old.past
        and not turned_around(new.text, old.text)
        and _told(new) == _told(old)
    )


def signs(text: str) -> Counter[str]:
    r"""Return how often which sign stands in a text that says something and is no word.

    >>> sorted(signs("if (count <= 3 && !done) x = a+b"))
    ['!', '&&', '+', '<=']
    >>> sorted(signs("- milk - well-known, 3-5 of it\n* *fresh* bread"))
    []
    """
    found = _SIGNS.findall(_EMPHASIS.sub(r"\2", _LINK.sub(" ", text)))
    return Counter(one.strip().replace("−", "-") for one in found)


def cased_otherwise(new_text: str, old_text: str) -> bool:
    """Say whether a word in which capitals count is written in both texts, with other capitals.

    They count in what is called a password, a key, an id, and where no language has them: inside a word, behind a digit. Not in
    times, amounts and addresses of mail.

    >>> cased_otherwise("My password is hunterX", "My password is hunterx"), cased_otherwise("I like Tea", "I like tea")
    (True, False)
    >>> cased_otherwise("The code is Blue.", "The code is blue."), cased_otherwise("The colour is Blue.", "The colour is blue.")
    (True, False)
    """
    if new_text == old_text or not (_MAY_COUNT.search(new_text) or _MAY_COUNT.search(old_text)):
        return False
    (new, new_exact), (old, old_exact) = _written(new_text), _written(old_text)
    return any(
        word not in forms.get(word.casefold(), {word})
        for exact, forms in ((new_exact, old), (old_exact, new))
        for word in exact
    )


_SECRET: Final = r"pass(?:word|phrase|code)s?|log-?in|user ?names?|passwort|mot de passe|contraseña|password"
# Names of things are written so, too, and by many without any capital: WiFi, iPhone.
_NAMED: Final = r"[a-z]*(?:[A-Z][a-z]+)+(?![^\W_])"
_INSIDE: Final = re.compile(rf"\b(?!{_NAMED})[^\W_]*[a-zß-ÿ\d](?=[A-Z])[^\W_]*")
_CALLED: Final = re.compile(
    rf"\b(?:(?:{_SECRET}|codes?|keys?|tokens?|secrets?|pins?|ids?|serial(?: number)?s?|hash(?:es)?)"
    r"(?:\s+(?:for|of|to|on|at|in)\s+[^.:;=\n]{1,40}?)?\s*(?:\b(?:is|are|was|were|changed to|set to|ist|est|es|è)\b|[:=])"
    rf"|(?:{_SECRET})\s)(?P<what>[^.;!?\n]{{1,80}}(?:\.\w[^.;!?\n]{{0,80}})*)",
    re.IGNORECASE,
)
_MAY_COUNT: Final = re.compile(rf"{_INSIDE.pattern}|(?i:{_CALLED.pattern.replace('(?P<what>', '(?:')})")
_LETTERS: Final = re.compile(r"[^\W_]+")
_FREELY_WRITTEN: Final = frozenset(ValueKind) - {ValueKind.CODE}


def _written(text: str) -> tuple[dict[str, set[str]], set[str]]:
    """Return the words of a text by their folded form as they are written, and those in which capitals count."""
    values = [(one.start, one.end) for one in read_values(text) if one.kind in _FREELY_WRITTEN]
    called = [one.span("what") for one in _CALLED.finditer(text)]
    forms: dict[str, set[str]] = {}
    exact = set()
    for found in _LETTERS.finditer(text):
        if any(start <= found.start() < end for start, end in values):
            continue
        word = found.group()
        forms.setdefault(word.casefold(), set()).add(word)
        if _INSIDE.fullmatch(word) or any(start <= found.start() < end for start, end in called):
            exact.add(word)
    return forms, exact


def leaves_a_hedge_out(missing: tuple[str, ...]) -> bool:
    """Say whether the words that a repetition leaves out made less of what was said.

    >>> leaves_a_hedge_out(("shed", "almost")), leaves_a_hedge_out(("shed",))
    (True, False)
    """
    return not _HEDGES.isdisjoint(missing)


def same_order(new: Statement, old: Statement, language: str) -> bool:
    """Say whether two statements have the words that both have in an order that says the same.

    That is one order, or what stood last stands first, or two words side by side stand the other way round with another between
    them: "the Bari office", "the office in Bari".

    >>> from consolidation.conflicts.statements import read_statements
    >>> def compared(new, old):
    ...     return same_order(*(read_statements(one, "en").whole for one in (new, old)), "en")
    >>> compared("the dog chased the cat", "the cat chased the dog"), compared("You owe me a beer", "I owe you a beer")
    (False, False)
    >>> compared("Olga is my dentist in the Bari office", "My dentist in the office in Bari is Olga")
    False
    >>> compared("Olga is my dentist in Bari", "My dentist in Bari is Olga")
    True
    >>> compared("I use the Bari office", "I use the office in Bari"), compared("Our boat was moved", "We moved our boat")
    (True, True)
    >>> compared("Tom was lent a boat by Max", "Tom lent Max a boat")
    False
    """
    passive = [one.text for one in (new, old) if _PASSIVE.search(one.text) is not None]
    if len(passive) == 1:
        return " by " not in passive[0]
    every = [words(_bare(one)) for one in (new, old)]
    if _OBJECTS.intersection(every[0]) != _OBJECTS.intersection(every[1]):
        return False
    places = [_places(one, language) for one in every]
    after, before = (
        [term for term in one if term in other] for one, other in zip(places, reversed(places), strict=True)
    )
    if not after or after == before:
        return True
    turned = before.index(after[0])
    if after == before[turned:] + before[:turned]:
        return True
    moved = [at for at, (one, other) in enumerate(zip(after, before, strict=True)) if one != other]
    if len(moved) != 2 or moved[1] != moved[0] + 1:
        return False
    first, second = after[moved[0]], after[moved[1]]
    beside = [abs(one[first] - one[second]) == 1 for one in places]
    return beside[0] != beside[1]


_PASSIVE: Final = re.compile(
    r"\b(?:is|are|was|were|be|been|being)\s+(?:\w+ly\s+)?(?:\w+(?:ed|en)|lent|sent|paid|sold|told|made|built)\b"
)
# To whom it is done: "I called her" and "she called me" have the same words besides.
_OBJECTS: Final = frozenset(["me", "him", "us", "them", "mich", "mir", "uns", "ihn", "ihm", "ihnen"])


def _bare(statement: Statement) -> str:
    """Return a text without its values, every other character at its place."""
    text = statement.text
    for value in statement.values:
        text = text[: value.start] + " " * (value.end - value.start) + text[value.end :]
    return text


def _places(every: list[str], language: str) -> dict[str, int]:
    """Return where each word that counts stands first, in order."""
    places: dict[str, int] = {}
    for at, word in enumerate(every):
        for term in content_words(word, language):
            places.setdefault(term, at)
    return places


def _quoted(text: str) -> list[tuple[str, ...]]:
    return sorted(tuple(words(one)) for one in quotations(text))


def _told(statement: Statement) -> frozenset[str]:
    """Return the stems of the words in the past tense that English makes by an ending; a dog named Rufus has that name."""
    past = (word for word in words(statement.text) if word.endswith("ed") and word != "named")
    return frozenset(term for word in past for term in content_words(word))
