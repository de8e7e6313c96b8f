"""Find in a conversation of a user and an assistant what the user asks last. Pure.

Agents hand a search all that was said. Of it the last turn of the user is what is asked; where that points back ("Where does she
live?") or says too little ("Tell me more"), the turns before it belong to it, back to one that says what is meant. Labels of
turns are read in English, by role. A name is one only beside a role: two who are called by name talk with each other, and all of
that may be looked for.
"""

import re
from bisect import bisect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto
from itertools import pairwise
from typing import Any, Final

from memory_service.analysis.tokens import terms
from memory_service.analysis.wrapping import LONGEST_STAMP, moment_of
from retrieval.asking_words import LIGHT, MARKS, STRONG, WEAK, WH, asks


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
_USERS: Final = ("user", "human")
_ASSISTANTS: Final = ("assistant", "ai", "model", "gpt")
_TELLING: Final = ("system", "developer")
_ROLE_KEYS: Final = frozenset({"role", "from", "parts"})
_KINDS: Final = frozenset({"human", "ai", "system", "tool"})  # of messages that have no role
_CONTENTS: Final = ("content", "text", "parts", "value")  # where messages have what is said, by the models they are for
_SPEAKS_AGAIN: Final = 2  # turns of the user in a conversation, at least
_A_SENTENCE: Final = 4  # words of a line that is one, without a mark at its end
_MUCH_ASKED: Final = 8  # words of a matter in a question that can do without what it points at
_MUCH_TOLD: Final = 5  # the same of a statement
_FRAGMENT: Final = 3  # words of a turn that may be a part of the one before: "in april"

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


def messages_in(read: Sequence[Any]) -> Conversation:
    """Return the conversation of messages as chat models take them, one without turns of anything else.

    >>> messages_in([{"role": "user", "content": [{"type": "text", "text": "Where does Ana live?"}]}]).turns
    [Turn(of_user=True, text='Where does Ana live?', at=None)]
    """
    if not all(isinstance(one, Mapping) for one in read):
        return Conversation()
    roles = [_role(one) for one in read]
    if not any(_ROLE_KEYS & one.keys() for one in read):
        # What has a type may be anything.
        roles = [_word(one.get("type")) for one in read]
        if not all(role in _KINDS for role in roles):
            return Conversation()
    said = [(role, _first_content(one).strip()) for one, role in zip(read, roles, strict=True)]
    turns = [Turn(of_user=role in _USERS, text=text) for role, text in said if role in _USERS or role in _ASSISTANTS]
    return Conversation(turns, "\n".join(text for role, text in said if role in _TELLING))


def _role(message: Mapping[str, Any]) -> str:
    if message.get("role") is None and "parts" in message:
        return "user"  # as Gemini takes it
    return _word(message.get("role") or message.get("from"))


def _word(said: Any) -> str:
    return said.lower() if isinstance(said, str) else ""


def _first_content(message: Mapping[str, Any]) -> str:
    return next((said for key in _CONTENTS if (said := _content(message.get(key)))), "")


def last_asked(turns: Sequence[Turn]) -> Turn | None:
    r"""Return what the user says last, with the turns before it that tell what is meant; None where nothing is asked since.

    >>> last_asked(conversation_in("User: I saw Ana.\nAssistant: How nice!\nUser: Where does she live?").turns).text
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
    if asks(said):
        return False
    introduced = _INTRODUCES.match(said)
    if introduced is not None:
        return not any(mark in said for mark in MARKS) and not _DEMANDS.search(said, introduced.end())
    return all(word in STRONG or word in WEAK or word in LIGHT for word in terms(said))


def _is_prompt(said: str) -> bool:
    """Say whether words before a conversation only say what the assistant is to be."""
    return _PROMPT.match(said) is not None and not any(mark in said for mark in MARKS) and not _DEMANDS.search(said)


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


def _content(said: Any) -> str:
    """Return the text of a message, of which some models make parts."""
    if isinstance(said, str):
        return said
    parts = [one.get("text") if isinstance(one, Mapping) else one for one in (said if isinstance(said, list) else ())]
    return "\n".join(part for part in parts if isinstance(part, str))
