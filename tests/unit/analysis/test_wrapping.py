import json
import time
from datetime import UTC, datetime

import numpy as np
import pytest

from memory_service.analysis.wrapping import moment_of, plain, said_in
from memory_service.lifecycle.draft import Encoding

AT = datetime(2024, 5, 8, 13, 56, tzinfo=UTC)


def said(content: str) -> str:
    found = said_in(content)
    return plain(content[found.start : found.end], escaped=found.escaped)


@pytest.mark.parametrize(
    "stamp",
    [
        "[8 May 2024 1:56 pm]",
        "[8 May 2024, 13:56:00]:",
        "(1:56 pm on 8 May, 2024)",
        "[May 8, 2024 at 1:56 p.m.] -",
        "[Wed, 8 May 2024 13:56:00 GMT]",
        "[2024-05-08 13:56]",
        "2024-05-08T13:56:00 -",
        "2024-05-08T13:56:00Z |",
        "2024-05-08 13:56:",
        "[8.5.2024, 13:56]",
        "  [2024/05/08 (Wed) 13:56]",
    ],
)
def test_a_time_before_a_text_is_when_it_was_said(stamp):
    assert moment_of(stamp.strip(" []()-|:")) == AT
    assert said(f"{stamp} I adopted a cat.") == "I adopted a cat."


def test_a_zone_is_heeded() -> None:
    assert moment_of("2024-05-08T15:56:00+02:00") == AT


def test_a_date_is_the_beginning_of_its_day() -> None:
    for stamp in ("8 May 2024", "2024-05-08"):
        assert moment_of(stamp) == datetime(2024, 5, 8, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "I adopted a cat.",
        "2024-05-08 was a good day",
        "2024-05-08T13:56:00 is when it broke",
        "On 8 May 2024 I adopted a cat.",
        "[8 May 2024]",  # nothing was said
        "[10:00] Hi",  # of which day?
        "[yesterday] Hi",
        "[May 2024] Hi",
        "[8 May 2024 to 9 May 2024] Hi",
        "[1:56 pm EST on 8 May, 2024] Hi",  # whose time is that?
        "[25:10 8 May 2024] Hi",
        "[version 2024-05-08] Hi",
        "(see chapter 2024)",
        "2024: Hi",
        "(12011015) account of Ben",
        "[1712011520000] Hi",
        "[2024-W19] Sprint goals",
        "[0001-01-01 00:00:00] Hi",
        "[0001-01-01T00:00:00+02:00] Hi",
        "[2024-05-08](https://example.org) minutes",
        "2024-05-08: ",
    ],
)
def test_any_other_text_is_all_that_was_said(text):
    found = said_in(text)
    assert (found.start, found.end) == (0, len(text))


@pytest.mark.parametrize("text", ["I adopted a cat.", 'He said "hi" – twice.\nThen left.', "猫 \\ \U0001f600"])
@pytest.mark.parametrize("key", ["content", "text", "message"])
@pytest.mark.parametrize("ascii_only", [True, False])
def test_of_a_message_its_text_was_said(text, key, ascii_only):
    content = json.dumps({"role": "user", key: text, "timestamp": "2024-05-08T13:56:00"}, ensure_ascii=ascii_only)
    assert said(content) == text


@pytest.mark.parametrize(
    "content",
    [
        '{"text": "A red chair", "price": 3}',  # data: the price is looked for, too
        '{"text": "a", "content": "b"}',
        '{"name": "wifi password", "content": "hunter2"}',
        '{"type": {"a": [1]}, "role": "user", "text": "x"}',
        '{"role": "user", "content": ["a"]}',
        '{"role": "user", "content": " "}',
        '{"role": "user", "content": "a"',
        '["content"]',
        "{not json}",
        '{"content": "a", "content": "b"}',
        "{" * 5000,
    ],
)
def test_other_objects_are_data(content):
    found = said_in(content)
    assert (found.start, found.end) == (0, len(content))


def test_half_an_escape_is_left_out() -> None:
    assert plain("caf\\u00", escaped=True) == "caf"
    assert plain("a\\nb", escaped=False) == "a\\nb"
    assert plain("\\ud83d", escaped=True) == "?"
    said = "\u4f60\u597d\u5417"
    whole = json.dumps(said)[1:-1]
    for cut in range(len(whole) + 1):
        assert "\\" not in plain(whole[:cut], escaped=True)
        assert plain(whole[cut:], escaped=True).endswith(said[-1]) or cut > len(whole) - 6


def test_blanks_take_no_time() -> None:
    began = time.process_time()
    for text in ("[2024-05-08]" + " " * 500_000, "[2024-05-08" + " " * 500_000, "2024-05-08" + ":" * 500_000):
        assert said_in(text).start == 0
    assert time.process_time() - began < 1


@pytest.mark.parametrize("text", ["", "8", "8 May", "2024", "13:56", "soon", "8 May 2024 1:56 pm or so"])
def test_no_moment(text):
    assert moment_of(text) is None


def test_what_was_said_is_encoded_and_the_spans_are_of_the_whole():
    encoded: list[str] = []

    def encode(texts):
        encoded.extend(texts)
        return np.zeros((len(texts), 2), np.float32)

    encoding = Encoding(encode, lambda text: [(0, 2), (2, len(text))], encoder_id=1)
    contents = ["[8 May 2024] a b c", '{"content": "\\u00e9\\u00e9"}', "plain"]
    spans = [[chunk.span for chunk in chunks] for chunks in encoding.chunks(contents)]
    assert encoded[:2] == ["a ", "b c"]
    assert encoded[-2:] == ["pl", "ain"]
    assert [contents[0][start:end] for start, end in spans[0]] == ["a ", "b c"]
    assert spans[2] == [(0, 2), (2, 5)]
