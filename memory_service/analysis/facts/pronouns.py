"""Tell where "he", "she" or "they" goes on about the user of a note: "The user moved to Porto. He works at Feedzai." Pure.

A pronoun means him only behind a statement about him that names nobody and nothing else it could mean: where he lives, works
or studies, what he is, which of some things he uses. "The user met Tom. He works at Feedzai" says nothing of the user.
"""

import re
from collections.abc import Iterator
from typing import Final

from memory_service.analysis.facts.attributes import OCCUPATIONS, ROLES_OF_PEOPLE, SEVERAL
from memory_service.analysis.sentences import sentences
from memory_service.analysis.times.reading import words_in

_KINDS: Final = tuple(
    re.compile(rf"\b(?:{words})\b", re.IGNORECASE)
    for words in ("he|him|his|himself", "she|her|hers|herself", "they|them|their|theirs|themselves|themself")
)
_BEGINS: Final = re.compile(
    r"(?:(?:and|but)\s+)?(?:(?:[Nn]ow|[Cc]urrently|[Rr]ecently|[Aa]lso|[Ss]ince then|[Ii]n \d{4}),?\s+)?"
    r"(?P<pronoun>[Hh]e|[Ss]he|[Tt]hey|[Hh]is|[Hh]er|[Tt]heir)"
    r"(?P<ending>['’](?:s|re|ve)| is| are| was| were| has| have)?(?= [a-z0-9])"
)
_GOES_ON: Final = re.compile(r"[,;]?\s(?=(?:and|but)\s+(?:he|she|they|his|her|their)\b)")
_OWN: Final = {
    None: "I", "'s": "I'm", "’s": "I’m", "'re": "I'm", "’re": "I’m", "'ve": "I've", "’ve": "I’ve", " is": "I am", " are": "I am",
    " was": "I was", " were": "I was", " has": "I have", " have": "I have",
}  # fmt: skip
_POSSESSIVE: Final = frozenset({"his", "her", "their"})
_SUBJECT: Final = re.compile(r"\W*(?:(?:[Tt]he\s+)?[Uu]ser|[Hh]e|[Ss]he|[Tt]hey)(?:['’](?:s|re|ve))?(?=\s)")
_WORD: Final = re.compile(r"[\w'’-]+|[,;]")
_ADVERBS: Final = words_in(
    "now also currently still recently just actually already permanently happily newly officially always usually originally "
    "finally mostly only no not never longer has have been got"
)
_BEING: Final = words_in("is are was were am")
_DWELLING: Final = words_in(
    "live lives lived living work works worked working move moved moving relocated reside resides stay stays study studies studied "
    "studying started starts graduated retired commutes commute teach teaches turned weigh weighs speak speaks based born"
)
_USING: Final = words_in("drive drives use uses prefer prefers drink drinks eat eats play plays wear wears")
_BEFORE_NAMES: Final = words_in(
    "in near from to is are was were a an speak speaks drive drives use uses prefer prefers on"
)
_OTHERS: Final = (ROLES_OF_PEOPLE | SEVERAL) - words_in("old first last next day other year") | words_in(
    "with by who whose whom of than like after whether that him someone somebody anyone everybody people person man woman boy girl "
    "guy lady men women guys boss owner"
)
_NO_PLURALS: Final = words_in("is was has always this years months weeks hours as yes less")


def he_himself(text: str) -> Iterator[tuple[int, int, str]]:
    """Give the pronouns of a note that mean its user: from where to where, and what he would say instead.

    Args:
        text: The note; quotations blanked out.

    >>> list(he_himself("The user moved to Porto. He is a nurse."))
    [(25, 30, 'I am')]
    >>> list(he_himself("The user met Tom. He is a nurse."))
    []
    """
    if sum(kind.search(text) is not None for kind in _KINDS) != 1:
        return  # nobody, or he and she, of whom one is another
    many = _KINDS[-1].search(text) is not None
    known = False
    for sentence in sentences(text):
        start = sentence.start
        for part in _GOES_ON.split(sentence.text):
            start = text.index(part, start)
            found = _BEGINS.match(part) if known else None
            if found is not None:
                yield start + found.start("pronoun"), start + found.end(), _instead(found)
            stated = part if found is None else part[found.start("pronoun") :]
            about = _SUBJECT.match(stated)
            known = (
                about is not None
                and (found is not None or "user" in about.group().lower())
                and _names_nobody(about.group(), stated[about.end() :], many=many)
            )
            start += len(part)


def _instead(found: re.Match[str]) -> str:
    if found["pronoun"].lower() in _POSSESSIVE:
        return "My" if found["ending"] is None else found.group()
    return _OWN[found["ending"]]


def _names_nobody(subject: str, said: str, *, many: bool) -> bool:
    """Say whether what is said of the user names nobody and nothing else that a pronoun could mean; `many`: "they"."""
    before, verb = "", "is" if subject.endswith(("'s", "’s", "'re", "’re")) else ""
    for word in _WORD.findall(said.rstrip(" .!")):
        lower = word.lower()
        if lower in {",", ";", "and", "but"}:
            before, verb = ("," if before == "name" else ""), ""
            continue
        if word[0].isupper():
            if before not in {"name", ","} and before not in _BEFORE_NAMES and not (before == "at" and not many):
                return False
            before, verb = "name", verb or "name"
            continue
        if not verb:
            if lower in _ADVERBS:
                continue
            if lower not in _BEING | _DWELLING | (frozenset() if many else _USING):
                return False
            before = verb = lower
            continue
        if lower in _OTHERS or (lower in OCCUPATIONS and verb not in _BEING and before != "as"):
            return False
        if many and lower.endswith("s") and lower not in _NO_PLURALS:
            return False
        before = before if lower in _ADVERBS or (before == "as" and lower in {"a", "an", "the"}) else lower
    return True
