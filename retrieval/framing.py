"""Find what a query asks among what is written around it: greetings, labels, how to answer, the day it is. Pure.

"Answer the following question based on the conversation: where does Ana live?" asks where Ana lives. Agents hand whole prompts to
a search, and their other words draw the vector and the keywords to memories of answers and conversations. So a query is cut into
parts, and those at its beginning and end that speak of asking and answering are left out, where what is left asks something.
What tells of the matter ("I moved to Rome. Where did I live before?") stays, as does a request without such parts. Of a whole
conversation the last turn of the user is what it asks. A day that the
query says it is counts as the moment from which "last week" is reckoned, not as a day that is asked for.

English only.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice
from typing import Any, Final

from memory_service.analysis.sentences import sentences
from memory_service.analysis.tokens import terms
from memory_service.analysis.wrapping import LONGEST_STAMP, moment_of, said_in
from retrieval.asking_words import ASKS, AUXILIARY, LIGHT, MARKS, STRONG, WEAK, WH, asks
from retrieval.conversation import Turn, last_asked
from retrieval.messages import messages_in
from retrieval.transcript import conversation_in


@dataclass(frozen=True, slots=True)
class Framed:
    """What a query asks, and when it says that it is asked."""

    text: str
    now: datetime | None = None


@dataclass(frozen=True, slots=True)
class _Part:
    """A sentence, or what a colon, a bracket or a comma parts from it: [start, end) of the text."""

    start: int
    end: int
    before_comma: bool  # which parts it from what follows


LONGEST: Final = 16_384  # characters of a query that is read
_MOST: Final = 400  # parts of a query
_DAYS: Final = 5  # statements of a day that are tried
_DEEP: Final = 3  # objects of JSON in one another
_EVERY: Final = 5  # words of a part of which one may be another: among so many of asking and answering it tells nothing

_EMOJI: Final = "[\\U0001F300-\\U0001FAFF\\u2600-\\u27BF\\uFE0F]"
_BORDER: Final = re.compile(
    # What stands before a colon; a bracket behind a sentence; a comma or a dash before a question; an emoji.
    rf":(?=[\s*\"'“<]|\Z)|(?<=[?.!])\s+\(|\s[–—-]{{1,2}}\s|,\s+(?={WH}|{AUXILIARY}(?<!n['’]t)(?<!nt)\s)|{_EMOJI}+",
    re.IGNORECASE,
)
_OPENS: Final = re.compile(
    r"\W*(?:so|well|ok|okay|um+|hm+|right|alright|btw|by the way|given that|please)\W*", re.IGNORECASE
)
_HOW_TO: Final = re.compile(
    r"\b(?:(?:find|search|retrieve|fetch|get|look|check|query)\b.{0,20}\b(?:memor(?:y|ies)|histor(?:y|ies)|chats?|conversations?)|"
    r"mak(?:e|ing) (?:\w+ )?up|step[- ]by[- ]step|mention only|keep (?:it|this) (?:short|simple|brief)|"
    r"(?:in|with|max\w*) (?:one|a single|a few|two|three|at most \w+|\d+)[\w -]{0,12}?(?:words?|sentences?|lines?))\b",
    re.IGNORECASE,
)
_INSTRUCTS: Final = re.compile(
    r"\W*(?:(?:please|kindly|and|then|now|always|only|you (?:must|should)) ){0,2}(?:answer|"
    r"respond|reply)(?: (?:it|them|me|to me))?\s+"
    r"(?:in|with|as|only|using|based|like|without|briefly|concisely|shortly|directly|honestly|truthfully|accurately|precisely)\b",
    re.IGNORECASE,
)
_IN_LANGUAGE: Final = re.compile(
    r"\b((?:answer|respond|reply|response|write)\w*\b[^.!?\n]{0,30}?) in "
    r"(?:english|french|german|spanish|italian|portuguese|dutch|chinese|japanese)\b",
    re.IGNORECASE,
)
_MAY_I: Final = re.compile(r"\W*(?:can|could|may|would|will|do|are) (?:you|u|i|we)\b", re.IGNORECASE)
_OF_TIME: Final = re.compile(
    r"\b(?:as of|right now|at the moment|currently|nowadays|these days|recently|lately|latest|"
    r"previously|earlier|formerly|originally|before)\b",
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
    rf")(?:(?P<colon>:)\s+(?=[\"'“‘(\[*-]{{0,3}}\w)|\s*[,:–—]?\s+(?={WH}))",
    re.IGNORECASE,
)
_LABEL: Final = re.compile(
    # At the beginning, or on a line of its own behind whatever was written before.
    r"(?:\A|.*\n)[^\w\n]*(?:(?:the|my|current|new|next|latest|last|final|user|user['’]s|following|follow[- ]?up|action|sub) ){0,3}"
    r"(?:question|query|q|input|task)\s?\d{0,3}(?: (?:of|"
    r"/) \d{1,3})?(?: is)?(?:[ \t*_]{0,4}:[ \t*_>|]{0,4}|(?<=# question)[ \t]{0,4}\n)"
    r"\s*(?=\S)",
    re.IGNORECASE | re.DOTALL,
)
_ROLE: Final = re.compile(
    r"(?P<stamp>[^\n]{0,60}?)\b(?:the )?(?:user|human|customer)(?: (?:just )?(?:asks|asked|says|said|wants to know))?\s*:\s*(?=\S)",
    re.IGNORECASE,
)
_NEXT_ROLE: Final = re.compile(r"\n[ \t]{0,9}(?:user|human|customer|assistant|ai|bot)\s*:\s*\S", re.IGNORECASE)
_ANSWER_LABEL: Final = re.compile(
    r"(?:\n[^\w\n]{0,9}|(?<=[?.!])\s{1,9})(?:(?:[\w-]{1,20} ){0,2}answer|a|(?:standalone|"
    r"next) question|response|assistant|ai|bot|thought)"
    r"\s{0,3}(?::|(?<=# answer))\W{0,20}\Z",
    re.IGNORECASE,
)
_TAG: Final = re.compile(
    r"<(?P<tag>(?:user[_-]?|current[_-]?)?(?:question|query))>(?P<said>.{1,4000}?)</(?P=tag)>",
    re.IGNORECASE | re.DOTALL,
)
_TEMPLATES: Final = tuple(
    re.compile(pattern, re.DOTALL)
    for pattern in (
        r".*<\|im_start\|>user\s*(?P<said>.+?)\s*(?:<\|im_end\|>|\Z)",
        r".*(?:<</SYS>>|\[INST\](?!.*<</SYS>>))\s*(?P<said>.+?)\s*(?:\[/INST\]|\Z)",
    )
)
"""How models of the ChatML and Llama families mark the last turn of a user."""
_QUOTED_LINE: Final = re.compile(r"([\"'])(?P<said>[^\n]{3,}?)\1\s*(?:\n|\Z)")
_DAY: Final = re.compile(
    r"(?P<opens>[\[(])?(?:assume (?:that )?|suppose (?:that )?|note that )?"
    r"(?:today(?:['’]s date)?|(?:the )?current (?:date|time|day)(?: and time)?|today['’]s (?:date|day)|question date|"
    r"it(?: is|['’]s) (?:now|today|currently)|asked on)"
    r"\W{0,3}(?:is(?: now)?|:|=|['’]s)?\W{0,3}(?:on )?"
    rf"(?P<stamp>\w[^\n]{{5,{LONGEST_STAMP}}}?)\s*(?(opens)[\])][.,;]?|(?:[.;\n]|,(?=\s+(?:so\s+|and\s+)?{WH})|\Z))\s*",
    re.IGNORECASE,
)
_DAY_IN_TAG: Final = re.compile(
    rf"<(?P<tag>(?:today|now|(?:current|question)[_-]?(?:date|time|day))[\w-]{{0,10}})>\s*(?P<stamp>[^<]{{6,{LONGEST_STAMP}}}?)\s*"
    r"</(?P=tag)>\s*",
    re.IGNORECASE,
)
_BEFORE_DAY: Final = re.compile(r"(?:\A|\n|[.!?]\s)\W*\Z")

_EMPHASIS: Final = "#*>`-_"

_QUERY_KEYS: Final = ("question", "query", "text", "content", "message", "input", "prompt", "contents")
"""The first that is there."""
_INSIDE_KEYS: Final = frozenset({
    "arguments", "args", "parameters", "params", "function", "input", "message", "messages", "contents", "conversations", "body",
})  # fmt: skip
_BESIDE_KEYS: Final = frozenset({
    "role", "type", "id", "name", "tool", "tool_name", "tool_call_id", "action", "method", "user", "user_id", "agent_id",
    "session_id", "thread_id", "namespace", "collection", "index", "top_k", "k", "n", "limit", "max_results", "threshold",
    "context", "history", "chat_history", "instruction", "instructions", "system", "system_instruction", "systemInstruction",
    "generation_config", "generationConfig", "safetySettings", "tools", "max_tokens", "top_p",
    "format", "options", "filter", "filters",
    "model", "temperature", "stream", "language", "lang", "timestamp", "created_at", "date", "now",
})  # fmt: skip
"""What stands beside a question in an object that hands it over. One with anything else is data, all of which is looked for."""


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
    handed = _of_object(query)
    whole = handed.text
    conversation = conversation_in(whole)
    spoken = last_asked(conversation.turns)
    if spoken is not None:
        day = _last_day(conversation.told)
    else:
        whole, day = _without_day(whole)
        spoken = last_asked(conversation_in(whole).turns) if day is not None else None
    told, now = whole, day or handed.at
    if spoken is not None:
        told, day_there = _without_day(spoken.text)
        now = day_there or spoken.at or now
    # A statement is taken out of what is around it only where that is a conversation, or the day.
    taken_out = now is not None or spoken is not None or handed.of_user
    text = _without_labels(told)
    if text.lstrip()[:1] not in ("{", "["):  # what is written in JSON is data
        text = _without_labels(_within(text))
    polite = _POLITE.match(text)
    text = text[polite.end() :] if polite else text
    said_after = polite is not None and polite["colon"] is not None
    if text != query.strip() and (asks(text) or said_after):
        return Framed(text, now)
    return Framed(told, now) if told and taken_out else Framed(query)


def _of_object(query: str) -> Turn:
    """Return the question in an object of JSON, or the last turn of a user in messages, that hand one over; else the query."""
    as_it_is = Turn(of_user=False, text=query)
    if query.lstrip()[:1] not in ("{", "["):
        return as_it_is
    try:
        found = _question_of(json.loads(query), _DEEP)
        # As everywhere, half a pair and NUL are no text.
        return found if found and found.text and "\0" not in found.text and found.text.encode() else as_it_is
    except (ValueError, RecursionError):
        return as_it_is


def _question_of(read: Any, deep: int) -> Turn | None:
    if isinstance(read, list):
        conversation = messages_in(read)
        turns = list(conversation.turns)
        while turns and not turns[-1].of_user:
            turns.pop()
        spoken = last_asked(turns)
        return spoken and replace(spoken, at=_last_day(conversation.told))
    if not isinstance(read, Mapping) or not deep or not read.keys() <= _BESIDE_KEYS | _INSIDE_KEYS | {*_QUERY_KEYS}:
        return None
    found = [read[key] for key in _QUERY_KEYS if isinstance(read.get(key), str) and read[key].strip()]
    day = _last_day(read["system"]) if isinstance(read.get("system"), str) else None
    if found:
        return Turn(of_user=False, text=found[0], at=day)
    inside = next((one for key in read if key in _INSIDE_KEYS and (one := _question_of(read[key], deep - 1))), None)
    return inside and replace(inside, at=inside.at or day)


def _last_day(told: str) -> datetime | None:
    """Return the last of the days that it is said to be."""
    last = None
    for _ in range(_DAYS):
        told, day = _without_day(told)
        if day is None:
            break
        last = day
    return last


def _without_day(text: str) -> tuple[str, datetime | None]:
    """Take out that it is some day, if a text says so in a sentence, a line or a tag of its own."""
    for found in islice((*_DAY_IN_TAG.finditer(text), *islice(_DAY.finditer(text), _DAYS)), _DAYS):
        begins = found[0][0] == "<" or _BEFORE_DAY.search(text, max(0, found.start() - 9), found.start())
        if begins and (moment := moment_of(found["stamp"])) is not None:
            return f"{text[: found.start()].rstrip()}\n{text[found.end() :]}".strip(), moment
    role = _ROLE.match(text)
    if role is not None and (stamped := said_in(text)).start and stamped.start <= role.end():
        moment = moment_of(text[: stamped.start].strip(" \t\n[]()-–—|:"))
        if moment is not None:
            return text[stamped.start :], moment
    return text, None


def _without_labels(text: str) -> str:
    """Return what stands in a tag for questions or behind a label for them, up to that for the answer."""
    tagged = [found["said"].strip() for found in _TAG.finditer(text)] if "</" in text else []
    if len(tagged) == 1 and tagged[0]:
        return tagged[0]
    if "<|im_start|>" in text or "[INST]" in text:
        turns = [found["said"] for pattern in _TEMPLATES if (found := pattern.match(text)) is not None]
        return turns[0] if turns else text
    answer = _ANSWER_LABEL.search(text)
    rest = text[: answer.start()].rstrip() if answer else text
    label = _LABEL.match(rest)
    role = _ROLE.match(rest) if label is None and _NEXT_ROLE.search(rest) is None else None
    begins = label.end() if label else role.end() if role and not role["stamp"].strip(" *#") else 0
    if begins:
        quoted = _QUOTED_LINE.match(rest, begins)
        rest = quoted["said"] if quoted else _bare(rest[begins:])
    return rest if asks(rest) else text


def _within(text: str) -> str:
    """Return a text without the parts at its beginning and end that speak of asking and answering only."""
    parts = list(islice(_parts(text), _MOST + 1))
    if len(parts) > _MOST:
        return text.strip()
    last_mark = max(text.rfind(mark) for mark in MARKS)

    def around(place: int) -> bool:
        # Only where it is asked: of a single part, which most queries are, nothing is cut.
        part = parts[place]
        return _is_around(text[part.start : part.end], before_comma=part.before_comma)

    def asks_from(place: int) -> bool:
        return last_mark >= place or ASKS.match(text, place) is not None

    first, last = 0, len(parts) - 1
    while first < last and around(first) and asks_from(parts[first].end):
        first += 1
    if first > last:
        return text.strip()
    starts = parts[first].start
    marks = [text.find(mark, starts) for mark in MARKS]
    first_mark = min((place for place in marks if place >= 0), default=len(text))
    while last > first and around(last) and (first_mark < parts[last - 1].end or ASKS.match(text, starts)):
        last -= 1
    if (first, last) == (0, len(parts) - 1):
        return text.strip()
    while last > first and parts[last + 1 :] and text[parts[last].end - 1] == ":":
        last -= 1  # what it was a label of is gone
    return _bare(text[starts : parts[last].end])


def _bare(text: str) -> str:
    """Take off what a cut left of emphasis and quotation marks around a text."""
    bare = text.strip()
    while (last := bare.rsplit(None, 1))[1:] and not last[1].strip(_EMPHASIS):
        bare = last[0]
    bare = re.sub(rf"\A{_EMOJI}+\s*|\s{{0,9}}{_EMOJI}+\Z", "", bare)
    for opening, closing in (("**", "**"), ('"', '"'), ("“", "”"), ("'", "'")):
        inside = bare.removeprefix(opening).removesuffix(closing).strip()
        if inside != bare and opening not in inside and closing not in inside:
            bare = inside
    return bare


def _parts(text: str) -> Iterator[_Part]:
    for sentence in sentences(text):
        start = sentence.start
        for border in _BORDER.finditer(text, sentence.start, sentence.end):
            said = text[start : border.end()]
            if any(letter.isalnum() for letter in said):
                yield _Part(start, border.end(), before_comma=border[0][0] == ",")
                start = border.end()
        if start < sentence.end:
            yield _Part(start, sentence.end, before_comma=False)


def _is_around(said: str, *, before_comma: bool) -> bool:
    """Say whether a part speaks of asking and answering only."""
    if _OPENS.fullmatch(said) or (_INSTRUCTS.match(said) and not any(mark in said for mark in MARKS)):
        return True
    words = [word for word in terms(_IN_LANGUAGE.sub(r"\1", said)) if not word.isdigit()]
    other = [word for word in words if word not in STRONG and word not in WEAK and word not in LIGHT]
    strong = sum(word in STRONG for word in words) + (_HOW_TO.search(said) is not None)
    weak = sum(word in WEAK for word in words)
    if 2 * strong + weak < 2 or _OF_TIME.search(said):
        return False
    if any(mark in said for mark in MARKS):
        return not other and _MAY_I.match(said) is not None  # "Could you please tell me something?"
    if other and (before_comma or len(other) > len(words) // _EVERY or _a_name(set(other), said)):
        return False
    # "Name the questions I asked" asks for something.
    return bool(strong) or not (other and ASKS.match(said))


def _a_name(other: set[str], said: str) -> bool:
    """Say whether another word is written with a capital within what is said, as names are."""
    return any(word[0].isupper() and set(terms(word)) & other for word in re.findall(r"(?<=\s)[^\W\d_]+", said))
