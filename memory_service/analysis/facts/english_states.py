"""Facts in English of the form "I am Y": age, height, diet, occupation, marriage, birth and name. Pure."""

import re
from collections.abc import Iterator
from typing import Final

from memory_service.analysis.facts.attributes import DIETS, OCCUPATIONS, RELATIONSHIPS, ROLES_OF_PEOPLE
from memory_service.analysis.facts.draft import NOT_NAMES, Draft, Own, Said
from memory_service.analysis.facts.values import ValueKind, read_values
from memory_service.analysis.names import fold_name
from memory_service.analysis.times.reading import words_in

_I_AM: Final = re.compile(
    r"\b(?P<own>I['’]?m|I am|we['’]re|we are|(?P<name>[A-Z][\w-]+)(?:['’]s| is)|my (?P<relation>[a-z]+) is|"
    r"I (?:just )?turned|(?P<turned>[A-Z]\w+) turned)\s+"
    r"(?P<adverb>(?:now|actually|currently|a|an|not|no longer|still|also|already|newly|just|only|about|almost|nearly|happily|"
    r"officially)\s+)*"
    r"(?P<value>\d{1,3}(?:\.\d+)?(?:\s?(?:cm|m|years old|year old|kg))?(?:\s+tall)?|\w+(?:\s+\w+){0,3})",
    re.IGNORECASE,
)
# Each match of the pattern before, and of those that follow, has one of these as a word; "I'm" is the words i and m.
_BEING_WORDS: Final = words_in("m im am re are s is turned")
_NAMING_WORDS: Final = words_in("called named call")
_MARRIED_WORDS: Final = words_in("married engaged divorced widowed")
_BORN: Final = re.compile(r"\bI(?: was|['’]m| am) born (?P<how>in|on) (?P<value>[\w ,]{3,40})", re.IGNORECASE)
_NAMED: Final = re.compile(
    r"\bI(?:['’]m| am) (?:called|named) (?P<value>[A-Z][\w'’-]+(?: [A-Z][\w'’-]+)?)|\b[Cc]all me (?P<short>[A-Z][\w'’-]+)"
)
_MARRIED: Final = re.compile(
    r"\b[Ii](?:['’]m| am|['’]ve| have)?(?: now| just| happily)? (?P<got>got |gotten )?"
    r"(?P<status>married|engaged|divorced|widowed)\b(?<!engaged(?= in [a-z]))(?! to (?!an?\b|the\b|my\b)[a-z])"
    r"(?: to (?P<value>[A-Z][\w'’-]+))?"
)
_AGE: Final = re.compile(r"(\d{1,3})(?:\s+years? old)?\Z")
_AFTER_AGE: Final = re.compile(r"\s*(?:[.,;!?]|\Z|now|years?\b|today|and\b|yo\b)")
_OLDEST: Final = 120  # years
_DENIED: Final = re.compile(r"\bnot\b|\bno longer\b")


def of_states(said: Said, own: Own) -> Iterator[Draft]:
    """Give what a clause says that somebody is."""
    text, words = said.text, said.words
    if not _BEING_WORDS.isdisjoint(words):
        for found in _I_AM.finditer(text):
            draft = _of_being(found, own, said)
            if draft is not None:
                yield draft
    born = _BORN.search(text) if "born" in words else None
    if born is not None:
        yield from _of_birth(born, own)
    named = None if _NAMING_WORDS.isdisjoint(words) else _NAMED.search(text)
    if named is not None:
        which = "value" if named["value"] else "short"
        yield Draft(own.one, "name", named[which], named.start(), named.end(which), functional=True)
    married = None if _MARRIED_WORDS.isdisjoint(words) else _MARRIED.search(text)
    if married is not None and not said.past:
        start, end, status = married.start(), married.end(), married["status"]
        yield Draft(own.one, "relationship", status, start, end, functional=True, changed=married["got"] is not None)
        if married["value"] and status == "married":
            yield Draft(own.one, "spouse", married["value"], start, end, functional=True)


def _of_birth(found: re.Match[str], own: Own) -> Iterator[Draft]:
    value, start = found["value"].strip(), found.start()
    kinds = read_values(found["value"])
    if kinds and kinds[0].kind is ValueKind.DATE and found["how"] == "on":
        yield Draft(own.one, "birthday", kinds[0].text, start, found.start("value") + kinds[0].end, functional=True)
    elif re.fullmatch(r"(?:19|20)\d\d", value):
        yield Draft(own.one, "birth_year", value, start, found.end(), functional=True)
    elif value[:1].isupper() and not kinds:
        yield Draft(own.one, "birthplace", value, start, found.end(), functional=True)


def _holder(found: re.Match[str], own: Own) -> str | None:
    if found["relation"]:
        relation = found["relation"].lower()
        return f"{relation} of {own.one}" if relation in ROLES_OF_PEOPLE else None
    name = found["name"] or found["turned"]
    if name:
        return None if name.lower() in NOT_NAMES or not name[0].isupper() else fold_name(name)
    return own.many if found["own"].lower().startswith("we") else own.one


def _of_being(found: re.Match[str], own: Own, said: Said) -> Draft | None:
    holder = _holder(found, own)
    if holder is None:
        return None
    value, start = found["value"], found.start()
    positive = _DENIED.search(found.group()[len(found["own"]) : len(found.group()) - len(value)].lower()) is None

    def stated(attribute: str, what: str, end: int) -> Draft:
        return Draft(holder, attribute, what, start, end, positive=positive, functional=True, ended=said.past)

    number = _AGE.match(value)
    if number:
        after = found.string[found.end() : found.end() + 14].lower()
        is_age = "year" in value or "turned" in found["own"].lower() or _AFTER_AGE.match(after)
        return stated("age", number[1], found.end()) if is_age and int(number[1]) <= _OLDEST else None
    if value.endswith("tall"):
        return stated("height", value.removesuffix("tall").strip(), found.end())
    words = [(word.group().lower(), found.start("value") + word.end()) for word in re.finditer(r"\w+", value)]
    for place, (word, end) in enumerate(words):
        if word in DIETS:
            return stated("diet", word, end)
        if word in RELATIONSHIPS - {"married", "engaged", "divorced", "widowed"} and place == 0:
            return stated("relationship", word, end)
        if word in OCCUPATIONS:
            if re.search(r"\ban?\s+\Z", found.string[: found.start("value")].lower()) is None:
                return None
            return stated("job", found.string[found.start("value") : end], end)
    return None
