"""Name a text by a part of itself: a short phrase, in its own words, that says what it is about."""

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from memory_service.analysis.folding import fold
from memory_service.analysis.sentences import sentences
from memory_service.analysis.stopwords import stop_words
from memory_service.analysis.tokens import terms

LONGEST: Final = 80  # characters
READ: Final = 4_000  # characters of a text that are looked at: what it is about is said by then


@dataclass(frozen=True, slots=True)
class TitleWeights:
    """What makes a phrase a good title; chosen by reading titles of conversations."""

    first: float = 1.0  # for the best keyword
    next: float = 0.7  # for each further one, that of the one before times this
    word: float = 0.04  # taken off for each word: of two phrases that say as much the shorter one
    later: float = 0.15  # taken off for each sentence before, up to three
    asks: float = 0.5  # taken off a question: it says what is wanted, not what is
    fewest: int = 3  # words
    whole: float = 0.75  # of what the best part of a long phrase is worth, from which its beginning is preferred


DEFAULT: Final = TitleWeights()

# Where a phrase may begin or end inside a sentence.
_BREAK: Final = re.compile(r"[,;:()\[\]{}|\"“”„«»…•*#]+|\s[–—-]+\s|\.{2,}")
_ASIDE: Final = re.compile(r"\[[^\]\n]{0,200}\]|\([^)\n]{0,200}\)|`[^`\n]{0,200}`|https?://\S+")
_MARKS: Final = re.compile(r"^[\s>#*+\-–—•\d.)]+(?=\s)|^[\s>#*+–—•]+")  # of Markdown at the beginning of a line
_END: Final = " \t\r\n\f\v\u00a0.!?…,;:*_`\"'“”„«»–—-"  # no part of a title at its end
_OPENING: Final = re.compile(r"\A[\s*_`\"'“”„«»–—-]+")
_WORD: Final = re.compile(r"\S+")
_LETTERS: Final = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
_FILLERS = """
hey hi hello hiya yo oh ah aw aww wow yes yeah yep yup no nope well so and but or because also anyway ok okay sure
thanks thank haha lol hmm um uh right great cool nice awesome amazing actually honestly basically btw definitely
absolutely totally exactly much very really by the way that's i mean you know of course for sure
und aber also ja nein hallo danke et mais oui non merci salut pero sí hola gracias bueno e ma sì ciao grazie
"""
FILLERS: Final = frozenset(_FILLERS.split())  # words that open a turn and say nothing


def title_of(
    content: str, keywords: Sequence[str], *, language: str = "en", weights: TitleWeights = DEFAULT
) -> str | None:
    """Return a phrase of the text, at most `LONGEST` characters; None where it would be most of the text, or nothing fits.

    Args:
        content: the text.
        keywords: what it is about, the best first.
        language: BCP-47, for the stems of its words.
        weights: what makes a phrase good.

    >>> text = "Hey Mel, thanks! Yesterday I took my kids to the pottery workshop downtown, and it was so much fun for all of us."
    >>> title_of(text, ["pottery workshop", "kids"])
    'Yesterday I took my kids to the pottery workshop downtown'
    """
    worth: dict[str, float] = {}
    value = weights.first
    for keyword in keywords:
        stems = set(terms(keyword, language))
        for stem in stems:
            worth[stem] = max(worth.get(stem, 0.0), value / len(stems))
        value *= weights.next
    best: tuple[float, int, str] | None = None
    for number, phrase in _phrases(content):
        found = set(terms(phrase, language))
        score = sum(worth.get(stem, 0.0) for stem in found)
        words = len(_LETTERS.findall(phrase))
        if score <= 0 or words < weights.fewest:
            continue
        score -= weights.word * words + weights.later * min(number, 3) + weights.asks * phrase.endswith("?")
        if best is None or score > best[0]:
            best = (score, number, phrase)
    if best is None:
        return None
    title = _fitted(best[2], worth, language, weights)
    return title if title and 3 * len(title) <= 2 * len(content.strip()) else None


def _phrases(content: str) -> Iterator[tuple[int, str]]:
    """Give each sentence and its parts, without asides and what only opens it, and the number of sentences before."""
    for number, sentence in enumerate(sentences(content[:READ])):
        body = _MARKS.sub("", sentence.text)
        whole = [part for part in _ASIDE.split(body) if part.strip()]
        parts = [part for one in whole for part in _BREAK.split(one) if part]
        for phrase in dict.fromkeys([*whole, *parts]):
            short = _without_fillers(phrase)
            if short:
                yield number, short


def _without_fillers(phrase: str) -> str:
    """Take off the words that open a turn and say nothing.

    >>> _without_fillers("Oh wow, and a lake!"), _without_fillers("Haha, yes.")
    ('a lake!', '')
    """
    rest = _OPENING.sub("", phrase)
    while rest:
        word = _WORD.match(rest)
        if word is None or fold(word.group()).strip(",.!?;:…-–—") not in FILLERS:
            break
        rest = _OPENING.sub("", rest[word.end() :])
    return rest.strip()


def _fitted(phrase: str, worth: dict[str, float], language: str, weights: TitleWeights) -> str:
    """Cut a phrase down to `LONGEST` characters of whole words around what is worth most, and take marks off its end."""
    asks = phrase.endswith("?")
    phrase = phrase.rstrip(_END)
    if asks and len(phrase) < LONGEST:
        phrase += "?"
    if len(phrase) <= LONGEST:
        return phrase
    words = [(found.start(), found.end()) for found in _WORD.finditer(phrase)]
    values = [sum(worth.get(stem, 0.0) for stem in set(terms(phrase[a:b], language))) for a, b in words]
    windows: list[tuple[float, str]] = []
    end = 0
    for start in range(len(words)):
        end = max(end, start)
        while end < len(words) and words[end][1] - words[start][0] <= LONGEST:
            end += 1
        if end > start:
            windows.append((sum(values[start:end]), phrase[words[start][0] : words[end - 1][1]]))
    most = max((value for value, _ in windows), default=0.0)
    beginning = [windows[0]] if windows and windows[0][0] >= weights.whole * most else []
    best = next((part for value, part in [*beginning, *windows] if beginning or value >= most), "")
    return _without_loose_end(best, stop_words(language))


def _without_loose_end(phrase: str, stop: Collection[str]) -> str:
    """Take off words at the end of a cut phrase that want something to follow.

    >>> _without_loose_end("I painted the lake with my", {"i", "the", "with", "my"})
    'I painted the lake'
    """
    phrase = phrase.rstrip(_END)
    while " " in phrase:
        head, _, last = phrase.rpartition(" ")
        if fold(last).strip(",.;:'’") not in stop:
            break
        phrase = head.rstrip(_END)
    return phrase
