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
_ADVICE: Final = re.compile(
    # "What time should I come?" asks for what was agreed, "Should I come?" for advice.
    r"(?:(?:\A|[.,;:!?]\s+|\b(?:where|why|which|so|or|and|but|think)\s+)should (?:i|we)\b)|"
    r"\b(?:(?:can|could|would|will) you\b|how (?:do|can|could|should|would|might) (?:i|we)\b|"
    r"what (?:can|could|should|would) (?:i|we|you)\b|do you (?:think|have any)\b|"
    r"(?:recommend|suggest|advise)\b|help (?:me|us)\b|show me\b|walk me\b|give me\b|best (?:way|practice)|"
    r"(?:ideas|tips|advice|options|suggestions|recommendations)\b|"
    r"i(?:['’]m| am| want| need|['’]d like| would like)\b[^?]{0,40}\b(?:planning|looking|trying|about|going|working|to)\b)",
    re.IGNORECASE,
)


# At the beginning of a sentence, or of the last part of one: "Looks good, commit it". Not what is done to memories: "find the
# note", "list my trips", "make a list of them", "tell me when".
_GREETED: Final = r"(?:(?:hi|hey|hello|ok|okay|now|then|and|so|also|please|let['’]s)\b,?\s+){0,3}"
_RECALLED: Final = r"(?!(?:\w+\s+){0,2}(?:list|summary|overview|timeline|table|note|notes|recap)\b)"
_DONE: Final = re.compile(
    rf"(?:\A|[.!;]\s+|,\s+){_GREETED}(?:"
    r"(?:book|order|re-?order|reserve|buy|cook|bake|draft|compose|scaffold|generate|arrange|schedule|plan|design|choose|pick|"
    r"suggest|recommend|propose|prepare|rewrite|refactor|implement|commit|deploy|fix|set up|put together|come up with)"
    r"\s+(?:me|us|a|an|the|some|something|it|this|that|these|those|up|out|one|two|three|\d+)\b"
    rf"|(?:write|make|create|build|code)\s+(?:me|us|a|an|my|our|some|something|it|this)\s+(?:an?\s+)?+{_RECALLED}"
    rf"|(?:find|get)\s+(?:me|us)\s+(?:a|an|some|something|somewhere)\b\s*+{_RECALLED}"
    r"|find\s+(?:a|some|something|somewhere)\s+(?:\w+\s+)?(?:time|slot|flight|hotel|room|table|place|restaurant|gift|present)\b"
    r"|explain\b[^.?!]{1,80}\bto me\b)"
    # Alone, or at the very beginning, whatever it is that is to be done.
    rf"|\A{_GREETED}(?:(?:book|order|plan|cook|translate|refactor|fix|update|install|review|add|run|write|draft)\s+"
    r"(?!(?:my|of|number|by|was|is|for|me|us|an?)\b)\w+|commit\b)",
    re.IGNORECASE,
)
_SHALL: Final = re.compile(r"\b(?:what|where|which|how|when|who)\b[^.?!]{0,30}\bshall (?:i|we)\b", re.IGNORECASE)


# "How do we deploy?" asks for what is so, as does "How do I take my coffee?"; "How do I sort a list?" asks for help.
_PRACTICE: Final = re.compile(
    r"\bhow do (?:(?:we|i) (?:usually|normally|always|typically|currently)\b"
    r"|we (?:deploy|release|ship|host|handle|track|log|monitor|store|back up|version|authenticate|bill|invoice|onboard|split|call|"
    r"name|spell|pay for|review|approve|test|run (?:our|the)|get to (?:work|school|(?:the|my|our) \w+)|(?:take|drink|eat) our)\b"
    r"(?! (?:better|faster|more|without|best)\b)"
    r"|i (?:(?:like|prefer) my|know (?-i:[A-Z])|feel (?:about|today|now|these days)|get to (?:work|school|(?:the|my) \w+)"
    r"|(?:take|drink|eat|spell|pronounce|pay for) my)\b)",
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


def wants_advice(query: str) -> bool:
    """Say whether somebody asks for help or advice with what lies ahead, rather than for what is known.

    >>> wants_advice("I'm planning a trip, what would you suggest?"), wants_advice("How do I sort a list?")
    (True, True)
    >>> wants_advice("What time should I be there?"), wants_advice("Which hotel did you suggest?")
    (False, False)
    >>> wants_advice("How do we deploy?"), wants_advice("How do we deploy? Can you help me with it?")
    (False, True)
    """
    return _ADVICE.search(_PRACTICE.sub(" ", query)) is not None and not wants_answers(query)


def wants_work(query: str) -> bool:
    """Say whether somebody wants something done or made, to which what they like matters though they do not ask for it.

    >>> wants_work("Find me a flight to Oslo."), wants_work("Looks good, commit it and open the PR.")
    (True, True)
    >>> wants_work("Find the mail from Tom."), wants_work("List my trips."), wants_work("Did we book a table?")
    (False, False, False)
    """
    asked = query.rstrip().endswith("?")  # "When did he write that, commit it?"
    return _SHALL.search(query) is not None or (not asked and _DONE.search(query) is not None)
