"""Find what a query asks among what is written around it: greetings, labels, how to answer, the day it is. Pure.

"Answer the following question based on the conversation: where does Ana live?" asks where Ana lives. Agents hand whole prompts to
a search, and their other words draw the vector and the keywords to memories of answers and conversations. So a query is cut into
parts, and those at its beginning and end that speak of asking and answering only are left out, where what is left asks something.
What tells of the matter ("I moved to Rome. Where did I live before?") stays, as does a request without such parts. A day that the
query says it is counts as the moment from which "last week" is reckoned, not as a day that is asked for.

English; labels, tags, JSON and whole dates in any language.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from memory_service.analysis.sentences import sentences
from memory_service.analysis.tokens import terms
from memory_service.analysis.wrapping import LONGEST_STAMP, moment_of, said_in
from retrieval.asking_words import OF_ASKING


@dataclass(frozen=True, slots=True)
class Framed:
    """What a query asks, and when it says that it is asked."""

    text: str
    now: datetime | None = None


@dataclass(frozen=True, slots=True)
class _Part:
    """A sentence, a label or what a colon, a tag or a bracket parts from it: [start, end) of the text."""

    start: int
    end: int
    around: bool  # it speaks of asking and answering only
    labels: bool  # it says that the question follows


LONGEST: Final = 4_000  # characters of a query that is read; a longer one is no prompt around a question
_MOST: Final = 200  # parts of it
_FEW: Final = 4  # words of asking and answering beside which one more word tells nothing
_DEEP: Final = 3  # objects of JSON in one another
_QUERY_KEYS: Final = ("question", "query", "text", "content", "message", "input", "prompt")  # the first that is there

_WH: Final = r"(?:what|when|where|which|who|whom|whose|why|how)(?:['’]\w+)?\b"
_AUXILIARY: Final = (
    r"(?:am|are|can|could|did|do|does|had|has|have|is|may|might|shall|should|was|were|will|would)(?:n['’]t)?\b"
)
_ASKS: Final = re.compile(
    rf"\W*(?:(?:and|so|but|about|at|for|from|in|of|on|since|to|until|with)\s+)?(?:{_WH}|{_AUXILIARY}\s|"
    r"(?:list|tell|name|describe|summari[sz]e|give|find|show|recall|compare|explain|remind|recommend|suggest)\b)",
    re.IGNORECASE,
)
_MARKS: Final = "?？؟"
_BORDER: Final = re.compile(
    # A tag; a label or an opening before a colon; a bracket behind a sentence; a comma or a dash before a question word.
    rf"</?[A-Za-z][\w-]{{0,30}}>|[:：](?=[\s*\"'“<]|\Z)|(?<=[?.!])\s+\(|\s[–—-]{{1,2}}\s|,\s+(?={_WH}|{_AUXILIARY}\s)",
    re.IGNORECASE,
)
_POLITE: Final = re.compile(
    r"\W*(?:please\s+)?(?:"
    r"(?:do|can|could|would|will|might|may) (?:you|u|we|i)(?: (?:please|perhaps|maybe|still|also|kindly|just)){0,2} "
    r"(?:remember|recall|know|tell me|remind me|say|let me know|find out|look up|check|ask(?: you)?|help me remember)"
    r"(?: (?:again|please))?|"
    r"(?:just |kindly )?(?:tell|remind) me(?: (?:again|please))?|let me know|(?:please )?(?:find out|look up|figure out)|"
    r"i (?:just )?(?:want|need|would like|would love|wanted) (?:you )?to (?:know|ask|find out|remember|tell me)|"
    r"i['’]d (?:like|love) to (?:know|ask|find out|remember)|"
    r"i(?: was| am|['’]m) (?:just )?(?:wondering|curious)(?: about| to know)?|i wonder|(?:do you have )?any idea|"
    r"i (?:forgot|forget|don['’]t remember|can['’]t remember)"
    rf")\s*[,:–—]?\s+(?={_WH})",
    re.IGNORECASE,
)
_DAY: Final = re.compile(
    r"(?P<opens>[\[(])?(?:assume |suppose |note that )?(?:today(?:['’]s date)?|it|now|asked|"
    r"(?:the |my )?(?:current |today['’]s |question )?(?:date|time|day)(?: and time)?(?: today| now)?)"
    r"\W{0,3}(?:is|:|=|['’]s|on|at)\W{0,3}(?:now |today |currently )?(?:on )?"
    rf"(?P<stamp>[^\n]{{6,{LONGEST_STAMP}}}?)\s*(?(opens)[\])][.,;]?|(?:[.;\n]|,(?=\s+(?:so\s+|and\s+)?{_WH})|\Z))\s*",
    re.IGNORECASE,
)
_BEFORE_DAY: Final = re.compile(r"(?:\A|\n|[.!?]\s)\W*\Z")

_LABELS: Final = frozenset(terms("question query q"))
_NUMBER: Final = re.compile(r"[a-z]?\d{1,3}")
_MAY_I: Final = re.compile(r"\W*(?:can|could|may|would|will|do|are) (?:you|u|i|we)\b", re.IGNORECASE)
_OF_TIME: Final = re.compile(
    r"\b(?:as of|now|today|current\w*|recent\w*|last|latest|first|before|earlier)\b", re.IGNORECASE
)


def asked_in(query: str) -> Framed:
    """Return what a query asks; all of it where nothing is written around it, or nothing is left without that.

    >>> asked_in("Answer the question based on the conversation: Where does Ana live?").text
    'Where does Ana live?'
    >>> asked_in("Hey, can you remind me what my car is called? Please answer in one sentence. Thanks!").text
    'what my car is called?'
    >>> framed = asked_in("Today is 2024-05-01. What did I do last week?")
    >>> framed.text, str(framed.now)
    ('What did I do last week?', '2024-05-01 00:00:00+00:00')
    >>> asked_in("I moved to Rome. Where did I live before?").text
    'I moved to Rome. Where did I live before?'
    >>> asked_in("Answer the phone").text
    'Answer the phone'
    """
    if len(query) > LONGEST:
        return Framed(query)
    told, now = _without_day(_of_object(query))
    text = _within(told)
    polite = _POLITE.match(text)
    text = text[polite.end() :] if polite else text
    if _asks(text) and text != query.strip():
        return Framed(text, now)
    return Framed(told, now) if now and told else Framed(query)


def _of_object(query: str) -> str:
    """Return the question in an object of JSON that holds one, else the query."""
    if query.lstrip()[:1] != "{":
        return query
    try:
        return _question_of(json.loads(query), _DEEP) or query
    except (ValueError, RecursionError):
        return query


def _question_of(read: Any, deep: int) -> str | None:
    if not isinstance(read, dict) or not deep:
        return None
    found = [read[key] for key in _QUERY_KEYS if isinstance(read.get(key), str) and read[key].strip()]
    inside = (_question_of(value, deep - 1) for value in read.values())
    return found[0] if found else next((one for one in inside if one), None)


def _without_day(text: str) -> tuple[str, datetime | None]:
    """Take out that it is some day, if a text says so in a sentence or a line of its own."""
    stamped = said_in(text)
    if stamped.start and not stamped.escaped:
        moment = moment_of(text[: stamped.start].strip(" \t\n[]()-–—|:"))
        if moment is not None:
            return text[stamped.start :], moment
    for found in _DAY.finditer(text):
        moment = (
            moment_of(found["stamp"]) if _BEFORE_DAY.search(text, max(0, found.start() - 9), found.start()) else None
        )
        if moment is not None:
            return f"{text[: found.start()].rstrip()}\n{text[found.end() :]}".strip(), moment
    return text, None


def _within(text: str) -> str:
    """Return a text without the parts at its beginning and end that speak of asking and answering only."""
    parts = list(_parts(text))
    if len(parts) > _MOST:
        return text.strip()
    label = max((place for place, part in enumerate(parts) if part.labels and _asks(text[part.end :])), default=-1)
    kept = parts[label + 1 :]
    while kept and kept[0].around and _asks(text[kept[0].end :]):
        kept.pop(0)
    while len(kept) > 1 and kept[-1].around and _asks(text[kept[0].start : kept[-2].end]):
        kept.pop()
    return _bare(text[kept[0].start : kept[-1].end]) if kept else text.strip()


def _bare(text: str) -> str:
    """Take marks and quotation marks off both ends that belong to no pair inside."""
    bare = text.strip(" \t\r\n*#_`>-–—")
    for opening, closing in ('""', "“”", "''"):
        inside = bare.strip(opening + closing)
        if bare != inside and opening not in inside and closing not in inside:
            return inside
    return bare


def _parts(text: str) -> Iterator[_Part]:
    for sentence in sentences(text):
        start = sentence.start
        for border in _BORDER.finditer(text, sentence.start, sentence.end):
            yield from _part(text, start, border.end() if border[0][0] != "<" else border.start(), border[0])
            start = border.end()
        yield from _part(text, start, sentence.end, "")


def _part(text: str, start: int, end: int, border: str) -> Iterator[_Part]:
    said = text[start:end]
    if not any(letter.isalnum() for letter in said):
        return
    words = [term for term in terms(said) if not _NUMBER.fullmatch(term)]
    other = set(words) - OF_ASKING
    if any(mark in said for mark in _MARKS):
        around = bool(words) and not other and _MAY_I.match(said) is not None  # "Can I ask you something?"
    elif border[:1] == ",":
        around = not other and _OF_TIME.search(said) is None  # "Right now, where …" asks for what is so now
    elif not border and _ASKS.match(said) is not None and other:
        around = False
    else:
        # One more word among many of asking tells nothing, unless it is a name.
        around = not other or (len(other) == 1 and len(words) > _FEW and not _a_name(other, said))
    labels = border[:1] in (":", "：", "<") and not other and not _LABELS.isdisjoint(words)
    yield _Part(start, end, around, labels)


def _a_name(terms_of_it: set[str], said: str) -> bool:
    """Say whether the only other word is written with a capital within what is said, as names are."""
    return any(word[0].isupper() and set(terms(word)) & terms_of_it for word in re.findall(r"(?<=\s)[^\W\d_]+", said))


def _asks(text: str) -> bool:
    """Say whether a text asks something by itself."""
    return any(mark in text for mark in _MARKS) or _ASKS.match(text) is not None
