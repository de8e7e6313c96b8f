"""Guess the language of a text from its script and its small words, in microseconds.

Good enough to choose a stemmer and stop words. A short or mixed text answers ``und`` (undetermined), not a guess.
"""

import re
from collections import Counter
from collections.abc import Callable
from functools import cache
from typing import Final

from memory_service.analysis.folding import fold
from memory_service.analysis.stopwords import STOP_WORDS
from memory_service.analysis.tokens import UNKNOWN_LANGUAGE

_SAMPLE = 2000  # characters read; more changes no answer
_ENOUGH = 2  # small words of one language that a text must hold
_LEAD = 1.2  # how far the winner must be ahead of the next

# Small words of further languages, so that they are not taken for one of those with a stop-word list.
_MORE_SMALL_WORDS: Final = {
    "pt": """
        a ao as às até com como da das de do dos e é ela ele em entre era essa esse esta este eu foi há isso já mais
        mas me mesmo meu minha muito na não nas no nos o os ou para pela pelo por quando que quem se sem ser seu sua
        são só também te tem um uma você
    """,
    "nl": """
        aan al alles als altijd bij dan dat de der deze die dit doch doen door een en er ge geen had heb heeft hem
        het hier hij hoe ik in is ja je kan maar me mijn na naar niet nog nu of om omdat ons ook op over te toen tot
        u uit van veel voor want was wat we wel wie wij word wordt zal ze zich zij zijn zo
    """,
    "sv": """
        alla att av blev bli de dem den det dig din du där efter ej eller en er ett från för ha hade han har hon i
        inte jag ju kan man med mig min mot mycket ni nu när någon och om oss på sin ska skulle som så till under
        upp ut vad var vi vid är
    """,
    "da": """
        af alle at blev da de dem den der det dig din du efter eller en er et for fra ham han hans har havde hun
        hvad hvor i ikke ind jeg jo kan kunne man med meget men mig min mod ned noget nu når og også om op os på sig
        skal skulle som til ud var ved vi være
    """,
    "pl": """
        a ale bardzo bo być był była było co czy dla do gdzie go i ich ja jak je jego jest jej już kiedy kto ma mi
        mnie na nie niego od on ona po pod przez się są tak także tam tego ten to tu ty tylko w we więc z za że
    """,
    "tr": """
        ama ben bir biz bu çok da daha de değil diye en gibi hem her için ile ise kadar ki mi mu ne nasıl neden o
        olan olarak oldu sen siz sonra şey şu ve veya var ya yok
    """,
}

# One pattern per script; the first group that matches more than half of the letters decides.
_SCRIPTS: Final = (
    ("ja", re.compile("[\u3040-\u30ff\u31f0-\u31ff]")),
    ("ko", re.compile("[\uac00-\ud7a3\u1100-\u11ff]")),
    ("zh", re.compile("[\u3400-\u4dbf\u4e00-\u9fff]")),
    ("th", re.compile("[\u0e01-\u0e5b]")),
    ("lo", re.compile("[\u0e81-\u0edf]")),
    ("my", re.compile("[\u1000-\u109f]")),
    ("km", re.compile("[\u1780-\u17ff]")),
    ("he", re.compile("[\u05d0-\u05f2]")),
    ("ar", re.compile("[\u0620-\u06ff]")),
    ("hi", re.compile("[\u0900-\u097f]")),
    ("ta", re.compile("[\u0b80-\u0bff]")),
    ("el", re.compile("[\u0370-\u03ff]")),
    ("hy", re.compile("[\u0530-\u058f]")),
    ("ka", re.compile("[\u10a0-\u10ff]")),
    ("ru", re.compile("[\u0400-\u04ff]")),
)
_KANA_SHARE = 0.1  # Japanese mixes kana with Han; Chinese has none
_LETTER: Final = re.compile(r"[^\W\d_]")
_WORD: Final = re.compile(r"[^\W\d_]+")
_ASCII_WORD: Final = re.compile("[a-z]+")  # of folded text; three times as fast


Guess = Callable[[str], str]
"""Guesses as `guess` does; what reads a text by several rules asks once."""


def guess(text: str) -> str:
    """Guess the BCP-47 language of a text, or answer ``und``.

    >>> guess("I went to the lake with my sister"), guess("Ich war mit meiner Schwester am See")
    ('en', 'de')
    >>> guess("昨日は湖に行きました"), guess("我昨天去了湖边"), guess("ok")
    ('ja', 'zh', 'und')
    """
    sample = fold(text[:_SAMPLE])
    if not sample.isascii() and (language := _by_script(sample)):
        return language
    return _by_small_words(sample)


def _by_script(sample: str) -> str | None:
    letters = len(_LETTER.findall(sample))
    if not letters:
        return None
    counts = {language: len(pattern.findall(sample)) for language, pattern in _SCRIPTS}
    if counts["ja"] > _KANA_SHARE * letters and 2 * (counts["ja"] + counts["zh"]) > letters:
        return "ja"
    language, count = max(counts.items(), key=lambda entry: entry[1])
    if 2 * count <= letters:
        return None
    if language == "ru":
        return _cyrillic(sample)
    if language == "ar" and any(letter in sample for letter in "پچژگ"):
        return "fa"
    return language


def _cyrillic(sample: str) -> str:
    if any(letter in sample for letter in "іїєґ"):
        return "uk"
    if any(letter in sample for letter in "ђћџљњј"):
        return "sr"
    return "ru"


def _by_small_words(sample: str) -> str:
    # Most words of a text share a few sets of languages: counting the sets first, in C, halves the time.
    words = (_ASCII_WORD if sample.isascii() else _WORD).findall(sample)
    known = _languages_by_word()
    counts = Counter([known[word] for word in words if word in known])
    votes: dict[str, float] = {}
    for languages, count in counts.items():
        # A word that many languages share says little about which one it is.
        vote = count / len(languages)
        for language in languages:
            votes[language] = votes.get(language, 0.0) + vote
    if not votes:
        return UNKNOWN_LANGUAGE
    most, *others = sorted(votes.values(), reverse=True)
    if others and most < _LEAD * others[0]:
        return UNKNOWN_LANGUAGE
    first = max(votes, key=votes.__getitem__)
    hits = sum([count for languages, count in counts.items() if first in languages])
    return first if hits >= _ENOUGH else UNKNOWN_LANGUAGE


@cache
def _languages_by_word() -> dict[str, tuple[str, ...]]:
    words: dict[str, list[str]] = {}
    for language, stop_words in STOP_WORDS.items():
        for word in stop_words:
            words.setdefault(word, []).append(language)
    for language, small_words in _MORE_SMALL_WORDS.items():
        for word in small_words.split():
            words.setdefault(word, []).append(language)
    return {word: tuple(sorted(languages)) for word, languages in words.items()}
