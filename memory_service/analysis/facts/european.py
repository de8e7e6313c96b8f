"""Facts in German, French, Spanish and Italian: what people say of themselves most, in the present. Pure."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from memory_service.analysis.facts.attributes import FUNCTIONAL
from memory_service.analysis.facts.draft import Draft, Own

_CAPITAL: Final = r"[^\W\d_a-z][\w'’-]*(?:\s+[^\W\d_a-z][\w'’-]*)*"
_WORD: Final = r"[\w'’-]+"


@dataclass(frozen=True, slots=True)
class _Pattern:
    attribute: str
    pattern: re.Pattern[str]
    positive: bool = True


def _of(attribute: str, pattern: str, *, positive: bool = True) -> _Pattern:
    written = pattern.replace("CAPITAL", _CAPITAL).replace("WORD", _WORD)
    # Capitals tell names in these patterns, so only the first letter of a sentence may be of either case.
    return _Pattern(attribute, re.compile(written), positive)


_PATTERNS: Final = {
    "de": (
        _of("lives_in", r"\b[Ii]ch (?:wohne|lebe)(?: \w+)?? (?:in|bei) (?P<value>CAPITAL)"),
        _of("lives_in", r"\b(?:bin|[Ii]ch bin)(?: \w+){0,2} nach (?P<value>CAPITAL) (?:gezogen|umgezogen)"),
        _of("works_at", r"\b[Ii]ch arbeite(?: \w+)?? (?:bei|für) (?P<value>(?:der |dem |einer |einem )?CAPITAL)"),
        _of("job", r"\b[Ii]ch arbeite(?: jetzt)? als (?P<value>CAPITAL)"),
        _of("age", r"\b[Ii]ch bin(?: jetzt)? (?P<value>\d{1,3})(?: Jahre alt|\b(?=[.,!]|\Z))"),
        _of("name", r"\b(?:[Ii]ch heiße|[Mm]ein Name ist) (?P<value>CAPITAL)"),
        _of("phone", 
            r"\b[Mm]eine (?:neue )?(?:Telefonnummer|Handynummer|Nummer) (?:ist|lautet)(?: jetzt)? (?P<value>[+\d][\d "
            r"/()-]{5,}\d)"),
        _of("diet", r"\b[Ii]ch bin(?: jetzt)? (?P<value>Vegetarier|Vegetarierin|Veganer|Veganerin)\b(?! mehr)"),
        _of("diet", r"\b[Ii]ch bin kein(?:e)? (?P<value>Vegetarier|Vegetarierin|Veganer|Veganerin)\b", positive=False),
        _of("speaks", r"\b[Ii]ch spreche (?P<value>CAPITAL)"),
        _of("favourite", r"\b[Mm]ein\w* (?:Lieblings)(?P<label>\w+) ist(?: jetzt)? (?P<value>WORD)"),
    ),
    "fr": (
        _of("lives_in", r"\b[Jj](?:e |['’])(?:habite|vis)(?: maintenant| désormais)? (?:à|en|au) (?P<value>CAPITAL)"),
        _of("works_at", r"\b[Jj]e travaille(?: maintenant| désormais)? (?:chez|pour) (?P<value>CAPITAL)"),
        _of("age", r"\b[Jj]['’]ai(?: maintenant)? (?P<value>\d{1,3}) ans\b"),
        _of("name", r"\b[Jj]e m['’]appelle (?P<value>CAPITAL)"),
        _of("diet", r"\b[Jj]e suis(?: maintenant)? (?P<value>végétarien|végétarienne|végane)\b"),
        _of("diet", r"\b[Jj]e ne suis (?:pas|plus) (?P<value>végétarien|végétarienne|végane)\b", positive=False),
        _of("favourite", r"\b[Mm](?:a|on) (?P<label>\w+) préférée? est(?: maintenant)? (?:le |la |l['’])?(?P<value>WORD)"),
    ),
    "es": (
        _of("lives_in", r"\b(?:[Vv]ivo|[Mm]e he mudado)(?: ahora)? (?:en|a) (?P<value>CAPITAL)"),
        _of("works_at", r"\b[Tt]rabajo(?: ahora)? (?:en|para) (?P<value>CAPITAL)"),
        _of("age", r"\b[Tt]engo(?: ya)? (?P<value>\d{1,3}) años\b"),
        _of("name", r"\b[Mm]e llamo (?P<value>CAPITAL)"),
        _of("diet", r"\b(?<![Nn]o )[Ss]oy (?P<value>vegetarian[oa]|vegan[oa])\b"),
        _of("diet", r"\b[Nn]o soy (?P<value>vegetarian[oa]|vegan[oa])\b", positive=False),
        _of("favourite", r"\b[Mm]i (?P<label>\w+) (?:favorit|preferid)[oa] es(?: ahora)? (?:el |la )?(?P<value>WORD)"),
    ),
    "it": (
        _of("lives_in", r"\b(?:[Aa]bito|[Vv]ivo|[Mm]i sono trasferit[oa])(?: ora| adesso)? (?:a|in) (?P<value>CAPITAL)"),
        _of("works_at", r"\b[Ll]avoro(?: ora| adesso)? (?:da|per|alla|presso) (?P<value>CAPITAL)"),
        _of("age", r"\b[Hh]o(?: ora| già)? (?P<value>\d{1,3}) anni\b"),
        _of("name", r"\b[Mm]i chiamo (?P<value>CAPITAL)"),
        _of("diet", r"\b(?<![Nn]on )[Ss]ono (?P<value>vegetarian[oa]|vegan[oa])\b"),
        _of("diet", r"\b[Nn]on sono (?:più )?(?P<value>vegetarian[oa]|vegan[oa])\b", positive=False),
        _of("favourite", r"\b(?:[Ii]l mio|[Ll]a mia) (?P<label>\w+) preferit[oa] è(?: ora)? (?:il |la )?(?P<value>WORD)"),
    ),
}  # fmt: skip


# "No vivo en Madrid", "Ya no me he mudado": right before what is said, with at most a pronoun between.
_DENIED_BEFORE: Final = {
    "es": re.compile(r"\b(?:no|nunca|jamás|tampoco)\s+(?:me\s+)?\Z", re.IGNORECASE),
    "it": re.compile(r"\b(?:non|mai|neanche|nemmeno)\s+(?:mi\s+|ci\s+)?\Z", re.IGNORECASE),
}
# "Ich wohne nicht in Köln": within, before the value; "Ich arbeite bei Siemens nicht mehr": right after it.
_DENIED: Final = re.compile(r"\b(?:nicht|nie|niemals)\b", re.IGNORECASE)
_DENIED_AFTER: Final = re.compile(r"\s+(?:nicht|nie|niemals)\b", re.IGNORECASE)


def _denied(text: str, found: re.Match[str], language: str) -> bool:
    """Say whether the words around a positive pattern deny what it found."""
    if language == "de":
        inside = text[found.start() : found.start("value")] + " " + text[found.end("value") : found.end()]
        return _DENIED.search(inside) is not None or _DENIED_AFTER.match(text, found.end()) is not None
    before = _DENIED_BEFORE.get(language)
    return before is not None and before.search(text[: found.start()]) is not None


def read_european(text: str, own: Own, language: str) -> Iterator[Draft]:
    """Give the facts of one clause in one of the four languages; none in another."""
    for one in _PATTERNS.get(language, ()):
        found = one.pattern.search(text)
        if found is None:
            continue
        attribute = one.attribute
        if attribute == "favourite":
            attribute = f"favourite_{found['label'].lower()}"
        elif attribute == "diet":
            pass
        functional = attribute in FUNCTIONAL or attribute.startswith("favourite_")
        yield Draft(
            own.one,
            attribute,
            found["value"],
            found.start(),
            found.end("value"),
            positive=one.positive and not _denied(text, found, language),
            functional=functional,
        )
