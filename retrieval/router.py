"""Choose how to rank: by what a question asks for, or by what a statement hints at.

"I ended up volunteering and now I'm overwhelmed" asks nothing, and shares no words with the memory it should bring
back. There words mislead, and so do the usual topics of the namespace. A question that tells when ("What did I eat yesterday?") has
a hint of its own, however few words it shares.
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from retrieval.query import ParsedQuery


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
_AUXILIARY: Final = "(?:am|are|can|could|did|do|does|had|has|have|is|may|might|shall|should|was|were|will|would)"
_ASKING: Final = re.compile(
    # "what did I", "in which year was"; not "When my bonus hit, I was glad".
    r"\W*(?:(?:and|so|in|on|at|for|to|from|with|since|until)\s+)?(?:(?:what|when|where|which|who|whom|whose|why|how)"
    rf"(?:['’](?:s|re|d)\b|(?:\s+[\w'’-]+){{0,3}}?\s+{_AUXILIARY}\b)|"
    rf"{_AUXILIARY}\s+(?:i|you|we|he|she|they|it|the|my|our|your|[A-Z]\w+)\b)|{_IMPERATIVE.pattern}",
    re.IGNORECASE,
)
_WORD: Final = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")


def route(query: ParsedQuery, coverage: float, *, settings: RouterSettings) -> Routing:
    """Choose the way for a query whose best match covers this share of its words, 0..1."""
    tells_when = query.dates or query.asks_latest or query.asks_earliest
    if tells_when and (query.text.rstrip().endswith("?") or _ASKING.match(query.text)):
        return Routing(Route.QUESTION, "the query asks for a time")
    if coverage < settings.any_coverage:
        return Routing(Route.STATEMENT, "the memories share few words with the query")
    if coverage >= settings.statement_coverage:
        return Routing(Route.QUESTION, "the memories share words with the query")
    if query.is_question or _IMPERATIVE.match(query.text):
        return Routing(Route.QUESTION, "the query asks for something")
    if len(_WORD.findall(query.text)) < settings.fewest_words:
        return Routing(Route.QUESTION, "the query is a few search terms")
    if not _FIRST_PERSON.search(query.text):
        return Routing(Route.QUESTION, "the query says nothing about its speaker")
    return Routing(Route.STATEMENT, "the query tells something and shares few words with the memories")
