"""What the scheduler's half decides about a request, without vLLM."""

from concurrent.futures import Future
from typing import Any

import pytest

from memory_vllm.errors import StoreFailed
from memory_vllm.store import Grant, StoredRun, longest
from memory_vllm.tracking import Asked, Tracked, common, read_parameters

HASHES = tuple(f"{at:064x}" for at in range(10))


def run(first: int, count: int, *, offset: int = 0) -> StoredRun:
    return StoredRun("a", first, count, offset, 1, "0" * 64)


def tracked(*runs: StoredRun, admitted: int = 10, failed: Exception | None = None, answered: bool = True) -> Tracked:
    lookup: Future[list[StoredRun]] = Future()
    if failed is not None:
        lookup.set_exception(failed)
    elif answered:
        lookup.set_result(list(runs))
    return Tracked(Grant("g"), HASHES, range(10), lookup, admitted, block_ids=list(range(100, 112)))


@pytest.mark.parametrize(
    "said",
    [
        None, {}, [], {"memory_service": None}, {"memory_service": {}}, {"memory_service": {"grant": None}},
        {"memory_service": {"grant": ""}}, {"memory_service": {"grant": "a b"}}, {"memory_service": {"grant": "a\nX: y"}},
        {"memory_service": {"grant": "é"}}, {"memory_service": {"grant": "x" * 5000}}, {"memory_service": {"grant": 5}},
        {"memory_service": {"grant": "\ud800"}}, {"memory_service": {"grant": "a\x00"}},
    ],
)  # fmt: skip
def test_what_holds_no_grant_is_none_of_ours(said: Any) -> None:
    assert read_parameters(said) is None


def test_a_plans_parameters_are_read() -> None:
    said = {"grant": "kvg1.x", "plan_id": "p", "block_hashes": list(HASHES), "admitted": 3, "engine": "e"}
    assert read_parameters({"memory_service": said}) == Asked(Grant("kvg1.x", "p"), HASHES, 3)


@pytest.mark.parametrize("hashes", ["abc", 5, ["x"], [None], [HASHES[0], "AB" * 32]])
def test_hashes_that_are_none_allow_nothing(hashes: Any) -> None:
    asked = read_parameters({"memory_service": {"grant": "g", "block_hashes": hashes}})
    assert asked is not None
    assert asked.block_hashes == ()
    assert common(HASHES, asked.block_hashes) == ()


@pytest.mark.parametrize(("admitted", "read"), [(-1, 0), (True, None), ("3", None), (1.5, None), (0, 0)])
def test_what_may_be_saved(admitted: Any, read: int | None) -> None:
    asked = read_parameters({"memory_service": {"grant": "g", "admitted": admitted}})
    assert asked is not None
    assert asked.admitted == read


@pytest.mark.parametrize(
    ("runs", "counts"),
    [
        ([run(0, 4), run(4, 2, offset=3)], [4, 2]),
        ([run(0, 4), run(5, 2)], [4]),  # a gap
        ([run(0, 4), run(3, 2)], [4]),  # an overlap
        ([run(1, 4)], []),
        ([run(0, 0)], []),
        ([run(0, 4, offset=-1)], []),
        ([run(0, 99)], [10]),
        ([], []),
    ],
)
def test_a_stores_answer_is_not_believed(runs: list[StoredRun], counts: list[int]) -> None:
    assert [one.count for one in longest(runs, 10)] == counts


def test_what_is_loaded_ends_before_the_last_token_and_after_what_is_computed() -> None:
    request = tracked(run(0, 8))
    assert request.loadable(computed=0, most=15) == 8
    assert request.loadable(computed=3, most=15) == 5
    assert request.loadable(computed=0, most=5) == 5
    assert request.loadable(computed=9, most=15) == 0
    assert tracked().loadable(computed=0, most=15) == 0


def test_a_store_that_has_not_answered_is_asked_again_and_one_that_failed_is_not() -> None:
    assert tracked(answered=False).loadable(computed=0, most=15) is None
    assert tracked(answered=False).loadable(computed=10, most=10) == 0  # nothing could come of the answer
    assert tracked(failed=StoreFailed("x")).loadable(computed=0, most=15) == 0


def test_blocks_are_saved_once_and_after_the_last_admitted_one_is_computed() -> None:
    request = tracked(run(0, 3), admitted=6)
    assert request.unsaved(5) is None
    assert request.unsaved(6) == (3, 6)
    assert request.unsaved(10) is None
    assert tracked(run(0, 6), admitted=6).unsaved(10) is None
    assert tracked(failed=StoreFailed("x")).unsaved(10) is None
    waiting = tracked(answered=False)
    assert waiting.unsaved(10) is None
    waiting.lookup.set_result([])
    assert waiting.unsaved(10) == (0, 10)


def test_after_a_failed_load_none_is_tried_and_the_rest_is_saved() -> None:
    request = tracked(run(0, 8))
    request.loading = (2, 8)
    assert request.lost({5, 6}) == 0  # of another request
    assert request.lost({104, 107}) == 4  # from block 4 on
    assert request.loadable(computed=4, most=15) == 0
    assert request.unsaved(10) == (4, 10)
