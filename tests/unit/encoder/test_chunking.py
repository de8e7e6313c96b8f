from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers

from memory_service.encoder import TextSpan, UnencodableText
from memory_service.encoder.chunking import chunk
from memory_service.encoder.tokens import Tokenization

WINDOW = 16


def byte_tokenization() -> Tokenization:
    """One token per byte: a character may have four tokens, a word may not fit a window."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE(vocab={letter: i for i, letter in enumerate(alphabet)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    return Tokenization(tokenizer.to_str(), window=WINDOW)


def word_tokenization() -> Tokenization:
    """One token per word or mark, blanks have none, long words are cut at ten characters."""
    tokenizer = Tokenizer(models.WordLevel(vocab={"[UNK]": 0}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Whitespace(), pre_tokenizers.FixedLength(length=10)]
    )
    return Tokenization(tokenizer.to_str(), window=WINDOW)


BYTES, WORDS = byte_tokenization(), word_tokenization()
texts = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=300),
    st.text(st.sampled_from("ab .\n。é😀"), max_size=300),
    st.lists(st.text(st.sampled_from("abcdé"), min_size=1, max_size=30), max_size=60).map(" ".join),
)


@pytest.mark.parametrize("tokenization", [BYTES, WORDS], ids=["bytes", "words"])
@settings(max_examples=150, deadline=None)
@given(text=texts)
def test_spans_cover_the_text_in_order_within_the_window(tokenization: Tokenization, text: str) -> None:
    spans = chunk(text, tokenization)
    assert spans[0].start == 0
    assert spans[-1].end == len(text)
    for left, right in pairwise(spans):
        assert left.start < right.start <= left.end < right.end
    assert all(n <= tokenization.content_window for n in tokenization.counts([text[s.start : s.end] for s in spans]))


def test_a_text_that_fits_is_one_span() -> None:
    assert chunk("sixteen letters.", BYTES) == [TextSpan(0, 16)]
    assert chunk("", BYTES) == [TextSpan(0, 0)]


def test_neighbours_overlap_by_whole_words() -> None:
    text = " ".join(f"word{i}" for i in range(40))
    spans = chunk(text, WORDS)
    shared = [text[right.start : left.end].split() for left, right in pairwise(spans)]
    assert all(len(words) == WINDOW // 4 for words in shared)
    assert all(word in text.split() for words in shared for word in words)


def test_a_sentence_end_is_a_better_border_than_a_blank_and_a_line_end_better_still() -> None:
    sentence = "one two three four five six seven eight nine ten eleven twelve thirteen. fourteen fifteen sixteen"
    first, *_ = chunk(sentence + " seventeen", WORDS)
    assert sentence[: first.end].endswith("thirteen. ")
    lines = sentence.replace("thirteen. fourteen", "thirteen\nfourteen.")
    first, *_ = chunk(lines + " seventeen", WORDS)
    assert lines[: first.end].endswith("thirteen\n")


def test_a_lone_surrogate_is_refused() -> None:
    with pytest.raises(UnencodableText, match="U\\+D800"):
        chunk("a\ud800", BYTES)
    with pytest.raises(ValueError, match="Text 1"):
        BYTES.ids(["fine", "\udfff"])
