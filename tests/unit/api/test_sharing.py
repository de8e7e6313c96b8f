import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from memory_service.api import keeping
from memory_service.api.keeping import Kept
from memory_service.api.serve import NUMBERS
from memory_service.api.sharing import Mark
from memory_service.mapping import fill


def test_a_mark_changes_for_all_who_share_it(tmp_path: Path) -> None:
    mine, theirs, other = Mark(tmp_path / "mark"), Mark(tmp_path / "mark"), Mark()
    before, beside = theirs.read(), other.read()
    mine.change()
    assert mine.read() == theirs.read() != before
    assert other.read() == beside


def test_a_mark_made_by_one_is_left_as_it_is_by_the_next(tmp_path: Path) -> None:
    first = Mark(tmp_path / "mark")
    first.change()
    assert Mark(tmp_path / "mark").read() == first.read() != 0


def test_what_is_kept_is_bounded_and_what_was_kept_longest_ago_goes(tmp_path: Path) -> None:
    mine, theirs = (Kept(most=3, file=tmp_path / "kept") for _ in range(2))
    for number in range(5):
        (mine if number % 2 else theirs).keep(f"k{number}", str(number).encode())
    assert [theirs.get(f"k{number}") for number in range(5)] == [None, None, b"2", b"3", b"4"]
    mine.keep("k2", b"again")
    mine.keep("k5", b"5")
    assert [theirs.get(f"k{number}") for number in range(2, 6)] == [b"again", None, b"4", b"5"]
    mine.clear()
    assert theirs.get("k5") is None


def test_what_is_older_than_asked_is_not_given() -> None:
    kept = Kept(most=10)
    kept.keep("a", b"1", at=100.0)
    assert kept.get("a", since=100.0) == b"1"
    assert kept.get("a", since=100.5) is None


def test_processes_and_threads_keep_at_once_and_lose_nothing(tmp_path: Path) -> None:
    file = tmp_path / "kept"
    writing = """
import sys
from pathlib import Path
from memory_service.api import keeping
from memory_service.api.keeping import Kept
kept = Kept(most=10_000, file=Path(sys.argv[1]))
for number in range(300):
    kept.keep(f"child {number}", b"x")
"""
    child = subprocess.Popen([sys.executable, "-c", writing, str(file)])
    kept = Kept(most=10_000, file=file)

    def keep(name: str) -> None:
        for number in range(300):
            kept.keep(f"{name} {number}", b"x")

    threads = [threading.Thread(target=keep, args=(name,)) for name in ("a", "b")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert child.wait(timeout=60) == 0
    assert all(kept.get(f"{name} {number}") for name in ("child", "a", "b") for number in range(300))


def test_what_cannot_be_read_or_written_is_not_kept(tmp_path: Path) -> None:
    file = tmp_path / "kept"
    kept = Kept(most=10, file=file)
    kept.keep("a", b"1")
    kept.close()
    kept.keep("b", b"2")
    assert kept.get("a") is None
    assert Kept(most=10, file=file).get("a") == b"1"


@pytest.mark.parametrize("size", [0, 3])
def test_a_file_that_is_too_short_is_filled(tmp_path: Path, size: int) -> None:
    (tmp_path / "mark").write_bytes(bytes(size))
    assert Mark(tmp_path / "mark").read() == 0


def test_a_file_that_is_to_be_mapped_has_its_room_on_the_disk(tmp_path: Path) -> None:
    fill(tmp_path / "numbers", 1 << 20)
    assert (tmp_path / "numbers").stat().st_blocks * 512 >= 1 << 20
    (tmp_path / "numbers").write_bytes(b"what is there stays")
    fill(tmp_path / "numbers", 64)
    assert (tmp_path / "numbers").read_bytes() == b"what is there stays".ljust(64, b"\0")


def test_a_table_that_is_full_drops_its_older_half(tmp_path: Path) -> None:
    kept = Kept(most=1_000_000, file=tmp_path / "kept", most_bytes=1 << 20)
    for number in range(400):
        kept.keep(str(number), bytes(10_000))
    assert kept.get("399") is not None
    assert kept.get("0") is None
    assert (tmp_path / "kept").stat().st_size <= 1 << 20


def test_a_file_that_cannot_be_opened_leaves_each_process_to_itself(tmp_path: Path) -> None:
    (tmp_path / "kept").write_bytes(b"this is no table" * 1000)
    kept = Kept(most=10, file=tmp_path / "kept")
    kept.keep("a", b"1")
    assert kept.get("a") == b"1"


def test_numbers_of_a_process_that_starts_again_go_on_in_room_made_for_them(tmp_path: Path) -> None:
    counting = """
import os, sys
from pathlib import Path
from memory_service.api.serve import NUMBERS
from memory_service.mapping import fill
folder = Path(sys.argv[1])
for kind, size in NUMBERS.items():
    fill(folder / f"{kind}_{sys.argv[2]}.db", size)
os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(folder)
from prometheus_client import values
values.ValueClass = values.MultiProcessValue(lambda: sys.argv[2])
from memory_service.api.metrics import Metrics
metrics = Metrics(folder)
metrics.request(method="GET", route="/v1/memories", status=200, seconds=0.01)
print(metrics.render().decode(), flush=True)
os.kill(os.getpid(), 9)
"""
    for name in ("api", "api-2", "api"):
        done = subprocess.run([sys.executable, "-c", counting, str(tmp_path), name], capture_output=True, text=True)
    line = 'memory_service_request_seconds_count{method="GET",route="/v1/memories",status="200"} 3.0'
    assert line in done.stdout, done.stderr
    assert (tmp_path / "histogram_api.db").stat().st_size == NUMBERS["histogram"]


def test_one_who_waits_in_vain_for_another_loses_only_his_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeping, "_PATIENCE_S", 1.0)
    kept = Kept(most=10, file=tmp_path / "kept")
    for name in "abcd":
        kept.keep(name, b"1")
    other = sqlite3.connect(tmp_path / "kept", isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    ending = threading.Timer(1.7, other.execute, ["COMMIT"])  # in time for whoever tried a second time
    ending.start()
    kept.keep("e", b"1")
    ending.join()
    other.close()
    assert [kept.get(name) for name in "abcde"] == [b"1", b"1", b"1", b"1", None]
