"""Wait until an embedded service rests, and read what its processes use."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.ledger import Ledger
from benchmarks.process_tree import Usage, usage

LOOK_S: Final = 0.5
LONGEST_REST_S: Final = 20.0
AT_REST: Final = 0.05
"""Share of a core that a service without work may use: beat, health checks, the broker's clock."""
QUIET_S: Final = 20.0
"""How long the CPU time at rest is watched: two sweeps of the beat."""


def embedded(data_dir: Path) -> bool:
    """Say whether the service of a folder runs here, with its parts as processes of this machine."""
    return (data_dir / "run" / "parts.json").exists()


def await_idle(data_dir: Path, *, consolidated: bool = False) -> float:
    """Wait until nothing waits for enrichment, and until the worker rests; return the seconds.

    Args:
        data_dir: of an embedded service; where there is none nothing is waited for.
        consolidated: whether to wait also until every memory was considered by consolidation, which begins a minute after the last
            write; episodes and topics come later still.

    Raises:
        CommandFailure: it takes too long; probably no worker runs.
    """
    if not embedded(data_dir):
        return 0.0
    with Ledger(data_dir) as ledger:
        waited = ledger.await_idle()
        if consolidated:
            waited += ledger.await_consolidated() + ledger.await_idle()  # what a run derived is enriched, too
    # The last transaction is committed, its task not quite over.
    before, rested = usage(data_dir).cpu_s, time.monotonic()
    while time.monotonic() - rested < LONGEST_REST_S:
        time.sleep(LOOK_S)
        now = usage(data_dir).cpu_s
        if now - before < AT_REST * LOOK_S:
            break
        before = now
    return waited + time.monotonic() - rested


@dataclass(frozen=True, slots=True)
class Reading:
    """What the service's processes have used by a moment."""

    usage: Usage
    at: float
    """Seconds of the monotonic clock."""

    def until(self, later: "Reading", *, at_rest: float = 0.0) -> float:
        """Return the CPU seconds up to another moment, without what is used anyway: `at_rest` of a core.

        >>> before, after = (Reading(Usage(cpu, 0.0, 0.0, 1), at=at) for cpu, at in ((2.0, 10.0), (5.0, 20.0)))
        >>> before.until(after), before.until(after, at_rest=0.1)
        (3.0, 2.0)
        """
        return later.usage.cpu_s - self.usage.cpu_s - at_rest * (later.at - self.at)


def read(data_dir: Path) -> Reading | None:
    """Read what the service's processes use; None for a service that is not embedded here."""
    return Reading(usage(data_dir), time.monotonic()) if embedded(data_dir) else None


def share_at_rest(data_dir: Path) -> float | None:
    """Wait until the service rests, and return which share of a core it uses then; None where that cannot be known."""
    await_idle(data_dir)
    before = read(data_dir)
    if before is None:
        return None
    time.sleep(QUIET_S)
    after = read(data_dir)
    assert after is not None  # the service is where it was
    return before.until(after) / (after.at - before.at)
