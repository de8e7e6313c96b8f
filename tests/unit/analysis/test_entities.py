import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memory_service.analysis.entities import MentionKind, mentions, names

ANY_TEXT = st.text(alphabet=st.characters(), max_size=300)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("nothing here", []),
        ("Sarah went home.", []),
        ("Sarah went home. I like Sarah.", ["Sarah"]),
        ("My friend Ana's dog met O'Brien at Bank of America.", ["Ana", "O'Brien", "Bank of America"]),
        ("Hey Mel! Wow, Caroline, that's great", ["Mel", "Caroline"]),
        ("I'll see you on Monday in March", []),
        ("We saw NASA in Houston", ["NASA", "Houston"]),
        ("WE WENT TO PARIS AND IT WAS GREAT", []),
        ("Visited Paris yesterday", ["Paris"]),
        ("### Final Thoughts\n- **Use** the API", ["API"]),
        ("Look: `Some Code` and ```\nclass Foo Bar\n```", []),
        ("Я люблю Москву", ["Москву"]),
        ("Wish I could. Sometimes I do", []),
    ],
)
def test_names(text, expected):
    assert names(text) == expected


def test_known_names_count_at_the_start_of_a_sentence():
    assert names("Will is here. Ana left.", known=["Will", "Ana"]) == ["Will", "Ana"]


def test_german_nouns_are_no_names():
    assert names("Ich war mit Anna Schmidt im Kino am See", language="de") == ["Anna Schmidt"]
    assert names("Ich sah Anna im Kino", language="de", known=["Anna"]) == ["Anna"]


def test_handles_are_found_and_mail_addresses_are_not():
    found = mentions("ask @jo_b or mail a@example.org")
    assert [(m.name, m.kind) for m in found] == [("jo_b", MentionKind.HANDLE)]


def test_a_handle_is_not_also_a_name():
    assert [m.name for m in mentions("thanks to @jo.Bo for that")] == ["jo.Bo"]


@given(ANY_TEXT | st.text(alphabet="aB@. '’-:*", max_size=40))
def test_mentions_are_verbatim_ordered_and_apart(text):
    end = 0
    for mention in mentions(text):
        assert text[mention.start : mention.end] == mention.name != ""
        assert mention.start >= end
        end = mention.end


@pytest.mark.parametrize(
    "text", ["Aa " * 20000, "A." * 32768, ": A" * 20000, "A-" * 32768, "A of " * 13000, "`" * 65536]
)
def test_hostile_texts_stay_linear(text):
    started = time.perf_counter()
    mentions(text)
    assert time.perf_counter() - started < 2
