"""Find names in a text by how they are written: capitals, @handles, possessives. No model, no list of names.

A capital at the start of a sentence proves nothing, so a single word there counts only when it is known or is written
with a capital elsewhere in the text too. In headings, list items and bold labels of Markdown that holds for several
words as well, and code is not read. In German every noun has a capital: there a name must be known or have at least
two words.
"""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from memory_service.analysis.sentences import Sentence, sentences
from memory_service.analysis.stopwords import STOP_WORDS
from memory_service.analysis.tokens import MONTHS

LONGEST_NAME = 6  # words; longer runs of capitals are headlines
_SHOUTING_SHARE = 0.6  # of the words in capitals: then capitals mean nothing
_SHOUTING_WORDS = 4  # fewer words than this are not enough to call it shouting


class MentionKind(StrEnum):
    """How a name was recognised."""

    NAME = "name"
    HANDLE = "handle"


@dataclass(frozen=True, slots=True)
class Mention:
    """A name and where it stands in the text, in characters; the possessive ending is outside."""

    name: str
    start: int
    end: int
    kind: MentionKind


_UPPER: Final = "A-ZÀ-ÖØ-ÞĀĂĄĆĈĊČĎĐĒĔĖĘĚĜĞĠĢĤĦĨĪĬĮİĴĶĹĻĽĿŁŃŅŇŌŎŐŒŔŖŘŚŜŞŠŢŤŦŨŪŬŮŰŲŴŶŸŹŻŽΑ-ΫА-ЯЁЂ-Џ"
_CAPITALISED: Final = rf"[{_UPPER}][^\W_]*(?:[-'’.&][{_UPPER}][^\W_]*)*"
_CONNECTOR: Final = r"(?:of|of the|de|de la|del|della|da|di|du|van|van der|von|von der|bin|al|el|la|le)"
_NAME: Final = re.compile(rf"(?<![\w@]){_CAPITALISED}(?:[ \t]+(?:{_CONNECTOR}[ \t]+)?{_CAPITALISED})*")
_HANDLE: Final = re.compile(r"(?<![\w@.])@([A-Za-z0-9_][A-Za-z0-9_.-]{1,38}[A-Za-z0-9_])")
_WORD: Final = re.compile(r"[^\W\d_]+")
_TOKEN: Final = re.compile(r"\S+")
_CODE: Final = re.compile(r"```.*?(?:```|\Z)|`[^`\n]*`", re.DOTALL)
_OPENING: Final = re.compile(r"(?:[:*#|>•\-–—(\[\"“„«]|^\d+[.)])[ \t*_\"“(\[]*\Z")  # before a word that opens a label
_OPENING_REACH = 8  # characters looked back; a label's mark stands close
_STRUCTURE: Final = re.compile(r"[#*|>•-]|\d+[.)]\s")  # a line that starts so is a heading, a list item or a table row

# What opens a sentence in conversation and is never the head of a name.
_OPENERS = """
absolutely actually ah alright also amazing anyway aw awesome aww because btw by bye congrats congratulations cool
dear definitely either even every exactly finally first for glad good goodbye great haha happy hello hey hi hmm hope
however id ill im ive just last let like lol look maybe nah nice no none nope oh ok okay one perhaps please plus
really right sadly since so some sorry sounds still such sure thank thanks though thx today tomorrow tonight true
two ugh um unfortunately usually wait well whoa woah wow yay yeah yep yes yesterday yet yo
"""
_DAYS = """
monday tuesday wednesday thursday friday saturday sunday mondays tuesdays wednesdays thursdays fridays saturdays
sundays mon tue tues wed thu thur thurs fri sat sun am pm ad bc
"""
_CLITICS: Final = frozenset({"m", "re", "ve", "ll", "d", "t", "s"})  # "I'll" is small, "O'Brien" is not
_VERB_LIKE: Final = ("ing", "ed", "ly")  # "Visited Paris": the first word is not part of the name
_ALWAYS_SMALL: Final[frozenset[str]] = (
    STOP_WORDS["en"]
    | frozenset(_OPENERS.split())
    | frozenset(_DAYS.split())
    | {month.lower() for month in MONTHS["en"]}
)


def mentions(text: str, *, known: Collection[str] = (), language: str = "en") -> list[Mention]:
    """Find names and handles in the order of the text, without overlaps.

    Args:
        text: What to read.
        known: Names that count wherever they stand with a capital, such as the speakers of the namespace.
        language: BCP-47; decides how much a capital proves.

    >>> [m.name for m in mentions("Hey Mel! Visited Oscar Wilde's grave in Paris with @jo_b. Great trip.")]
    ['Mel', 'Oscar Wilde', 'Paris', 'jo_b']
    """
    text = _CODE.sub(_blank, text)
    handles = list(_handles(text))
    if _is_shouting(text):
        return handles
    text = _HANDLE.sub(_blank, text)
    nouns_have_capitals = language.partition("-")[0].lower() == "de"
    known_words = {word.casefold() for name in known for word in _WORD.findall(name)}
    candidates = [
        candidate
        for sentence in sentences(text)
        for candidate in _candidates(sentence, known_words, nouns_have_capitals)
    ]
    proven = {mention.name for mention, sure in candidates if sure}
    proven_heads = {word for name in proven for word in name.split()}
    found = [mention for mention, sure in candidates if sure or mention.name in proven_heads]
    return sorted([*found, *handles], key=lambda mention: mention.start)


def names(text: str, *, known: Collection[str] = (), language: str = "en") -> list[str]:
    """Give the distinct names of a text in the order of their first mention.

    >>> names("I saw Ana. Ana saw Bo Li.")
    ['Ana', 'Bo Li']
    """
    return list(dict.fromkeys(mention.name for mention in mentions(text, known=known, language=language)))


def _candidates(sentence: Sentence, known_words: set[str], nouns_have_capitals: bool) -> Iterator[tuple[Mention, bool]]:
    """Give each possible name of a sentence, and whether the way it is written proves it."""
    first_word = _WORD.search(sentence.text)
    in_structure = _STRUCTURE.match(sentence.text) is not None
    for run in _NAME.finditer(sentence.text):
        opens = first_word is not None and run.start() <= first_word.start()
        opens = opens or _OPENING.search(sentence.text, max(0, run.start() - _OPENING_REACH), run.start()) is not None
        spans = [(run.start() + word.start(), run.start() + word.end()) for word in _TOKEN.finditer(run.group())]
        words = [_without_possessive(sentence.text[start:end]).casefold() for start, end in spans]
        first, last = 0, len(words)
        while first < last and words[first] not in known_words and _is_small(words[first]):
            first += 1
            opens = False
        while last > first and words[last - 1] not in known_words and _is_small(words[last - 1]):
            last -= 1
        if opens and last - first > 1 and words[first].endswith(_VERB_LIKE) and words[first] not in known_words:
            first += 1
            opens = False
        if not first < last <= first + LONGEST_NAME:
            continue
        start = spans[first][0]
        name = _without_possessive(sentence.text[start : spans[last - 1][1]])
        if len(name) < 2:
            continue
        if not known_words.isdisjoint(words[first:last]):
            sure = True
        elif last - first > 1:
            sure = not (opens and in_structure)
        else:
            sure = not (opens or nouns_have_capitals)
        begin = sentence.start + start
        yield Mention(name=name, start=begin, end=begin + len(name), kind=MentionKind.NAME), sure


def _blank(found: re.Match[str]) -> str:
    """Take a span out of the text without moving what follows."""
    return " " * len(found.group())


def _handles(text: str) -> Iterator[Mention]:
    for found in _HANDLE.finditer(text):
        yield Mention(name=found.group(1), start=found.start(1), end=found.end(1), kind=MentionKind.HANDLE)


def _is_small(word: str) -> bool:
    """Say whether a folded word opens sentences or names a day, so that its capital means nothing."""
    head, apostrophe, tail = word.replace("’", "'").partition("'")
    if apostrophe and tail not in _CLITICS:
        return False
    return head in _ALWAYS_SMALL


def _without_possessive(name: str) -> str:
    for ending in ("'s", "’s", "'", "’"):
        if name.endswith(ending):
            return name[: -len(ending)]
    return name


def _is_shouting(text: str) -> bool:
    words: list[str] = [word for word in _WORD.findall(text) if len(word) > 1]
    if len(words) < _SHOUTING_WORDS:
        return False
    return sum(word.isupper() for word in words) > _SHOUTING_SHARE * len(words)
