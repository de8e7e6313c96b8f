"""Choose how to rank: by what a question asks for, or by what a statement hints at.

"I ended up volunteering and now I'm overwhelmed" asks nothing, and shares no words with the memory it should bring
back. There words mislead, and so do the usual topics of the namespace. What is asked outright ("What do we usually eat?") is a
question, however few words it shares; so is what names a time ("my first job").
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from memory_service.analysis.sentences import sentences
from memory_service.analysis.tokens import UNKNOWN_LANGUAGE
from retrieval.asking_words import AUXILIARY
from retrieval.query import ParsedQuery
from retrieval.query_time import asks_earliest, asks_latest


class Route(StrEnum):
    """The two ways to rank."""

    QUESTION = "question"
    STATEMENT = "statement"


@dataclass(frozen=True, slots=True)
class RouterSettings:
    """When a query counts as a statement."""

    statement_coverage: float = 0.35  # a first-person statement covered less than this
    any_coverage: float = 0.20  # whatever is covered less than this
    fewest_words: int = 6  # of a statement; fewer words are search terms


@dataclass(frozen=True, slots=True)
class Routing:
    """Which way was taken, and why, as a phrase for people."""

    route: Route
    reason: str


_FIRST_PERSON: Final = re.compile(
    r"\b(?:i|i['’]\w+|me|my|mine|myself|we|we['’]\w+|us|our|ours|ourselves)\b", re.IGNORECASE
)
_IMPERATIVE: Final = re.compile(
    r"\W*(?:please\s+)?(?:list|give|tell|show|find|summari[sz]e|describe|explain|name|compare|outline|recommend|suggest|"
    r"remind|walk|help|provide|write|create|generate|identify|recap|search|get|look|let|make|draft|plan|order)\b",
    re.IGNORECASE,
)
_OPENS: Final = (
    r"\W*(?:(?:hey|hi|hello|ok|okay|so|well|and|but|btw|um+|hm+|please)\b\W*){0,3}"
    # "yesterday what did I eat", "On Monday, what did I do", "in which year"
    r"(?:(?:yesterday|today|tonight|tomorrow|(?:last|this|next) \w+|"
    r"(?:on|in|at|during|since|for|to|from|with|by|about|until)(?: \w+){0,3}?),? )?"
)
_OTHER: Final = r"(?!(?:i|we|he|she|it|they|you|my|our|the|a|an|is|are|was|were)\b)[\w'’-]+"
_ASKING: Final = re.compile(
    # "what did I", "in which year was", "who called"; not "When my bonus hit", "What a day I had", "Which is why I was".
    rf"{_OPENS}(?!which is why\b)(?:"
    rf"(?:wh?at|when|where|which|who|whom|whose|why|how)(?:['’]?(?:s|re|d|ve|ll)\b|\s+{AUXILIARY})|"
    rf"(?:what|which|whose|how)(?:\s+(?:of the|of my|{_OTHER})){{1,6}}?\s+{AUXILIARY}|"
    rf"who\s+{_OTHER}|what (?:happen(?:s|ed)|changed|went|came|made)\b|(?:what|which) {_OTHER} {_OTHER}|"
    rf"{AUXILIARY}\s+(?:i|you|u|we|he|she|they|it|(?-i:[A-Z]\w+))\b|"
    r"(?:list|tell|show|find|summari[sz]e|remind|recap|search|give)\s+(?!\w*[,:;]))",
    re.IGNORECASE,
)
_LANGUAGES: Final = frozenset({"en", UNKNOWN_LANGUAGE})
# "Ada's lenses: how strong are they?"
_PART: Final = re.compile(r":\s+|\s[–—-]\s")
_RHETORICAL: Final = re.compile(
    r"\W*(?:(?:can|could|would) you (?:believe|imagine)|(?:do|did|have) you ever (?:feel|wonder|think|wish|notice|get|see|seen)|"
    r"who (?:knew|am i(?:,| kidding)|cares\W*\Z|would have (?:thought|guessed|known))|is it (?:just|only) me|are we there yet|"
    r"why (?:did|does|has) (?:nobody|no one)|why do i (?:always|even|keep)|tell me about it|what can i say|"
    r"where (?:did|has) the time|how (?:cool|great|crazy|funny|amazing) is|give (?:me|us) (?:strength|a break)|show must|"
    r"find (?:myself|ourselves))\b",
    re.IGNORECASE,
)
# "Had I known, …" asks nothing, "Had I paid already?" does.
_SUPPOSED: Final = re.compile(r"\W*(?:had|were) (?:i|we)\b", re.IGNORECASE)
_ASKED_WITH_MARK: Final = re.compile(
    rf"{_OPENS}{AUXILIARY}\s+(?:my|our|the|there|any\w*|some\w*|every\w*|no ?one|nobody)\b", re.IGNORECASE
)
_ASKED_LAST: Final = re.compile(r"\W*(?:wh?at|when|where|which|who|whom|whose|how)\b", re.IGNORECASE)
_REQUEST: Final = re.compile(
    r"\W*(?:please\s+)?(?:suggest|recommend|describe|explain|compare|outline|identify|name|write|create|generate|draft|"
    r"make (?:me|us|an?)|help me (?:find|remember|plan|choose|write))\s+\w",
    re.IGNORECASE,
)
# "Cook me something nice, please", "Please order the same again"; not "Please let this week be over", "I eat what I please".
_BEGS: Final = re.compile(
    r".*(?<!\bi )(?<!\bwe )(?<!\byou )(?<!\bthey )\bplease\W*\Z|"
    r"\W*please\s+(?!(?:god|lord|let|just|no|not|don['’]?t|stop|be|someone|somebody|tell me (?:i|it|this|that))\b)\w",
    re.IGNORECASE | re.DOTALL,
)
_OF_SPEAKER: Final = re.compile(r"\W*(?:i|i['’]\w+|we|we['’]\w+|my|our)\b", re.IGNORECASE)
_WORD: Final = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")


def route(query: ParsedQuery, coverage: float, *, settings: RouterSettings) -> Routing:
    """Choose the way for a query whose best match covers this share of its words, 0..1."""
    if _asks_for_a_time(query, settings):
        return Routing(Route.QUESTION, "the query asks for a time")
    if coverage >= settings.statement_coverage:
        return Routing(Route.QUESTION, "the memories share words with the query")
    if _asks(query):
        return Routing(Route.QUESTION, "the query asks for something")
    if coverage < settings.any_coverage:
        return Routing(Route.STATEMENT, "the memories share few words with the query")
    if query.is_question or _IMPERATIVE.match(query.text):
        return Routing(Route.QUESTION, "the query asks for something")
    if len(_WORD.findall(query.text)) < settings.fewest_words:
        return Routing(Route.QUESTION, "the query is a few search terms")
    if not _FIRST_PERSON.search(query.text):
        return Routing(Route.QUESTION, "the query says nothing about its speaker")
    return Routing(Route.STATEMENT, "the query tells something and shares few words with the memories")


def _asks(query: ParsedQuery) -> bool:
    """Say whether a query asks outright: in its last sentence, or in its first one with a question mark.

    What only has the form of a question or a request does not ask.
    """
    said = [sentence.text for sentence in sentences(query.text)]
    if not said:
        return False
    if query.is_question and query.language.partition("-")[0] not in _LANGUAGES:
        return len(said) == 1 and "," not in said[0]  # the beginnings below are English
    first = [said[0]] if said[0].rstrip().endswith("?") else []
    return any(_is_asked(sentence) for sentence in [said[-1], *first])


def _is_asked(sentence: str) -> bool:
    marked = sentence.rstrip().endswith("?")
    last = sentence.rpartition(",")[2]
    if marked and last != sentence and _ASKED_LAST.match(last) and _ASKING.match(last) and not _RHETORICAL.match(last):
        return True  # "I'm at the shop, what did I need?"
    if not marked and _SUPPOSED.match(sentence):
        return False
    if _REQUEST.match(sentence) or _BEGS.match(sentence) or (marked and _ASKED_WITH_MARK.match(sentence)):
        return True
    return any(_ASKING.match(part) and not _RHETORICAL.match(part) for part in _PART.split(sentence))


def _asks_for_a_time(query: ParsedQuery, settings: RouterSettings) -> bool:
    """Say whether a question in a query names a day, or the latest or first: not what is only told beside it."""
    if not (query.dates or query.asks_latest or query.asks_earliest):
        return False
    if len(_WORD.findall(query.text)) < settings.fewest_words:
        return True
    return any(_names_a_time(said, query) for said in _questions(query.text))


def _questions(text: str) -> Iterator[str]:
    """Yield what asks: sentences, and of one that tells something of its speaker what stands behind the last comma."""
    for sentence in sentences(text):
        if sentence.text.endswith("?") or _ASKING.match(sentence.text):
            yield sentence.text.rpartition(",")[2] if _OF_SPEAKER.match(sentence.text) else sentence.text


def _names_a_time(said: str, query: ParsedQuery) -> bool:
    small = said.casefold()
    return any(found.phrase.casefold() in small for found in query.dates) or asks_latest(said) or asks_earliest(said)
