"""Which roles are people: two of them who talk with each other, sent as a user and an assistant.

Many loaders know two roles and nothing else, and call one of two friends the assistant. An assistant answers at length and says
little of itself: in ten conversations with one, words such as "I" and "my" were a twentieth as frequent in its turns as in the
user's. In nine between people they were at least .7 times as frequent. So where the assistant speaks of itself as
people do, its turns are worth what the user's are, and each role is somebody who speaks.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from retrieval.rows import NONE, Role

NAMES: Final = ("user", "assistant")
"""What people are called of whom nothing but the role is known."""


@dataclass(frozen=True, slots=True)
class PartySettings:
    """When roles are people."""

    fewest: int = 20  # turns of each: "I'll remember that" is a few turns' word for oneself
    alike: float = 0.5  # of the user's words of the first person to all words, the assistant's at least
    longer: float = 2.0  # the assistant's turns at most, in those of the user


DEFAULT: Final = PartySettings()


def are_people(
    role: NDArray[np.int8],
    first_person: NDArray[np.int8],
    length: NDArray[np.int32],
    *,
    settings: PartySettings = DEFAULT,
) -> bool:
    """Say whether the user and the assistant of some memories are two people.

    Args:
        role: (n,) a Role.
        first_person: (n,) words of the first person.
        length: (n,) terms.
        settings: when they are.

    Forty turns in which either says "I" once in ten terms; the same, where the assistant does once in a hundred:

    >>> role = np.array([Role.USER, Role.ASSISTANT] * 20, np.int8)
    >>> are_people(role, np.ones(40, np.int8), np.full(40, 10, np.int32))
    True
    >>> are_people(role, np.ones(40, np.int8), np.array([10, 100] * 20, np.int32))
    False
    """
    user, assistant = (
        (
            int(np.count_nonzero(said)),
            int(first_person[said].sum(dtype=np.int64)),
            int(length[said].sum(dtype=np.int64)),
        )
        for said in (role == Role.USER, role == Role.ASSISTANT)
    )
    return alike(user, assistant, settings=settings)


def alike(user: tuple[int, int, int], assistant: tuple[int, int, int], *, settings: PartySettings = DEFAULT) -> bool:
    """Say whether two who speak are people: each by turns, words of the first person and terms, of all that was said.

    >>> alike((40, 40, 400), (40, 30, 420)), alike((40, 40, 400), (40, 10, 400)), alike((40, 40, 400), (40, 100, 1000))
    (True, False, False)
    >>> alike((10, 10, 100), (10, 10, 100))
    False
    """
    if min(user[0], assistant[0]) < settings.fewest or assistant[1] == 0:
        return False
    speaks_of_itself = assistant[1] * user[2] >= settings.alike * user[1] * assistant[2]
    return speaks_of_itself and assistant[2] * user[0] <= settings.longer * user[2] * assistant[0]


def with_parties(
    speaker: NDArray[np.int32], speakers: tuple[str, ...], role: NDArray[np.int8]
) -> tuple[NDArray[np.int32], tuple[str, ...]]:
    """Return who speaks, (n,), and their names, when roles are people: whoever has no name is called by the role.

    >>> role = np.array([Role.USER, Role.ASSISTANT, Role.ASSISTANT, Role.NONE], np.int8)
    >>> speaker, names = with_parties(np.array([NONE, NONE, 0, NONE], np.int32), ("Ana",), role)
    >>> speaker.tolist(), names
    ([1, 2, 0, -1], ('Ana', 'user', 'assistant'))
    """
    told = speaker.copy()
    for number, party in enumerate((Role.USER, Role.ASSISTANT), start=len(speakers)):
        told[(speaker == NONE) & (role == party)] = number
    return told, (*speakers, *NAMES)
