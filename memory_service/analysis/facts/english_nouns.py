"""Facts in English of the form "my X is Y", "the X of Z has been changed to Y", "Y is my X". Pure."""

import re
from collections.abc import Iterator
from typing import Final

from memory_service.analysis.facts.attributes import (
    CHANGES,
    FUNCTIONAL,
    NATIONALITIES,
    OCCUPATIONS,
    ROLES_OF_PEOPLE,
    SEVERAL,
    WHICH,
)
from memory_service.analysis.facts.draft import CAPITAL, NOT_NAMES, Draft, Own, Said
from memory_service.analysis.facts.values import Value, ValueKind, read_values
from memory_service.analysis.facts.wording import plain_words
from memory_service.analysis.names import fold_name
from memory_service.analysis.times.reading import words_in

_COPULA: Final = re.compile(
    r"\s(?:is|are|was|were|has been|have been|has|had|costs?|became|went|just hit|hit|has reached|reached)(?=[\s:])",
    re.IGNORECASE,
)
# What `_COPULA` is made of: each of its matches has one of these as a word. The same holds for `_BUDGET` below.
_COPULA_WORDS: Final = words_in("is are was were has have had cost costs became went hit reached")
_BOUNDARY: Final = re.compile(
    r"(?:.*[,;:!?–—(]\s+|.*\b(?:and|but|that|because|so|since|think|guess|know|say|remember|actually|currently|update)\s+)",
    re.IGNORECASE | re.DOTALL,
)
_LOOK_BACK: Final = 160  # characters before a verb in which the noun phrase stands
_NOUNS: Final = re.compile(
    r"\s*(?P<det>my|our|the|(?P<name>[A-Z][\w-]+(?:\s[A-Z][\w-]+)?)['’]s?)\s+"
    r"(?P<noun>[\w'’&/.-]+(?:\s+[\w'’&/.-]+){0,8})\s*\Z",
    re.IGNORECASE,
)
_NO_NOUN: Final = words_in(
    "which who i we you he she they it is are was were be have has had do does did not one only same best worst first most think "
    "know said way reason problem thing point idea fact question issue truth moment time that this what where how"
)
_IS: Final = re.compile(
    rf"\s*:?\s*(?:(?:now|currently|actually|still|officially|just|recently|also|finally|then)\s+)*"
    rf"(?P<gone>(?:no longer|not)\s+.{{1,40}}?\s+but\s+)?(?P<not>(?:no longer|not|never)\s+)?"
    rf"(?P<change>(?:{CHANGES}|up|down|back)(?:\s+from\s+.{{1,30}}?)?(?:\s+to\s+|:\s*))?"
    rf"(?:(?:now|on|at|in|about|around|called|only|just|a|an|the|due|due on|planned for|scheduled for|due by)\s+)*"
    rf"(?P<value>[^\s,;!?()](?:[^,;!?()\n]|,(?=\d)){{0,60}}?)"
    rf"(?=\s*(?:,(?!\d)|[;!?()\n]|(?<!\b[DMS][rst])(?<!\bMrs)(?<!\bProf)\.(?:\s|\Z)|\Z)"
    rf"|\s(?:now|and|but|because|since|so|when|while|which|instead|these days|any ?more|any longer|as of|after|from|"
    rf"at the moment|not|with|who|where|by bus|today)\b)",
    re.IGNORECASE,
)
_INVERSE: Final = re.compile(
    rf"\A\s*(?P<value>{CAPITAL}(?:\s+{CAPITAL})*)\s+is\s+(?:now\s+)?(?:where\s+)?"
    rf"(?:(?P<live>[Ii] live\b)|(?P<det>my|our)\s+(?:new\s+)?(?P<noun>[a-z]+(?:\s[a-z]+)?)\s*(?:[.,!]|\Z|now))"
)
_BUDGET: Final = re.compile(
    r"\b(?P<own>I|We) have (?:a|the) (?P<noun>budget|deadline|limit|target|quota|goal) of (?P<value>[^,;!?]{1,40}?)"
    r"(?: for (?:the |our |my )?(?P<rest>\w+(?: \w+)?))?(?=[.,;!?]|\Z)",
    re.IGNORECASE,
)
_BUDGET_WORDS: Final = words_in("budget deadline limit target quota goal")
# What makes a thing the subject and the last word its attribute: "the upload limit".
_HEADS: Final = words_in(
    "deadline budget rent price cost limit password address number date name time size coverage salary target goal code color lead "
    "database version quota status location capacity rate fee deposit total length weight height age title owner manager room"
)
# A name, or a word with a digit: what a value of an attribute that we do not know looks like.
_TELLING: Final = re.compile(r"(?:\A|\s)(?:[^\W\d_a-zà-ÿ]|\w*\d|\w+-\w+\Z|[a-z]{1,2}[A-Z]\w)")
_LATELY: Final = re.compile(
    r"\b(?:last (?:year|month|week|summer|winter|spring|autumn|fall|semester|quarter)|yesterday|in (?:19|20)\d\d)\b",
    re.IGNORECASE,
)
_NOW: Final = frozenset({"is", "are", "costs"})
_DESCRIBING: Final = words_in(
    "so very really pretty quite too great good nice awesome amazing fun hard easy bad important always never "
    "often there here what "
    "how why when where if like just being been going getting more less better worse able ready sure happy sad "
    "beautiful lovely cool "
    "not no my your his her their our it that this these those he she they we i you to done gone broken full empty "
    "out up down over "
    "off of incredible wonderful perfect fine okay ok right wrong true all such one still also because about"
)
_LABELS: Final = {
    "phone_number": "phone", "number": "phone", "mobile_number": "phone", "cell_number": "phone", "e-mail": "email",
    "email_address": "email", "e-mail_address": "email", "home_address": "address", "husband": "spouse", "wife": "spouse",
    "birth_date": "birthday", "date_of_birth": "birthday", "job_title": "job", "home": "lives_in", "profession": "job",
}  # fmt: skip


def of_copulas(said: Said, own: Own) -> Iterator[Draft]:
    """Give what a clause says that something is."""
    text, words = said.text, said.words
    if not _COPULA_WORDS.isdisjoint(words):
        for copula in _COPULA.finditer(text):
            draft = _of_copula(said, copula, own)
            if draft is not None:
                yield draft
    inverse = _INVERSE.match(text) if "is" in words else None
    if inverse is not None and inverse["value"].lower() not in NOT_NAMES:
        yield _of_inverse(inverse, own)
    budget = None if _BUDGET_WORDS.isdisjoint(words) else _BUDGET.search(text)
    if budget is not None:
        holder = own.one if budget["own"].lower() == "i" else own.many
        about = "_".join(plain_words(budget["rest"] or ""))
        label = budget["noun"].lower() + (f"_of_{about}" if about else "")
        yield Draft(holder, label, budget["value"], budget.start(), budget.end(), functional=True)


def _of_copula(said: Said, copula: re.Match[str], own: Own) -> Draft | None:
    text = said.text
    first = max(0, copula.start() - _LOOK_BACK)
    boundary = _BOUNDARY.match(text, first, copula.start())
    start = boundary.end() if boundary else first
    start = copula.start() - len(text[start : copula.start()].lstrip())
    nouns = _NOUNS.match(text[start : copula.start()])
    place = None if nouns is None else _attribute(nouns, own)
    found = _IS.match(text, copula.end())
    if nouns is None or place is None or found is None or (found["not"] and not found["gone"]):
        return None
    changed = found["change"] is not None or found["gone"] is not None
    verb, value = copula.group().strip().lower(), found["value"].strip()
    if verb in {"has", "had", "went", "has been", "have been"} and not found["change"]:
        return None
    kinds = read_values(value)
    # "My rent is 950 euros, and I met Tom yesterday": what is so now is not over because something else is.
    lately = not changed and (verb in {"was", "were", "had"} or (verb not in _NOW and _LATELY.search(text) is not None))
    past = lately or said.past
    if _describes(value, kinds) and not changed:
        return None
    role = nouns["noun"].split()[-1].lower()
    subject, attribute = place
    named = _as_named(attribute, value, kinds, text[copula.end() : found.start("value")], role)
    if named is None:
        return None
    attribute = named
    known = attribute in FUNCTIONAL or attribute.startswith("favourite")
    if not (kinds or _TELLING.search(value) or known) or (past and not kinds and attribute not in FUNCTIONAL):
        return None  # "the atmosphere is electric", "my store is open"
    if role in ROLES_OF_PEOPLE and verb in {"has", "had"}:
        return None
    end = found.end("value")
    if (
        role in ROLES_OF_PEOPLE
        and kinds
        and kinds[0].kind is ValueKind.NUMBER
        and nouns["det"].lower() in {"my", "our"}
        and set(nouns["noun"].lower().split()[:-1]) <= WHICH
    ):
        return Draft(
            f"{nouns['noun'].lower()} of {own.one}", "age", kinds[0].text, start, end, functional=True, ended=past
        )
    functional = not nouns["noun"].lower().endswith("s") or bool(kinds) or attribute in FUNCTIONAL
    counted = re.match(r"[a-z]+", nouns["noun"].lower())
    if counted and counted.group() in SEVERAL and not attribute.startswith("favourite"):
        functional = attribute in FUNCTIONAL
    return Draft(subject, attribute, value, start, end, functional=functional, changed=changed, ended=past)


_WHERE: Final = re.compile(
    r"\b(?:in|at|on|near|under|behind|beside|inside|outside|above|below|next to|(?:moved|relocated) to)\b",
    re.IGNORECASE,
)
_OTHERWISE: Final = re.compile(r"(?:from|with|until|for|by)\b", re.IGNORECASE)
_OF_NATIONS: Final = words_in("language tongue nationality citizenship passport cuisine food accent religion faith")
_PLACES: Final = frozenset(
    {"lives_in", "address", "birthplace", "birthday"}
)  # what is in a place, or in a month, is one


def _as_named(attribute: str, value: str, kinds: tuple[Value, ...], before: str, role: str) -> str | None:
    """Return the attribute of which a value is one: where a car is does not say which it is. None where it is of none."""
    if (attribute == "spouse" or attribute == role) and role in _PERSONS and not _names_somebody(value, kinds):
        return None  # "my wife is pregnant"
    if attribute in _PLACES and not _is_place_or_day(attribute, value, kinds, before):
        return None  # "my address is in the app"
    if attribute in {"phone", "email"} and not any(one.kind in {ValueKind.CODE, ValueKind.EMAIL} for one in kinds):
        if attribute == "email" or role == "number":
            return None
        attribute = "phone_model"
    if re.search(r"\b(?:called|named)\b", before, re.IGNORECASE):
        return "name" if attribute == "is" else f"{attribute}_name"
    found = _OTHERWISE.match(value) or (
        None if kinds or value[0].isdigit() else _WHERE.search(f"{before} {value.split()[0]}")
    )
    if found is None:
        described = value.lower() in NATIONALITIES and role not in _OF_NATIONS and not attribute.startswith("favourite")
        return None if described else attribute
    how = found.group().lower() if _OTHERWISE.match(value) else "place"
    if how == "place" and attribute in _PLACES:
        return attribute
    if role in ROLES_OF_PEOPLE:
        return None  # where somebody is just now
    attribute = attribute.removeprefix("phone_model") or "phone"
    return how if attribute == "is" else f"{attribute}_{how}"


_PERSONS: Final = ROLES_OF_PEOPLE - words_in("parents family team company kids children dog cat puppy kitten")
_TITLE: Final = re.compile(r"(?:dr|mr|mrs|ms|prof)\.?\s+", re.IGNORECASE)
_NO_PERSON: Final = (
    NATIONALITIES | OCCUPATIONS | ROLES_OF_PEOPLE | words_in("head chief vice president ceo cto cfo coo hr vp pm")
)


def _names_somebody(value: str, kinds: tuple[Value, ...]) -> bool:
    """Say whether a value is the name of a person, or a number: his age."""
    if kinds and kinds[0].kind is ValueKind.NUMBER and kinds[0].start == 0:
        return True
    first = _TITLE.sub("", value).split()
    return bool(first) and first[0][0].isupper() and first[0].lower().split("-")[0] not in _NO_PERSON


_LEADING: Final = re.compile(rf"(?:{_WHERE.pattern})\s+(?:(?:the|an?)\s+)?", re.IGNORECASE)


def _is_place_or_day(attribute: str, value: str, kinds: tuple[Value, ...], before: str) -> bool:
    """Say whether a value that stands behind a preposition may be a home, an address or a birthday."""
    if attribute == "birthday" and kinds:
        return any(one.kind is ValueKind.DATE for one in kinds) or any(one.isdigit() for one in value)
    led = _LEADING.match(value)
    if led is None and _WHERE.search(before) is None:
        return True
    words = (value if led is None else value[led.end() :]).split()
    named = [word for word in words if not word[0].isdigit()]
    return bool(named) and named[0][0].isupper() and not named[-1][0].islower()


def _of_inverse(found: re.Match[str], own: Own) -> Draft:
    value, end = found["value"], found.end()
    if found["live"]:
        return Draft(own.one, "lives_in", value, 0, end, functional=True)
    noun = found["noun"].lower().removesuffix(" now").split()
    holder = own.one if found["det"].lower() == "my" else own.many
    functional = noun[0] not in SEVERAL or noun[0] in {"favourite", "favorite"}
    return Draft(holder, label_of(noun), value, 0, end, functional=functional)


def _describes(value: str, kinds: tuple[Value, ...]) -> bool:
    """Say whether what follows "is" describes rather than names: "is doing well", "is so nice", "is broken"."""
    if kinds and kinds[0].start <= 3:
        return False
    first = value.split()[0]
    if first[0].isupper() and first.lower() not in _DESCRIBING:
        return False  # "King Street"
    first = first.lower()
    return first.endswith(("ing", "ed")) or first in _DESCRIBING


def _attribute(nouns: re.Match[str], own: Own) -> tuple[str, str] | None:
    """Return whom a noun phrase is about and what it names of him; None where it names nothing that could have a value."""
    determiner, noun = nouns["det"].lower(), nouns["noun"]
    words = noun.split()
    if any(word.lower() in _NO_NOUN for word in words):
        return None
    holder = {"my": own.one, "our": own.many}.get(determiner)
    if nouns["name"]:
        if nouns["name"].lower() in NOT_NAMES:
            return None
        holder = fold_name(nouns["name"])
    # "my sister's name": the sister is what it is about.
    possessor = re.match(r"(?P<who>(?:(?!\s(?:for|of|in|on|at)\s).)+?)(?:['’]s|(?<=s)['’])\s+(?P<what>.+)\Z", noun)
    if possessor:
        who = " ".join(plain_words(possessor["who"])) or possessor["who"].lower()
        holder = f"{who} of {holder}" if holder else who
        words = possessor["what"].split()
    rest: list[str] = []
    for place, word in enumerate(words):
        if word.lower() in {"for", "of", "in", "on", "at", "to", "over", "with"} and place:
            words, rest = words[:place], words[place + 1 :]
            break
    words = [word for word in words if word.lower() not in {"new", "current", "own", "present", "latest", "updated"}]
    if not words:
        return None
    label, about = label_of(words), " ".join(plain_words(" ".join(rest)))
    if holder is not None:
        return holder, f"{label}_of_{about.replace(' ', '_')}" if about else label
    if len(words) > 1 and words[-1].lower() in _HEADS:
        about = " ".join(filter(None, [" ".join(plain_words(" ".join(words[:-1]))), about]))
        label = label_of(words[-1:])
    if not about:
        return " ".join(plain_words(" ".join(words))) or words[-1].lower(), "is"
    return about, label


def label_of(words: list[str]) -> str:
    """Return the label of an attribute that a noun phrase names.

    >>> label_of(["favorite", "color"]), label_of(["phone", "number"]), label_of(["flight", "number"])
    ('favourite_colour', 'phone', 'flight_number')
    """
    written = "_".join(word.lower() for word in words)
    if written.startswith(("favorite_", "favourite_")):
        return f"favourite_{written.partition('_')[2]}".replace("color", "colour")
    if written in FUNCTIONAL:
        return written
    return _LABELS.get(written) or written.replace("-", "_")
