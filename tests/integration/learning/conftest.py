"""What tests of learning share with those of the contract."""

from collections.abc import Callable
from typing import Any

import pytest


@pytest.fixture
def problem() -> Callable[..., None]:
    """Return a check: the answer is a problem document with this status and code."""

    def check(answer: Any, status: int, code: str | None = None) -> None:
        assert answer.status_code == status, answer.text
        assert code is None or answer.json()["code"] == code

    return check
