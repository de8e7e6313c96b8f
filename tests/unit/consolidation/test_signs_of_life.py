"""A worker says when it has ended its work, and nothing while it is at it: a process that hangs between tasks is seen."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from consolidation.worker import signals, signs
from memory_service.pulse import PULSES, STEP, pulse_of


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv(PULSES, str(tmp_path))
    signs._pulses.cache_clear()
    yield tmp_path
    signs._pulses.cache_clear()


def test_a_worker_has_a_pulse_between_tasks(folder: Path) -> None:
    assert pulse_of(folder, "worker") is None
    signals.let_go()
    first = pulse_of(folder, "worker")
    assert first is not None
    signals.take_up()
    assert pulse_of(folder, "worker") is None
    signals.let_go()
    second = pulse_of(folder, "worker")
    assert second is not None
    assert second > first


def test_a_long_task_says_when_it_moves_on_until_it_ends(folder: Path) -> None:
    signals.take_up()
    assert pulse_of(folder, STEP) is None, "most tasks say nothing"
    signs.moves_on()
    first = pulse_of(folder, STEP)
    assert first is not None
    signs.moves_on()
    second = pulse_of(folder, STEP)
    assert second is not None
    assert second > first
    assert pulse_of(folder, "worker") is None, "no other task is awaited meanwhile"
    signals.let_go()
    assert pulse_of(folder, STEP) is None


def test_a_process_begins_with_no_task(folder: Path) -> None:
    signals.take_up()
    signs.moves_on()  # and is killed
    signs.begin()
    assert pulse_of(folder, STEP) is None
    assert pulse_of(folder, "worker") is not None


@pytest.mark.parametrize("where", [None, "/nowhere/at/all"])
def test_a_worker_that_nobody_watches_works(where: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    if where is None:
        monkeypatch.delenv(PULSES, raising=False)
    else:
        monkeypatch.setenv(PULSES, where)
    signs._pulses.cache_clear()
    signals.take_up()
    signs.moves_on()
    signals.let_go()
    signs._pulses.cache_clear()
