"""Find in a conversation of a user and an assistant what the user asks last. Pure.

Agents hand a search all that was said. Of it the last turn of the user is what is asked; where that points back ("Where does she
live?") or says too little ("Tell me more"), the turns before it belong to it, back to one that says what is meant. Labels of
turns are read in English, by role and not by name: who is called by name talks with somebody, and all of that may be looked for.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from memory_service.analysis.tokens import terms
from memory_service.analysis.wrapping import LONGEST_STAMP, moment_of
from retrieval.asking_words import LIGHT, STRONG, WEAK, WH, asks


@dataclass(frozen=True, slots=True)
class Turn:
    """What one side said, and when if that is written there."""

    of_user: bool
    text: str
    at: datetime | None = None


_MOST: Final = 400  # turns that are read, the last
_SPEAKS_AGAIN: Final = 2  # turns of the user in a conversation, at least
_A_SENTENCE: Final = 4  # words of a line that is one, without a mark at its end
_FRAGMENT: Final = 3  # words of a turn that may be a part of the one before: "in april"

_LABEL: Final = re.compile(
    # A line that says whose turn begins, before the words or by itself, with a time or a number before or behind it.
    r"^[^\w\n]{0,6}"
    rf"(?:\[?(?P<before>\d[\d:/.T, APMapm-]{{0,{LONGEST_STAMP}}}?)\W{{1,3}})?"
    r"(?:(?P<user>user|human|humanmessage|customer)|(?P<other>assistant|ai|aimessage|bot|chatbot|agent)|(?P<system>system))"
    r"(?: \d{1,3})?[ \t]?(?:[(\[](?P<behind>[^)\]\n]{1,40})[)\]])?(?:[ \t*_]{0,4}:[ \t*_]{0,4}|[*_\]]{1,4}[ \t]{0,4}$)",
    re.IGNORECASE | re.MULTILINE,
)
_CLOSES: Final = re.compile(r"\s*(?:</[\w-]{1,30}>|```)\s*\Z")
_POINTS: Final = re.compile(
    r"\b(?:he|him|she|hers|it|they|them|these|those|(?:the )?same|the [\w-]+ one|(?:this|that|there|one)(?=\W*\Z)|"
    r"(?:and|or|did|does|do|is|was|were|had|has|will|where|when|why|how|about|with|of|to|for|in|at|on|after|before|since|like) "
    r"(?:this|that|there|one)|(?P<whose>his|her|its|their))\b",
    re.IGNORECASE,
)
"""Words for what was said before; whose something is may be said in the same turn."""
_GOES_ON: Final = re.compile(r"\W*(?:and|or|but|also|then|no|(?:what|how) about|since when|what else)\b", re.IGNORECASE)
_OF_ME: Final = re.compile(rf"\A\W*{WH}.*\b(?:i|my|me|we|our)\b", re.IGNORECASE)
_NAMED: Final = re.compile(r"(?<=[a-z,] )[A-Z]\w")  # not where a sentence begins


def turns_in(text: str) -> list[Turn]:
    r"""Return the turns of a transcript, none of a text that is something else.

    >>> [turn.text for turn in turns_in("User: Hi!\nAssistant: Hello.\nUser: Where does Ana live?\nAssistant:")]
    ['Hi!', 'Hello.', 'Where does Ana live?', '']
    >>> turns_in("Agent: Bo Lee\nCustomer: ACME\nIssue: the printer jams")
    []
    """
    found = list(_LABEL.finditer(text))
    labels = found[-_MOST:]
    speaking = [label for label in labels if not label["system"]]
    users = sum(label["user"] is not None for label in speaking)
    # A form has such labels, too; one that speaks, is answered and speaks again is in a conversation.
    if users < _SPEAKS_AGAIN or users == len(speaking) or not _is_heading(text[: found[0].start()]):
        return []
    ends = [label.start() for label in labels[1:]] + [len(text)]
    turns = [
        Turn(
            of_user=label["user"] is not None,
            text=_CLOSES.sub("", text[label.end() : end]).strip(),
            at=moment_of((label["before"] or label["behind"] or "").strip(" \t,-–—")),
        )
        for label, end in zip(labels, ends, strict=True)
        if not label["system"]
    ]
    lines = [line.rstrip() for turn in turns for line in turn.text.splitlines()]
    spoken = any(line[-1:] in (".", "!", "?") or len(line.split()) >= _A_SENTENCE for line in lines if line)
    return turns if spoken else []


def messages_in(read: Sequence[Any]) -> list[Turn]:
    """Return the turns of messages as chat models take them, none of anything else.

    >>> messages_in([{"role": "user", "content": [{"type": "text", "text": "Where does Ana live?"}]}])
    [Turn(of_user=True, text='Where does Ana live?', at=None)]
    """
    if not all(isinstance(one, Mapping) for one in read):
        return []
    return [
        Turn(of_user=one["role"] in ("user", "human"), text=_content(one.get("content", one.get("text"))).strip())
        for one in read
        if one.get("role") in ("user", "human", "assistant", "ai")
    ]


def last_asked(turns: Sequence[Turn]) -> Turn | None:
    r"""Return what the user says last, with the turns before it that tell what is meant; None where nothing is asked since.

    >>> last_asked(turns_in("User: I saw Ana.\nAssistant: How nice!\nUser: Where does she live?")).text
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


def _is_heading(said: str) -> bool:
    """Say whether what stands before a conversation only says that one follows; all else may be what is asked of it."""
    return not asks(said) and all(word in STRONG or word in WEAK or word in LIGHT for word in terms(said))


def _tells(said: str) -> bool:
    """Say whether words can be looked for without those before them: they are of a matter, and point at nothing."""
    if _GOES_ON.match(said):
        return False
    for points in _POINTS.finditer(said):
        before = said[: points.start()]
        if not (_NAMED.search(before) or (points["whose"] and _of_a_matter(before))):
            return False
    return _of_a_matter(said) or (_OF_ME.search(said) is not None and any(_light(said)))


def _light(said: str) -> list[str]:
    return [word for word in terms(said) if word not in STRONG and word not in WEAK]


def _of_a_matter(said: str) -> bool:
    return any(word not in LIGHT for word in _light(said))


def _content(said: Any) -> str:
    """Return the text of a message, of which some models make parts."""
    if isinstance(said, str):
        return said
    parts = said if isinstance(said, list) else []
    return "\n".join(one["text"] for one in parts if isinstance(one, Mapping) and isinstance(one.get("text"), str))
