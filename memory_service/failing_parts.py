"""Which parts of `memory-service run` fail or do nothing: its supervisor writes it down, API processes and the doctor read it.

What is written are facts, and again only when they change; whoever reads decides, by the clock, what is worth saying. Moments are
those of `time.monotonic`, which all processes of a machine have in common.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from memory_service.process_identity import ProcessIdentity

FAILING = "failing.json"  # in the folder that API processes have in common
STEADY_S = 60.0  # A part that ran this long has recovered; its next death counts as the first.
# So often in a row is no accident any more: until it has recovered it is named while it runs, too, for it is about to fail again.
OFTEN = 3
LARGEST = 1 << 16  # bytes; a part takes two hundred


@dataclass(frozen=True, slots=True)
class FailingPart:
    """How often one part ended or could not be started in a row, and when it is started again."""

    name: str
    failures: int = 0
    how: str = ""
    """Of the last of them, as the rest of a sentence about it: `was killed by signal 9`."""
    started_at: float = 0.0
    next_at: float | None = None
    """None while it runs."""
    halted: str = ""
    """Why it does nothing though it runs: `has answered nobody`."""
    halted_pid: int = 0
    """Which of its processes."""
    halted_since: float = 0.0

    def complaint(self, *, now: float) -> str | None:
        """Return the sentence about a part that is down, or that runs and failed often; None for one that works.

        >>> part = FailingPart("worker", 1, "ended with status 1", started_at=20.0, next_at=100.5)
        >>> part.complaint(now=100.0)
        'worker ended with status 1 and is started again in 1 s; see logs/worker.log'
        >>> runs = FailingPart("worker", 1, "ended with status 1", started_at=100.5)
        >>> runs.complaint(now=101.0) is None
        True
        >>> part = FailingPart("api-2", 4, "was killed by signal 9", started_at=100.0, next_at=108.0)
        >>> part.complaint(now=100.2)
        'api-2 has failed 4 times in a row (it was killed by signal 9) and is started again in 8 s; see logs/api-2.log'
        >>> runs = FailingPart("api-2", 4, "was killed by signal 9", started_at=108.0)
        >>> runs.complaint(now=111.0)
        'api-2 has failed 4 times in a row (it was killed by signal 9) and has run for 3 s since; see logs/api-2.log'
        >>> runs.complaint(now=108.0 + STEADY_S + 1) is None
        True
        >>> held = FailingPart("beat", halted="has been stopped", halted_pid=7, halted_since=100.0)
        >>> held.complaint(now=112.0)
        'beat has been stopped for 12 s (process 7)'
        """
        if self.halted and self.next_at is None:
            return f"{self.name} {self.halted} for {now - self.halted_since:.0f} s (process {self.halted_pid})"
        if self.next_at is not None:
            seconds = math.ceil(self.next_at - now)
            then = f"is started again {f'in {seconds} s' if seconds > 0 else 'now'}"
        elif self.failures >= OFTEN and now - self.started_at <= STEADY_S:
            then = f"has run for {now - self.started_at:.0f} s since"
        else:
            return None
        what = self.how if self.failures == 1 else f"has failed {self.failures} times in a row (it {self.how})"
        return f"{self.name} {what} and {then}; see logs/{self.name}.log"


def complaints(parts: Sequence[FailingPart], *, now: float) -> str | None:
    """Return what is to be said about all of them, None when every one works."""
    return "; ".join(said for part in parts if (said := part.complaint(now=now))) or None


def as_text(parts: Sequence[FailingPart], *, supervisor: ProcessIdentity) -> str:
    """Return what the file says."""
    return json.dumps({"supervisor": asdict(supervisor), "parts": [asdict(part) for part in parts]})


def read_failing(file: Path) -> list[FailingPart]:
    """Return the parts that failed; none where there is no file, or none of a supervisor that still runs."""
    try:
        with file.open(encoding="utf-8") as opened:
            stored = json.loads(opened.read(LARGEST))
        if not ProcessIdentity(**stored["supervisor"]).alive():
            return []
        return [FailingPart(**part) for part in stored["parts"]]
    except (
        OSError,
        ValueError,
        TypeError,
        KeyError,
    ):  # Nothing there, or not written by us: there is nothing to go by.
        return []
