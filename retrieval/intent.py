"""What a question wants besides its topic, read from its wording: summaries, the course of things, what was answered.

English only; a question in another language has none of these intents and is ranked by its topic alone.
"""

import re
from typing import Final

_SUMMARY: Final = re.compile(r"\b(?:summar\w+|overview|recap)\b", re.IGNORECASE)
_COURSE: Final = re.compile(
    r"\b(?:in order(?! to\b)|order in which|in what order|chronolog\w+|timeline|throughout|over time|"
    r"across (?:my|our|all|the|these|those|several|different|multiple)\b|"
    r"how\b.{0,80}\b(?:progress\w*|evolv\w*|developed|changed))\b",
    re.IGNORECASE,
)
_SAID: Final = "recommend|suggest|advis|propos|mention|explain|said|describ|outlin|list|told|point"
_ANSWERED: Final = re.compile(
    rf"\bdid you\b|\b(?:have|had) you (?:{_SAID}|given|provid)\w*|"
    rf"\byou(?:'ve|’ve| have| had)? (?:(?:{_SAID}|provid)\w*ed|gave|given|told|said|shared|showed)\b|"
    r"\byour (?:recommend|suggest|advice|explan|propos|answer)\w*",
    re.IGNORECASE,
)


def wants_summary(query: str) -> bool:
    """Say whether a question asks to sum up: what both sides said counts.

    >>> wants_summary("Can you give me a summary of my project?"), wants_summary("What is my project called?")
    (True, False)
    """
    return _SUMMARY.search(query) is not None


def wants_course(query: str) -> bool:
    """Say whether a question asks how things went over time: what is found should not lie at one moment.

    >>> wants_course("In what order did I bring up the features?"), wants_course("Which feature came first?")
    (True, False)
    >>> wants_course("Who developed the parser?"), wants_course("How has my plan evolved?")
    (False, True)
    """
    return wants_summary(query) or _COURSE.search(query) is not None


def wants_answers(query: str) -> bool:
    """Say whether a question asks what the assistant had said, rather than the user.

    >>> wants_answers("How did you recommend structuring my work?"), wants_answers("What would you recommend?")
    (True, False)
    """
    return _ANSWERED.search(query) is not None
