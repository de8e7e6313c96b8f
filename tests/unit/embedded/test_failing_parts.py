"""Of parts that die again and again the supervisor writes down what /readyz and the doctor say."""

import doctest
import io
import json
import os
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from memory_service import failing_parts
from memory_service.embedded import restarts
from memory_service.embedded.console import Console
from memory_service.embedded.failing_file import FailingFile
from memory_service.embedded.stopping import StopSignal
from memory_service.embedded.supervisor import Supervisor
from memory_service.failing_parts import (
    FAILING,
    LARGEST,
    OFTEN,
    STEADY_S,
    FailingPart,
    as_text,
    complaints,
    read_failing,
)
from memory_service.process_identity import ProcessIdentity, identify
from memory_service.settings import Settings

DEAD = FailingPart("worker", 1, "was killed by signal 9", started_at=0.0, next_at=100.5)
RUNS = FailingPart("api-2", OFTEN, "ended with status 1", started_at=100.0)


class MortalPart:
    """Starts at once, and dies when it is told to."""

    identity = None

    def __init__(self, name: str) -> None:
        self.name = name
        self.status: int | None = None

    def launch(self) -> None:
        self.status = None

    def poll(self) -> int | None:
        return self.status

    def stop(self, *, hurry: bool = False) -> None:
        self.status = 0


def ourselves() -> ProcessIdentity:
    found = identify(os.getpid())
    assert found
    return found


def test_a_part_that_is_down_is_named_and_one_death_is_soon_forgotten() -> None:
    said = complaints([DEAD], now=100.0)
    assert said == "worker was killed by signal 9 and is started again in 1 s; see logs/worker.log"
    assert complaints([replace(DEAD, started_at=100.5, next_at=None)], now=100.6) is None


def test_a_part_that_fails_often_is_named_while_it_runs_until_it_has_recovered() -> None:
    assert complaints([RUNS], now=100.0 + STEADY_S) is not None
    assert complaints([RUNS], now=100.0 + STEADY_S + 1) is None
    assert complaints([replace(RUNS, failures=OFTEN - 1)], now=101.0) is None


def test_all_that_fail_are_named() -> None:
    said = complaints([DEAD, replace(RUNS, name="beat", failures=1), RUNS], now=101.0)
    assert said is not None
    assert ("worker " in said, "api-2 " in said, "beat" in said) == (True, True, False)


def test_a_start_that_is_overdue_is_now() -> None:
    assert "is started again now;" in str(complaints([DEAD], now=200.0))


def test_what_is_written_is_read(tmp_path: Path) -> None:
    FailingFile(tmp_path).write([DEAD, RUNS])
    assert read_failing(tmp_path / FAILING) == [DEAD, RUNS]
    assert (tmp_path / FAILING).stat().st_mode & 0o777 == 0o600
    assert [file.name for file in tmp_path.iterdir()] == [FAILING]


def test_it_is_written_only_when_something_changed(tmp_path: Path) -> None:
    written = FailingFile(tmp_path)
    written.write([])
    assert not (tmp_path / FAILING).exists()
    written.write([DEAD])
    before = (tmp_path / FAILING).stat().st_ino
    written.write([DEAD])
    assert (tmp_path / FAILING).stat().st_ino == before
    written.write([])
    assert read_failing(tmp_path / FAILING) == []


def test_a_folder_that_somebody_removed_stops_nothing(tmp_path: Path) -> None:
    FailingFile(tmp_path / "gone").write([DEAD])
    assert list(tmp_path.iterdir()) == []


def test_a_supervisor_that_was_killed_is_not_believed(tmp_path: Path) -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    supervisor = identify(child.pid)
    assert supervisor
    (tmp_path / FAILING).write_text(as_text([DEAD], supervisor=supervisor))
    assert read_failing(tmp_path / FAILING) == [DEAD]
    child.kill()
    child.communicate()
    assert read_failing(tmp_path / FAILING) == []


def test_nor_is_one_whose_id_another_process_got(tmp_path: Path) -> None:
    (tmp_path / FAILING).write_text(as_text([DEAD], supervisor=replace(ourselves(), started="another boot/1")))
    assert read_failing(tmp_path / FAILING) == []


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "{}",
        '{"supervisor": null, "parts": []}',
        json.dumps({"supervisor": asdict(ourselves()), "parts": [{"name": "api", "of": "another version"}]}),
        json.dumps({"supervisor": asdict(ourselves()), "parts": []}).ljust(LARGEST) + "x",
    ],
)
def test_what_is_not_of_ours_is_not_believed(tmp_path: Path, text: str) -> None:
    (tmp_path / FAILING).write_text(text)
    assert read_failing(tmp_path / FAILING) == []


def test_a_supervisor_writes_down_what_dies_and_what_runs_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "run").mkdir()
    house = Supervisor(Settings(data_dir=tmp_path), console=Console(io.StringIO()), stop=StopSignal())
    house._written = FailingFile(tmp_path)
    first, second = MortalPart("api"), MortalPart("api-2")
    house._parts = [first, second]
    known, now = restarts.Restarts(), 1000.0
    monkeypatch.setattr("memory_service.embedded.supervisor.time.monotonic", lambda: now)

    def said() -> str | None:
        return complaints(read_failing(tmp_path / FAILING), now=now)

    house._look(known, now)
    assert said() is None
    for failures in range(1, OFTEN + 1):
        second.status = -9
        house._look(known, now)
        assert "is started again in" in str(said())
        assert "api " not in str(said())
        now += 30.0
        house._look(known, now)
        assert second.status is None
        assert (said() is None) == (failures < OFTEN)
    assert said() == (
        f"api-2 has failed {OFTEN} times in a row (it was killed by signal 9) and has run for 0 s since; see logs/api-2.log"
    )
    now += STEADY_S + 1
    house._look(known, now)
    assert said() is None


def test_a_part_that_fails_for_days_is_tried_again_as_ever() -> None:
    known = restarts.Restarts()
    known.ended("worker", "ended with status 1", now=1000.0)
    delays = {known.failed("worker", now=1000.0 + 30 * attempt) for attempt in range(1, 3000)}
    assert max(delays) == restarts.LONGEST_DELAY_S
    assert known.failing()[0].failures == 3000


@pytest.mark.parametrize("module", [failing_parts, restarts])
def test_worked_examples(module: object) -> None:
    tried = doctest.testmod(module)  # type: ignore[arg-type]
    assert tried.attempted > 0
    assert tried.failed == 0
