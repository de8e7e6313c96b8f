"""What the runner asks of a contestant, be it a peer, the floor, or the service."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from benchmarks.datasets import Question
from benchmarks.peers.material import Talk


class ContestantFailed(Exception):
    """A contestant could not go on; the text is the reason that stands in the table."""


@dataclass(frozen=True, slots=True)
class Memory:
    """Memory that a contestant's processes hold now."""

    rss_mib: float
    """Resident, shared pages counted in every process that maps them."""
    pss_mib: float
    """Proportional: shared pages divided among their users; NaN where the system does not tell."""


@dataclass(frozen=True, slots=True)
class Answers:
    """Answers to a run of questions, in their order."""

    milliseconds: tuple[float, ...]
    ids: tuple[tuple[str, ...], ...]


class Contestant(Protocol):
    """One system under measurement; every call may raise ContestantFailed."""

    @property
    def version(self) -> str:
        """Return the version under measurement."""

    def store(self, talk: Talk) -> float:
        """Store a conversation, findable when the call returns, and return the seconds that took."""

    def settle(self) -> None:
        """Wait until nothing goes on in the background any more."""

    def ask(self, talk: Talk, questions: Sequence[Question], *, k: int) -> Answers:
        """Ask one question after the other for the best ``k`` of the conversation."""

    def warm_up(self, talk: Talk, *, k: int) -> None:
        """Ask the conversation's warm-up queries."""

    def encode(self, text: str) -> Sequence[float] | None:
        """Return its own vector of a text, None when it makes none or does not show it."""

    def disk_bytes(self) -> int | None:
        """Return what it has on disk now, None when that cannot be told."""

    def memory(self) -> Memory | None:
        """Return what it holds in memory now, None when that cannot be told."""
