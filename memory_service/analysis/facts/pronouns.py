"""Tell where "he", "she" or "they" goes on about the user of a note: "The user moved to Porto. He works at Feedzai." Pure.

A pronoun means him only behind a plain statement about him that names nobody it could mean: where he lives, works or studies,
what he works as, how old he is. "The user met Tom. He works at Feedzai" says nothing of the user.
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
_OTHERS: Final = (ROLES_OF_PEOPLE | SEVERAL | OCCUPATIONS) - words_in("old first last next day other year") | words_in(
    "with by who whose whom of than like after whether that him someone somebody anyone everybody people person man woman boy girl "
    "guy lady men women guys boss owner patient client to for under from the an"
)
# A word that is nobody, and a name that is not said to be anybody's.
_PLAIN: Final = rf"(?!(?:{'|'.join(sorted(_OTHERS))})\b)[a-z][a-z-]*\b(?!['’])"
_NAMED: Final = r"(?!(?:Dr|Mr|Mrs|Ms|Prof)\b)[A-Z][\w-]*(?:\s(?:of\s|de\s)?[A-Z][\w-]*)*\b(?!['’])"
_PLACE: Final = rf"(?:the\s)?{_NAMED}(?:,\s{_NAMED})?"
_SITE: Final = rf"(?:(?:the\s)?{_NAMED}|(?:(?:an?|the)\s)?{_PLAIN})"
_JOB: Final = rf"(?:{_PLAIN}\s){{0,3}}(?:{'|'.join(sorted(OCCUPATIONS - words_in('assistant')))})"
_ADVERBS: Final = (
    r"(?:(?:now|also|currently|still|recently|just|already|permanently|happily|newly|officially|originally|no longer|not|has|have|"
    r"been)\s)*"
)
_WHEN: Final = r"(?:\s(?:now|again|already|since\s\d{4}|for\s\d+\syears))?"


def _statements(place: str, site: str) -> re.Pattern[str]:
    """Return what may be said of somebody so that a pronoun goes on about him: places in which, and sites at which, he is."""
    living = rf"(?:(?:lives?|lived|living|resides?|based)\sin|(?:moved|relocated)\s(?:back\s)?to)\s{place}"
    where = rf"(?:\s(?:in\s{place}|at\s{site}))"
    working = rf"(?:works?|worked|working)(?:{where}(?:\sas\s(?:(?:an?|the)\s)?{_JOB})?|\sas\s(?:(?:an?|the)\s)?{_JOB}{where}?)"
    studying = rf"(?:stud(?:y|ies|ied|ying)|graduated)(?:\s{_PLAIN}){{0,2}}\s(?:in\s{place}|at\s{site})"
    age = r"(?:turned\s|old\s)?\d{1,3}(?:\syears\sold)?"
    being = rf"(?:an?|the)\s{_JOB}{where}?"
    one = rf"(?:(?:is|are|was|were|am)\s)?{_ADVERBS}(?:{living}|{working}|{studying}|{age}|{being}){_WHEN}"
    return re.compile(rf"\s*{one}(?:(?:[,;]|,?\s(?:and|but))\s{one})*\s*[.!]?\s*")


_SAID: Final = _statements(_PLACE, _SITE)
_SAID_OF_NO_FIRM: Final = _statements(_PLACE, r"(?!)")  # "they" may be the firm


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
                and (_SAID_OF_NO_FIRM if many else _SAID).fullmatch(stated, about.end()) is not None
            )
            start += len(part)


def _instead(found: re.Match[str]) -> str:
    if found["pronoun"].lower() in _POSSESSIVE:
        return "My" if found["ending"] is None else found.group()
    return _OWN[found["ending"]]
