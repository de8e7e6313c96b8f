"""What two say in turns, and what the user of an assistant asks last. Pure.

Agents hand a search all that was said. Of it the last turn of the user is what is asked; where that points back ("Where does she
live?") or says too little ("Tell me more"), the turns before it belong to it, back to one that says what is meant.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from memory_service.analysis.tokens import terms
from retrieval.asking_words import LIGHT, STRONG, WEAK, WH, asks

_MUCH_ASKED: Final = 8  # words of a matter in a question that can do without what it points at
_MUCH_TOLD: Final = 5  # the same of a statement
_FRAGMENT: Final = 3  # words of a turn that may be a part of the one before: "in april"
_POINTS: Final = re.compile(
    r"\b(?:he|him|she|hers|it(?! (?:takes?|took|been|likely|possible|true)\b)|they|them|these(?! days\b)|those|(?:the )?same|"
    r"the [\w-]+ one|(?:this|that|there|one)(?=\W*\Z)|"
    r"(?:and|or|did|does|do|is|was|were|had|has|will|where|when|why|how|about|with|of|to|for|in|at|on|after|before|since|like) "
    r"(?:this|that|there|one(?! of\b))|(?P<whose>his|her|its|their))\b",
    re.IGNORECASE,
)
"""Words for what was said before; whose something is may be said in the same turn."""
_GOES_ON: Final = re.compile(r"\W*(?:and|or|but|also|then|no|(?:what|how) about|since when|what else)\b", re.IGNORECASE)
_OF_ME: Final = re.compile(rf"\A\W*{WH}.*\b(?:i|my|me|we|our)\b", re.IGNORECASE)
_NAMED: Final = re.compile(r"(?<=[a-z,] )[A-Z]\w")  # not where a sentence begins


@dataclass(frozen=True, slots=True)
class Turn:
    """What one side said, and when if that is written there."""

    of_user: bool
    text: str
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Conversation:
    """The turns of a transcript, and what the assistant is told before and between them; no turns of a text that is none."""

    turns: Sequence[Turn] = ()
    told: str = ""


def last_asked(turns: Sequence[Turn]) -> Turn | None:
    r"""Return what the user says last, with the turns before it that tell what is meant; None where nothing is asked since.

    >>> said = Turn(True, "I saw Ana."), Turn(False, "How nice!"), Turn(True, "Where does she live?")
    >>> last_asked(said).text
    'I saw Ana.\nHow nice!\nWhere does she live?'
    """
    users = [place for place, turn in enumerate(turns) if turn.of_user]
    if not users:
        return None
    last = users[-1]
    if any(turn.text for turn in turns[last + 1 :]) or not turns[last].text:
        return None  # the other side speaks last
    fragment = len(turns[last].text.split()) <= _FRAGMENT and not asks(turns[last].text)
    before = users[:-1] if fragment else users
    first = next((place for place in reversed(before) if _tells(turns[place].text)), users[-2:][0])
    said = "\n".join(turn.text for turn in turns[first : last + 1] if turn.text)
    return Turn(of_user=True, text=said, at=turns[last].at)


def _tells(said: str) -> bool:
    """Say whether words can be looked for without those before them: they are of a matter, and point at nothing.

    Who tells much says what is meant along with it: "I bought those headphones because of the noise, and now it is too quiet".
    """
    if _GOES_ON.match(said):
        return False
    matter = sum(word not in LIGHT for word in _light(said))
    if matter >= (_MUCH_ASKED if asks(said) else _MUCH_TOLD):
        return True
    named = _NAMED.search(said)
    whose_is_told = False
    for points in _POINTS.finditer(said):
        if named is not None and named.end() <= points.start():
            break
        whose_is_told = whose_is_told or (points["whose"] is not None and _of_a_matter(said[: points.start()]))
        if not (points["whose"] and whose_is_told):
            return False
    return matter > 0 or (_OF_ME.search(said) is not None and any(_light(said)))


def _light(said: str) -> list[str]:
    return [word for word in terms(said) if word not in STRONG and word not in WEAK]


def _of_a_matter(said: str) -> bool:
    return any(word not in LIGHT for word in _light(said))
