"""A grant opens with its secret, until it expires, and in no other way."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memory_service.activation.errors import ActivationError, GrantRefused
from memory_service.activation.grant import PREFIX, Grant, is_grant, open_grant, sign

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
GRANT = Grant(UUID(int=1), UUID(int=2), UUID(int=3), "ab" * 32, NOW + timedelta(minutes=5))
TOKEN = sign(b"secret", GRANT)


def test_it_opens_to_what_was_signed() -> None:
    assert is_grant(TOKEN)
    assert open_grant(b"secret", TOKEN, now=NOW) == GRANT


def test_it_fits_where_keys_fit() -> None:
    assert len(TOKEN) <= 512
    assert TOKEN.isascii()
    assert TOKEN.isprintable()


@pytest.mark.parametrize("after", [timedelta(minutes=5), timedelta(days=9)])
def test_it_expires(after: timedelta) -> None:
    with pytest.raises(GrantRefused, match="expired"):
        open_grant(b"secret", TOKEN, now=NOW + after)


def test_another_secret_does_not_open_it() -> None:
    with pytest.raises(GrantRefused, match="not signed"):
        open_grant(b"secreT", TOKEN, now=NOW)


@given(st.integers(len(PREFIX), len(TOKEN) - 1), st.sampled_from("ABCDabcd0189-_"))
def test_no_character_can_be_changed(place: int, other: str) -> None:
    forged = TOKEN[:place] + other + TOKEN[place + 1 :]
    if forged != TOKEN:
        with pytest.raises(GrantRefused):
            open_grant(b"secret", forged, now=NOW)


@given(st.text(max_size=300))
def test_anything_else_is_refused(text: str) -> None:
    for token in (text, PREFIX + text):
        with pytest.raises(GrantRefused):
            open_grant(b"secret", token, now=NOW)


def test_what_cannot_be_signed() -> None:
    with pytest.raises(ActivationError, match="engine"):
        sign(b"secret", replace(GRANT, engine="gpu"))
    with pytest.raises(ActivationError, match="secret"):
        sign(b"", GRANT)
