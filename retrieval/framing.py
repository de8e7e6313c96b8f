"""Find what a query asks among what is written around it: greetings, labels, how to answer, the day it is. Pure.

"Answer the following question based on the conversation: where does Ana live?" asks where Ana lives. Agents hand a whole prompt
to a search, and its other words draw the vector and the keywords to memories of answers and conversations. They are left out,
where what is left asks something; what tells of the matter ("I moved to Rome. Where did I live before?") stays. A day that the
query says it is counts as the moment from which "last week" is reckoned, not as a day that is asked for.

English, with labels of any language that look alike.
"""

import json
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from memory_service.analysis.sentences import sentences
from memory_service.analysis.wrapping import LONGEST_STAMP, moment_of


@dataclass(frozen=True, slots=True)
class Framed:
    """What a query asks, and when it says that it is asked."""

    text: str
    now: datetime | None = None


LONGEST: Final = 4_000  # characters of a query that is read; a longer one is no prompt around a question
_MOST: Final = 20  # things around a question
_QUERY_KEYS: Final = ("question", "query", "text", "content", "message", "input", "prompt")  # the first that is there


def _pattern(*parts: str, flags: re.RegexFlag = re.NOFLAG) -> re.Pattern[str]:
    return re.compile("".join(parts), re.IGNORECASE | flags)


_WH: Final = r"(?:what|when|where|which|who|whom|whose|why|how)(?:['’]\w+)?\b"
_ASKS: Final = _pattern(
    rf"\W*(?:(?:and|so|but|about|at|for|from|in|of|on|since|to|until|with)\s+)?(?:{_WH}|",
    r"(?:am|are|can|could|did|do|does|had|has|have|is|may|might|shall|should|was|were|will|would)(?:n['’]t)?\s|",
    r"(?:list|tell|name|describe|summari[sz]e|give|find|show|recall|compare|explain|remind|recommend|suggest)\b)",
)
_SOURCE: Final = (
    r"(?:conversations?|chats?|chat logs?|memor(?:y|ies)|contexts?|history|histories|dialogues?|dialogs?|discussions?|transcripts?|"
    r"messages|information|passages?|excerpts?|documents?|notes?|records?|logs?)"
)
_MUST: Final = (
    r"(?:(?:please|kindly|now|then|also|and|always|you (?:must|should|will|are to|need to)|make sure (?:to|you)|remember to|try to|"
    r"your task is to|i want you to|note:?)\s+){0,3}"
)

_LABEL: Final = _pattern(
    r"\W*(?:(?:the|my|our|next|new|current|latest|last|user|user['’]s|following|(?:here|below) is (?:the|my|a)|one|another|a|just|",
    r"quick|more)\s+){0,4}(?:question|query|q|(?:user|human)(?: (?:asks|asked|says|said|wants to know))?)\s*(?:\d{1,3}\s*)?",
    r"(?:is\s*)?\W{0,3}[:–—]\W{0,3}\s*(?=\S)",
)
_LABEL_AMID: Final = _pattern(
    r".*\n\W*(?:(?:current|new|next|user|user['’]s|my|the|final) )?(?:question|query)\W{0,3}:\W{0,3}\s*(?=\S)",
    flags=re.DOTALL,  # the last of several
)
_GREETING: Final = _pattern(
    r"\s*(?:hey|hi|hello|ok|okay|so|well|um+|hm+|right|alright|sorry|excuse me|quick question|one more (?:thing|question)|",
    r"just (?:wondering|curious|asking)|out of curiosity|by the way|btw|please)(?: (?:there|again|all|everyone))?",
    r"\s*(?:[,!.:–—]+|-\s)\s*",
)
_POLITE: Final = _pattern(
    r"\s*(?:please\s+)?(?:",
    r"(?:do|can|could|would|will|might|may) (?:you|we|i)(?: (?:please|perhaps|maybe|still|also|kindly)){0,2} ",
    r"(?:remember|recall|know|tell me|remind me|say|let me know|find out|look up|check|ask(?: you)?|help me remember)",
    r"(?: (?:again|please))?|",
    r"(?:just |kindly )?(?:tell|remind) me(?: (?:again|please))?|let me know|",
    r"i (?:just )?(?:want|need|would like|would love|wanted) to (?:know|ask|find out|remember)|",
    r"i['’]d (?:like|love) to (?:know|ask|find out|remember)|",
    r"i(?: was| am|['’]m) (?:just )?(?:wondering|curious)(?: about| to know)?|i wonder|(?:do you have )?any idea|",
    r"i (?:forgot|forget|don['’]t remember|can['’]t remember)",
    rf")\s*[,:–—]?\s+(?={_WH})",
)
_BASED: Final = _pattern(
    r"\s*(?:based (?:only |solely )?(?:on|upon)|according to|judging from|going by|given|using(?: only)?|considering|from|in)\s+",
    r"(?:(?:only|the|our|my|your|these|this|all|any|those|what is in|previous|prior|past|earlier|above|following|provided|given|",
    r"whole|entire|full|conversation|chat|message|retrieved|stored|available|of|in)\s+){0,6}",
    _SOURCE,
    r"(?:\s+(?:above|below|so far|history|provided|given|between \w+ and \w+|with \w+|we (?:have )?had|you have|available|",
    r"alone)){0,3}",
    r"\s*[,:]\s*",
)
_HOW_TO: Final = _pattern(
    rf"\W*{_MUST}(?:(?:answer|respond|reply)(?:\s+(?:it|them|me|to me))?\W*(?:\Z|\b",
    r"(?:in|with|as|only|using|based|from|by|like|without|yes|no|if|and|this|each|accordingly|",
    r"(?:the|my|to the|to my|this) (?:\w+ )?(?:question|query|user)|\w+ly)\b)|",
    r"(?:be|stay|keep (?:it|this|things|(?:your|the) (?:answer|response|reply)))\s+(?:as |very |really )?",
    r"(?:brief|short|concise|succinct|specific|precise|accurate|honest|factual|simple|to the point)\b|",
    r"(?:let['’]s )?think (?:step|carefully|about (?:it|this) (?:step|carefully))|",
    r"explain your (?:reasoning|answer|thinking)|show your (?:work|reasoning)|",
    r"if (?:you|the (?:answer|information))\b.{0,60}\b",
    r"(?:know|sure|find|answer|unsure|unknown|available|mentioned|given|provided|contain\w*)\b.{0,20}[,:]?\s",
    r"(?:then |just |please )?(?:say|answer|respond|reply|return|write|output|state|tell me)\b|",
    r"(?:do not|don['’]t|never|avoid)\s+(?:mak(?:e|ing) (?:\w+ )?up|guess|hallucinat|invent|explain|add any|speculat|",
    r"use (?:any )?(?:outside|external|prior|your own|other)|includ(?:e|ing) (?:any )?(?:explanation|preamble|other))|",
    r"(?:only|just) (?:answer|respond|reply|return|output|use|give (?:me )?(?:the|an?|your) (?:answer|name|number|date|final))\b|",
    r"(?:use|rely on|consider|refer to|read|look (?:at|through)|search|check) (?:only )?(?:the|our|my|your|this|these|all)\b",
    rf".{{0,60}}\b{_SOURCE}\b|",
    r"(?:give|provide|return|output|write|format|produce|generate)\b.{0,40}\b(?:answer|response|reply|output|json|markdown|",
    r"bullet points?|(?:one|single|two|three|\d+) (?:sentences?|words?|lines?))\b|",
    rf"(?:below|here|the following) (?:is|are) .{{0,60}}\b(?:question|{_SOURCE})\b|",
    r"(?:in|with) (?:one|a single|a few|two|three|at most \w+|no more than \w+|\d+) (?:short |full |complete )?",
    r"(?:words?|sentences?|lines?)\b\W*\Z|no (?:explanation|preamble|markdown|extra text)\b|",
    r"you are (?:an? |the |my )?(?:[\w-]+ ){0,4}(?:assistant|ai|chatbot|bot|agent|expert|model)\b)",
)
_ANSWER_IT: Final = _pattern(
    rf"\W*{_MUST}(?:answer|respond to|reply to|address|consider|look at|read|search|check)\b[^?]{{0,160}}",
    r"\b(?:question|query|following|this|these|it|conversation|chat|memor\w+|context|history|below|above|given|provided)\b",
    r"[^?]{0,160}:\s*",
)
_DAY: Final = _pattern(
    r"\s*(?P<opens>[\[(])?(?:assume |suppose |note that )?(?:today(?:['’]s date)?|it|now|asked|",
    r"(?:the |my )?(?:current |today['’]s |question )?(?:date|time|day)(?: and time)?(?: today| now)?)",
    r"\s*(?:is|:|=|['’]s|on|at)\s*(?:now |today |currently )?(?:on )?",
    rf"(?P<stamp>[^\n]{{6,{LONGEST_STAMP}}}?)\s*(?(opens)[\])][.,;]?|(?:[.;\n]|,(?=\s+(?:so\s+|and\s+)?{_WH})|\Z))\s*",
)
_DAY_AMID: Final = _pattern(
    rf"\n\W*(?:current |question |today['’]s )?date\W{{0,3}}:\W{{0,3}}(?P<stamp>[^\n]{{6,{LONGEST_STAMP}}}?)\s*\n",
)
_ANSWER_LABEL: Final = _pattern(
    r"\s*(?:\n\s*|(?<=[?.!])\s+)(?:(?:short |final |your )?answer|a|response|assistant|ai|bot)\s*:\s*\Z"
)
_THANKS: Final = _pattern(
    r"(?<=[?!.])\s*(?:many )?(?:thanks|thank you|thx|cheers|please)",
    r"(?: (?:in advance|a lot|so much|very much|again))*\s*[!.]*\s*\Z",
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
    text, now = _of_object(query).strip(), None
    for _ in range(_MOST):
        rest, day = _without_head(text)
        rest = _without_tail(rest)
        if rest == text or not _still_asks(rest):
            break
        text, now = rest, now or day
    # A label stands before anything that is looked for.
    return Framed(text, now) if text and text != query.strip() else Framed(query)


def _of_object(query: str) -> str:
    """Return the question in an object of JSON that holds one, else the query."""
    if query.lstrip()[:1] != "{":
        return query
    try:
        read: Any = json.loads(query)
    except (ValueError, RecursionError):
        return query
    found = [read[key] for key in _QUERY_KEYS if isinstance(read.get(key), str)] if isinstance(read, dict) else []
    return found[0] if found and found[0].strip() else query


def _without_head(text: str) -> tuple[str, datetime | None]:
    """Take one thing off the beginning, if there is any; with the day that it says it is."""
    day = _DAY.match(text) or _DAY_AMID.search(text)
    if day is not None and (moment := moment_of(day["stamp"])) is not None:
        return text[day.end() :], moment
    for pattern in (_LABEL_AMID, _LABEL, _GREETING, _POLITE, _BASED, _ANSWER_IT):
        if (found := pattern.match(text)) is not None:
            return text[found.end() :], None
    first = next(iter(sentences(text)), None)
    if first is not None and first.end < len(text) and _is_how_to(first.text):
        return text[first.end :].lstrip(), None
    return text, None


def _without_tail(text: str) -> str:
    for pattern in (_ANSWER_LABEL, _THANKS):
        if (found := pattern.search(text)) is not None:
            return text[: found.start()].rstrip()
    *before, last = sentences(text) if text else ("",)
    if before and not isinstance(last, str) and _is_how_to(last.text):
        return text[: last.start].rstrip()
    return text


def _is_how_to(sentence: str) -> bool:
    return "?" not in sentence and _HOW_TO.match(sentence) is not None


def _still_asks(text: str) -> bool:
    """Say whether a text asks something by itself."""
    return any(mark in text for mark in "?？؟") or _ASKS.match(text) is not None
