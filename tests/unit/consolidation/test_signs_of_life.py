"""A worker says when it has ended its work, and nothing while it is at it: a process that hangs between tasks is seen."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from consolidation.worker import signals
from memory_service.pulse import PULSES, pulse_of


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv(PULSES, str(tmp_path))
    signals._pulse.cache_clear()
    yield tmp_path
    signals._pulse.cache_clear()


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


@pytest.mark.parametrize("where", [None, "/nowhere/at/all"])
def test_a_worker_that_nobody_watches_works(where: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    if where is None:
        monkeypatch.delenv(PULSES, raising=False)
    else:
        monkeypatch.setenv(PULSES, where)
    signals._pulse.cache_clear()
    signals.take_up()
    signals.let_go()
    signals._pulse.cache_clear()
