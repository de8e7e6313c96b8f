"""Parts that run and do nothing are told from those that work, and from those that only have not begun."""

import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from memory_service.embedded.halting import (
    BACKGROUND,
    HELD,
    LONGEST_STEP_S,
    SILENT,
    SILENT_S,
    STUCK,
    HaltedParts,
)
from memory_service.failing_parts import FailingPart, complaints
from memory_service.process_identity import ProcessIdentity, identify
from memory_service.pulse import STEP, Pulse, await_pulse, pulse_of

# A process with one of its own, as a worker has.
PARENT = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import time; time.sleep(60)'])"


@pytest.fixture
def leader() -> Iterator[ProcessIdentity]:
    with subprocess.Popen([sys.executable, "-c", PARENT]) as process:
        running = psutil.Process(process.pid)
        while not running.children():
            time.sleep(0.01)
        (child,) = running.children()
        found = identify(process.pid)
        assert found is not None
        try:
            yield found
        finally:
            child.kill()
            running.kill()


def stop(process: psutil.Process) -> None:
    process.send_signal(signal.SIGSTOP)
    while process.status() != psutil.STATUS_STOPPED:
        time.sleep(0.01)


def said(halted: HaltedParts, *failing: FailingPart, now: float) -> str | None:
    return complaints(halted.among(list(failing)), now=now)


def test_a_process_that_ends_while_it_is_looked_at_is_not_held(
    leader: ProcessIdentity, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as short_lived:
        gone = psutil.Process(short_lived.pid)
    assert not gone.is_running()
    monkeypatch.setattr(psutil.Process, "children", lambda _, recursive: [gone])  # as they were a moment ago
    halted = HaltedParts()
    for now in (1.0, 2.0, 3.0):
        halted.look({"postgres": leader}, tmp_path, now=now)
    assert halted.among([]) == []


@pytest.mark.parametrize("whose", ["leader", "child"])
def test_a_stopped_process_is_named_until_it_goes_on(leader: ProcessIdentity, tmp_path: Path, whose: str) -> None:
    process = psutil.Process(leader.pid)
    victim = process if whose == "leader" else process.children()[0]
    halted = HaltedParts()
    halted.look({"worker": leader}, tmp_path, now=100.0)
    stop(victim)
    halted.look({"worker": leader}, tmp_path, now=105.0)
    assert said(halted, now=105.0) is None
    halted.look({"worker": leader}, tmp_path, now=110.0)
    assert said(halted, now=111.0) == f"worker {HELD} for 6 s (process {victim.pid})"
    victim.send_signal(signal.SIGCONT)
    while victim.status() == psutil.STATUS_STOPPED:
        time.sleep(0.01)
    halted.look({"worker": leader}, tmp_path, now=115.0)
    assert said(halted, now=115.0) is None


def test_a_process_without_a_pulse_is_named_once_it_had_one(leader: ProcessIdentity, tmp_path: Path) -> None:
    begun = time.monotonic()
    halted = HaltedParts()
    leaders = {"api-2": leader}

    def look(after: float) -> str | None:
        halted.look(leaders, tmp_path, now=begun + after)
        return said(halted, now=begun + after)

    Pulse(tmp_path, "api-2")
    assert [look(0), look(100), look(200)] == [None] * 3  # It is still starting.
    Pulse(tmp_path, "api-2").beat()
    beaten = pulse_of(tmp_path, "api-2")
    assert beaten is not None
    silent = beaten - begun + SILENT_S
    assert [look(silent - 1), look(silent + 1)] == [None, None]
    assert look(silent + 6) == f"api-2 {SILENT} for {SILENT_S + 6:.0f} s (process {leader.pid})"
    Pulse(tmp_path, "api-2").beat()
    assert look(silent + 6 - SILENT_S) is None


@pytest.mark.parametrize("name", ["worker", "beat"])
def test_a_worker_without_work_and_a_beat_that_asks_for_none_are_named(
    leader: ProcessIdentity, tmp_path: Path, name: str
) -> None:
    longest, how = BACKGROUND[name]
    halted, pulse = HaltedParts(), Pulse(tmp_path, name)
    pulse.beat()
    begun = time.monotonic()

    def look(after: float) -> str | None:
        halted.look({name: leader}, tmp_path, now=begun + after)
        return said(halted, now=begun + after)

    # A pulse from before the first look may be that of a predecessor: it counts from there.
    assert [look(0), look(longest - 1), look(longest + 1)] == [None] * 3
    assert look(longest + 6) == f"{name} {how} for {longest + 6:.0f} s (process {leader.pid})"
    pulse.hush()
    assert [look(longest + 11), look(100 * longest)] == [None] * 2, "at work, for however long"
    pulse.beat()
    assert [look(1), look(6)] == [None] * 2


def test_a_worker_whose_task_no_longer_moves_on_is_named(leader: ProcessIdentity, tmp_path: Path) -> None:
    halted = HaltedParts()
    waits, moves = Pulse(tmp_path, "worker"), Pulse(tmp_path, STEP)
    started = time.monotonic()

    def look(at: float) -> str | None:
        halted.look({"worker": leader}, tmp_path, now=at)
        return said(halted, now=at)

    waits.hush()
    assert [look(started + after) for after in (0, LONGEST_STEP_S + 1, LONGEST_STEP_S + 6)] == [None] * 3, (
        "it never said"
    )
    moves.beat()
    moved = pulse_of(tmp_path, STEP)
    assert moved is not None
    assert [look(moved + LONGEST_STEP_S - 1), look(moved + LONGEST_STEP_S + 1)] == [None] * 2
    later = LONGEST_STEP_S + 6
    assert look(moved + later) == f"worker {STUCK} for {later:.0f} s (process {leader.pid})"
    moves.beat()
    assert look(moved + 10) is None
    moves.hush()
    assert [look(moved + 10 * later), look(moved + 10 * later + 5)] == [None] * 2


@pytest.mark.parametrize("name", ["worker", "beat"])
def test_who_is_watched_is_so_again_when_the_folder_was_removed_and_made_again(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "shared"
    folder.mkdir()
    pulse = Pulse(folder, name)
    shutil.rmtree(folder)
    pulse.beat()
    assert pulse_of(folder, name) is None
    folder.mkdir()
    pulse.beat()
    assert pulse_of(folder, name) == pytest.approx(time.monotonic(), abs=60)


@pytest.mark.parametrize("name", ["worker", "beat"])
def test_one_that_hangs_as_it_begins_is_named(leader: ProcessIdentity, tmp_path: Path, name: str) -> None:
    longest, how = BACKGROUND[name]
    predecessor = Pulse(tmp_path, name)
    predecessor.hush()  # it was killed at work
    await_pulse(tmp_path, name)
    predecessor.hush()
    halted = HaltedParts()
    for after in (0.0, longest + 1):
        halted.look({name: leader}, tmp_path, now=1_000.0 + after)
        assert said(halted, now=1_000.0 + after) is None
    halted.look({name: leader}, tmp_path, now=1_006.0 + longest)
    assert said(halted, now=1_006.0 + longest) == f"{name} {how} for {longest + 6:.0f} s (process {leader.pid})"


def test_nothing_is_awaited_where_there_is_no_room(leader: ProcessIdentity, tmp_path: Path) -> None:
    await_pulse(tmp_path / "gone", "worker")
    halted = HaltedParts()
    for now in (0.0, 1_000.0, 1_005.0):
        halted.look({"worker": leader}, tmp_path / "gone", now=now)
    assert halted.among([]) == []


def test_what_a_predecessor_left_says_nothing_of_who_was_started_again(leader: ProcessIdentity, tmp_path: Path) -> None:
    Pulse(tmp_path, "api").beat()
    halted = HaltedParts()
    started = time.monotonic()
    for after in (0, 100, 105):
        halted.look({"api": leader}, tmp_path, now=started + after)
        assert said(halted, now=started + after) is None


def test_who_is_down_is_not_halted(leader: ProcessIdentity, tmp_path: Path) -> None:
    stop(psutil.Process(leader.pid))
    halted = HaltedParts()
    for now in (100.0, 105.0):
        halted.look({"beat": leader}, tmp_path, now=now)
    down = FailingPart("beat", 1, "ended with status 1", next_at=105.5)
    assert said(halted, down, now=105.0) == down.complaint(now=105.0)
    often = FailingPart("beat", 3, "ended with status 1", started_at=100.0)
    assert HELD in str(said(halted, often, now=105.0))


def test_a_process_that_is_gone_is_not_looked_for(tmp_path: Path) -> None:
    gone = ProcessIdentity(2**22 + 1, "never")
    halted = HaltedParts()
    for now in (100.0, 105.0):
        halted.look({"beat": gone}, tmp_path, now=now)
    assert halted.among([]) == []
    assert pulse_of(tmp_path, "api") is None
