"""Facts read by rules: what is stated, of whom, since when, and what is not stated at all."""

from datetime import UTC, datetime
from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memory_service.analysis.facts import MOST_FACTS, Fact, english_nouns, english_states, facts
from memory_service.analysis.facts.attributes import VERB, VERB_WORDS
from memory_service.analysis.facts.draft import Said
from memory_service.analysis.facts.notes import _USER
from memory_service.analysis.facts.values import ValueKind, read_values, same_value

MONDAY = datetime(2024, 5, 20, 9, tzinfo=UTC)


def read(text: str, **given: str) -> tuple[Fact, ...]:
    return facts(text, observed_at=MONDAY, **given)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "attribute", "value"),
    [
        ("I live in Porto.", "lives_in", "Porto"),
        ("hey so fyi i moved to Ghent", "lives_in", "Ghent"),
        ("Porto is where I live.", "lives_in", "Porto"),
        ("I started a new job at Bosch.", "works_at", "Bosch"),
        ("I work at Bosch for now.", "works_at", "Bosch"),
        ("I work for Bosch at night.", "works_at", "Bosch"),
        ("I work at the British Library.", "works_at", "the British Library"),
        ("My wife is Ida.", "spouse", "Ida"),
        ("I work as a paediatric nurse.", "job", "paediatric nurse"),
        ("I was promoted to senior analyst.", "job", "senior analyst"),
        ("I'm a carpenter by profession.", "job", "carpenter"),
        ("I'm a student at the University of Graz.", "studies_at", "University of Graz"),
        ("I turned 35 today.", "age", "35"),
        ("I'm 34 years old.", "age", "34"),
        ("I am 180 cm tall.", "height", "180 cm"),
        ("I weigh 82 kg.", "weight", "82 kg"),
        ("You can reach me at 0176 555 0132.", "phone", "0176 555 0132"),
        ("My new email address is a.b@mail.example.", "email", "a.b@mail.example"),
        ("I'm called Fatima.", "name", "Fatima"),
        ("I was born on June 22.", "birthday", "June 22"),
        ("I was born in 1988.", "birth_year", "1988"),
        ("My favorite color is teal.", "favourite_colour", "teal"),
        ("I'm single.", "relationship", "single"),
        ("My husband is Jonas.", "spouse", "Jonas"),
        ("I'm vegetarian.", "diet", "vegetarian"),
        ("My therapist is Dr. Lind, by the way.", "therapist", "Dr. Lind"),
        ("My rent went up to 1,020 euros a month.", "rent", "1,020 euros a month"),
        ("I wake up at six every day.", "gets_up_at", "six"),
        ("Ich wohne jetzt in Aachen.", "lives_in", "Aachen"),
        ("J'habite à Lyon.", "lives_in", "Lyon"),
        ("Tengo 29 años.", "age", "29"),
        ("Adesso abito a Genova.", "lives_in", "Genova"),
    ],
)
def test_what_holds_one_value_at_a_time(text: str, attribute: str, value: str) -> None:
    (fact,) = [one for one in read(text) if one.attribute == attribute]
    assert (fact.subject, fact.value, fact.positive, fact.functional, fact.ended) == ("user", value, True, True, False)
    assert value in text[fact.span[0] : fact.span[1]]


@pytest.mark.parametrize(
    ("text", "attribute", "value", "positive"),
    [
        ("I'm allergic to peanuts.", "is_allergic_to", "peanuts", True),
        ("It turned out that I'm not allergic to peanuts.", "is_allergic_to", "peanuts", False),
        ("I speak Portuguese.", "speaks", "Portuguese", True),
        ("I hate coriander.", "likes", "coriander", False),
        ("I don't drink coffee any more.", "drinks", "coffee", False),
        ("I have a dog.", "has", "dog", True),
        ("I have no car.", "has", "car", False),
        ("I've been to Japan.", "visited", "Japan", True),
    ],
)
def test_what_can_hold_many(text: str, attribute: str, value: str, positive: bool) -> None:
    (fact,) = read(text)
    assert (fact.attribute, fact.value, fact.positive, fact.functional) == (attribute, value, positive, False)


@pytest.mark.parametrize(
    ("text", "subject", "attribute"),
    [
        ("My sister lives in Rome.", "sister of ana", "lives_in"),
        ("My other sister lives in Rome.", "other sister of ana", "lives_in"),
        ("My daughter is 7.", "daughter of ana", "age"),
        ("My other grandma is 76.", "other grandma of ana", "age"),
        ("My sister's dog is 3.", "sister of ana", "dog"),
        ("My car is in Leeds now.", "ana", "car_place"),
        ("My office is on King Street.", "ana", "office_place"),
        ("The staging server is in Frankfurt.", "staging server", "place"),
        ("My contract is with Vodafone now.", "ana", "contract_with"),
        ("My phone is a Pixel 7.", "ana", "phone_model"),
        ("My phone is an iPhone.", "ana", "phone_model"),
        ("My home is in Leeds.", "ana", "lives_in"),
        ("My birthday is in May.", "ana", "birthday"),
        ("Our team has six members.", "team of ana", "number_of_members"),
        ("Tom works at Siemens.", "tom", "works_at"),
        ("My sister's name is Clara.", "sister of ana", "name"),
        ("The deadline for the grant application is 3 May.", "grant application", "deadline"),
        ("The upload limit is 2 GB.", "upload", "limit"),
        ("Our budget for the kitchen is 12,000 euros.", "ana and others", "budget_of_kitchen"),
    ],
)
def test_whom_a_fact_is_about(text: str, subject: str, attribute: str) -> None:
    (fact,) = read(text, speaker="Ana")
    assert (fact.subject, fact.attribute) == (subject, attribute)


def test_relatives_are_told_apart_by_their_names() -> None:
    said = read(
        "My brother Tom lives in Leeds, my brother Sam lives in York and my sister lives in Rome.", speaker="Ana"
    )
    assert [(one.subject, one.called, one.value) for one in said] == [
        ("brother of ana", "Tom", "Leeds"),
        ("brother of ana", "Sam", "York"),
        ("sister of ana", None, "Rome"),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "Do I live in Berlin?",
        "The meeting is at 11:00, right?",
        "do you live in Berlin",
        "If I lived in Munich I would go skiing.",
        "I might work at Bosch one day.",
        "I'm thinking about moving to Munich.",
        "I wish my car was a Porsche.",
        'My neighbour keeps saying "my favourite colour is beige".',
        "In the novel the hero says: I work at Bosch.",
        "I work for Anna at Bosch.",
        "Lena works as hard as a nurse.",
        "I work at the harbour for Maersk.",
        "My wife is in Rome.",
        "My wife is Swiss.",
        "My email is on the card.",
        "My address is in the app.",
        "My home is in a mess.",
        "My birthday is on a Monday.",
        "My husband is asleep.",
        "I work at the main office.",
        "I work at the Zurich office.",
        "Sounds like fun!",
        "We're like a family.",
        "We had a blast at the concert.",
        "The atmosphere was electric.",
        "",
        "?!",
    ],
)
def test_what_states_nothing(text: str) -> None:
    assert read(text) == ()


def test_assistants_suggest() -> None:
    assert read("My favourite colour is green.", role="assistant") == ()


def test_what_was_so_has_ended() -> None:
    for text in ("I used to live in Hamburg.", "I lived in Hamburg from 2015 to 2018.", "In 2012 I worked at Nokia."):
        (fact,) = read(text)
        assert fact.ended, text
    (perfect,) = read("I've lived in Hamburg since 2015.")
    assert not perfect.ended
    assert perfect.valid_from == datetime(2015, 1, 1, tzinfo=UTC)


def test_when_a_change_came() -> None:
    (fact,) = read("I moved to Lisbon last week.")
    assert (fact.changed, fact.valid_from) == (True, datetime(2024, 5, 13, tzinfo=UTC))
    for text in ("I moved from Berlin to Lisbon last week.", "I moved from the Algarve back to Lisbon last week."):
        (there,) = read(text)
        assert (there.value, there.valid_from) == ("Lisbon", fact.valid_from), text
    (plain,) = read("I live in Lisbon.")
    assert (plain.changed, plain.valid_from, plain.valid_to) == (False, None, None)


def test_what_else_happened_yesterday_ends_nothing() -> None:
    (fact,) = read("My budget is 500 euros and I met Ana Lopes yesterday.")
    assert (fact.ended, fact.valid_from, fact.valid_to) == (False, None, None)
    (past,) = read("The train ticket cost 29 euros last year.")
    assert past.ended


def test_numbers_come_in_one_unit() -> None:
    (fact,) = read("I am 180 cm tall.")
    assert (fact.number, fact.unit) == (1.8, "m")


def test_a_long_text_has_a_bounded_number_of_facts() -> None:
    assert (
        len(read(" ".join(f"My friend number {place} is Tom{place}. I like thing{place}." for place in range(60))))
        <= MOST_FACTS
    )


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("180 cm", "1.80 m", True),
        ("90 minutes", "an hour and a half", True),
        ("$12,000", "12k dollars", True),
        ("2 GB", "2048 MB", True),
        ("2 pm", "14:00", True),
        ("3 May", "May 3rd, 2024", True),
        ("3 May 2023", "May 3rd, 2024", False),
        ("10 km", "6.2 miles", True),
        ("10 km", "10.05 km", False),
        ("EUR 950", "950 euros", True),
        ("950 dollars", "950 euros", False),
        ("27:12", "25:50", False),
        ("6", "six", True),
        ("fourth", "4th", True),
        ("0176 555 0132", "0176-555-0132", True),
    ],
)
def test_values_are_the_same_however_they_are_written(one: str, other: str, same: bool) -> None:
    (first,), (second,) = read_values(one), read_values(other)
    assert same_value(first, second) is same
    assert same_value(second, first) is same


def test_what_is_no_value() -> None:
    assert read_values("It may rain, and version 2 of sunflower42 marches on.") == ()
    assert [one.kind for one in read_values("in May")] == [ValueKind.DATE]


VALUES = "firſt|ſept|twİce|Aprıl 5, 2024|two dayſ|five yearſ|Frıday|jueveſ|10 mİnutes|5 Kilos|ſix dollarſ|half an hour"


@pytest.mark.parametrize("text", VALUES.split("|"))
def test_letters_that_patterns_take_for_others_are_read_as_those(text: str) -> None:
    text = f"3 or {text}"
    plain = text.replace("ſ", "s").replace("ı", "i").replace("İ", "i").replace("K", "k")
    assert [(one.kind, one.amount, one.unit, one.date) for one in read_values(text)] == [
        (one.kind, one.amount, one.unit, one.date) for one in read_values(plain)
    ]


HOSTILE = (
    "my " * 6_000,
    "I live in " * 2_000,
    "the a b c d e f g h is " * 800,
    '"' * 20_000,
    "1," * 10_000,
    "." * 20_000,
)


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: text[:8])
def test_a_hostile_text_takes_no_time(text: str) -> None:
    started = process_time()
    facts(text, observed_at=MONDAY)
    assert process_time() - started < 2


@pytest.mark.parametrize(
    ("text", "attribute", "value"),
    [
        ("The user lives in Porto.", "lives_in", "Porto"),
        ("User moved to Ghent.", "lives_in", "Ghent"),
        ("In 2024 the user was promoted to senior analyst.", "job", "senior analyst"),
        ("User is 34 years old.", "age", "34"),
        ("User was born in 1988.", "birth_year", "1988"),
        ("The user's favorite color is teal.", "favourite_colour", "teal"),
        ("Bob is the user's manager now.", "manager", "Bob"),
    ],
)
def test_a_note_about_the_user_is_read_as_if_he_spoke(text: str, attribute: str, value: str) -> None:
    (fact,) = read(text)
    assert (fact.subject, fact.attribute, fact.value) == ("user", attribute, value)
    stretch = text[slice(*fact.span)].lower()
    assert "user" in stretch
    assert value.lower() in stretch


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("The user moved to Porto. He works at Feedzai.", {("lives_in", "Porto"), ("works_at", "Feedzai")}),
        ("User moved to Porto. She works at Feedzai.", {("lives_in", "Porto"), ("works_at", "Feedzai")}),
        ("The user is a nurse. They live in Porto.", {("job", "nurse"), ("lives_in", "Porto")}),
        ("The user is 34 years old. She's a nurse in Graz. Her rent is 900 euros.",
         {("age", "34"), ("job", "nurse"), ("rent", "900 euros")}),
        ("The user lives in Porto and he works at Feedzai.", {("lives_in", "Porto"), ("works_at", "Feedzai")}),
        ("The user works at Feedzai. Recently he moved to Porto.", {("works_at", "Feedzai"), ("lives_in", "Porto")}),
        ("The user works at Feedzai. He is no longer vegetarian.", {("works_at", "Feedzai"), ("diet", "vegetarian")}),
    ],
)  # fmt: skip
def test_a_note_goes_on_with_a_pronoun(text: str, said: set[tuple[str, str]]) -> None:
    found = read(text)
    assert {(one.attribute, one.value) for one in found if one.subject == "user"} == said
    for one in found:
        assert one.value in text[slice(*one.span)]
        assert text[one.span[0]].lower() in "uhst", "it begins with whom it is about"


@pytest.mark.parametrize(
    "text",
    [
        "The user met Tom. He works at Feedzai.",
        "The user wrote to Anna. She works at Feedzai.",
        "The user's brother is here. He works at Feedzai.",
        "The user hired a plumber. He works at Feedzai.",
        "The user has a sister. She lives in Porto.",
        "The user has two cats. They live in Porto.",
        "The user is a member of Feedzai. They live in Porto.",
        "The user joined a band. They play jazz.",
        "The user likes the Beatles. They live in Porto.",
        "The user sold the car. Then somebody came. He works at Feedzai.",
        "The user is a nurse. He works at Feedzai, and she lives in Porto.",
        "The user loves the vet. She lives in Porto.",
        "The user is a fan of Salah. He lives in Cairo.",
        "The user admires Ronaldo. He lives in Riyadh.",
        "The user reads Kafka in Prague. He lives in Berlin.",
        "The weather is nice. He works at Feedzai.",
        "The user is a nurse. If she moves to Porto, she works at Feedzai.",
        "The user stays near Ana. She lives in Rome.",
        "The user went to live at Ana's. She works at Lidl.",
        "The user drives Ana to school. She works at Lidl.",
        "The user uses Dr. Lind. He works at Lidl.",
        "The user prefers Dr. Lind. He works at Lidl.",
        "The user is married. She works at Feedzai.",
        "The user is engaged. She works at Feedzai.",
        "The user is in love. She lives in Rome.",
        "The user is dating. She lives in Rome.",
        "The user is expecting. He lives in Rome.",
        "The user is on Tinder. She lives in Rome.",
        "The user is hiring. He lives in Rome.",
        "The user is being sued. He lives in Rome.",
        "The user is seeing a doctor. He lives in Rome.",
        "The user is an assistant. He lives in Rome.",
        "The user lives next door. He works at Lidl.",
    ],
)
def test_a_pronoun_that_may_mean_another_is_not_the_user(text: str) -> None:
    assert all(one.attribute not in {"works_at", "lives_in", "plays"} for one in read(text) if one.subject == "user")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("The user lives near Ana. She lives in Rome.", {}),
        ("The user works near Ana. She works at Lidl.", {}),
        ("The user moved to Ana's. She works at Lidl.", {}),
        ("The user works as assistant to Kim. She works at Lidl.", {"job": {"assistant"}}),
        ("The user works for Kim. She lives in Rome.", {"works_at": {"Kim"}}),
        ("The user works at the doctor's. She lives in Rome.", {"works_at": {"the doctor's"}}),
        ("The user lives in Rome with Kim. She works at Lidl.", {"lives_in": {"Rome"}}),
    ],
)
def test_a_pronoun_behind_a_name_is_whose_it_is(text: str, said: dict[str, set[str]]) -> None:
    found: dict[str, set[str]] = {}
    for one in read(text):
        if one.attribute in {"lives_in", "works_at", "job"}:
            found.setdefault(one.attribute, set()).add(one.value)
    assert found == said


def test_they_may_be_the_firm() -> None:
    said = read("The user works at Feedzai. They moved to Porto.")
    assert [(one.attribute, one.value) for one in said] == [("works_at", "Feedzai")]


def test_who_speaks_of_the_user_in_a_conversation_speaks_of_somebody_else() -> None:
    assert read("The user lives in Porto.", speaker="Ana") == ()
    assert read("The user lives in Porto.", role="user") == ()


@pytest.mark.parametrize(
    "text",
    [
        "When the user is 18 years old they can sign up.",
        "Power User lives in Porto.",
        "Feedback from the user works as a guide.",
        "Our tool assumes that the user lives in California.",
        "If the user lives in Porto, we ship.",
    ],
)
def test_who_is_no_subject_of_a_note_has_no_facts(text: str) -> None:
    assert all(one.subject != "user" for one in read(text))


GUARDED = (
    (english_nouns._COPULA, english_nouns._COPULA_WORDS),
    (english_nouns._INVERSE, {"is"}),
    (english_nouns._BUDGET, english_nouns._BUDGET_WORDS),
    (english_states._I_AM, english_states._BEING_WORDS),
    (english_states._BORN, {"born"}),
    (english_states._NAMED, english_states._NAMING_WORDS),
    (english_states._MARRIED, english_states._MARRIED_WORDS),
)
PIECES = (
    "I I'm I’m Im I've i we we're We are my My sister is now ıs just turned Tom's Tom has been have a budget of 500 not tall "
    "hit 35 years old born in on 1990 Porto called Ana named call me married to engaged Ruth got live lives livİng İeat work at "
    "wake up moved to loveſ Bosch as nurse cost costs became went reached where I live my bank The user User's , . :"
)
WORDS = st.lists(st.sampled_from(PIECES.split()), max_size=10)


@given(WORDS.map(" ".join) | WORDS.map("".join))
def test_no_pattern_is_left_out_that_would_find_something(text):
    words = Said(text).words
    for pattern, needed in GUARDED:
        assert pattern.search(text) is None or not words.isdisjoint(needed), pattern.pattern
    assert VERB.search(text.lower()) is None or not VERB_WORDS.isdisjoint(words)
    assert _USER.search(text) is None or "user" in text or "User" in text
