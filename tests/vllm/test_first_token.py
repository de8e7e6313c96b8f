"""Loading blocks is faster than computing them, on a model that is large enough to tell."""

import pytest

from tests.vllm.conftest import Servers
from tests.vllm.engine import Engine
from tests.vllm.first_token import measure

pytestmark = pytest.mark.timeout(1800)  # the first test may install vLLM

AT_LEAST = 5  # times as fast; both are timed in turn, so that a busy machine slows both


@pytest.fixture(scope="module")
def large(servers: Servers) -> Engine:
    assert servers.large is not None
    return servers.large.result()


def test_the_first_token_comes_five_times_as_fast(large: Engine) -> None:
    found = measure(large)
    assert found["times"] >= AT_LEAST, found
