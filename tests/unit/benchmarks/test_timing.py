import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.blocks import alternate
from benchmarks.process_tree import usage
from benchmarks.prometheus import difference, read_metrics
from benchmarks.synthetic import PEOPLE, questions, texts, things
from benchmarks.targets import Target
from memory_service.cli.failures import CommandFailure

CHECKOUT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize("name", ["concurrency", "exactness", "faults", "ingest", "search"])
def test_every_script_has_help(name: str) -> None:
    command = [sys.executable, "-m", f"benchmarks.{name}", "--help"]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=True)
    assert f"python -m benchmarks.{name}" in done.stdout


def test_a_script_without_a_service_says_so() -> None:
    command = [sys.executable, "-m", "benchmarks.concurrency", "--url", "http://127.0.0.1:9", "--seconds", "1"]
    environment = {**os.environ, "MEMORY_SERVICE_API_KEY": "k"}
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 3
    assert "Traceback" not in done.stderr
    assert "make run" in done.stderr


def test_texts_are_many_different_and_the_same_for_everyone() -> None:
    made = texts(3000, seed=7)
    assert len(set(made)) == 3000
    assert made[:100] == texts(100, seed=7)
    assert made[:100] != texts(100, seed=8)
    words = [len(text.split()) for text in made]
    assert 15 < sum(words) / len(words) < 40


def test_questions_are_different_and_never_reach_a_format_field() -> None:
    asked = questions(500, seed=3)
    assert len(set(asked)) == 500
    assert not any("{" in text for text in [*asked, *texts(500, seed=3)])


def test_things_come_from_the_example_conversation() -> None:
    assert {"clock", "cello", "allotment"} <= set(things())
    assert not {name.lower() for name in PEOPLE} & set(things())


def test_blocks_are_compared_by_medians_without_the_warm_up() -> None:
    compared = alternate(3, floor=lambda n: [100.0 if n == 0 else 2.0], service=lambda n: [3.0, 3.0, 30.0])
    assert compared.floor_median == 2.0
    assert compared.service_median == 3.0
    assert compared.ratio == 1.5
    assert compared.block_ratios == [1.5, 1.5, 1.5]


def test_counters_are_read_as_differences() -> None:
    before = read_metrics('calls_total{kind="a"} 1\ncalls_total{kind="b"} 5')
    after = read_metrics('calls_total{kind="a"} 4\ncalls_total{kind="b"} 5')
    assert difference(before, after, "calls_total") == 3.0
    assert difference(before, after, "calls_total", kind="b") == 0.0
    assert difference(before, after, "other_total") is None


def test_usage_counts_a_listed_process_and_its_children(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    with_a_child = (
        "import subprocess, sys; child = subprocess.Popen([sys.executable, '-c', 'input()'], stdin=subprocess.PIPE); "
        # The system counts in hundredths of a second; to start a Python may take less.
        "sum(range(3_000_000)); print('up', flush=True); sys.stdin.read(); child.communicate(b'\\n')"
    )
    leader = subprocess.Popen([sys.executable, "-c", with_a_child], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    listed = {"api": [leader.pid, "x"], "gone": [2**22 - 1, "x"]}
    (tmp_path / "run" / "parts.json").write_text(json.dumps(listed))
    try:
        assert leader.stdout is not None
        leader.stdout.readline()
        found = usage(tmp_path)
    finally:
        leader.communicate()
    assert found.processes == 2
    assert found.cpu_s > 0
    assert found.rss_mib > 10


def test_usage_without_a_service_is_a_readable_failure(tmp_path: Path) -> None:
    with pytest.raises(CommandFailure, match="no embedded service"):
        usage(tmp_path)


def test_targets_hold_break_or_stay_open() -> None:
    assert Target("a", 1.0, 1.0).met is True
    assert Target("a", 1.1, 1.0).met is False
    assert Target("a", 1.1, 1.0, at_most=False).met is True
    assert Target("a", None, 1.0).met is None
