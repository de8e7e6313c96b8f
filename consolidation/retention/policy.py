"""What an operator decides about fading: curves, stabilities, thresholds, what is protected, what use is worth.

A policy never deletes by itself: `delete_after_days` is empty until somebody fills it in, and counts from the day on which the
policy itself archived a memory.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from consolidation.retention.curve import INITIAL_STABILITY_DAYS, Curve, Gains

# What the service does by itself. Another number makes every sweep look at every memory once more: change it with a default.
DEFAULT_ID: Final = UUID(int=1)

HALF: Final = "half"
INT8: Final = "int8"
BINARY: Final = "binary"
TIERS: Final = (HALF, INT8, BINARY)
"""Precision tiers of vectors, the finest first."""

PROMOTES_TO: Final[Mapping[str, str]] = {"working": "episodic", "episodic": "semantic"}

# What tools print is looked up once; what stands in a document was written to be kept.
SOURCE_FACTORS: Final[Mapping[str, float]] = {
    "user": 1.0, "assistant": 0.75, "tool": 0.5, "document": 1.5, "system": 1.0, "inference": 1.0,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Promotion:
    """What use makes a memory one of the next type: so many spaced uses, the last so many days after it was made."""

    uses: float
    days: float


def _promotions() -> dict[str, Promotion | None]:
    return {"working": Promotion(uses=1.0, days=1.0), "episodic": Promotion(uses=3.0, days=14.0)}


@dataclass(frozen=True, slots=True)
class RetentionPolicy:
    """How the memories of a namespace fade."""

    id: UUID = DEFAULT_ID
    curve: Curve = Curve.POWER
    stability_days: Mapping[str, float] = field(default_factory=lambda: dict(INITIAL_STABILITY_DAYS))  # by type
    source_factors: Mapping[str, float] = field(default_factory=lambda: dict(SOURCE_FACTORS))  # by kind of source
    int8_below: float | None = 0.8  # R below which vectors keep a byte per number; None: never
    binary_below: float | None = 0.5  # R below which they keep a bit
    archive_below: float | None = 0.25  # R below which a memory leaves the results
    delete_after_days: float | None = None  # after the policy archived it; None: never
    protect_importance: float = 0.9  # from here on a memory keeps its precision and is not archived
    protection: float = 0.5  # κ: how much importance and use slow the fading
    promotion: Mapping[str, Promotion | None] = field(default_factory=_promotions)  # by type; None: not by use
    gains: Gains = field(default_factory=Gains)
    rank_weight: float = 0.0  # standard deviations that a wholly faded memory loses in a ranking

    def tier_for(self, r: float) -> str:
        """Return the precision tier that a retrievability earns.

        >>> [RetentionPolicy().tier_for(r) for r in (1.0, 0.8, 0.79, 0.5, 0.49)]
        ['half', 'half', 'int8', 'int8', 'binary']
        """
        if self.binary_below is not None and r < self.binary_below:
            return BINARY
        return INT8 if self.int8_below is not None and r < self.int8_below else HALF

    def thresholds(self) -> dict[str, float]:
        """Return where something happens, by name: the tiers and the archive, those that are on.

        >>> RetentionPolicy(int8_below=None).thresholds()
        {'binary': 0.5, 'archive': 0.25}
        """
        named = {INT8: self.int8_below, BINARY: self.binary_below, "archive": self.archive_below}
        return {name: r for name, r in named.items() if r is not None}


DEFAULT: Final = RetentionPolicy()
