import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memory_service.api.chat_proxy.events import LONGEST_REPLY, Reply, Splitter, data_of, event_of, object_in

ENDS = st.sampled_from([b"\n\n", b"\r\n\r\n", b"\r\r"])
LINES = st.binary(min_size=1, max_size=20).map(lambda data: b"data: " + data.translate(None, b"\r\n"))


@given(st.lists(st.tuples(LINES, ENDS), max_size=8), st.lists(st.integers(1, 12), min_size=1), st.binary(max_size=5))
def test_events_are_the_same_however_the_bytes_come(
    parts: list[tuple[bytes, bytes]], sizes: list[int], tail: bytes
) -> None:
    tail = tail.translate(None, b"\r\n")
    stream = b"".join(line + end for line, end in parts) + tail
    splitter, found, at, turn = Splitter(), [], 0, 0
    while at < len(stream):
        size = sizes[turn % len(sizes)]
        found += list(splitter.feed(stream[at : at + size]))
        at, turn = at + size, turn + 1
    rest = splitter.rest()
    assert b"".join(found) + rest == stream
    assert [data_of(event) for event in found] == [data_of(line) for line, _ in parts]


def test_an_event_without_end_is_not_gathered_forever() -> None:
    splitter = Splitter()
    passed = b"".join(event for _ in range(10) for event in splitter.feed(b"x" * (1 << 20)))
    assert len(passed) >= 8 << 20


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(
                st.sampled_from(["choices", "delta", "message", "content", "index", "finish_reason"]), inner
            )
        ),
        max_leaves=20,
    )
)
def test_nonsense_is_no_reply(value: object) -> None:
    reply = Reply()
    if isinstance(value, dict):
        reply.add(value)
    assert isinstance(reply.text, str)
    assert object_in(json.dumps(value)) == (value if isinstance(value, dict) else None)


def test_only_the_first_choice_is_gathered() -> None:
    reply = Reply()
    for index, text in ((0, "yes"), (1, "no"), (0, ", indeed")):
        reply.add({"choices": [{"index": index, "delta": {"content": text}}]})
    reply.add({"choices": [{"index": 1, "delta": {}, "finish_reason": "stop"}]})
    assert (reply.text, reply.whole) == ("yes, indeed", False)
    reply.add({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    assert reply.whole


@pytest.mark.parametrize("reason", ["length", "content_filter", "abort", "error"])
def test_a_reply_that_was_cut_off_has_ended_and_is_not_whole(reason: str) -> None:
    reply = Reply()
    reply.add({"choices": [{"index": 0, "message": {"content": "Do not"}, "finish_reason": reason}]})
    assert (reply.ended, reply.whole) == (True, False)


def test_a_reply_of_parts_is_what_its_texts_say() -> None:
    reply = Reply()
    parts = [{"type": "thinking", "thinking": "Hm."}, {"type": "text", "text": "Yes."}]
    reply.add({"choices": [{"index": 0, "message": {"content": parts}, "finish_reason": "stop"}]})
    assert (reply.text, reply.whole) == ("Yes.", True)


def test_a_reply_longer_than_is_kept_is_not_whole() -> None:
    reply = Reply()
    reply.add({"choices": [{"index": 0, "delta": {"content": "x" * LONGEST_REPLY}}]})
    reply.add({"choices": [{"index": 0, "delta": {"content": "y"}, "finish_reason": "stop"}]})
    assert (reply.ended, reply.whole) == (True, False)


@pytest.mark.parametrize("character", ["\u2028", "\u2029", "\x85", "\x0b", "\x0c", "\x1c"])
def test_only_what_ends_a_line_of_an_event_does(character: str) -> None:
    said = f'{{"a": "one{character}two"}}'
    assert data_of(f"data: {said}\n\n".encode()) == said


def test_an_event_is_ascii() -> None:
    event = event_of({"text": "é \ud800"})
    assert event.isascii()
    assert object_in(data_of(event)) == {"text": "é \ud800"}
