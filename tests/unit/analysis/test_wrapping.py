from datetime import UTC, datetime

import numpy as np
import pytest

from memory_service.analysis.wrapping import moment_of, plain, said_in
from memory_service.lifecycle.draft import Draft, Encoding, observed
from memory_service.types import SourceKind

NOON = datetime(2024, 5, 9, 12, tzinfo=UTC)
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
    found = said_in(f"{stamp} I adopted a cat.")
    assert found.moment == AT
    assert said(f"{stamp} I adopted a cat.") == "I adopted a cat."


def test_a_zone_is_kept():
    assert said_in("[2024-05-08T15:56:00+02:00] Hi").moment == AT


def test_a_date_is_the_beginning_of_its_day():
    for stamp in ("[8 May 2024]", "2024-05-08:", "(2024-05-08) -"):
        assert said_in(f"{stamp} Hi").moment == datetime(2024, 5, 8, tzinfo=UTC)


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
    ],
)
def test_any_other_text_is_all_that_was_said(text):
    found = said_in(text)
    assert (found.start, found.end, found.moment) == (0, len(text), None)


@pytest.mark.parametrize("text", ["I adopted a cat.", 'He said "hi" – twice.\nThen left.', "猫 \\ \U0001f600"])
@pytest.mark.parametrize("key", ["content", "text", "message"])
@pytest.mark.parametrize("ascii_only", [True, False])
def test_of_a_message_its_text_was_said(text, key, ascii_only):
    import json

    content = json.dumps({"role": "user", key: text, "timestamp": "2024-05-08T13:56:00"}, ensure_ascii=ascii_only)
    assert said(content) == text
    assert said_in(content).moment == AT


@pytest.mark.parametrize(
    "content",
    [
        '{"text": "A red chair", "price": 3}',  # data: the price is looked for, too
        '{"text": "a", "content": "b"}',
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


def test_half_an_escape_stays_as_it_is():
    assert plain("caf\\u00", escaped=True) == "caf\\u00"
    assert plain("a\\nb", escaped=False) == "a\\nb"
    assert plain("\\ud83d", escaped=True) == "?"


@pytest.mark.parametrize("text", ["", "8", "8 May", "2024", "13:56", "soon", "8 May 2024 1:56 pm or so"])
def test_no_moment(text):
    assert moment_of(text) is None


def test_what_is_observed_without_a_time_was_observed_when_its_text_says():
    assert observed(Draft("[8 May 2024 1:56 pm] Hi"), now=NOON).observed_at == AT
    assert observed(Draft("[8 May 2024 1:56 pm] Hi", observed_at=NOON), now=NOON).observed_at == NOON
    assert observed(Draft("Hi"), now=NOON).observed_at is None
    assert observed(Draft("[9 May 2024 12:01] Dentist"), now=NOON).observed_at is None
    assert observed(Draft("[8 May 2024] Hi", source_kind=SourceKind.DOCUMENT), now=NOON).observed_at is None


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
