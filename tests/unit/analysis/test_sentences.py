import re
import time

from hypothesis import given
from hypothesis import strategies as st

from memory_service.analysis.sentences import sentences


@given(st.text(alphabet=st.sampled_from("ab A.!?\n …。\"'"), max_size=120))
def test_spans_are_verbatim_in_order_and_lose_only_white_space(text):
    found = list(sentences(text))
    covered = 0
    for sentence in found:
        assert text[sentence.start : sentence.end] == sentence.text == sentence.text.strip() != ""
        assert not text[covered : sentence.start].strip()
        covered = sentence.end
    assert not text[covered:].strip()


ENDS = re.compile(r"(?<![.!?…])[.!?…]++[\"'”’)\]]*+(?=\s|\Z)|[。！？]+|\n+")


@given(st.text(alphabet=st.sampled_from("ab A.!?\n …。？！\"')"), max_size=60))
def test_an_end_is_found_wherever_it_is_looked_for_letter_by_letter(text):
    cut = [found.span() for found in ENDS.finditer(text) if not (found.group() == "." and short(text, found.start()))]
    starts, stops = [0, *(end for _, end in cut)], [*(end for _, end in cut), len(text)]
    parts = (text[start:stop].strip() for start, stop in zip(starts, stops, strict=True))
    assert [one.text for one in sentences(text)] == [part for part in parts if part]


def short(text: str, stop: int) -> bool:
    """Say whether a dot stands behind a single letter; the alphabet has no other short form."""
    return re.search(r"\b[A-Za-z]\Z", text[:stop]) is not None


def test_short_forms_and_initials_do_not_end_a_sentence():
    assert [s.text for s in sentences("Dr. Lee met J. Smith. They left")] == ["Dr. Lee met J. Smith.", "They left"]


def test_a_megabyte_of_dots_is_linear():
    started = time.perf_counter()
    list(sentences("." * 1_000_000 + "x"))
    assert time.perf_counter() - started < 2
