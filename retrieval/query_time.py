"""Hear in a query whether the last, the first or the present one of several is asked for.

English, with the plainest words of German, French, Spanish and Italian.
"""

import re
from typing import Final

_LATEST: Final = re.compile(
    r"\b(?:(?:most|more) recent(?:ly)?|latest|newest|lately|recently|current(?:ly)?|nowadays|these days|right now|at "
    r"the moment|"
    r"at present|presently|as of (?:now|today)|up[- ]to[- ]date|so far|still|any ?more|now(?=\s*(?:[?.!,;]|\Z|than\b|"
    r"that\b))|"
    # "the last book she read", "her last trip"; "last week" is a date, "at last" and "last name" are neither
    r"(?:the|my|his|her|their|our|your|'s|’s)\s+last\b(?!\s+(?:name|minute|resort|straw|word|week|weekend|month|year|"
    r"night|summer|winter|"
    r"spring|fall|autumn|decade|few|couple|several|two|three|four|five|six|\d+)\b)|last time|"
    r"neueste[nrs]?|aktuell\w*|derzeit|zuletzt|momentan|actuellement|dernièrement|récemment|en ce moment|actualmente|"
    r"últimamente|"
    r"ahora mismo|attualmente|recentemente|ultimamente)\b",
    re.I,
)
_EARLIEST: Final = re.compile(
    r"\b(?:earliest|originally|initially|at first|to begin with|in the beginning|oldest (?:memory|message|mention|"
    r"record)|"
    # "the first time", "when did they first meet"; "first name" and "first aid" are no order in time
    r"first(?!\s+(?:name|aid|class|floor|grade|person|lady|half|place|responders?|language|degree|hand|week|weekend|"
    r"day of|of (?:january|february|"
    r"march|april|may|june|july|august|september|october|november|december)|monday|tuesday|wednesday|thursday|friday|"
    r"saturday|sunday)\b)"
    r"(?!-(?:name|aid|class|person|hand|grade|degree))|"
    r"zuerst|ursprünglich|anfangs|zum ersten mal|d'abord|à l'origine|au début|la première fois|primero|originalmente|"
    r"al principio|"
    r"la primera vez|all'inizio|originariamente|la prima volta)\b",
    re.I,
)
_OF_THE_FIRST: Final = re.compile(
    r"\b(?:of|for|in|on|at|with|about|to|by)\s+(?:[a-z]+ing\s+)?(?:the|my|our|his|her|their)\s+first\b(?!\s+time\b)",
    re.I,
)
# A question in the present tense after its question word: "Where does she work", "What is her job", "How many dogs has he".
_PRESENT: Final = re.compile(
    r"(?:\A|[,;:.!]\s+)\s*(?:so |and |but )?(?:in |for |at |with |on |from |to )?"
    r"(?:what|where|who|which|whose|how|why|when)(?:['’]s|['’]re|(?:\s+(?!was\b|were\b|did\b|had\b|would\b)[\w'’-]+){0,4}?"
    r"\s+(?:is|are|am|do|does|has|have|should))\b",
    re.I,
)
# A count so far grows: "How many commits have been merged", "How many books has she read".
_SO_FAR: Final = re.compile(r"\bhow (?:many|much)\b(?:\s+[\w'’-]+){0,5}?\s+(?:has|have)\b", re.I)
_NOT_SO_FAR: Final = re.compile(r"\b(?:was|were|did|didn['’]t|had|ever|ago|yesterday|used to)\b", re.I)
_PRESENT_AUXILIARY: Final = re.compile(r"\s*(?:is|are|am|do|does|has|have)(?:n['’]t)?\s+\w+", re.I)
# What happened once is over, whatever tense the question begins in; "have you ever", "been", "has she visited".
_PAST: Final = re.compile(
    r"\b(?:was|were|did|didn['’]t|had|been|ever|ago|yesterday|used to|(?:has|"
    r"have)\s+(?:[\w'’-]+\s+){1,3}?[a-z]{2,}(?:ed|en|ne|wn|ught)\b)\b",
    re.I,
)
# What is still to come, or holds of no time: no newer statement replaces an older one.
_NO_VALUE: Final = re.compile(
    r"\b(?:planning|(?<!should i )(?<!should we )plans? to|going to|mean by|difference between|the (?:capital|meaning) of)\b",
    re.I,
)


def asks_latest(query: str) -> bool:
    """Say whether a query asks for the last of several.

    >>> asks_latest("What is her most recent trip?"), asks_latest("What was the last book she read?")
    (True, True)
    >>> asks_latest("What did she do last week?"), asks_latest("What is her last name?")
    (False, False)
    """
    return _LATEST.search(query) is not None


def asks_earliest(query: str, *, current: bool = False) -> bool:
    """Say whether a query asks for the first of several.

    Where it asks for what is so now (`current`), "the first" behind a preposition only tells what has that value.

    >>> asks_earliest("When did they first meet?"), asks_earliest("Who taught her first aid?")
    (True, False)
    >>> asks_earliest("What is the deadline for finishing the first chapter?", current=True)
    False
    """
    return _EARLIEST.search(_OF_THE_FIRST.sub(" ", query) if current else query) is not None


def asks_current(query: str, *, dated: bool = False) -> bool:
    """Say whether a question asks for what is so now, so that a newer statement outdates an older one.

    A question in the present tense does, unless it names a time or asks for what has ever happened; so does one for a
    count up to now.

    >>> asks_current("Where does Caroline work?"), asks_current("How many dogs has Mel now?")
    (True, True)
    >>> asks_current("How many books has she read?"), asks_current("When is her appointment?")
    (True, True)
    >>> asks_current("Where did Caroline work?"), asks_current("Which countries has she visited?")
    (False, False)
    """
    if dated or _NO_VALUE.search(query):
        return False
    if _SO_FAR.search(query) and not _NOT_SO_FAR.search(query):
        return True
    if _PAST.search(query):
        return False
    return _PRESENT.search(query) is not None or _PRESENT_AUXILIARY.match(query) is not None
