import time
import unicodedata
from datetime import datetime
from threading import Thread

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memory_service.analysis.stopwords import STOP_WORDS
from memory_service.analysis.tokens import LONGEST_TERM, keyword_text, terms

ANY_TEXT = st.text(alphabet=st.characters(), max_size=300)  # lone surrogates and NUL included
LANGUAGES = st.sampled_from(["en", "en-GB", "de", "fr", "es", "it", "ru", "tr", "und", "", "xx-Klingon"])


@given(ANY_TEXT, LANGUAGES)
def test_any_text_gives_short_terms_that_can_be_stored(text, language):
    for term in terms(text, language):
        assert 0 < len(term) <= LONGEST_TERM
        assert "\x00" not in term
        assert not any(character.isspace() for character in term)
        term.encode()


@given(ANY_TEXT, LANGUAGES)
def test_the_same_text_gives_the_same_terms(text, language):
    assert terms(text, language) == terms(text, language)


WORDS = "Caroline painted a lake, 8th May don't O'Brien"


@given(st.lists(st.sampled_from(WORDS.split()), max_size=12))
def test_terms_of_a_text_are_those_of_its_words_in_order(words):
    assert terms(" ".join(words)) == [term for word in words for term in terms(word)]


@given(st.text(alphabet="abcdefghijklmnopqrstuvwxyz ,.'", max_size=80))
def test_case_does_not_matter(text):
    assert terms(text) == terms(text.upper())


@pytest.mark.parametrize("text", ["", " \n\t", "...", "\x00\x00", "\ud800", "_", "the of and", "🎉🎉"])
def test_texts_without_words_give_no_terms(text):
    assert terms(text) == []


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Caroline's", "caroline"),
        ("Caroline’s", "Caroline"),
        ("hiking", "hikes"),
        ("on the 8th of May 2023", "8 May 2023"),
        ("2023-05-08", "8 May 2023"),
        ("29 Dec 2023", "29 December 2023"),
        ("1,200,000", "1200000"),
        ("José", "jose"),
        ("Jose\u0301", "José"),
        ("ｆｕｌｌ ｗｉｄｔｈ", "full width"),
        ("STRASSE", "straße"),
        ("co\u00adoperate", "cooperate"),
        ("O'Brien", "O’Brien"),
    ],
)
def test_two_ways_to_write_it_meet(one, other):
    assert terms(one) == terms(other) != []


@pytest.mark.parametrize(
    ("one", "other"), [("1234,567", "1234567"), ("й", "и"), ("2023-13-08", "8 2023"), ("12023-05-08", "8 May 12023")]
)
def test_different_things_stay_apart(one, other):
    assert terms(one) != terms(other)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("東京都", ["東京", "京都"]),
        ("猫", ["猫"]),
        ("한국어를", ["한국", "국어", "어를"]),
        ("ไทย", ["ไท", "ทย"]),
        ("iPhone15を買う", ["iphone15", "を買", "買う"]),
        ("हिन्दी भाषा", ["हिन्दी", "भाषा"]),
        ("שָׁלוֹם", ["שָׁלוֹם"]),
    ],
)
def test_other_scripts_give_terms(text, expected):
    assert terms(text, "und") == [unicodedata.normalize("NFKC", term) for term in expected]


def test_a_chinese_query_meets_a_longer_chinese_text():
    assert set(terms("京都")) <= set(terms("我去年去了京都旅行"))


def test_elisions_and_stop_words_follow_the_language():
    assert terms("L'hôtel de la plage", "fr") == ["hotel", "plag"]
    assert terms("dell'arte", "it") == terms("arte", "it")
    assert terms("the cat", "de") == ["the", "cat"]
    assert terms("die Katzen und der Hund", "de") == ["katz", "hund"]


def test_may_is_a_month_and_stays():
    assert "may" in terms("in May")


def test_stop_words_are_listed_as_they_look_after_folding():
    for language, words in STOP_WORDS.items():
        assert all(word == word.casefold() for word in words), language
        assert terms(" ".join(sorted(words)), language) == []


def test_a_hash_becomes_one_short_term():
    assert terms("a" * 5000) == ["a" * LONGEST_TERM]


def test_threads_share_the_stemmer_safely():
    words = [f"walking{n} hiking swimmers {n}th" for n in range(400)]
    expected = [terms(word, "de") for word in words]
    found: list[list[list[str]]] = []

    def read() -> None:
        found.append([terms(word, "de") for word in words])

    threads = [Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [expected] * 4


@pytest.mark.parametrize("text", ["." * 65536, "1,111" * 13000, "a'" * 32768, "ก" * 65536, "a" + "\u0301" * 65535])
def test_hostile_texts_stay_linear(text):
    started = time.perf_counter()
    terms(text)
    assert time.perf_counter() - started < 2


def test_keyword_text_says_when_who_what_and_in_which_context():
    text = keyword_text(
        "We met.", speaker="Ana", observed_at=datetime(2023, 5, 8, 23, 0), title="Diary", context="at the lake"
    )
    assert text == "[8 May 2023] Ana: Diary. We met. [at the lake]"


@pytest.mark.parametrize("role", ["user", "Assistant", "SYSTEM", "tool", "", None])
def test_keyword_text_leaves_roles_out(role):
    assert keyword_text("Hi", speaker=role) == "Hi"


def test_keyword_text_writes_the_month_in_the_language_of_the_memory():
    assert keyword_text("Hallo", observed_at=datetime(2024, 3, 1), language="de-AT") == "[1 März 2024] Hallo"
    assert keyword_text("Hej", observed_at=datetime(2024, 3, 1), language="sv") == "[1 mars 2024] Hej"
    assert keyword_text("やあ", observed_at=datetime(2024, 3, 1), language="ja") == "[2024年3月1日] やあ"
    assert keyword_text("Nuqneh", observed_at=datetime(2024, 3, 1), language="tlh") == "[1 March 2024] Nuqneh"
