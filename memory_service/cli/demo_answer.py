"""What the demo found out."""

from dataclasses import dataclass
from typing import Any

from memory_service.cli.conversation import DemoQuestion


@dataclass(frozen=True, slots=True)
class DemoAnswer:
    """What the service answered to one question, and whether the expected evidence was there."""

    question: DemoQuestion
    results: list[dict[str, Any]]
    confidence: float | None
    abstain: bool | None
    hit: bool | None
    """None for a question without an answer."""
    milliseconds: float
    timings_ms: dict[str, float]


@dataclass(frozen=True, slots=True)
class DemoSummary:
    """The closing line in numbers."""

    turns: int
    new: int
    """Turns that were not there yet."""
    ingest_s: float
    hits: int
    answerable: int
    search_p50_ms: float
