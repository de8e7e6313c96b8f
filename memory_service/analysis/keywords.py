"""Choose the words that say what a text is about, from the text alone.

In the spirit of RAKE (Rose et al. 2010: phrases are what stands between stop words) and YAKE (Campos et al. 2020:
frequency, case and position tell a word's weight), reduced to what holds for chat turns of twenty words.
"""

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

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
# A word, and what stands between it and the next one where the two may be of one phrase.
_WORD: Final = re.compile(r"([^\W_]+(?:['’][^\W_]+)*)(?:([ \t]+|-)(?=[^\W_]))?")
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
    read = _read(cut(text), language)
    weight = _word_weights(read, weights)
    scores: dict[str, float] = {}
    for words in read.phrases:
        if len(words) == 1:  # most of them
            scores[words[0]] = scores.get(words[0], 0.0) + weight[words[0]]
            continue
        values = [weight[word] for word in words]
        longest = min(len(words), LONGEST_PHRASE)
        for size in range(1, longest + 1):
            share = 1 + weights.phrase * (size - 1)
            if size != longest:
                share *= 2  # Part of a longer phrase.
            for start in range(len(words) - size + 1):
                phrase = " ".join(words[start : start + size])
                scores[phrase] = scores.get(phrase, 0.0) + sum(values[start : start + size]) / share
    # By score, those alike by their words: sorting is stable, and twice without a key in Python is faster than once with one.
    ranked = sorted(sorted(scores), key=scores.__getitem__, reverse=True)
    return _without_repeats(ranked, language, limit)


@dataclass(frozen=True, slots=True)
class _Read:
    """The words of a text that can be somebody's topic, folded."""

    phrases: list[list[str]] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    first: dict[str, int] = field(default_factory=dict)  # in which sentence each is said first
    names: set[str] = field(default_factory=set)  # written with a capital inside a sentence


def _read(said: Iterable[Sentence], language: str) -> _Read:
    read = _Read()
    for number, sentence in enumerate(said):
        current: list[str] = []
        begins = sentence.text[0].isalnum()  # a capital of the first word says nothing
        for word, gap in _WORD.findall(sentence.text):
            folded = _topic(word, language)
            if folded:
                current.append(folded)
                read.counts[folded] = read.counts.get(folded, 0) + 1
                read.first.setdefault(folded, number)
                if not begins and word[0].isupper():
                    read.names.add(folded)
            begins = False
            if current and not (folded and gap):
                read.phrases.append(current)
                current = []
        if current:
            read.phrases.append(current)
    return read


@lru_cache(maxsize=20_000)
def _topic(word: str, language: str) -> str:
    """Return the folded word when it can be somebody's topic, nothing otherwise; words come again and again."""
    stop = stop_words(language)
    folded = fold(word).removesuffix("'s")
    head = folded.partition("'")[0]
    if folded in stop or head in stop or folded in _VAGUE or len(folded) < 2 or folded.isdigit():
        return ""
    return folded


def _word_weights(read: _Read, weights: KeywordWeights) -> dict[str, float]:
    return {
        word: (math.log1p(count) + weights.name * (word in read.names) + weights.length * min(len(word), 10))
        / (1 + weights.later * math.log1p(read.first[word]))
        for word, count in read.counts.items()
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
