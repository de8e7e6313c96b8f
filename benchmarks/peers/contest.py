"""Let everybody take every step in turn, never two at a time, and keep the reason of whoever stops."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial

from benchmarks.peers.contestants import Contestant, ContestantFailed
from benchmarks.peers.material import Dataset
from benchmarks.peers.outcome import Outcome
from benchmarks.peers.running import Runner, cosine

QUESTIONS_PER_BLOCK = 20
"""Somebody answers so many, then the next one the same, so that a slow minute of the machine is everybody's."""

Say = Callable[[str], None]


class Contest:
    """The contestants that are still in it, in their order."""

    def __init__(self, *, say: Say) -> None:
        self.outcomes: list[Outcome] = []
        self._say = say
        self._runners: list[Runner] = []
        self._reference: Sequence[float] | None = None

    def enter(
        self, outcome: Outcome, open_contestant: Callable[[ExitStack], Contestant], *, conversations: int | None = None
    ) -> None:
        """Open a contestant; the first one's encoder is what all others are compared with.

        Args:
            outcome: where measurements go, and the reason when it stops.
            open_contestant: makes it, and gives the stack what has to be closed.
            conversations: of each file only so many.
        """
        self.outcomes.append(outcome)
        resources = ExitStack()
        try:
            runner = Runner(open_contestant(resources), outcome, conversations=conversations, resources=resources)
            vector = runner.begin()
        except ContestantFailed as failure:
            self._stopped(outcome, failure)
            resources.close()
            return
        except BaseException:
            resources.close()
            raise
        self._runners.append(runner)
        if vector is not None:
            self._reference = self._reference or vector
            outcome.encoder_cosine = cosine(vector, self._reference)

    def run(self, datasets: Sequence[Dataset]) -> None:
        """Store everything, rest, ask everything."""
        for dataset in datasets:
            for place, talk in enumerate(dataset.talks):
                self._say(f"storing {len(talk.items)} memories of {talk.conversation}")
                self._each(partial(Runner.store, file=dataset.name, talk=talk), turn=place, place=place)
        self._each(Runner.rest)
        for dataset in datasets:
            for place, talk in enumerate(dataset.talks):
                self._say(f"asking {len(talk.questions)} questions about {talk.conversation}")
                self._each(partial(Runner.warm_up, talk=talk), place=place)
                for turn, start in enumerate(range(0, len(talk.questions), QUESTIONS_PER_BLOCK)):
                    block = talk.questions[start : start + QUESTIONS_PER_BLOCK]
                    ask = partial(Runner.ask, file=dataset.name, talk=talk, questions=block)
                    self._each(ask, turn=turn, place=place)
        self._each(Runner.end)

    def close(self) -> None:
        """Close whoever is still open."""
        with ExitStack() as stack:
            for runner in self._runners:
                stack.push(runner.resources)
        self._runners = []

    def _each(self, step: Callable[[Runner], None], *, turn: int = 0, place: int = 0) -> None:
        """Let everybody who takes this conversation take a step; who goes first changes with ``turn``."""
        for runner in rotated(self._runners, turn):
            if not runner.takes(place):
                continue
            try:
                step(runner)
            except ContestantFailed as failure:
                self._stopped(runner.outcome, failure)
                self._runners.remove(runner)
                runner.resources.close()

    def _stopped(self, outcome: Outcome, failure: ContestantFailed) -> None:
        outcome.reason = str(failure)
        self._say(f"{outcome.name} stops: {failure}")


def rotated(items: Sequence[Runner], turn: int) -> list[Runner]:
    """Return the items, beginning with another one each turn.

    >>> rotated(["a", "b", "c"], 4)
    ['b', 'c', 'a']
    """
    start = turn % len(items) if items else 0
    return [*items[start:], *items[:start]]
