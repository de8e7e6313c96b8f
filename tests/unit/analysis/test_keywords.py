import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memory_service.analysis.folding import fold
from memory_service.analysis.keywords import LONGEST_PHRASE, keywords
from memory_service.analysis.tokens import terms, words_of

VOCABULARY = "the rescue dog sleeps Biscuit Paris was painting a lake sunrise and I really . , !"
WORDS = st.lists(st.sampled_from(VOCABULARY.split()), max_size=40)


@pytest.mark.parametrize("text", ["", "...", "the and of", "yeah ok wow", "12 34"])
def test_texts_that_say_nothing_have_no_keywords(text):
    assert keywords(text) == []


def test_a_name_and_what_is_repeated_come_first():
    found = keywords("I finally adopted a rescue dog! The rescue dog sleeps all day, Biscuit is so calm.")
    assert found[0] == "rescue dog"
    assert "biscuit" in found


@given(WORDS, st.integers(min_value=0, max_value=8))
def test_keywords_are_few_distinct_and_stand_in_the_text(words, limit):
    text = " ".join(words)
    found = keywords(text, limit=limit)
    assert len(found) <= limit
    assert len(set(found)) == len(found)
    plain = re.sub(r"\s+", " ", fold(text))
    for keyword in found:
        assert keyword in plain
        assert len(keyword.split()) <= LONGEST_PHRASE


@given(st.text(alphabet=st.characters(), max_size=300))
def test_any_text_gets_an_answer_that_can_be_stored(text):
    for keyword in keywords(text):
        keyword.encode()
        assert "\x00" not in keyword


def test_a_smaller_limit_gives_a_prefix():
    text = "Caroline painted a lake sunrise while the transgender support group planned a pride parade in Chicago."
    assert keywords(text, limit=2) == keywords(text, limit=5)[:2]


@given(st.lists(st.from_regex(r"[a-z0-9]{1,8}('[a-z0-9]{1,3}){0,2}", fullmatch=True), min_size=1, max_size=4))
def test_words_without_accents_are_looked_up_as_they_would_be_cut(words):
    assert [term for word in words if (term := words_of("en")[word])] == terms(" ".join(words))
