"""What a run over a namespace is asked to do, and whom it tells how far it is."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from consolidation.planning import TIER_OF, Step, Tier

STEPS_OF: Final = {tier: frozenset(step for step in Step if TIER_OF[step] is tier) for tier in Tier}

Report = Callable[[int, int, Sequence[Mapping[str, Any]]], bool]
"""Takes how many memories are done, of how many, and the outcomes of some; False says: stop."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a run is to do."""

    steps: frozenset[Step] = frozenset(Step)
    again: bool = False  # also memories that were consolidated before
    dry_run: bool = False  # plan only
    due_only: bool = False  # of the tiers above the turn only what is due; otherwise all that they owe
    # Says between two batches whether somebody else should have the worker; the tiers above are worked through.
    turn_over: Callable[[], bool] = lambda: False

    @property
    def by_place(self) -> bool:
        """Say whether what is done is known only by how far the run is: memories are not marked, or were before."""
        return self.again or self.dry_run or not self.steps >= STEPS_OF[Tier.TURN]
