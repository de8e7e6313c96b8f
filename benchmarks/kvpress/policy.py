"""A press of kvpress as a policy of ours: `plan(stats, budget) -> Keep`, decided by the real package in a process of its own."""

import json
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from benchmarks.kvpress.framing import receive, send
from benchmarks.provenance import CHECKOUT
from memory_service.activation.errors import BadTensor
from memory_service.activation.policies.keep import Keep
from memory_service.activation.policies.statistics import Budget, Statistics

WORKER: Final = "benchmarks.kvpress.worker"
WITH_ATTENTION: Final = frozenset({"SnapKVPress", "PyramidKVPress", "TOVAPress"})
"""Presses that score by attention, which we give them as our policies get it; others are given keys and values."""


class PressFailed(Exception):
    """kvpress does not answer, or refuses; the text says what it said."""


@dataclass(frozen=True, slots=True)
class Presses:
    """A process in which kvpress runs. One request at a time."""

    process: "subprocess.Popen[bytes]"

    def ask(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Return what a press decides.

        Raises:
            PressFailed: it refuses, or the process has ended.
        """
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        try:
            send(self.process.stdin, dict(request))
            answer = receive(self.process.stdout)
        except (OSError, EOFError, ValueError) as error:
            raise PressFailed(f"the process of kvpress has ended ({type(error).__name__})") from error
        if answer is None:
            raise PressFailed("the process of kvpress has ended")
        if "error" in answer:
            raise PressFailed(str(answer["error"]))
        return answer


@contextmanager
def presses(python: Path) -> Iterator[Presses]:
    """Run kvpress with the interpreter of its environment."""
    around = {"PATH": "/usr/bin:/bin", "HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1", "OMP_NUM_THREADS": "1"}
    command = [str(python), "-m", WORKER]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=around, cwd=CHECKOUT) as process:
        try:
            yield Presses(process)
        finally:
            assert process.stdin is not None
            process.stdin.close()


@dataclass(frozen=True, slots=True)
class KvPress:
    """Keep what a press keeps, by its name in kvpress.

    Attributes:
        presses: where kvpress runs
        press: the name of its class, one that scores tokens
        settings: what it is made with besides its ratio
        name: of this policy
    """

    presses: Presses
    press: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    name: str = ""

    def plan(self, stats: Statistics, budget: Budget) -> Keep:
        """Return what the press keeps when it gives up the share that is over the budget.

        Raises:
            MissingStatistic: it scores by attention, and none was observed.
            BadTensor: it is asked to keep nothing, which presses do not.
            PressFailed: it refuses.
        """
        if not budget.share:
            raise BadTensor("a press keeps something")
        said = {"press": self.press, "ratio": 1 - budget.share, "settings": dict(self.settings)}
        request = {"said": json.dumps(said), "keys": stats.cache.keys, "values": stats.cache.values}
        if self.press in WITH_ATTENTION:
            request["attention"] = stats.needed_attention()
        return Keep(self.presses.ask(request)["entries"])
