"""What becomes of requests whose plan is gone, by how far LMCache had come with them."""

from dataclasses import dataclass

import pytest

from memory_vllm.refusing import refuse

PREFETCHING, LOADING, LOADED, BYPASSING = "prefetching", "waiting for load", "ready", "bypass"


@dataclass
class Request:
    """A request as LMCache's connector tracks it, which answers a look-up as that does.

    Attributes:
        answers: what LMCache says when it is asked, call by call; None where it does not know yet
    """

    answers: list[int | None]
    lookup_started_at: float | None = None
    num_lmcache_hit_tokens: int = 0
    state: str = PREFETCHING
    asked: int = 0

    def look_up(self) -> int | None:
        self.asked += 1
        if self.state == LOADED:
            # After a load it is no look-up any more: LMCache forgets what it has loaded.
            self.num_lmcache_hit_tokens, self.state = 0, BYPASSING
            return 0
        found = self.answers.pop(0)
        if found is not None:
            self.lookup_started_at, self.num_lmcache_hit_tokens = None, found
        return found


def refused(request: Request) -> int | None:
    return refuse(request, loaded=LOADED, bypassing=BYPASSING, look_up=request.look_up)


def test_one_that_lmcache_was_not_asked_about_passes_it_by() -> None:
    request = Request([])
    assert refused(request) == 0
    assert (request.state, request.asked) == (BYPASSING, 0)


def test_one_that_lmcache_is_asked_about_waits_for_its_answer() -> None:
    """What the server finds it locks, and nobody else gives that back."""
    request = Request([None, None, 0], lookup_started_at=1.0)
    assert refused(request) is None
    assert refused(request) is None
    assert request.state == PREFETCHING
    assert refused(request) == 0
    assert (request.state, request.asked) == (BYPASSING, 3)


@pytest.mark.parametrize("state", [PREFETCHING, LOADING])
def test_what_was_found_and_not_loaded_is_left_to_lmcache_to_give_back(state: str) -> None:
    request = Request([None, 256], lookup_started_at=1.0, state=state)
    assert refused(request) is None
    assert refused(request) == 0
    # Bypassed, its locks would never be given back; and it is not asked about once more.
    assert (request.state, request.num_lmcache_hit_tokens, request.asked) == (state, 256, 2)
    assert refused(request) == 0
    assert (request.state, request.asked) == (state, 2)


def test_what_was_loaded_is_forgotten_by_lmcache_itself() -> None:
    request = Request([], num_lmcache_hit_tokens=256, state=LOADED)
    assert refused(request) == 0
    assert (request.state, request.num_lmcache_hit_tokens, request.asked) == (BYPASSING, 0, 1)


def test_what_was_loaded_to_no_end_passes_lmcache_by() -> None:
    request = Request([], state=LOADED)
    assert refused(request) == 0
    assert (request.state, request.asked) == (BYPASSING, 0)
