"""The circuit breaker: its states as values, and around a model that fails."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memory_service.chat_model.breaker import BreakerRules, BreakerState, Circuit, admit, failed, succeeded
from memory_service.chat_model.endpoint import ChatEndpoint
from memory_service.chat_model.errors import ChatRefused, ChatUnavailable
from memory_service.chat_model.guarded import GuardedChat
from memory_service.chat_model.protocol import Message, Reply, Usage

RULES = BreakerRules(failures=3, open_s=30, longest_s=100)


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Moody:
    """A model that does what it is told to."""

    name = "moody"

    def __init__(self) -> None:
        self.mood: Exception | None = None
        self.asked = 0

    def ask(self, messages: Sequence[Message], schema: Mapping[str, Any], *, max_tokens: int) -> Reply:
        self.asked += 1
        if self.mood is not None:
            raise self.mood
        return Reply("{}", Usage(1, 1, 1))


def ask(chat: Any) -> Reply:
    reply: Reply = chat.ask([Message("user", "Say a.")], {"type": "object"}, max_tokens=9)
    return reply


def test_server_errors_open_the_circuit_and_a_good_reply_closes_it(
    endpoint: Any, make_chat: Callable[..., ChatEndpoint]
) -> None:
    clock = Clock()
    chat = GuardedChat(make_chat(attempts=2), clock=clock, rules=RULES)
    endpoint.will(endpoint.problem(500))
    for _ in range(3):
        with pytest.raises(ChatUnavailable, match="answered 500"):
            ask(chat)
    assert chat.state.circuit is Circuit.OPEN
    asked = len(endpoint.asked)
    with pytest.raises(ChatUnavailable, match="left alone for 30 s more"):
        ask(chat)
    assert len(endpoint.asked) == asked, "an open circuit asks nobody"
    clock.now += 30
    endpoint.will(*[endpoint.problem(500)] * asked, endpoint.completion({"a": "b"}))
    assert ask(chat).text == '{"a": "b"}'
    assert chat.state == BreakerState()


def test_a_failed_try_opens_it_for_longer() -> None:
    clock, moody = Clock(), Moody()
    chat = GuardedChat(moody, clock=clock, rules=BreakerRules(failures=1, open_s=30, longest_s=100))
    moody.mood = ChatUnavailable("down")
    for wait in (30, 60, 100, 100):
        with pytest.raises(ChatUnavailable, match="down"):
            ask(chat)
        assert chat.state.until - clock.now == wait
        clock.now += wait


def test_who_says_when_to_come_back_is_left_alone_until_then() -> None:
    clock, moody = Clock(), Moody()
    chat = GuardedChat(moody, clock=clock, rules=RULES)
    moody.mood = ChatUnavailable("busy", retry_after_s=45)
    with pytest.raises(ChatUnavailable):
        ask(chat)
    clock.now += 44
    with pytest.raises(ChatUnavailable, match="1 s more"):
        ask(chat)
    assert moody.asked == 1


def test_a_refused_request_counts_for_nothing() -> None:
    clock, moody = Clock(), Moody()
    chat = GuardedChat(moody, clock=clock, rules=BreakerRules(failures=1))
    moody.mood = ChatRefused("too long")
    for _ in range(3):
        with pytest.raises(ChatRefused):
            ask(chat)
    assert chat.state.circuit is Circuit.CLOSED


def test_an_unexpected_error_does_not_leave_the_circuit_half_open() -> None:
    clock, moody = Clock(), Moody()
    chat = GuardedChat(moody, clock=clock, rules=BreakerRules(failures=1, open_s=30))
    moody.mood = ChatUnavailable("down")
    with pytest.raises(ChatUnavailable):
        ask(chat)
    clock.now += 30
    moody.mood = KeyError("a bug")
    with pytest.raises(KeyError):
        ask(chat)
    assert chat.state.circuit is Circuit.OPEN


def test_a_try_that_never_ends_is_followed_by_another() -> None:
    opened = failed(BreakerState(), now=0, rules=BreakerRules(failures=1, open_s=30))
    may, trying = admit(opened, now=30, rules=RULES)
    assert may
    assert not admit(trying, now=59, rules=RULES)[0]
    assert admit(trying, now=60, rules=RULES)[0]


@given(st.lists(st.tuples(st.sampled_from(["fail", "pass", "wait"]), st.floats(0, 50)), max_size=60))
def test_whatever_happens_the_circuit_opens_only_after_failures_and_always_lets_a_call_through_again(
    events: list[tuple[str, float]],
) -> None:
    state, now, in_a_row = BreakerState(), 0.0, 0
    for event, after in events:
        now += after
        may, state = admit(state, now=now, rules=RULES)
        if not may or event == "wait":
            assert may or in_a_row >= RULES.failures
            continue
        if event == "fail":
            state, in_a_row = failed(state, now=now, rules=RULES), in_a_row + 1
        else:
            state, in_a_row = succeeded(state), 0
        assert (state.circuit is Circuit.OPEN) <= (in_a_row >= RULES.failures)
        assert state.until <= now + RULES.longest_s
    assert admit(state, now=now + RULES.longest_s, rules=RULES)[0]
