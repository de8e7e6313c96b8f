"""Which requests may use tensors that LMCache keeps, without vLLM and LMCache."""

import threading
import time
from types import SimpleNamespace
from typing import Any

import pytest

from memory_vllm.chain import block_hashes
from memory_vllm.errors import StoreFailed
from memory_vllm.gate import EngineBlocks, Gate
from memory_vllm.store import Grant

ENGINE = "ab" * 32
BLOCK = 4
TOKENS = list(range(18))
HASHES = block_hashes(TOKENS, block_size=BLOCK, engine=ENGINE, salt="salt")


class Service:
    """Admits two blocks, once it may answer."""

    def __init__(self, failing: Exception | None = None) -> None:
        self.admits = 2
        self.asked: list[tuple[Grant, str, tuple[str, ...]]] = []
        self.may_answer = threading.Event()
        self.failing = failing

    def admitted(self, grant: Grant, engine: str, hashes: tuple[str, ...]) -> int:
        self.may_answer.wait(10)
        self.asked.append((grant, engine, hashes))
        if self.failing is not None:
            raise self.failing
        return self.admits


class Clock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def request(said: Any, **other: Any) -> Any:
    ours = {"memory_service": said} if said is not None else None
    plain = {
        "request_id": "r", "kv_transfer_params": ours, "prompt_token_ids": TOKENS, "cache_salt": "salt", "mm_features": [],
        "lora_request": None, "prompt_embeds": None,
    }  # fmt: skip
    return SimpleNamespace(**{**plain, **other})


def answer(gate: Gate, one: Any) -> int:
    deadline = time.monotonic() + 10
    while (admitted := gate.admitted(one)) is None:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return admitted


def test_the_service_is_asked_once_and_nobody_waits_for_it() -> None:
    service = Service()
    gate = Gate(EngineBlocks(ENGINE, BLOCK), service)
    one = request({"grant": "g", "plan_id": "p", "block_hashes": list(HASHES)})
    assert gate.admitted(one) is None
    assert gate.admitted(one) is None
    service.may_answer.set()
    assert answer(gate, one) == answer(gate, one) == 2
    assert service.asked == [(Grant("g", "p"), ENGINE, HASHES)]
    gate.forget("r")
    gate.forget("r")
    assert answer(gate, one) == 2
    assert len(service.asked) == 2
    gate.close()


@pytest.mark.parametrize(
    ("said", "other"),
    [
        (None, {}),
        ({}, {}),
        ({"grant": ""}, {}),
        ({"grant": "g", "block_hashes": ["cd" * 32]}, {}),
        ({"grant": "g"}, {"cache_salt": None}),
        ({"grant": "g"}, {"prompt_token_ids": []}),
        ({"grant": "g"}, {"prompt_token_ids": [1, 2]}),
        ({"grant": "g"}, {"mm_features": [1]}),
        ({"grant": "g"}, {"lora_request": object()}),
        ({"grant": "g"}, {"prompt_embeds": object()}),
    ],
)
def test_what_is_not_planned_gets_nothing_and_nobody_is_asked(said: Any, other: dict[str, Any]) -> None:
    service = Service()
    gate = Gate(EngineBlocks(ENGINE, BLOCK), service)
    assert gate.admitted(request(said, **other)) == 0
    assert service.asked == []
    gate.close()


@pytest.mark.parametrize("error", [StoreFailed("no answer"), ValueError("a secret text")])
def test_a_service_that_does_not_answer_admits_nothing(error: Exception, caplog: pytest.LogCaptureFixture) -> None:
    service = Service(error)
    service.may_answer.set()
    gate = Gate(EngineBlocks(ENGINE, BLOCK), service)
    assert answer(gate, request({"grant": "g"})) == 0
    assert "a secret text" not in caplog.text
    gate.close()


def waiting() -> tuple[Service, Clock, Gate, Any]:
    """Return a request that the service has admitted when it came."""
    service, clock = Service(), Clock()
    service.may_answer.set()
    gate, one = Gate(EngineBlocks(ENGINE, BLOCK), service, clock=clock), request({"grant": "g"})
    assert answer(gate, one) == 2
    return service, clock, gate, one


def test_a_memory_erased_while_a_request_waits_is_noticed_before_it_loads() -> None:
    service, clock, gate, one = waiting()
    service.admits = 0
    clock.now += 0.9
    assert gate.admitted(one) == 2, "within a second nobody is asked again"
    clock.now += 0.2
    assert answer(gate, one) == 0
    assert len(service.asked) == 2
    # What was refused stays so, and costs no more questions.
    service.admits = 2
    clock.now += 60
    assert gate.admitted(one) == 0
    assert len(service.asked) == 2
    gate.close()


def test_an_old_answer_is_not_given_while_the_new_one_is_on_its_way() -> None:
    service, clock, gate, one = waiting()
    service.may_answer.clear()
    clock.now += 2
    assert gate.admitted(one) is None
    assert gate.admitted(one) is None
    service.may_answer.set()
    assert answer(gate, one) == 2
    assert len(service.asked) == 2
    gate.close()


def test_a_service_that_is_away_when_asked_again_admits_nothing() -> None:
    service, clock, gate, one = waiting()
    service.failing = StoreFailed("no answer")
    clock.now += 2
    assert answer(gate, one) == 0
    gate.close()


def test_an_engine_of_long_steps_gets_its_answer_all_the_same() -> None:
    """Each of its tries comes when the answer to the last one is old already."""
    service, clock, gate, one = waiting()
    for _ in range(5):
        clock.now += 3
        service.may_answer.clear()
        admitted = gate.admitted(one)
        if admitted is not None:
            break
        service.may_answer.set()
        gate._asked["r"].answer.result(10)
    assert admitted == 2
    gate.close()
