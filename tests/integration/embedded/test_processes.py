"""Processes are told apart for certain, and ended with what they leave."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from memory_service.embedded.child import Child, reason
from memory_service.embedded.logs import BoundedLog
from memory_service.embedded.processes import session_members, wait_until
from memory_service.embedded.roster import Roster
from memory_service.process_identity import ProcessIdentity, identify

pytestmark = pytest.mark.timeout(60)

# A program that leaves a child of its own in the session, as a killed pool worker does.
WITH_GRANDCHILD = "import subprocess, time; subprocess.Popen(['sleep', '60']); print('up', flush=True); time.sleep(60)"
STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"


def child(tmp_path: Path, program: str, *, grace_s: float = 5) -> Child:
    return Child("part", [sys.executable, "-c", program], log=BoundedLog(tmp_path / "part.log"), grace_s=grace_s)


def up(part: Child) -> ProcessIdentity:
    part.launch()
    assert wait_until(lambda: part.last_words() == ["up"], timeout_s=20)
    assert part.identity
    return part.identity


def test_zombie_and_reused_id_are_not_the_process() -> None:
    me = identify(os.getpid())
    assert me
    assert me.alive()
    assert not ProcessIdentity(me.pid, "some other start").alive()
    with subprocess.Popen(["true"]) as zombie:
        time.sleep(0.3)
        assert identify(zombie.pid) is None


def test_stop_takes_the_whole_session(tmp_path: Path) -> None:
    part = child(tmp_path, WITH_GRANDCHILD)
    leader = up(part)
    assert len(session_members(leader)) == 2
    part.stop()
    assert session_members(leader) == []


def test_child_that_ignores_the_signal_is_killed_in_time(tmp_path: Path) -> None:
    part = child(tmp_path, STUBBORN, grace_s=1)
    leader = up(part)
    started = time.monotonic()
    part.stop()
    assert time.monotonic() - started < 5
    assert not leader.alive()


def test_launching_again_ends_what_a_killed_start_left(tmp_path: Path) -> None:
    part = child(tmp_path, WITH_GRANDCHILD)
    first = up(part)
    os.kill(first.pid, signal.SIGKILL)
    assert wait_until(lambda: part.poll() is not None, timeout_s=5)
    assert len(session_members(first)) == 1
    up(part)
    assert session_members(first) == []
    part.stop()


def test_roster_ends_what_a_killed_supervisor_left_and_nobody_else(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    part = child(tmp_path, WITH_GRANDCHILD)
    leader = up(part)
    with subprocess.Popen(["sleep", "60"], start_new_session=True) as stranger:
        roster = Roster(tmp_path)
        roster.record("worker", leader)
        roster.record("api", ProcessIdentity(stranger.pid, "a start long ago"))
        assert Roster(tmp_path).end_leftovers() == ["worker"]
        assert session_members(leader) == []
        assert stranger.poll() is None
        stranger.kill()
    part.stop()
    assert Roster(tmp_path).end_leftovers() == []


@pytest.mark.parametrize("content", ["", "[]", '{"api": 1}', "{"])
def test_unreadable_roster_is_no_obstacle(tmp_path: Path, content: str) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "parts.json").write_text(content)
    assert Roster(tmp_path).end_leftovers() == []


def test_log_is_bounded_while_a_program_writes(tmp_path: Path) -> None:
    log = BoundedLog(tmp_path / "part.log", largest=1000)
    descriptor = log.open()
    try:
        os.write(descriptor, b"old line\n" * 200)
        log.trim()
        os.write(descriptor, b"new line\n")
    finally:
        os.close(descriptor)
    assert log.tail() == ["new line"]
    assert (tmp_path / "part.log.1").read_text().startswith("old line")


@pytest.mark.parametrize(
    ("logged", "said"),
    [
        ("memory_service.errors.Misconfigured: Set the port.", "Set the port."),
        (
            '{"exception": "Traceback\\nmemory_service.encoder.errors.EncoderMismatch: Other model.\\n", "x": 1}',
            "Other model.",
        ),
        ("Killed by nobody", "Killed by nobody"),
    ],
)
def test_reason_of_an_end_is_our_own_sentence_where_there_is_one(tmp_path: Path, logged: str, said: str) -> None:
    part = child(tmp_path, f"print({logged!r}); print('' )")
    part.launch()
    assert wait_until(lambda: part.poll() is not None, timeout_s=20)
    assert reason(part) == said
    part.stop()
