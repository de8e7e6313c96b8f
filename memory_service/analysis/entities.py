"""Find names in a text by how they are written: capitals, @handles, possessives. No model, no list of names.

A capital at the start of a sentence proves nothing, so a single word there counts only when it is known or is written
with a capital elsewhere in the text too. In headings, list items and bold labels of Markdown that holds for several
words as well, and code is not read. In German every noun has a capital: there a name must be known or have at least
two words.
"""

import re
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple

from memory_service.analysis.sentences import Cut, Sentence, sentences
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


class _Run(NamedTuple):
    """Words with capitals in a row: perhaps a name, with words around it that have theirs from where they stand."""

    spans: tuple[tuple[int, int], ...]
    words: tuple[str, ...]  # folded, without possessive endings
    small: tuple[bool, ...]  # of each word, whether its capital means nothing
    opens: bool  # stands where any word has a capital
    in_structure: bool


@dataclass(frozen=True, slots=True)
class Spelling:
    """How a text is written, as far as names go; what counts as one is decided by `mentions_in`."""

    text: str  # code and handles blanked out
    handles: tuple[Mention, ...]
    runs: tuple[_Run, ...]


Spell = Callable[[str], Spelling]

_UPPER: Final = "A-ZÀ-ÖØ-ÞĀĂĄĆĈĊČĎĐĒĔĖĘĚĜĞĠĢĤĦĨĪĬĮİĴĶĹĻĽĿŁŃŅŇŌŎŐŒŔŖŘŚŜŞŠŢŤŦŨŪŬŮŰŲŴŶŸŹŻŽΑ-ΫА-ЯЁЂ-Џ"
_CAPITALISED: Final = rf"[{_UPPER}][^\W_]*(?:[-'’.&][{_UPPER}][^\W_]*)*"
_CONNECTOR: Final = r"(?:of|of the|de|de la|del|della|da|di|du|van|van der|von|von der|bin|al|el|la|le)"
_NAME: Final = re.compile(rf"(?<![\w@]){_CAPITALISED}(?:[ \t]+(?:{_CONNECTOR}[ \t]+)?{_CAPITALISED})*")
_HANDLE: Final = re.compile(r"(?<![\w@.])@([A-Za-z0-9_][A-Za-z0-9_.-]{1,38}[A-Za-z0-9_])")
_WORD: Final = re.compile(r"[^\W\d_]+")
_TWO_CAPITALS: Final = re.compile(r"[A-Z][A-Z]")
_TOKEN: Final = re.compile(r"\S+")
_CODE: Final = re.compile(r"```.*?(?:```|\Z)|`[^`\n]*`", re.DOTALL)
_OPENING: Final = re.compile(r"(?:[:*#|>•\-–—(\[\"“„«]|^\d+[.)])[ \t*_\"“(\[]*\Z")  # before a word that opens a label
_OPENING_MARK: Final = re.compile(r"[:*#|>•\-–—(\[\"“„«]")
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
_POSSESSIVE: Final = ("'s", "’s", "'", "’")
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
    return mentions_in(spelling(text), known=words_of_names(known), language=language)


def words_of_names(names: Iterable[str]) -> frozenset[str]:
    """Return the folded words of names, as `mentions_in` looks them up."""
    return frozenset(word.casefold() for name in names for word in _WORD.findall(name))


def spelling(text: str, *, cut: Cut = sentences) -> Spelling:
    """Read how a text is written: what of `mentions` depends neither on the language nor on who is known."""
    if "`" in text:
        text = _CODE.sub(_blank, text)
    handles = tuple(_handles(text)) if "@" in text else ()
    if _is_shouting(text):
        return Spelling(text, handles, ())
    if handles:
        text = _HANDLE.sub(_blank, text)
    return Spelling(text, handles, tuple(run for sentence in cut(text) for run in _runs(sentence)))


def names(text: str, *, known: Collection[str] = (), language: str = "en", spell: Spell = spelling) -> list[str]:
    """Give the distinct names of a text in the order of their first mention.

    >>> names("I saw Ana. Ana saw Bo Li.")
    ['Ana', 'Bo Li']
    """
    found = mentions_in(spell(text), known=words_of_names(known), language=language)
    return list(dict.fromkeys(mention.name for mention in found))


def _runs(sentence: Sentence) -> Iterator[_Run]:
    text, begin = sentence.text, sentence.start
    first_word = _WORD.search(text)
    in_structure = _STRUCTURE.match(text) is not None
    # Without one of these no word behind the first can open anything.
    marked = text[0].isdecimal() or _OPENING_MARK.search(text) is not None
    for run in _NAME.finditer(text):
        start, end = run.span()
        if end - start < 2:
            continue  # "I", most often: a letter by itself is no name, whoever is known
        opens = first_word is not None and start <= first_word.start()
        if marked and not opens:
            opens = _OPENING.search(text, max(0, start - _OPENING_REACH), start) is not None
        spans = [(start, end)]
        if " " in run.group() or "\t" in run.group():
            spans = [word.span() for word in _TOKEN.finditer(text, start, end)]
        words = tuple([_without_possessive(text[first:last]).casefold() for first, last in spans])
        yield _Run(
            tuple([(begin + first, begin + last) for first, last in spans]),
            words,
            tuple(map(_is_small, words)),
            opens,
            in_structure,
        )


def mentions_in(spelling: Spelling, *, known: frozenset[str] = frozenset(), language: str = "en") -> list[Mention]:
    """Return the names and handles of a text that was read before; see `mentions`.

    Args:
        spelling: What was read.
        known: Folded words of names that count wherever they stand with a capital.
        language: BCP-47; decides how much a capital proves.
    """
    nouns_have_capitals = language.partition("-")[0].lower() == "de"
    candidates = list(_candidates(spelling, known, nouns_have_capitals))
    proven = {mention.name for mention, sure in candidates if sure}
    proven_heads = {word for name in proven for word in name.split()}
    found = [mention for mention, sure in candidates if sure or mention.name in proven_heads]
    return sorted([*found, *spelling.handles], key=lambda mention: mention.start)


def _candidates(spelling: Spelling, known: frozenset[str], nouns_have_capitals: bool) -> Iterator[tuple[Mention, bool]]:
    """Give each possible name of a text, and whether the way it is written proves it."""
    for spans, words, small, opens, in_structure in spelling.runs:
        first, last = 0, len(words)
        while first < last and small[first] and words[first] not in known:
            first += 1
            opens = False
        while last > first and small[last - 1] and words[last - 1] not in known:
            last -= 1
        if opens and last - first > 1 and words[first].endswith(_VERB_LIKE) and words[first] not in known:
            first += 1
            opens = False
        if not first < last <= first + LONGEST_NAME:
            continue
        start = spans[first][0]
        name = _without_possessive(spelling.text[start : spans[last - 1][1]])
        if len(name) < 2:
            continue
        if not known.isdisjoint(words[first:last]):
            sure = True
        elif last - first > 1:
            sure = not (opens and in_structure)
        else:
            sure = not (opens or nouns_have_capitals)
        yield Mention(name=name, start=start, end=start + len(name), kind=MentionKind.NAME), sure


def _blank(found: re.Match[str]) -> str:
    """Take a span out of the text without moving what follows."""
    return " " * len(found.group())


def _handles(text: str) -> Iterator[Mention]:
    for found in _HANDLE.finditer(text):
        yield Mention(name=found.group(1), start=found.start(1), end=found.end(1), kind=MentionKind.HANDLE)


def _is_small(word: str) -> bool:
    """Say whether a folded word opens sentences or names a day, so that its capital means nothing."""
    if "'" not in word and "’" not in word:
        return word in _ALWAYS_SMALL
    head, apostrophe, tail = word.replace("’", "'").partition("'")
    if apostrophe and tail not in _CLITICS:
        return False
    return head in _ALWAYS_SMALL


def _without_possessive(name: str) -> str:
    if name.endswith(_POSSESSIVE):
        return next(name[: -len(ending)] for ending in _POSSESSIVE if name.endswith(ending))
    return name


def _is_shouting(text: str) -> bool:
    if text.isascii() and _TWO_CAPITALS.search(text) is None:
        return False  # of no word, so of no share of them
    words: list[str] = [word for word in _WORD.findall(text) if len(word) > 1]
    if len(words) < _SHOUTING_WORDS:
        return False
    return sum(word.isupper() for word in words) > _SHOUTING_SHARE * len(words)
