"""Which KV memories make room: those that spare the least prefill per byte, as far as their use so far tells.

Heat is a count of uses that halves with every half-life. At a steady rate of uses it settles at rate × half-life / ln 2, so the
rate expected from now on is heat × ln 2 / half-life. A record is worth that rate, times the seconds of prefill that one use
spares, divided by the bytes it takes: seconds spared per second and byte kept.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

HALF_LIFE: Final = timedelta(days=1)
"""Agents come back within a day or not soon: what nobody asked for in a week has less than a hundredth of its heat."""


@dataclass(frozen=True, slots=True)
class Held:
    """A KV memory as far as its worth goes.

    Attributes:
        id: which one
        bytes: what it takes
        prefill_s: what one use spares, in seconds
        heat: decayed count of uses at `heat_at`
        heat_at: when that was
    """

    id: UUID
    bytes: int
    prefill_s: float
    heat: float
    heat_at: datetime


def cooled(heat: float, *, since: timedelta, half_life: timedelta = HALF_LIFE) -> float:
    """Return what is left of a heat after a while; a clock that ran backwards heats nothing up.

    >>> cooled(4.0, since=timedelta(days=2), half_life=timedelta(days=1))
    1.0
    >>> cooled(4.0, since=timedelta(seconds=-1))
    4.0
    """
    return float(heat * 2.0 ** (-max(since / half_life, 0.0)))


def worth(held: Held, *, now: datetime, half_life: timedelta = HALF_LIFE) -> float:
    """Return the expected seconds of prefill spared, per second and per byte kept.

    With a half-life of ln 2 days a heat of 1 means one use a day; at 10 s each for 100 bytes that is 0.1 s a day and byte:

    >>> at = datetime(2026, 1, 1)
    >>> one = Held(UUID(int=1), 100, 10.0, 1.0, at)
    >>> round(worth(one, now=at, half_life=timedelta(days=math.log(2))) * 86_400, 9)
    0.1
    """
    rate = cooled(held.heat, since=now - held.heat_at, half_life=half_life) * math.log(2) / half_life.total_seconds()
    return rate * held.prefill_s / max(held.bytes, 1)


def make_room(
    held: Sequence[Held], newcomer: Held, *, room: int, now: datetime, half_life: timedelta = HALF_LIFE
) -> tuple[UUID, ...] | None:
    """Return which records go so that a newcomer fits, least worth first; None where it does not fit without worse loss.

    `room` is what is free now, negative where a quota was lowered. A record goes only for a newcomer that is worth as much.

    >>> at = datetime(2026, 1, 1)
    >>> cold, warm = Held(UUID(int=1), 50, 1.0, 0.1, at), Held(UUID(int=2), 50, 1.0, 9.0, at)
    >>> new = Held(UUID(int=3), 60, 1.0, 1.0, at)
    >>> make_room([warm, cold], new, room=10, now=at) == (cold.id,)
    True
    >>> make_room([warm, cold], new, room=60, now=at)
    ()
    >>> make_room([warm, cold], new, room=5, now=at) is None
    True
    """
    least = worth(newcomer, now=now, half_life=half_life)
    going: list[UUID] = []
    for one in sorted(held, key=lambda one: (worth(one, now=now, half_life=half_life), one.id)):
        if room >= newcomer.bytes:
            break
        if worth(one, now=now, half_life=half_life) > least:
            return None
        going.append(one.id)
        room += one.bytes
    return tuple(going) if room >= newcomer.bytes else None
