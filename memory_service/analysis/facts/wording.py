"""Words as facts and statements are compared by: one spelling, stemmed, numbers as digits. Pure."""

import re
from functools import lru_cache
from itertools import pairwise
from typing import Final

from memory_service.analysis.folding import fold, strip_accents
from memory_service.analysis.stopwords import stop_words
from memory_service.analysis.times.reading import words_in
from memory_service.analysis.tokens import cut_language, words_of

_WORD: Final = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
_SPELLINGS: Final = {
    "colour": "color", "colours": "colors", "favourite": "favorite", "favourites": "favorites", "centre": "center",
    "theatre": "theater", "neighbour": "neighbor", "neighbours": "neighbors", "organise": "organize", "grey": "gray",
    "programme": "program", "maths": "math", "mum": "mom", "metre": "meter", "metres": "meters", "e": "email", "mail": "email",
    "flat": "apartment", "cancelled": "canceled", "travelling": "traveling", "btw": "way", "dont": "don't", "im": "i'm",
    "cant": "can't", "finish": "finished", "called": "named", "wifi": "wifi", "wi": "wifi", "fi": "wifi", "mr": "", "mrs": "",
    "ms": "", "dr": "",
}  # fmt: skip
# Besides stop words, what a sentence can do without.
_FILLERS: Final = words_in(
    "hey hi hello fyi btw by way just really quite please remember know well okay ok yes no yeah so oh ah um lol haha also too "
    "still currently already quick note update status actually think thought feel guess finally got get gets "
    "getting much many lot lots "
    "let lets like'd am'm 'm 've 's one ones thing things very pretty kind sort definitely literally basically simply "
    "there's it's that's i'm i've we're we've is are was were be been being will shall must need needs needed "
    "have has had having do does did done doing own owns say"
)
# Stop words that make a difference to what is said.
_TELLING: Final = words_in(
    "other another before after without under over above below until off between during against up down only"
)
NEGATIONS: Final = words_in(
    "not no never none nobody nothing neither nor without cannot can't don't doesn't didn't isn't aren't wasn't "
    "weren't won't wouldn't "
    "couldn't shouldn't haven't hasn't hadn't ain't cant dont nicht kein keine keinen keiner keinem nie niemals pas jamais "
    "nunca jamás tampoco non mai ne"
)


def words(text: str) -> list[str]:
    """Return the words of a text, folded.

    >>> words("Mum’s e-mail")
    ["mum's", 'e', 'mail']
    """
    return _WORD.findall(fold(text))


def content_words(text: str, language: str = "en") -> tuple[str, ...]:
    """Return the words of a text that carry what it says, in one spelling and stemmed, in order.

    >>> content_words("Hey, my favourite colour is really green!")
    ('favorit', 'color', 'green')
    """
    return tuple(term for word in words(text) if (term := _term(word, cut_language(language))))


def plain_words(text: str, language: str = "en") -> tuple[str, ...]:
    """Return the words of `content_words` as they are written, not stemmed: what a person can read.

    >>> plain_words("the grant application's deadlines")
    ('grant', "application's", 'deadlines')
    """
    return tuple(word for word in words(text) if _term(word, cut_language(language)))


@lru_cache(maxsize=50_000)
def _term(word: str, language: str) -> str:
    if word in NEGATIONS:
        return ""
    if language in {"en", "und"}:
        word = _SPELLINGS.get(word, word)
        if word in _TELLING:
            return word
        if word in _FILLERS:
            return ""
    elif word in stop_words(language):
        return ""
    return words_of(language)[word] if word else ""


_WAYS: Final = {"from": "from", "to": "to", "into": "to", "von": "from", "aus": "from", "nach": "to", "zu": "to"}


def ways(text: str) -> dict[str, str]:
    """Return by word whether a text leads to it or comes from it.

    >>> ways("The train from Bonn to Jena")
    {'bonn': 'from', 'jena': 'to'}
    >>> ways("From the office to my flat")
    {'office': 'from', 'flat': 'to'}
    """
    return {
        word: _WAYS[way]
        for way, word in pairwise(one for one in words(text) if one not in _BEFORE_NOUNS)
        if way in _WAYS
    }


_BEFORE_NOUNS: Final = words_in(
    "the a an my our your his her its their der die das den dem ein eine einen einem einer mein meine"
)


def turned_around(one: str, other: str) -> bool:
    """Say whether one text leads to what the other comes from.

    >>> turned_around("The train from Bonn is late", "The train to Bonn is late")
    True
    """
    first, second = ways(one), ways(other)
    return any(first[word] != second[word] for word in first.keys() & second.keys())


def speaks_of_the_way_back(new: str, old: str) -> bool:
    """Say whether a later text leads to the place from which the earlier one comes, or comes from where that leads.

    Where it goes on from there, something has changed once more.

    >>> speaks_of_the_way_back("The train from Bonn is late", "The train to Bonn is late")
    True
    >>> speaks_of_the_way_back("We moved from Bonn to Jena", "We moved from Graz to Bonn")
    False
    >>> speaks_of_the_way_back("It grew from 12 to 15", "It grew to 12")
    False
    """
    names = {word for text in (new, old) for found in _CAPITALISED.findall(text) for word in words(found)}
    later, earlier = ways(new), ways(old)
    other = {word for word in later.keys() & earlier.keys() & names if later[word] != earlier[word]}
    goes_on = any(later[word] == "to" for word in later.keys() & names) and all(later[word] == "from" for word in other)
    return bool(other) and not goes_on


_CAPITALISED: Final = re.compile(r"\b[^\W\d_a-zß-ÿ][\w'’]*")


def key_of(text: str) -> str:
    """Return the form in which a value is compared with another.

    >>> key_of("the Café de Flore"), key_of("University of Graz")
    ('cafe flore', 'university graz')
    """
    return " ".join(word for word in (strip_accents(one) for one in words(text)) if word not in _ARTICLES)


_ARTICLES: Final = words_in(
    "the a an of my our der die das den dem ein eine le la les l un une el los las il lo gli i de du des at in on now"
)


_SMALL_TALK: Final = (
    "thanks thank appreciate support see later talk soon take care good great nice love lovely awesome amazing "
    "sounds luck fun night "
    "morning afternoon evening day weekend hope congrats congratulations proud cheers enjoy pleasure glad happy "
    "sorry hear welcome course "
    "bye goodbye cool wow yay sure absolutely totally agree true right exactly same keep up best wishes wonderful "
    "fantastic perfect excited "
    "exciting beautiful looks look looking forward"
)


@lru_cache(maxsize=1)
def _small_talk() -> frozenset[str]:
    return frozenset(content_words(_SMALL_TALK))


def substance(words: tuple[str, ...]) -> int:
    """Return how many content words are more than small talk.

    >>> substance(content_words("Thanks, that sounds great!")), substance(content_words("My dentist is Dr. Okafor"))
    (0, 2)
    """
    return sum(word not in _small_talk() for word in words)
