"""What counts as a repetition of something recalled, told from the words alone."""

import time
from uuid import UUID

import pytest

from memory_service.analysis.recalled import Known, find_recalled, may_repeat, own_words

LONG = "Zephyr the greyhound is afraid of thunderstorms and hides below the kitchen table."
SHORT = "Zephyr, after the wind."
A, B, C = (UUID(int=n) for n in (1, 2, 3))
KNOWN = [Known.of(A, LONG), Known.of(B, SHORT), Known.of(C, "I like tea.")]


@pytest.mark.parametrize(
    ("role", "text", "parents", "whole"),
    [
        ("assistant", LONG, (A,), True),
        ("assistant", LONG.upper().replace(" ", "\n"), (A,), True),
        ("assistant", f"**{LONG}**", (A,), True),
        ("assistant", f"- {SHORT}", (B,), True),
        ("tool", f"- {LONG}\n- (1 March 2024) Ada: {SHORT}", (A, B), True),
        ("system", f"Memories:\n[1] (1 March 2024) Ada: {SHORT}\n[2] (2 March 2024) I like tea.", (B, C), True),
        ("user", f"[1] (1 March 2024) Ada: {LONG}", (A,), True),
        ("user", f"[1] (1 March 2024) Ada: {LONG}\n\nWhere should the greyhound sleep while we are in Porto?", (A,), False),
        ("user", LONG, (), False),
        ("assistant", "I like tea.", (), False),
        ("assistant", f"You called it {SHORT} I remember that you told me so last spring at the lake.", (), False),
        ("assistant", LONG[:40], (), False),
        ("assistant", "Zephyr the greyhound loves thunderstorms.", (), False),
        ("assistant", f"{LONG} So let us put his bed there, buy a blanket, and ask the vet for advice.", (A,), False),
    ],
)  # fmt: skip
def test_what_repeats(role: str, text: str, parents: tuple[UUID, ...], whole: bool) -> None:
    echo = find_recalled(text, KNOWN, role=role)
    assert (echo.parents, echo.whole) == (parents, whole)
    blanked = own_words(text, echo.spans)
    assert len(blanked) == len(text)
    if whole:
        assert "Zephyr" not in blanked
    elif parents:
        assert "Zephyr" not in blanked
        assert any(word in blanked for word in ("Porto", "vet"))
    else:
        assert blanked == text


def test_an_echo_of_an_echo_leads_to_what_was_said_first() -> None:
    said = f"[1] (1 March 2024) {LONG}"
    echo = Known.of(C, said, parents=(A,))
    again = find_recalled(f"[1] (2 March 2024) Bot: {said}", [echo], role="assistant")
    assert again.parents == (A,)
    assert again.repeats == (C,)
    assert again.whole


def test_lines_of_a_context_are_taken_out_even_when_nobody_knows_them() -> None:
    text = "Known:\n[1] (1 March 2024) Ada: We met in Lisbon.\n[2] (2 March 2024) Bo: In May.\n\nAnd in Porto?"
    echo = find_recalled(text, [], role="user")
    assert own_words(text, echo.spans).split() == ["Known:", "And", "in", "Porto?"]
    assert not echo.whole, "there is nothing to derive it from"


def test_who_is_looked_at() -> None:
    assert may_repeat("anything", "Assistant")
    assert not may_repeat("anything", None)
    assert not may_repeat("see [1] (2024)", "user")


def test_texts_made_to_take_long_do_not() -> None:
    started = time.process_time()
    for text, known in (("a " * 30_000, "a " * 5_000), ("[1] (1 May 2024) x\n" * 3_000, "x"), ("{" * 60_000, "x")):
        find_recalled(text, [Known.of(A, known)] * 20, role="assistant")
    assert time.process_time() - started < 10
