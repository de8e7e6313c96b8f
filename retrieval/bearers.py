"""Find out whom of the speakers a name means that none of them bears: "Kate", where she writes as "emi_92".

Accounts are seldom called as people are, and questions name people. Others say in their texts who it is: they address
the one they talk to ("Hi Kate!", "Kate, how was it?"), and nobody addresses himself. So a name means the one speaker who
never says it, where the others use it to address somebody. A name that is talked about ("my cat Oliver") is seldom
an address, whoever says it, and means none of them. Where several never say it, it means the one of them who speaks beside it.

Where nobody is called anything but user and assistant, a name means one of the two likewise.

A name that stands in no text at all may be one of theirs, misspelt: "Elisa" for Elise.
"""

import re
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Final

from memory_service.analysis.names import fold_name
from memory_service.analysis.naming import addresses
from memory_service.analysis.tokens import ROLES


@dataclass(frozen=True, slots=True)
class Said:
    """A text in which a name stands."""

    speaker: str  # a name or a role
    text: str
    beside: frozenset[str] = frozenset()  # who else speaks right before and after it; needed where more than two speak


@dataclass(frozen=True, slots=True)
class BearerSettings:
    """When a name means a speaker who does not bear it."""

    fewest: int = 3  # texts that address somebody by the name
    share: float = 0.25  # of the texts in which it stands, those that address somebody by it at least
    own: float = 0.1  # of them, those of its bearer at most: "It's Kate, by the way"
    beside: float = 0.75  # of those that address somebody by it, those beside which its bearer speaks at least


DEFAULT: Final = BearerSettings()

_SHORTEST: Final = 4  # letters of a name that may be misspelt: Jon, Jan and Joe are three
_WORD: Final = re.compile(r"[^\W\d_]+")


def meant_by(name: str, said: Iterable[Said], speakers: Collection[str]) -> str | None:
    """Return the speaker whom a name means that none of them bears, or None.

    Args:
        name: as a query writes it.
        said: the texts that hold its term, or some of them.
        speakers: who speaks; roles are nobody, unless there is nobody else.
    """
    people = [one for one in speakers if one.casefold() not in ROLES]
    # A term stands for other forms of its word, too, and for the speaker of a text.
    word = re.compile(rf"(?<!\w){re.escape(name)}(?!\w)", re.IGNORECASE)
    saying = [one for one in said if (not people or one.speaker not in ROLES) and word.search(one.text)]
    if saying:
        return bearer(name, saying, people or speakers)
    # Where nothing is written as names are, any word may stand there.
    return None if name in (name.lower(), name.upper()) else misspelt(name, people)


def bearer(
    name: str, said: Iterable[Said], speakers: Collection[str], *, settings: BearerSettings = DEFAULT
) -> str | None:
    """Return the speaker whom others call by a name; None where it means none of them, or could mean several.

    Args:
        name: as a query writes it.
        said: the texts in which it stands, or some of them.
        speakers: who speaks where they were said.
        settings: when a name means somebody.

    >>> said = [Said("jo", "Hi Kate!"), Said("jo", "Kate, did you see it?"), Said("jo", "Sleep well, Kate.")]
    >>> bearer("Kate", said, ["emi_92", "jo"])
    'emi_92'
    >>> bearer("Kate", said, ["emi_92", "jo", "bo"]) is None
    True
    >>> from dataclasses import replace
    >>> bearer("Kate", [replace(one, beside=frozenset({"emi_92"})) for one in said], ["emi_92", "jo", "bo"])
    'emi_92'
    >>> bearer("Oliver", [Said("jo", "Oliver ate my socks"), *[Said("jo", "I fed Oliver")] * 9], ["emi_92", "jo"]) is None
    True
    """
    folded = fold_name(name)
    texts: Counter[str] = Counter()
    beside: Counter[str] = Counter()
    addressing = 0
    for one in said:
        texts[one.speaker] += 1
        if folded in addresses(one.text):
            addressing += 1
            beside.update(one.beside)
    total = texts.total()
    if addressing < settings.fewest or addressing < settings.share * total:
        return None
    silent = [one for one in speakers if texts[one] <= settings.own * total]
    if len(silent) > 1:
        silent = [one for one in silent if beside[one] >= settings.beside * addressing]
    return silent[0] if len(silent) == 1 else None


def misspelt(name: str, speakers: Collection[str]) -> str | None:
    """Return the one speaker from a word of whose name a name differs by a letter, but not the first.

    >>> misspelt("Elisa", ["elise", "Kevin Stone"]), misspelt("Ston", ["elise", "Kevin Stone"])
    ('elise', 'Kevin Stone')
    >>> misspelt("Alise", ["elise"]), misspelt("Marie", ["Maria", "Mario"]), misspelt("Jan", ["Jon"])
    (None, None, None)
    """
    folded = fold_name(name)
    close = {
        one
        for one in speakers
        if one.casefold() not in ROLES and any(_differ_by_one(folded, part) for part in _WORD.findall(fold_name(one)))
    }
    return close.pop() if len(close) == 1 else None


def _differ_by_one(one: str, other: str) -> bool:
    """Say whether one letter more, less, other or swapped with the next makes one word of the other."""
    short, long = sorted((one, other), key=len)
    if len(short) < _SHORTEST or len(long) - len(short) > 1 or short == long or short[0] != long[0]:
        return False
    same = next((at for at, (a, b) in enumerate(zip(short, long, strict=False)) if a != b), len(short))
    rest, other_rest = short[same:], long[same:]
    if len(short) < len(long):
        return rest == other_rest[1:]
    return rest[1:] == other_rest[1:] or (rest[:2] == other_rest[1::-1] and rest[2:] == other_rest[2:])
