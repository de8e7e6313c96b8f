"""Say what a text is like in a few numbers that ranking uses: does it ask, name a number, a time, its speaker.

Runs on every write, so it looks words up in sets and uses a pattern only where a word gave reason to (10 µs for a turn).
In languages without word lists here only digits, question marks and, in Chinese and Japanese, 年月日 tell.
"""

import re
from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from memory_service.analysis.language import guess
from memory_service.analysis.tokens import MONTHS, UNKNOWN_LANGUAGE

MOST_FIRST_PERSON: Final = 7  # counted words of the first person; three bits
MOST_WORDS: Final = 511  # counted words; nine bits, so that all traits fit a smallint
_OPENING_WORDS = 60  # looked at for signs of English

_FIRST_PERSON = {
    "en": "i i'm i've i'd i'll im ive me my mine myself we we're we've we'd we'll us our ours ourselves",
    "de": "ich mich mir mein meine meinem meinen meiner meines wir uns unser unsere unserem unseren unserer",
    "fr": "je j m moi me mon ma mes mien mienne nous notre nos",
    "es": "yo me mí mi mis mío mía míos mías conmigo nosotros nosotras nos nuestro nuestra nuestros nuestras",
    "it": "io mi me mio mia miei mie noi ci nostro nostra nostri nostre",
}
_NUMBERS = {
    "en": "two three four five six seven eight nine ten eleven twelve thirteen fifteen twenty thirty forty fifty sixty "
    "hundred hundreds thousand thousands million dozen dozens couple several few once twice thrice half double triple",
    "de": "zwei drei vier fünf sechs sieben acht neun zehn elf zwölf zwanzig dreißig vierzig fünfzig hundert tausend "
    "million dutzend paar einmal zweimal dreimal halb doppelt",
    "fr": "deux trois quatre cinq six sept huit neuf dix onze douze quinze vingt trente quarante cinquante cent mille "
    "million douzaine dizaine quelques plusieurs demi double",
    "es": "dos tres cuatro cinco seis siete ocho nueve diez once doce quince veinte treinta cuarenta cincuenta cien mil "
    "millón docena varios varias medio doble",
    "it": "due tre quattro cinque sei sette otto nove dieci undici dodici quindici venti trenta quaranta cinquanta cento "
    "mille milione dozzina alcuni parecchi mezzo doppio",
}
# One of these is enough; month names come on top. May, March, Mars are looked at more closely.
_TIMES = {
    "en": "today yesterday tomorrow tonight ago monday tuesday wednesday thursday friday saturday sunday mondays "
    "tuesdays wednesdays thursdays fridays saturdays sundays weekend weekends jan feb apr jun jul aug sep sept oct nov "
    "dec christmas easter halloween thanksgiving midnight noon recently lately",
    "de": "heute gestern vorgestern morgen übermorgen montag dienstag mittwoch donnerstag freitag samstag sonnabend "
    "sonntag wochenende weihnachten ostern silvester neulich kürzlich letztens mitternacht",
    "fr": "aujourd hier avant-hier demain après-demain lundi mardi mercredi jeudi vendredi samedi dimanche week-end "
    "noël pâques récemment minuit midi",
    "es": "hoy ayer anteayer mañana anoche lunes martes miércoles jueves viernes sábado domingo navidad pascua "
    "recientemente medianoche mediodía",
    "it": "oggi ieri altroieri domani dopodomani stasera stanotte lunedì martedì mercoledì giovedì venerdì sabato "
    "domenica natale pasqua recentemente mezzanotte mezzogiorno",
}
# A unit of time says when only beside one of the words before it.
_UNITS = {
    "en": "night morning afternoon evening day days week weeks month months year years decade decades summer spring "
    "fall autumn winter season semester",
    "de": "nacht abend tag tage tagen woche wochen monat monate monaten jahr jahre jahren jahrzehnt sommer frühling "
    "herbst winter",
    "fr": "nuit soir jour jours semaine semaines mois an ans année années décennie été printemps automne hiver",
    "es": "noche día días semana semanas mes meses año años década verano primavera otoño invierno",
    "it": "notte sera giorno giorni settimana settimane mese mesi anno anni decennio estate primavera autunno inverno",
}
_BESIDE = {
    "en": "last next this past previous following coming other every later earlier before after since few",
    "de": "letzte letzten letzter letztes nächste nächsten nächster nächstes diese diesen dieser dieses vorige vorigen "
    "voriges vergangene vergangenen vergangenes vor seit nach kommende kommenden",
    "fr": "dernier dernière derniers dernières prochain prochaine cette cet ce passé passée il depuis dans",
    "es": "pasado pasada pasados pasadas próximo próxima este esta hace desde dentro que último última",
    "it": "scorso scorsa scorsi scorse prossimo prossima questo questa quest fa da tra fra ultimo ultima",
}
# Month names that are also something else; they count beside a preposition or a number only.
_AMBIGUOUS_MONTHS: Final = frozenset({"may", "march", "mars", "mai", "marzo"})
# A text with one of these is taken for English without asking further.
_ENGLISH_MARKS: Final = frozenset(
    {"the", "and", "i", "you", "to", "is", "it", "of", "my", "that", "i'm", "for", "was", "we"}
)

_WORD: Final = re.compile(r"[^\W\d_]+(?:['-][^\W\d_]+)*|\d+")
_YEAR: Final = re.compile(r"(?<![\w.,$€£])(?:1[89]|20)\d\ds?(?![\w,]|\.\d)")
_CLOCK: Final = re.compile(
    r"\b\d{1,2}(?::\d\d\b|\s?(?:[ap]\.?m\b|o'clock|Uhr\b)|h\d\d\b)|\b\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}\b", re.IGNORECASE
)
_MONTH_IN_SENTENCE: Final = re.compile(
    r"\b(?:in|on|of|by|since|until|till|last|next|this|early|late|mid|during|before|after|from|im|seit|bis|ab|en|du|de|"
    r"depuis|di|a|\d{1,2}(?:st|nd|rd|th|\.)?)[\s-]+(?:May|March|Mai|[Mm]ars|mai|[Mm]arzo)\b|\b(?:May|March|Mai|mars|mai)\s+\d"
)
_WIDE: Final = re.compile(  # Chinese and Japanese write no spaces between words
    "[0-9〇一二三四五六七八九十]+\\s?[年月日号號時时点點]|[昨今明][天日晚]|[昨去今来來明]年|[先上今来下本][周週]|[先上今来下本]个?月|星期|曜日|[周週]末"
)
_WIDE_NUMBER: Final = re.compile("[〇二三四五六七八九十百千万萬两兩]")
_QUESTION_MARKS: Final = "?？؟"


@dataclass(frozen=True, slots=True)
class Traits:
    """What a text is like; `words` counts words and numbers, `first_person` at most 7 of them."""

    asks: bool
    has_number: bool
    has_time: bool
    first_person: int
    words: int

    def pack(self) -> int:
        """Put the traits into one integer from 0 to 32,767; long texts count as 511 words.

        >>> Traits(asks=True, has_number=False, has_time=True, first_person=2, words=6).pack()
        405
        """
        flags = self.asks | self.has_number << 1 | self.has_time << 2
        return flags | min(self.first_person, MOST_FIRST_PERSON) << 3 | min(self.words, MOST_WORDS) << 6

    @classmethod
    def columns(cls, packed: NDArray[np.int32]) -> "TraitColumns":
        """Read what `pack` wrote of n texts.

        >>> Traits.columns(np.array([405, 0], np.int32)).first_person.tolist()
        [2, 0]
        """
        return TraitColumns(
            asks=(packed & 1).astype(np.bool_),
            has_number=(packed & 2).astype(np.bool_),
            has_time=(packed & 4).astype(np.bool_),
            first_person=(packed >> 3 & MOST_FIRST_PERSON).astype(np.int8),
        )


@dataclass(frozen=True, slots=True)
class TraitColumns:
    """The traits of n texts that ranking asks for: (n,) each."""

    asks: NDArray[np.bool_]
    has_number: NDArray[np.bool_]
    has_time: NDArray[np.bool_]
    first_person: NDArray[np.int8]


@dataclass(frozen=True, slots=True)
class _Lexicon:
    first_person: frozenset[str]
    numbers: frozenset[str]
    times: frozenset[str]
    units: frozenset[str]
    beside: frozenset[str]
    elides: bool  # "j'ai", "quest'anno": the apostrophe parts two words


def traits(text: str, language: str | None = None) -> Traits:
    """Describe a text.

    Args:
        text: What to read.
        language: BCP-47; None or ``und`` to let the text itself tell, English where it does not.

    >>> traits("I met my two sisters last week. Do you have any?")
    Traits(asks=True, has_number=True, has_time=True, first_person=2, words=11)
    >>> traits("They march on and may win.")
    Traits(asks=False, has_number=False, has_time=False, first_person=0, words=6)
    >>> traits("J'ai vu ma sœur avant-hier", "fr")
    Traits(asks=False, has_number=False, has_time=True, first_person=2, words=6)
    """
    folded = text.lower() if text.isascii() else text.lower().replace("’", "'")
    words = _WORD.findall(folded)
    lexicon = _lexicon(_language(text, words, language))
    if lexicon.elides and "'" in folded:
        words = _WORD.findall(folded.replace("'", " "))
    distinct = frozenset(words)
    digits = any(map(str.isdecimal, distinct))
    wide = not text.isascii()
    return Traits(
        asks=_asks(text),
        has_number=digits
        or not lexicon.numbers.isdisjoint(distinct)
        or (wide and _WIDE_NUMBER.search(text) is not None),
        has_time=not lexicon.times.isdisjoint(distinct)
        or (not lexicon.beside.isdisjoint(distinct) and _unit_beside(words, lexicon))
        or (digits and (_YEAR.search(text) is not None or _CLOCK.search(text) is not None))
        or (not _AMBIGUOUS_MONTHS.isdisjoint(distinct) and _MONTH_IN_SENTENCE.search(text) is not None)
        or (wide and _WIDE.search(text) is not None),
        first_person=0
        if lexicon.first_person.isdisjoint(distinct)
        else min(sum(map(lexicon.first_person.__contains__, words)), MOST_FIRST_PERSON),
        words=len(words),
    )


def speaks_of_himself(text: str, language: str) -> bool:
    """Say whether a text in a language has a word of the first person: the trait by itself.

    >>> speaks_of_himself("I met her.", "en"), speaks_of_himself("J'ai dormi.", "fr"), speaks_of_himself("Mine.", "de")
    (True, True, False)
    """
    folded = text.lower() if text.isascii() else text.lower().replace("’", "'")
    words = _WORD.findall(folded)
    lexicon = _lexicon(_language(text, words, language))
    if lexicon.elides and "'" in folded:
        words = _WORD.findall(folded.replace("'", " "))
    return not lexicon.first_person.isdisjoint(words)


def _language(text: str, words: list[str], stated: str | None) -> str:
    if stated is not None and stated != UNKNOWN_LANGUAGE:
        return stated.partition("-")[0].lower()
    if not _ENGLISH_MARKS.isdisjoint(words[:_OPENING_WORDS]):
        return "en"
    guessed = guess(text)
    return "en" if guessed == UNKNOWN_LANGUAGE else guessed


def _asks(text: str) -> bool:
    """Say whether nothing but punctuation, emoji and the like follows the last question mark."""
    last = max(map(text.rfind, _QUESTION_MARKS))
    return last >= 0 and not any(map(str.isalnum, text[last + 1 :]))


def _unit_beside(words: list[str], lexicon: _Lexicon) -> bool:
    """Say whether "last", "this" or the like stands at most two words from a unit of time."""
    for place, word in enumerate(words):
        if word in lexicon.beside and not lexicon.units.isdisjoint(words[max(0, place - 2) : place + 3]):
            return True
    return False


@cache
def _lexicon(language: str) -> _Lexicon:
    months = frozenset(month.lower() for month in MONTHS.get(language, ())) - _AMBIGUOUS_MONTHS
    return _Lexicon(
        first_person=frozenset(_FIRST_PERSON.get(language, "").split()),
        numbers=frozenset(_NUMBERS.get(language, "").split()),
        times=frozenset(_TIMES.get(language, "").split()) | months,
        units=frozenset(_UNITS.get(language, "").split()),
        beside=frozenset(_BESIDE.get(language, "").split()),
        elides=language in {"fr", "it"},
    )
