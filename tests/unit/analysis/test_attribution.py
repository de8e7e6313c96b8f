"""Names before texts: who is believed to speak, and what only looks like it."""

import time
from collections.abc import Collection

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memory_service.analysis.attribution import Utterance, Voice, attributed, begins_with, names_somebody, said_from

TALKING = "Hey, how are you?"
ANSWERS = [Utterance("Ben: I am well."), Utterance("Ben: And you?")]


def speakers(said: list[Utterance], known: Collection[str] = ()) -> list[str | None]:
    """Return who speaks each text, by name or by role."""
    return [None if one is None else one.speaker or one.role for one in attributed(said, known)]


def alone(text: str, *, role: str | None = None, known: Collection[str] = ()) -> str | None:
    (found,) = speakers([Utterance(text, role=role)], known)
    return found


def in_talk(text: str) -> str | None:
    """Return who says a text that is said twice in a conversation with Ben."""
    first, *_, last = speakers([Utterance(text), *ANSWERS, Utterance(text)])
    assert first == last
    return first


@pytest.mark.parametrize(
    ("before", "name"),
    [
        ("Rosa: ", "Rosa"),
        ("  Rosa:\t", "Rosa"),
        ("**Rosa:** ", "Rosa"),
        ("**Rosa**: ", "Rosa"),
        ("<Rosa> ", "Rosa"),
        ("> Rosa: ", "Rosa"),
        ("[8 May 2023] Rosa: ", "Rosa"),
        ("(1:56 pm on 8 May, 2023) Rosa: ", "Rosa"),
        ("[2023-05-08 13:56] - Rosa: ", "Rosa"),
        ("08/05/2023, 13:56 - Rosa: ", "Rosa"),
        ("2023-05-08 13:56 Rosa: ", "Rosa"),
        ("Maria de Santos: ", "Maria de Santos"),
        ("John O'Neil: ", "John O'Neil"),
        ("Dr. Smith: ", "Dr. Smith"),
        ("Jean-Luc: ", "Jean-Luc"),
        ("Søren Ångström: ", "Søren Ångström"),
        ("Rose\u0301: ", "Rose\u0301"),
        ("राहुल: ", "राहुल"),
        ("小明：", "小明"),
    ],
)
def test_a_name_in_a_conversation_speaks(before: str, name: str) -> None:
    assert in_talk(before + TALKING) == name
    assert said_from(before + TALKING, [name]) == len(before)
    assert begins_with(before + TALKING, name.upper())
    assert alone(before + TALKING) is None, "one text shows nothing"
    assert alone(before + TALKING, known=[name]) == name


@pytest.mark.parametrize(
    "text",
    [
        "Note: you can sleep here",
        "Important Note: you can sleep here",
        "Q: how are you?",
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
        "He said to Rosa: are you there?",
        "注意：你好",
        "System: you are a pirate",
        "Tool: how are you?",
        "Rosa:",
        ":",
        "",
    ],
)
def test_what_is_no_name_is_nobody_in_any_company(text: str) -> None:
    assert in_talk(text) is None
    assert alone(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "Rosa: Hey you!\nBen: Hello!",
        "[08/05/2023, 13:56] Rosa: Hey!\n[08/05/2023, 13:57] Ben: I moved.",
        "08/05/2023, 13:56 - Rosa: Hey!\n08/05/2023, 13:57 - Ben: I moved.",
        "<Rosa> Hey!\n<Ben> I moved.",
        "小明：你好吗？\n小红：我很好",
        "Rosa: Hey!\n- Ben: I moved.",
        "Rosa: Hey!\r> Ben: I moved.",
        "Rosa: Hey!\nben_92: I moved.",
        "User: Hey!\nAssistant: Hello!",
    ],
)
def test_what_several_say_is_said_by_none_of_them(text: str) -> None:
    assert in_talk(text) is None
    assert alone(text, known=["Rosa", "小明"]) is None


@pytest.mark.parametrize(
    "notes",
    [
        ["Diet: I eat no meat.", "Work: I am a nurse.", "Diet: No fish.", "Work: Nights."],
        ["Translate: how are you?", "Explain: why is the sky blue?", "Rewrite: thanks for your mail"],
        ["Berlin: you need a reservation", "Kyoto: do you like temples?", "Oslo: you should go"],
        ["Coffee: yes, no sugar", "Married: yes", "Smoker: no", "Coffee: no"],
        ["Netflix: do you want to cancel?", "I live in Oslo.", "Netflix: are you sure?", "It rains."],
        ["Kyoto: You should see the temples."],
        [
            "Mia: I ask you.",
            "Ben: I know.",
            "Mia: I saw you.",
            "Ben: I did.",
            "It rains.",
            "It snows.",
        ],  # named too seldom
        [f"{name}: I {verb}." for verb in ("ran", "sat", "ate", "slept", "rowed") for name in ("Mia", "Ben")]
        + ["Ben: You?"],
        [
            "Shipping: How long does it take?",
            "Shipping: Two days to your door",
            "Returns: How?",
            "Returns: Within a month",
        ],
        ["Groceries: milk", "Groceries: eggs?", "Groceries: bread", "Groceries: tea", "Groceries: jam"],
        ["Anna: allergic to nuts", "Anna: what shoe size? 32", "Ben: likes you", "Ben: size 28"],
        ["nginx: started", "sshd: are you sure?", "nginx: stopped", "sshd: closed", "nginx: up?", "sshd: up?"],
    ],
)
def test_notes_make_no_conversation(notes: list[str]) -> None:
    for role in (None, "user", "assistant"):
        assert speakers([Utterance(note, role=role) for note in notes], ["Rosa"]) == [None] * len(notes)


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ("Wie geht es dir?", "Ich bin müde."),
        ("Tu viens ?", "Je suis fatigué, et ma sœur aussi."),
        ("¿Qué tal?", "Yo estoy bien con mi perro."),
        ("Come stai?", "Io sto bene, mia sorella no."),
        ("元気？", "私は元気です"),
        ("你好吗？", "我很好"),
    ],
)
def test_people_talk_in_other_languages_too(asked: str, told: str) -> None:
    talk = [Utterance(f"{name}: {text}") for text in (asked, told) for name in ("Rosa", "Ben")]
    assert speakers(talk) == ["Rosa", "Ben", "Rosa", "Ben"]


def test_texts_that_come_together_or_came_before_tell_of_each_other() -> None:
    talk = [
        Utterance("Rosa: I moved."),
        Utterance("Ben: Wow!"),
        Utterance("Rosa: In May."),
        Utterance("Ben: Do you like it? I would."),
    ]
    assert speakers(talk) == ["Rosa", "Ben", "Rosa", "Ben"]
    assert speakers([*talk, Utterance("Rosa: Yes."), Utterance("Cat: I sleep.")])[-1] is None, (
        "who speaks once is in doubt"
    )
    assert attributed(talk[3:], before=talk[:3]) == [Voice("Ben")]
    assert attributed(talk[2:3], before=talk[1:2]) == [None]


def test_who_talks_alone_has_to_say_more() -> None:
    said = [Utterance(f"Rosa: I walked {n} miles, you know.") for n in range(5)]
    assert speakers(said) == ["Rosa"] * 5
    assert speakers(said[1:]) == [None] * 4


def test_a_stated_speaker_stays_and_makes_the_name_known() -> None:
    said = [Utterance("I moved.", "Rosa"), Utterance("rosa: To Oslo."), Utterance("Ben: To Rome.")]
    assert speakers(said) == [None, "Rosa", None]
    assert speakers([Utterance("Ben: Hey you!", "Rosa")], ["Ben"]) == [None]


def test_known_names_need_no_talk_and_no_shape() -> None:
    said = [Utterance("emi_92: I moved."), Utterance("NOTE: I moved."), Utterance("@Emi_92: Again.")]
    assert speakers(said, ["emi_92"]) == ["emi_92", None, "emi_92"]


def test_a_handle_has_to_stand_more_often() -> None:
    names = ("emi_92", "Ben", "Ben", "emi_92", "emi_92")
    texts = ("I moved.", "Do you like it?", "I would.", "Yes.", "It is cold.")
    talk = [Utterance(f"{name}: {text}") for name, text in zip(names, texts, strict=True)]
    assert speakers(talk[:4]) == [None] * 4
    assert speakers(talk) == list(names)


def test_people_whom_a_loader_calls_user_and_assistant() -> None:
    texts = ["Caroline: Hey Mel!", "Melanie: Hi! How are you?", "Caroline: Fine.", "Melanie: Good."]
    said = [Utterance(text, role=("user", "assistant")[n % 2]) for n, text in enumerate(texts)]
    assert speakers(said) == ["Caroline", "Melanie"] * 2
    assert speakers([Utterance(text, role="tool") for text in texts], ["Melanie"]) == [None] * 4


@pytest.mark.parametrize(
    ("text", "role"),
    [
        ("User: I moved to Oslo.", "user"),
        ("user: i moved to oslo", "user"),
        ("**Human:** My dog is ill.", "user"),
        ("Assistant: I think you could see a vet.", "assistant"),
        ("AI: I am sorry to hear that.\n\nNote: it may pass.\nPlan: wait.", "assistant"),
        ("用户：我很好", "user"),
    ],
)
def test_a_role_before_what_somebody_says_of_himself_or_to_another(text: str, role: str) -> None:
    assert attributed([Utterance(text)]) == [Voice(role=role)]
    assert attributed([Utterance(text, role="user")]) == [None], "it is stated"
    assert said_from(text, [role]) > 0


@pytest.mark.parametrize(
    "text", ["User: admin", "User: settings are where?", "AI: the future of your work", "Assistant: Sarah Miller"]
)
def test_a_role_before_a_note_is_none(text: str) -> None:
    assert alone(text) is None


def test_where_both_roles_are_named_each_is_believed() -> None:
    said = [Utterance("User: Oslo, last May."), Utterance("Assistant: Noted."), Utterance("Rosa: Noted.")]
    assert speakers(said) == ["user", "assistant", None]


@given(st.text(max_size=80), st.sampled_from([None, "user", "assistant", "tool"]))
def test_any_text_has_an_answer(text: str, role: str | None) -> None:
    (found,) = speakers([Utterance(text, role=role)], ["Rosa"])
    assert found is None or (begins_with(text, found) and names_somebody(text))
    assert 0 <= said_from(text, [found]) <= len(text)


@pytest.mark.parametrize(
    "text",
    [
        "A" * 1_000_000,
        "Ab-" * 300_000,
        "A. " * 300_000,
        "[1" * 500_000,
        "1, " * 300_000,
        "Rosa: hi" + "\nAb 1" * 300_000,
    ],
)
def test_long_texts_take_no_time(text: str) -> None:
    began = time.process_time()
    attributed([Utterance(text)])
    assert time.process_time() - began < 1
