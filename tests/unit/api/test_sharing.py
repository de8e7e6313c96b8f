import os
import threading
from pathlib import Path

import pytest

from memory_service.api.keeping import Kept
from memory_service.api.sharing import Mark


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
    child = os.fork()
    if child == 0:
        kept = Kept(most=10_000, file=file)
        for number in range(300):
            kept.keep(f"child {number}", b"x")
        os._exit(0)
    kept = Kept(most=10_000, file=file)

    def keep(name: str) -> None:
        for number in range(300):
            kept.keep(f"{name} {number}", b"x")

    threads = [threading.Thread(target=keep, args=(name,)) for name in ("a", "b")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert os.waitpid(child, 0)[1] == 0
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
