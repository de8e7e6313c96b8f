"""Choose the words that say what a text is about, from the text alone.

In the spirit of RAKE (Rose et al. 2010: phrases are what stands between stop words) and YAKE (Campos et al. 2020:
frequency, case and position tell a word's weight), reduced to what holds for chat turns of twenty words.
"""

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, NamedTuple

from memory_service.analysis.folding import fold
from memory_service.analysis.sentences import Cut, Sentence, sentences
from memory_service.analysis.stopwords import stop_words
from memory_service.analysis.tokens import terms, words_of

LONGEST_PHRASE = 3  # words


@dataclass(frozen=True, slots=True)
class KeywordWeights:
    """What makes a word matter; chosen by reading results on conversations, they fit no benchmark."""

    name: float = 1.0  # added for a capital inside a sentence
    length: float = 0.08  # per letter, up to ten: long words are rarer
    later: float = 0.15  # per sentence that passes before the first mention, logarithmic
    phrase: float = 0.35  # per further word of a phrase, so that three words do not always beat one


_DEFAULT_WEIGHTS: Final = KeywordWeights()
_WORD: Final = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
_GAP: Final = re.compile(r"[ \t]+|-")  # what may stand between two words of a phrase
# Everyday verbs and fillers of conversation: no stop words for search, but nobody's topic.
_VAGUE_WORDS = """
absolutely actually ago agree also always amazing anything anyway appreciate around awesome back bad believe best
better big bit came check come coming cool couple day days definitely done dont else enjoy enjoyed even ever every
everyone everything excited exciting far feel feeling feels felt find first forward found fun gave get gets getting
give glad go goes going gone gonna good got gotta great guess guys haha hard hear heard hello help hey hi hope huge
idea interesting keep kind kinda knew know last lately let lets life like liked little lol long look looking looks
lot lots love loved made make makes making many maybe mean means met might mine much need never new next nice
nothing ok okay old omg one people place pretty probably put quite ready real really recently right said same saw
say saying see seeing seems seen sense share show since something soon sorry sound sounds special started stuff
super sure take taking talk tell thank thanks thing things think thinking thought time times today told tomorrow
tonight took totally tried true try trying two us use used using usually wait wanna want wanted way week well went
whats wish wonderful work wow yay yeah year years yep yes yesterday yet
"""
_VAGUE: Final = frozenset(_VAGUE_WORDS.split())


def keywords(
    text: str,
    *,
    language: str = "en",
    limit: int = 5,
    weights: KeywordWeights = _DEFAULT_WEIGHTS,
    cut: Cut = sentences,
) -> list[str]:
    """Give up to ``limit`` keywords or short phrases, best first, folded, each found in the text as it stands.

    >>> keywords("I finally adopted a rescue dog! The rescue dog sleeps all day, Biscuit is so calm.", limit=3)
    ['rescue dog', 'rescue dog sleeps', 'biscuit']
    """
    phrases = _phrases(cut(text), language)
    weight = _word_weights(phrases, weights)
    scores: dict[str, float] = {}
    for words in phrases:
        if len(words) == 1:  # most of them
            word = words[0].folded
            scores[word] = scores.get(word, 0.0) + weight[word]
            continue
        folded = [word.folded for word in words]
        values = [weight[word] for word in folded]
        longest = min(len(words), LONGEST_PHRASE)
        for size in range(1, longest + 1):
            share = 1 + weights.phrase * (size - 1)
            if size != longest:
                share *= 2  # Part of a longer phrase.
            for start in range(len(words) - size + 1):
                phrase = " ".join(folded[start : start + size])
                scores[phrase] = scores.get(phrase, 0.0) + sum(values[start : start + size]) / share
    # By score, those alike by their words: sorting is stable, and twice without a key in Python is faster than once with one.
    ranked = sorted(sorted(scores), key=scores.__getitem__, reverse=True)
    return _without_repeats(ranked, language, limit)


class _Word(NamedTuple):
    folded: str
    is_name: bool
    sentence: int


def _phrases(said: Iterable[Sentence], language: str) -> list[list[_Word]]:
    phrases: list[list[_Word]] = []
    for number, sentence in enumerate(said):
        body = sentence.text
        current: list[_Word] = []
        end = -1
        for found in _WORD.finditer(body):
            start, reached = found.span()
            word = body[start:reached]
            # Most often it is one blank, for which no pattern is needed.
            if current and body[end:start] != " " and not _GAP.fullmatch(body, end, start):
                phrases.append(current)
                current = []
            end = reached
            folded = _topic(word, language)
            if folded:
                current.append(_Word(folded, start > 0 and word[0].isupper(), number))
            elif current:
                phrases.append(current)
                current = []
        if current:
            phrases.append(current)
    return phrases


@lru_cache(maxsize=20_000)
def _topic(word: str, language: str) -> str:
    """Return the folded word when it can be somebody's topic, nothing otherwise; words come again and again."""
    stop = stop_words(language)
    folded = fold(word).removesuffix("'s")
    head = folded.partition("'")[0]
    if folded in stop or head in stop or folded in _VAGUE or len(folded) < 2 or folded.isdigit():
        return ""
    return folded


def _word_weights(phrases: list[list[_Word]], weights: KeywordWeights) -> dict[str, float]:
    counts: dict[str, int] = {}
    named: set[str] = set()
    first: dict[str, int] = {}
    for phrase in phrases:
        for word in phrase:
            counts[word.folded] = counts.get(word.folded, 0) + 1
            first.setdefault(word.folded, word.sentence)
            if word.is_name:
                named.add(word.folded)
    return {
        word: (math.log1p(count) + weights.name * (word in named) + weights.length * min(len(word), 10))
        / (1 + weights.later * math.log1p(first[word]))
        for word, count in counts.items()
    }


def _without_repeats(ranked: list[str], language: str, limit: int) -> list[str]:
    """Keep the best of phrases that share all their stems with one already chosen."""
    chosen: list[str] = []
    covered: set[str] = set()
    term_of = words_of(language)
    for phrase in ranked:
        if len(chosen) >= limit:
            break
        # Words without accents are cut no further: what `terms` does for them is to look them up.
        stems = {term_of[word] for word in phrase.split()} - {""} if phrase.isascii() else set(terms(phrase, language))
        if stems and not stems <= covered:
            chosen.append(phrase)
            covered |= stems
    return chosen
