"""A time that is written before a text, where it decides what becomes of the text."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import numpy as np
import pytest

from memory_service.lifecycle.draft import Draft, Encoding, prepare
from memory_service.lifecycle.remember import Present
from memory_service.storage.presence import ErasedText

SPACE, ERASED = UUID(int=1), UUID(int=2)
NOW = datetime(2024, 5, 9, 12, tzinfo=UTC)
SAID = "[2024-05-09 11:00] The code is 4711."


def encode(texts):
    return np.zeros((len(texts), 2), np.float32)


@pytest.mark.parametrize(("observed_at", "refused"), [(None, True), (NOW - timedelta(minutes=50), False)])
def test_a_text_that_was_erased_is_not_said_anew_by_its_own_time(observed_at, refused):
    encoding = Encoding(encode, lambda text: [(0, len(text))], encoder_id=1)
    (item,) = prepare([Draft(SAID, observed_at=observed_at)], encoding=encoding, now=NOW)
    assert item.observed_at == (observed_at or NOW - timedelta(hours=1))
    erased = ErasedText(ERASED, NOW - timedelta(hours=2))
    present = Present(erased={(SPACE, item.said_hash): erased})
    assert present.erased_as(SPACE, item) == (ERASED if refused else None)
