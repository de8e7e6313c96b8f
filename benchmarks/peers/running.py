"""One contestant's way through a run, step by step, so that everybody can take the same step in turn."""

import math
import operator
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field

from benchmarks.datasets import Question
from benchmarks.peers.contestants import Contestant
from benchmarks.peers.material import Talk
from benchmarks.peers.outcome import Asked, Course, Outcome

PROBE = "The luthier in Bergen glued the cello's neck on a Tuesday in March."
"""Encoded by everybody: is it the same encoder?"""
K = 20


@dataclass(slots=True)
class Runner:
    """A contestant that was opened, and what came of it so far."""

    contestant: Contestant
    outcome: Outcome
    conversations: int | None = None
    """Of each file only so many."""
    resources: ExitStack = field(default_factory=ExitStack)
    """What has to be closed when it stops."""
    _disk_before: int | None = None

    def begin(self) -> Sequence[float] | None:
        """Warm up the encoder, see what an empty store takes on disk, and return the vector of PROBE."""
        self.outcome.version = self.contestant.version
        vector = self.contestant.encode(PROBE)
        self._disk_before = self.contestant.disk_bytes()
        return vector

    def takes(self, place: int) -> bool:
        """Tell whether it takes the conversation at this place of a file."""
        return self.conversations is None or place < self.conversations

    def store(self, file: str, talk: Talk) -> None:
        """Store a conversation."""
        course = self._course(file)
        course.store_s += self.contestant.store(talk)
        course.stored += len(talk.items)
        course.conversations += 1

    def rest(self) -> None:
        """Wait for what still goes on in the background, and see what all memories take on disk."""
        self.contestant.settle()
        after = self.contestant.disk_bytes()
        if self._disk_before is not None and after is not None:
            self.outcome.disk_bytes = after - self._disk_before

    def warm_up(self, talk: Talk) -> None:
        """Ask a conversation's first queries, which are not measured."""
        self.contestant.warm_up(talk, k=K)

    def ask(self, file: str, talk: Talk, questions: Sequence[Question]) -> None:
        """Ask some questions about a conversation."""
        answers = self.contestant.ask(talk, questions, k=K)
        self._course(file).asked += [
            Asked(conversation=talk.conversation, question=question, returned=ids, milliseconds=taken)
            for question, ids, taken in zip(questions, answers.ids, answers.milliseconds, strict=True)
        ]

    def end(self) -> None:
        """See what it holds in memory after its last answer."""
        self.outcome.memory = self.contestant.memory()

    def _course(self, file: str) -> Course:
        for course in self.outcome.courses:
            if course.name == file:
                return course
        self.outcome.courses.append(Course(name=file))
        return self.outcome.courses[-1]


def cosine(one: Sequence[float], other: Sequence[float]) -> float:
    """Return the cosine of two vectors, NaN when one is zero or the dimensions differ.

    >>> cosine([3.0, 4.0], [6.0, 8.0])
    1.0
    >>> cosine([1.0, 0.0], [1.0])
    nan
    """
    if len(one) != len(other):
        return math.nan
    lengths = math.hypot(*one) * math.hypot(*other)
    return math.fsum(map(operator.mul, one, other)) / lengths if lengths else math.nan
