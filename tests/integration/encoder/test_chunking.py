"""Spans of the packaged model's tokenizer."""

import random
import time
from itertools import pairwise

import pytest

from memory_service.encoder import LoadedEncoder, TextSpan

pytestmark = pytest.mark.slow


def prose(*, characters: int) -> str:
    rng = random.Random(5)
    words = ("the", "keeper", "answered", "every", "letter", "from", "sailors", "lanterns", "burned", "unextinguished")
    text = ""
    while len(text) < characters:
        text += " ".join(rng.choices(words, k=rng.randint(4, 30))).capitalize() + rng.choice([". ", "? ", ".\n\n"])
    return text[:characters]


@pytest.mark.parametrize(
    "text",
    [
        prose(characters=65_536),
        "x" * 65_536,
        "私は昨日、東京で古い友人に会いました。" * 400,
        "저는다음주에새일을시작합니다" * 300,
        "a1-b2_" * 4_000,
        "ﷺ" * 2_000,
        "\x00\u200b \n" * 5_000,
        "e\u0301" * 5_000,
    ],
    ids=["prose", "one word", "japanese", "hangul", "marks", "ligatures", "invisible", "combining"],
)
def test_spans_cover_hard_texts_within_the_window(loaded: LoadedEncoder, text: str) -> None:
    spans = loaded.chunk(text)
    assert spans[0].start == 0
    assert spans[-1].end == len(text)
    assert all(left.start < right.start <= left.end < right.end for left, right in pairwise(spans))
    counts = loaded.tokenization.counts([text[span.start : span.end] for span in spans])
    assert max(counts) <= loaded.identity.max_tokens - 2


def test_prose_is_cut_after_sentences_and_neighbours_overlap(loaded: LoadedEncoder) -> None:
    text = prose(characters=20_000)
    spans = loaded.chunk(text)
    assert all(text[span.start : span.end].rstrip()[-1] in ".?" for span in spans[:-1])
    overlaps = loaded.tokenization.counts([text[right.start : left.end] for left, right in pairwise(spans)])
    assert all(24 <= overlap <= 32 for overlap in overlaps)


def test_a_text_that_fits_the_window_is_one_span(loaded: LoadedEncoder) -> None:
    text = "word " * 254
    assert loaded.chunk(text) == [TextSpan(0, len(text))]
    assert len(loaded.chunk(text + "word")) == 2
    assert loaded.chunk("") == [TextSpan(0, 0)]


def test_the_time_grows_as_the_text_does(loaded: LoadedEncoder) -> None:
    """Both tokenisations pass over the text once: eight times the text must not take much more than eight times as long."""
    short, long = prose(characters=8_192), prose(characters=65_536)
    # Processor time of the whole process, and the best of several taken in turns: the machine may be busy with other work.
    pairs = [(_seconds(loaded, short), _seconds(loaded, long)) for _ in range(7)]
    assert min(took for _, took in pairs) < 24 * min(took for took, _ in pairs)


def _seconds(loaded: LoadedEncoder, text: str) -> float:
    started = time.process_time()
    loaded.chunk(text)
    return time.process_time() - started
