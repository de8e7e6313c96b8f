import re
import sys
import time
from string import ascii_lowercase

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memory_service.analysis import naming
from memory_service.analysis.folding import words_ignoring_case
from memory_service.analysis.names import People, fold_name, people_of
from memory_service.analysis.naming import MOST_ENTITIES, MOST_SPANS, EntityKind, addresses, named_in
from memory_service.analysis.traits import speaks_of_himself, traits

FRIENDS = people_of(["Melanie", "Caroline", "Jon", "William Stone"])


def folded(text: str, *, speaker: str | None = None, people: People = FRIENDS, **options: object) -> list[str]:
    return [one.folded for one in named_in(text, speaker=speaker, people=people, **options)]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Hey Mel! How are you?", ["melanie"]),
        ("Thanks so much, Mel.", ["melanie"]),
        ("Mel, did you see it?", ["melanie"]),
        ("Good morning Bill", ["william stone"]),
        ("They met Mel in town", ["mel"]),  # no address: she need not be the one who speaks here
        ("We saw Caroline's dog", ["caroline"]),
        ("Caroline's dog barked", ["caroline"]),
        ("We asked Stone", ["william stone"]),
        ("Go Jon! You can do it", ["jon"]),
        ("They went with Aunt Melanie", ["aunt melanie"]),
        ("ask @jo_b", ["jo_b"]),
        ("will you come?", []),
        ("", []),
    ],
)
def test_whom_a_text_names(text: str, expected: list[str]) -> None:
    assert folded(text) == expected


def test_nobody_greets_himself() -> None:
    assert folded("Hey Mel!", speaker="Caroline") == ["melanie"]
    assert folded("Hey Mel!", speaker="Melanie") == ["mel"]


def test_two_who_could_be_meant_are_nobody() -> None:
    people = people_of(["Joanna", "Jolene", "Ana"])
    assert folded("Hey Jo!", people=people) == ["jo"]


def test_who_says_i_is_named() -> None:
    (one,) = named_in("my dog sleeps", speaker="Caroline", people=FRIENDS)
    assert (one.folded, one.kind, one.spans, one.aliases) == ("caroline", EntityKind.PERSON, (), ())
    assert folded("the dog sleeps", speaker="Caroline") == []
    assert folded("my dog sleeps", speaker="user") == []
    assert folded("Ich habe einen Hund", speaker="Caroline", language="de") == ["caroline"]


def test_short_forms_are_remembered_as_written() -> None:
    (one,) = named_in("Hey Mel, is Melanie home?", speaker=None, people=FRIENDS)
    assert one.name == "Melanie"
    assert one.aliases == (("mel", "Mel"),)
    assert one.forms == (("mel", "Mel"), ("melanie", "Melanie"))
    assert one.spans == ((4, 7), (12, 19))


def test_what_the_caller_states_counts_too() -> None:
    found = named_in("it was great", speaker=None, people=FRIENDS, stated=["Lisbon", "jon", "user", " "])
    assert [(one.folded, one.kind.value) for one in found] == [("lisbon", "name"), ("jon", "person")]


def test_lists_are_bounded() -> None:
    found = named_in(
        " and ".join(f"x Name{chr(65 + n // 26)}{chr(97 + n % 26)}" for n in range(200)), speaker=None, people=FRIENDS
    )
    assert len(found) == MOST_ENTITIES
    assert len(named_in("so Ana " * 100, speaker=None, people=FRIENDS)[0].spans) == MOST_SPANS


@given(st.text(max_size=200) | st.text(alphabet="aMel JonH@.,!'’-\n", max_size=60))
def test_spans_hold_the_forms(text: str) -> None:
    for one in named_in(text, speaker="Caroline", people=FRIENDS):
        forms = {form for form, _ in one.forms}
        assert one.folded
        assert {fold_name(text[start:end]) for start, end in one.spans} <= forms


@pytest.mark.parametrize(
    "text", ["Hey " * 16000, "A, " * 20000, "Go Jon " * 9000, "x. Aa Bb" * 8000, ", Mel" * 13000, "\n" * 65000]
)
def test_hostile_texts_stay_linear(text: str) -> None:
    started = time.process_time()
    named_in(text, speaker="Caroline", people=FRIENDS)
    assert time.process_time() - started < 3


PIECES = "Hey hi Thank you Thanks thankſ Good morning so much Ahey hey_ Mel Bill Jo I my mine ich j'ai l’ , ! ? . … \n"
SAID = st.lists(st.sampled_from(PIECES.split(" ")), max_size=12)


@given(SAID.map(" ".join) | SAID.map("".join))
def test_no_address_is_overlooked(text):
    everywhere = (found.group(1) for pattern in naming._ADDRESSES for found in pattern.finditer(text))
    assert addresses(text) == {fold_name(one) for one in everywhere if one[0].isupper()}


@given(SAID.map(" ".join) | SAID.map("".join), st.sampled_from(["en", "de", "fr", "it", "pt", "und"]))
def test_who_speaks_of_himself_is_who_has_the_trait(text, language):
    assert speaks_of_himself(text, language) == bool(traits(text, language).first_person)


def test_whatever_a_pattern_takes_for_a_letter_is_one_among_the_words():
    every = "".join(map(chr, range(sys.maxunicode + 1)))
    for letter in ascii_lowercase:
        for one in re.findall(letter, every, re.IGNORECASE):
            assert letter in words_ignoring_case(one), hex(ord(one))
    assert "eat" in words_ignoring_case("İeat")  # in lower case a mark stands between the two
