"""Read a text as a conversation of a user and an assistant. Pure.

Labels of turns are read in English, by role. A name is one only beside a role: two who are called by name talk with each other,
and all of that may be looked for.
"""

import re
from bisect import bisect
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto
from itertools import pairwise
from typing import Final

from memory_service.analysis.tokens import terms
from memory_service.analysis.wrapping import LONGEST_STAMP, moment_of
from retrieval.asking_words import LIGHT, MARKS, STRONG, WEAK, asks
from retrieval.conversation import Conversation, Turn


class _Side(Enum):
    USER = auto()
    OTHER = auto()
    SYSTEM = auto()


@dataclass(frozen=True, slots=True)
class _Label:
    """Where it is written whose turn begins, and when it was if that stands there."""

    start: int
    end: int
    side: _Side
    stamp: str = ""


_MOST: Final = 400  # turns that are read, the last
_SPEAKS_AGAIN: Final = 2  # turns of the user in a conversation, at least
_A_SENTENCE: Final = 4  # words of a line that is one, without a mark at its end

_MODEL: Final = r"(?P<model>claude|chatgpt|gpt(?:-?\d[\w.]{0,8})?|copilot|gemini|grok|llama|mistral)"
_LABEL: Final = re.compile(
    # A line that says whose turn begins, before the words or by itself, with a time or a number before or behind it.
    r"^[^\w\n]{0,6}+"
    rf"(?:(?:(?<=\[)(?P<inside>\d[\w:/., -]{{0,{LONGEST_STAMP}}})\]|"
    rf"(?P<before>\d[\d:/.T, APMapm-]{{0,{LONGEST_STAMP}}}?))\W{{1,3}})?"
    rf"(?:(?P<user>user|human|humanmessage|customer)|(?P<system>system)|(?P<either>you|me)|{_MODEL}|"
    r"(?P<other>(?:ai |virtual )?assistant|ai|aimessage|bot|chatbot|(?:ai )?agent))"
    r"(?: said)?(?: \d{1,3})?[ \t]?(?:[(\[](?P<behind>[^)\]\n]{1,40})[)\]])?"
    r"(?:[ \t*_]{0,4}:[ \t*_]{0,4}|[*_\]]{1,4}[ \t]{0,4}$)",
    re.IGNORECASE | re.MULTILINE,
)
_HEADING: Final = re.compile(
    rf"^(?P<level>#{{1,6}}+)[ \t]+[*_]{{0,2}}(?:(?P<user>user|human)|(?P<system>system)|{_MODEL}|(?P<other>assistant|ai))"
    r"[*_]{0,2}:?[ \t]*$",
    re.IGNORECASE | re.MULTILINE,
)
"""The same as a heading of Markdown, which needs no colon."""
_SIDES: Final = ("user", "system", "either", "model", "other")  # the groups that say who
_OTHERS: Final = ("other", "model", "either")  # who answers: the first of them that is there and not the user
_ROLES: Final = frozenset({"user", "human", "assistant", "ai", "ai assistant", "virtual assistant", "chatbot"})
"""Labels that nobody bears as a name and no thing as its own, beside which a name may be the other side."""
_BEARERS: Final = frozenset({"claude", "mistral", "gemini", "agent"})
"""Labels that a person or a thing may bear."""
_NAME: Final = re.compile(r"^[*_]{0,2}(?P<name>[A-Z][\w-]{0,20})[*_]{0,2}:[*_]{0,2}(?:[ \t]+|$)", re.MULTILINE)
_PROMPT: Final = re.compile(
    r"\W*(?i:you are|you're|(?:i want you to )?act as|your name is) (?:(?i:an?|the|my)\b|[A-Z]\w)",
)
"""How a prompt begins that says what the assistant is to be. It may ask something if a question or a demand is in it."""
_INTRODUCES: Final = re.compile(
    r"\W*(?:(?:the following|this|below|here) is )?an? (?:[\w-]{1,20} )?(?:conversation|chat|dialogue) between\b|"
    r"\W*the following is an? (?:[\w-]{1,20} )?(?:conversation|chat|dialogue)\b",
    re.IGNORECASE,
)
_DEMANDS: Final = re.compile(
    r"\b(?:list|find|name (?:all|each|every|the)|tell me|summari[sz]e|extract|translate|classify|identify|rewrite|compare|"
    r"count|decide|rate|judge|evaluate|describe|generate|looking|given|conversation|transcript|dialogue|below|following|above)\b",
    re.IGNORECASE,
)
_FENCE: Final = re.compile(r"^[ \t]{0,3}```", re.MULTILINE)
_CLOSES: Final = re.compile(r"(?:</[\w-]{1,30}>|```|-{3,6})\Z")


def conversation_in(text: str) -> Conversation:
    r"""Return the conversation that a transcript is of, one without turns of a text that is something else.

    >>> said = conversation_in("User: Hi!\nAssistant: Hello.\nUser: Where does Ana live?\nAssistant:")
    >>> [turn.text for turn in said.turns]
    ['Hi!', 'Hello.', 'Where does Ana live?', '']
    >>> conversation_in("Agent: Bo Lee\nCustomer: ACME\nIssue: the printer jams").turns
    ()
    """
    text = text.replace("\r\n", "\n")
    written = _labels(text)
    if not written:
        return Conversation()
    before = text[: written[0].start]
    labels = written[-_MOST:]
    sides = [label.side for label in labels]
    is_prompt = _is_prompt(before)
    # A form has such labels, too; one that speaks, is answered and speaks again is in a conversation.
    speaks = sides.count(_Side.USER) >= (1 if is_prompt else _SPEAKS_AGAIN) and _Side.OTHER in sides
    if not speaks or not (is_prompt or _is_heading(before)):
        return Conversation()
    ends = [label.start for label in labels[1:]] + [len(text)]
    texts = [_said(text[label.end : end]) for label, end in zip(labels, ends, strict=True)]
    if not any(_is_sentence(line) for one in texts for line in one.splitlines()):
        return Conversation()
    turns = [
        Turn(of_user=label.side is _Side.USER, text=said, at=moment_of(label.stamp.strip(" \t,-–—")))
        for label, said in zip(labels, texts, strict=True)
        if label.side is not _Side.SYSTEM
    ]
    told = (said for label, said in zip(labels, texts, strict=True) if label.side is _Side.SYSTEM)
    return Conversation(turns, "\n".join((before, *told)))


def _labels(text: str) -> list[_Label]:
    """Return where turns begin; no label where there is none, or nobody can tell who speaks with whom."""
    found = _written(text)
    kinds = [next(kind for kind in _SIDES if label.groupdict().get(kind)) for label in found]
    speaking = [kind for kind in kinds if kind != "system"]
    if not speaking:
        return []
    # "You" and "me" are the user where they speak first, or to whom no user is; beside a user "you" is who answers.
    user = "either" if speaking[0] == "either" or "user" not in speaking else "user"
    other = next((kind for kind in _OTHERS if kind in speaking and kind != user), None)
    side_of = {user: _Side.USER, other: _Side.OTHER, "system": _Side.SYSTEM}
    labels = [
        _Label(label.start(), label.end(), side_of[kind], _stamp(label))
        for label, kind in zip(found, kinds, strict=True)
        if kind in side_of
    ]
    words = [label[kind].lower() for label, kind in zip(found, kinds, strict=True) if kind != "system"]
    if user in speaking and other is not None:
        # Beside "me" an agent may be one who lets houses, and Claude a friend.
        people = user == "either" and not any("said" in label[0].lower() for label in found)
        return [] if people and not _BEARERS.isdisjoint(words) else labels
    licensed = all(word in _ROLES for word in words)
    named = _with_named(labels, text, _Side.OTHER if user in speaking else _Side.USER) if licensed else []
    return named or (labels if user in speaking else [])


def _written(text: str) -> list[re.Match[str]]:
    """Return labels of one form: headings of one level, where one comes first, or lines; none of those in the code of a turn."""
    found, headings = list(_LABEL.finditer(text)), list(_HEADING.finditer(text))
    if headings and (not found or headings[0].start() <= found[0].start()):
        found = [heading for heading in headings if heading["level"] == headings[0]["level"]]
    fences = [fence.start() for fence in _FENCE.finditer(text)]
    if len(fences) % 2:
        fences.pop()  # code that was cut off, perhaps: what comes behind it is none
    outside = [label for label in found if bisect(fences, label.start()) % 2 == 0]
    return outside or found


def _stamp(label: re.Match[str]) -> str:
    written = label.groupdict()
    return next((written[name] for name in ("inside", "before", "behind") if written.get(name)), "")


def _with_named(labels: Sequence[_Label], text: str, side: _Side) -> list[_Label]:
    r"""Add the turns of the one side that is called by name: those of a single name, each answered by the other side.

    >>> [turn.of_user for turn in conversation_in("Ana: Hi!\nAssistant: Hello, Ana!\nAna: Where do I work?").turns]
    [True, False, True]
    """
    names = [name for name in _NAME.finditer(text) if not _LABEL.match(name[0])]
    if len({name["name"] for name in names}) != 1:
        return []
    named = [_Label(name.start(), name.end(), side) for name in names]
    found = sorted([*labels, *named], key=lambda label: label.start)
    speaking = [label for label in found if label.side is not _Side.SYSTEM]
    ends = [label.start for label in found[1:]] + [len(text)]
    # A record has fields in turns as well, where one is a name or a word.
    said = [(one.side is side, _said(text[one.end : end])) for one, end in zip(found, ends, strict=True)]
    of_roles = [_is_sentence(words) for of_name, words in said if not of_name]
    of_name = any(_is_sentence(words) for of_name, words in said if of_name)
    alternate = all(one.side is not after.side for one, after in pairwise(speaking))
    return found if alternate and of_name and 2 * sum(of_roles) >= len(of_roles) else []


def _said(text: str) -> str:
    return _CLOSES.sub("", text.rstrip()).strip()


def _is_sentence(said: str) -> bool:
    return said.rstrip()[-1:] in (".", "!", "?") or len(said.split()) >= _A_SENTENCE


def _is_heading(said: str) -> bool:
    """Say whether what stands before a conversation only says that one follows; all else may be what is asked of it."""
    if asks(said):
        return False
    introduced = _INTRODUCES.match(said)
    if introduced is not None:
        return not any(mark in said for mark in MARKS) and not _DEMANDS.search(said, introduced.end())
    return all(word in STRONG or word in WEAK or word in LIGHT for word in terms(said))


def _is_prompt(said: str) -> bool:
    """Say whether words before a conversation only say what the assistant is to be."""
    return _PROMPT.match(said) is not None and not any(mark in said for mark in MARKS) and not _DEMANDS.search(said)
