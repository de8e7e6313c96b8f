"""Texts that were counted are not counted again, and no text is kept for it."""

import threading
from collections.abc import Sequence

from memory_service.model_text.known_counts import KnownCounts


class Counter:
    """Counts words, and notes which texts it was asked about."""

    def __init__(self) -> None:
        self.asked: list[list[str]] = []

    def __call__(self, texts: Sequence[str]) -> list[int]:
        self.asked.append(list(texts))
        return [len(text.split()) for text in texts]


def test_only_what_is_new_is_counted() -> None:
    count = Counter()
    known = KnownCounts(count)
    assert known.of(["a b", "c", "a b"]) == [2, 1, 2]
    assert known.of(["c", "d e f", "a b"]) == [1, 3, 2]
    assert known.of(["d e f"]) == [3]
    assert known.of([]) == []
    assert count.asked == [["a b", "c"], ["d e f"]]


def test_what_rested_longest_is_forgotten() -> None:
    count = Counter()
    known = KnownCounts(count, limit=2)
    for text in ("a", "b", "a", "c", "a", "b"):
        assert known.of([text]) == [1]
    assert count.asked == [["a"], ["b"], ["c"], ["b"]]
    # More at once than are remembered are told all the same.
    assert known.of(["x y", "z", "w v u"]) == [2, 1, 3]


def test_neither_texts_nor_digests_that_others_can_make_are_kept() -> None:
    one, other = KnownCounts(Counter()), KnownCounts(Counter())
    for known in (one, other):
        known.of(["the secret of Ana \ud800"])
    assert "Ana" not in repr(vars(one))
    assert not one._known.keys() & other._known.keys()


def test_threads_agree() -> None:
    known = KnownCounts(Counter(), limit=5)
    wrong: list[list[int]] = []

    def work(seed: int) -> None:
        for turn in range(200):
            numbers = [(seed + turn + at) % 9 for at in range(4)]
            if (found := known.of(["w " * one for one in numbers])) != numbers:
                wrong.append(found)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
