"""What the tiers above the turn are to do in a run: their steps, and the tiers that owe nothing any more after them."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from consolidation.planning import TIER_OF, Step, Tier


@dataclass(frozen=True, slots=True)
class Above:
    """Steps of the tiers above the turn, and the tiers that owe nothing any more when those are done."""

    steps: frozenset[Step] = frozenset()
    settled: frozenset[Tier] = frozenset()


NOTHING: Final = Above()


def one_by_one(whole: Above) -> Iterator[Above]:
    """Give the same step by step; a tier has done what it owes after its last step."""
    steps = [step for step in Step if step in whole.steps]
    for at, step in enumerate(steps):
        tier = TIER_OF[step]
        ended = tier in whole.settled and all(TIER_OF[later] is not tier for later in steps[at + 1 :])
        yield Above(frozenset({step}), frozenset({tier} if ended else ()))
