"""Which parts run and do nothing: somebody stopped them, or they no longer come to their work."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import psutil

from memory_service.failing_parts import FailingPart
from memory_service.process_identity import ProcessIdentity
from memory_service.pulse import STEP, pulse_of

LOOK_FOR_HALTED_S: Final = 5.0
SILENT_S: Final = 15.0  # without a pulse, which comes every second; nothing that a request does keeps it so long
STOPPED: Final = frozenset({psutil.STATUS_STOPPED, psutil.STATUS_TRACING_STOP})
HELD: Final = "has been stopped by a signal or a debugger"
SILENT: Final = "has answered nobody"
IDLE: Final = "has been given nothing to do"
WORKER: Final = "worker"
MUTE: Final = "has asked for nothing"
# A sweep is due every ten seconds, so beat asks and a worker works: how long without that is too long, and what it means.
BACKGROUND: Final = {WORKER: (60.0, IDLE), "beat": (60.0, MUTE)}
# A task that may take hours says when it moves on. The longest single step of one is a statement of ten minutes.
LONGEST_STEP_S: Final = 900.0
STUCK: Final = "has not come further with its task"


@dataclass(frozen=True, slots=True)
class Halt:
    """A process that does nothing, and since when, by the clock of the supervisor."""

    pid: int
    how: str
    since: float


class HaltedParts:
    """What is found in two looks in a row: after a pause of the whole machine a single one finds everybody silent.

    Nobody is ended for it. Who was stopped was stopped by somebody, and who is silent may be about to answer.
    """

    def __init__(self) -> None:
        self._started: dict[str, tuple[ProcessIdentity, float]] = {}
        self._suspected: dict[str, Halt] = {}
        self._found: dict[str, Halt] = {}

    def look(self, leaders: Mapping[str, ProcessIdentity], pulses: Path, *, now: float) -> None:
        """Look at the processes of all parts; `pulses` is the folder in which they say that they live."""
        for name, leader in leaders.items():
            if self._started.get(name, (None, 0.0))[0] != leader:
                self._started[name] = (leader, now)
        suspected = {name: halt for name in leaders if (halt := self._halt(name, pulses, now))}
        seen_before = self._suspected.keys() & suspected.keys()
        self._suspected = {
            name: halt if name not in seen_before else replace(halt, since=min(halt.since, self._suspected[name].since))
            for name, halt in suspected.items()
        }
        self._found = {name: self._suspected[name] for name in seen_before}

    def _halt(self, name: str, pulses: Path, now: float) -> Halt | None:
        leader, started = self._started[name]
        for process in family(leader):
            if _is_stopped(process):
                return Halt(process.pid, HELD, now)
        pulse = pulse_of(pulses, name)
        if pulse is None:
            return self._stuck(name, pulses, now)
        if name in BACKGROUND:
            longest, how = BACKGROUND[name]
            since = max(pulse, started)
            return Halt(leader.pid, how, since) if now - since > longest else None
        if pulse > started and now - pulse > SILENT_S:
            return Halt(leader.pid, SILENT, pulse)
        return None

    def _stuck(self, name: str, pulses: Path, now: float) -> Halt | None:
        """Look at a part that is at work; most tasks say nothing meanwhile, and are ended after a while."""
        leader, started = self._started[name]
        step = pulse_of(pulses, STEP) if name == WORKER else None
        if step is not None and step > started and now - step > LONGEST_STEP_S:
            return Halt(leader.pid, STUCK, step)
        return None

    def among(self, failing: list[FailingPart]) -> list[FailingPart]:
        """Return the parts that fail, and those that are halted."""
        parts = {part.name: part for part in failing}
        for name, halt in self._found.items():
            part = parts.get(name, FailingPart(name))
            parts[name] = replace(part, halted=halt.how, halted_pid=halt.pid, halted_since=halt.since)
        return sorted(parts.values(), key=lambda part: part.name)


def family(leader: ProcessIdentity) -> Iterator[psutil.Process]:
    """Yield a process and all that it started, as far as they live; any may have ended by the time that it is looked at."""
    try:
        process = psutil.Process(leader.pid)
        yield process
        yield from process.children(recursive=True)
    except psutil.NoSuchProcess:
        return


def _is_stopped(process: psutil.Process) -> bool:
    """Say whether a process is held; who has ended is not, as do Postgres's own processes every minute."""
    try:
        return process.status() in STOPPED
    except psutil.Error:
        return False
