"""Loading blocks is faster than computing them, on a model that is large enough to tell."""

from pathlib import Path

import pytest

from tests.vllm.first_token import measure

pytestmark = pytest.mark.timeout(1800)  # the first test may install vLLM

AT_LEAST = 5  # times as fast; both are timed in turn, so that a busy machine slows both


def test_the_first_token_comes_five_times_as_fast(vllm_python: str, tmp_path: Path) -> None:
    found = measure(vllm_python, tmp_path)
    assert found["times"] >= AT_LEAST, found
