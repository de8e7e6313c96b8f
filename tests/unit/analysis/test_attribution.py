"""Names before texts: who is believed to speak, and what only looks like it."""

import time
from collections.abc import Collection

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memory_service.analysis.attribution import (
    OFTEN,
    Utterance,
    Voice,
    attributed,
    begins_with,
    names_somebody,
    said_from,
)

TALKING = "Hey, how are you?"


def alone(text: str, *, role: str | None = None) -> str | None:
    (found,) = speakers([Utterance(text, role=role)])
    return found


def speakers(said: list[Utterance], known: Collection[str] = ()) -> list[str | None]:
    """Return who speaks each text, by name or by role."""
    return [None if one is None else one.speaker or one.role for one in attributed(said, known)]


@pytest.mark.parametrize(
    ("before", "name"),
    [
        ("Rosa: ", "Rosa"),
        ("  Rosa:\t", "Rosa"),
        ("**Rosa:** ", "Rosa"),
        ("**Rosa**: ", "Rosa"),
        ("<Rosa> ", "Rosa"),
        ("[8 May 2023] Rosa: ", "Rosa"),
        ("(1:56 pm on 8 May, 2023) Rosa: ", "Rosa"),
        ("[2023-05-08 13:56] - Rosa: ", "Rosa"),
        ("Maria de Santos: ", "Maria de Santos"),
        ("John O'Neil: ", "John O'Neil"),
        ("Dr. Smith: ", "Dr. Smith"),
        ("Jean-Luc: ", "Jean-Luc"),
        ("Søren Ångström: ", "Søren Ångström"),
    ],
)
def test_a_name_before_what_talks_to_somebody_speaks(before: str, name: str) -> None:
    assert alone(before + TALKING) == name
    assert said_from(before + TALKING, [name]) == len(before)
    assert begins_with(before + TALKING, name.upper())


@pytest.mark.parametrize(
    "text",
    [
        "Note: you can sleep here",
        "Important Note: you can sleep here",
        "Q: how are you?",
        "NASA: how are you?",
        "TODO: call you back",
        "Sprachkurs: ab Montag",
        "Diet: I eat no meat",
        "Budapest: I loved the baths",
        "Great choice: you will like it",
        "Hi Rosa: are you there?",
        "So: what do you think?",
        "May: you moved",
        "Montag: hast du Zeit?",
        "12:30: are you there?",
        "https://example.org/you",
        "Ingredients:\nyou need eggs",
        "Rosa : are you there?",
        "Rosa:are you there?",
        "Rosa: Hey you!\nBen: Hello!",
        "He said to Rosa: are you there?",
        "User: admin",
        "AI: the future of work",
        "System: you are a pirate",
        "Tool: how are you?",
        "User: Hey!\nAssistant: Hello!",
        "rosa: how are you?",
        "注意：你好",
        "Rosa:",
        ":",
        "",
    ],
)
def test_what_is_no_name_or_shows_no_talk_is_nobody(text: str) -> None:
    assert alone(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "Rosa: Wie geht es dir?",
        "Rosa: Merci !",
        "Rosa: ¿Qué tal?",
        "Rosa: Hola",
        "Rosa: Ciao",
        "小明：你好",
        "さくら：元気？",
    ],
)
def test_people_talk_in_other_languages_too(text: str) -> None:
    assert alone(text) is not None


def test_texts_that_come_together_tell_of_each_other() -> None:
    said = [
        Utterance("Rosa: I moved."),
        Utterance("Ben: Wow!"),
        Utterance("Rosa: Last May, you know."),
        Utterance("Cat: I sleep."),
    ]
    assert speakers(said) == ["Rosa", "Ben", "Rosa", None]


def test_a_stated_speaker_stays_and_makes_the_name_known() -> None:
    said = [Utterance("I moved.", "Rosa"), Utterance("rosa: To Oslo."), Utterance("Ben: To Rome.")]
    assert speakers(said) == [None, "Rosa", None]
    assert speakers([Utterance("Ben: Hey you!", "Rosa")]) == [None]


def test_known_names_need_no_talk_and_no_shape() -> None:
    said = [Utterance("emi_92: I moved."), Utterance("NOTE: I moved."), Utterance("@emi_92: Again.")]
    assert speakers(said, ["emi_92"]) == ["emi_92", None, "emi_92"]


def test_a_handle_is_believed_where_it_stands_often() -> None:
    said = [
        Utterance("emi_92: I moved."),
        Utterance("emi_92: Do you hear?"),
        *[Utterance("emi_92: To Oslo.")] * (OFTEN - 2),
    ]
    assert speakers(said) == ["emi_92"] * OFTEN
    assert speakers(said[1:]) == [None] * (OFTEN - 1)
    assert speakers([Utterance("note: you know.")] * OFTEN) == [None] * OFTEN, "however often"


def test_an_assistant_is_believed_beside_others_only() -> None:
    mel = Utterance("Melanie: Hey Caroline, how are you?", role="assistant")
    assert speakers([mel]) == [None]
    assert speakers([mel, Utterance("Caroline: Hey Mel!", role="user")]) == ["Melanie", "Caroline"]
    assert speakers([mel], ["Caroline"]) == ["Melanie"]
    assert (
        attributed([Utterance("Melanie: Hi!", role=role) for role in ("tool", "system", "editor")], ["Melanie"])
        == [None] * 3
    )


@pytest.mark.parametrize(
    ("text", "role"),
    [
        ("User: I moved to Oslo.", "user"),
        ("user: how are you?", "user"),
        ("**Human:** My dog is ill.", "user"),
        ("Assistant: You could see a vet.", "assistant"),
        ("AI: I am sorry to hear that.\n\nNote: it may pass.\nPlan: wait.", "assistant"),
        ("用户：你好", "user"),
    ],
)
def test_a_role_before_what_somebody_says_of_himself_or_to_another(text: str, role: str) -> None:
    assert attributed([Utterance(text)]) == [Voice(role=role)]
    assert attributed([Utterance(text, role="user")]) == [None], "it is stated"
    assert said_from(text, [role]) > 0


def test_where_both_roles_are_named_each_is_believed() -> None:
    said = [Utterance("User: Oslo, last May."), Utterance("Assistant: Noted."), Utterance("Rosa: Noted.")]
    assert speakers(said) == ["user", "assistant", None]


@given(st.text(max_size=80), st.sampled_from([None, "user", "assistant", "tool"]))
def test_any_text_has_an_answer(text: str, role: str | None) -> None:
    (found,) = speakers([Utterance(text, role=role)], ["Rosa"])
    assert found is None or (begins_with(text, found) and names_somebody(text))
    assert 0 <= said_from(text, [found]) <= len(text)


@pytest.mark.parametrize(
    "text", ["A" * 1_000_000, "Ab-" * 300_000, "A. " * 300_000, "[1" * 500_000, "Rosa: " + "\nAb" * 300_000]
)
def test_long_texts_take_no_time(text: str) -> None:
    began = time.process_time()
    attributed([Utterance(text)])
    assert time.process_time() - began < 1
