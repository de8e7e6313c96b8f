from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieval.query import DateRange, QuestionWord, first_person, parse_query, unknown_names

TWO = ["Caroline", "Melanie"]


@pytest.mark.parametrize(
    ("query", "spoken"),
    [
        ("What is Caroline's dog called?", "What is my dog called?"),
        ("What is Caroline’s dog called?", "What is my dog called?"),
        ("caroline's dog", "my dog"),
        ("When did Mel and Caroline meet?", "When did we meet?"),
        ("What do Caroline and Melanie both like?", "What do we like?"),
        ("What do Melanie and Caroline's kids like?", "What do I and Caroline's kids like?"),
        ("What did Caroline and Tom do?", "What did I and Tom do?"),
        ("Where did Mel go?", "Where did I go?"),
        ("Did CAROLINE call Caroline's mother?", "Did I call my mother?"),
    ],
)
def test_a_named_speaker_asks_in_the_first_person(query, spoken):
    assert first_person(query, TWO) == spoken


@pytest.mark.parametrize(
    ("query", "speakers"),
    [
        ("Where is the dog?", TWO),
        ("Where is Caroline?", []),
        ("What did the user say?", ["user", "assistant"]),
        ("melodies and melons", TWO),
        ("will she go in may?", ["Will", "May"]),
        ("Where is Max?", ["Maxine", "Maximilian"]),  # two speakers could be meant
        ("Where is Jo?", ["Joanna"]),  # too short for a nickname
        ("When is it?", ["Whendy"]),
    ],
)
def test_other_queries_stay_as_they_are(query, speakers):
    assert first_person(query, speakers) is None
    assert parse_query(query or "x", speakers=speakers).spoken == (query or "x")


def test_parts_of_a_name_mean_the_speaker_and_the_full_name_goes_whole():
    assert first_person("What does Fahim Khan like?", ["Fahim Khan", "Akib"]) == "What do I like?"
    assert first_person("What does Fahim like?", ["Fahim Khan", "Akib"]) == "What do I like?"
    assert first_person("What does Khan like?", ["Fahim Khan", "Salim Khan"]) is None


def test_a_will_with_a_capital_is_a_person():
    assert first_person("What did Will buy?", ["Will"]) == "What did I buy?"


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("Where does Kate live?", ("Kate",)),
        ("What is Kate's job?", ("Kate",)),
        ("What is Kate’s job?", ("Kate",)),
        ("What do both Kate and Mel like?", ("Kate",)),
        ("What do Mel and Kate like?", ("Kate",)),
        ("When did Kate and Tom go to see Caroline's house?", ("Kate", "Tom")),
        ("Is It's the name of a shop that the two of them like?", ()),
        ("Where does kate live?", ()),
        ("What did Mel do in Rome?", ()),
        ("Does Al know?", ()),  # too short
        ("", ()),
    ],
)
def test_names_in_the_place_of_people_that_nobody_bears(query, names):
    assert unknown_names(query, TWO) == names


def test_where_only_roles_speak_nobody_bears_a_name():
    assert unknown_names("What did Mel do in Rome?", ["user", "assistant"]) == ("Mel",)
    assert unknown_names("Where is the cat?", []) == ()


def test_a_query_full_of_names_asks_for_a_few():
    query = (
        "What is the name of the dog that " + " and ".join(f"Name{letter}'s" for letter in "abcdefgh") + " father had?"
    )
    assert unknown_names(query, TWO) == ("Namea", "Nameb", "Namec", "Named")


def test_who_is_called_by_a_name_is_named_by_it():
    called = {"Kate": "emi_92"}
    asked = parse_query("What did Kate tell Jo about her trip?", speakers=["emi_92", "Jo"], called=called)
    assert (asked.speaker, asked.spoken, asked.called) == ("emi_92", "What did I tell Jo about my trip?", called)
    asked = parse_query("What did Jo tell Kate?", speakers=["emi_92", "Jolene"], called=called)
    assert (asked.speaker, asked.spoken) == ("emi_92", "What did Jo tell I?")


def test_names_are_no_patterns():
    assert first_person("Did JxR call J.R?", ["J.R"]) == "Did JxR call I?"
    assert first_person("Who is (x+?", ["(x+"]) is None


def test_a_query_in_another_language_keeps_its_names():
    assert first_person("Was hat Caroline mit der Katze gemacht?", TWO) is None


@settings(deadline=None)  # other work on the machine is no fault of the query
@given(st.text(max_size=80), st.lists(st.text(max_size=12), max_size=4))
def test_any_query_can_be_read(query, speakers):
    parsed = parse_query(query, speakers=speakers)
    assert parsed.text == query
    assert len(set(parsed.terms)) == len(parsed.terms)
    assert (parsed.speaker is None) == (first_person(query, speakers) is None)
    assert parsed.speaker is None or parsed.speaker in speakers


@given(st.permutations(["Caroline", "Melanie", "Fahim Khan", "Akib"]))
def test_the_order_of_the_speakers_does_not_matter(speakers):
    query = "Did Akib and Mel's friend Fahim Khan meet?"
    assert (
        first_person(query, speakers)
        == first_person(query, sorted(speakers))
        == ("Did I and Mel's friend Fahim Khan meet?")
    )


@pytest.mark.parametrize(
    ("query", "kind"),
    [
        ("When did we meet?", QuestionWord.WHEN),
        ("What time is it?", QuestionWord.WHEN),
        ("In which year did she move?", QuestionWord.WHEN),
        ("Where do they live?", QuestionWord.WHERE),
        ("What city is it in?", QuestionWord.WHERE),
        ("How many dogs?", QuestionWord.HOW_MANY),
        ("How long have they been married?", QuestionWord.HOW_LONG),
        ("With whom did she go?", QuestionWord.WHO),
        ("how is she", QuestionWord.HOW),
        ("What did she say when she left?", QuestionWord.WHAT),
        ("After the trip, why did he leave?", QuestionWord.WHY),
        ("I know what you did", None),
        ("her favourite food", None),
    ],
)
def test_question_words(query, kind):
    assert parse_query(query).question_word is kind


@pytest.mark.parametrize(
    ("query", "is_question"),
    [
        ("Did she go", True),
        ("her dog?", True),
        ("where is it", True),
        ("her dog", False),
        ("彼女の犬は？", True),
        ("is", False),
    ],
)
def test_questions_are_told_from_statements(query, is_question):
    assert parse_query(query).is_question is is_question


def test_quotes_numbers_and_names():
    parsed = parse_query("Who said “so it goes” 3 times in 2023 for $1,200.50 to Ana at Google?")
    assert parsed.phrases == ("so it goes",)
    assert parsed.numbers == ("3", "2023", "1200.50")
    assert parsed.names == ("Ana", "Google")


NOW = datetime(2023, 5, 8, 13, 56, tzinfo=UTC)


def test_a_query_names_times():
    parsed = parse_query("Where was Mel between March and May 2022, or since last Friday?", speakers=TWO, now=NOW)
    assert parsed.dates == (
        DateRange(datetime(2022, 3, 1, tzinfo=UTC), datetime(2022, 6, 1, tzinfo=UTC), "March and May 2022"),
        DateRange(datetime(2023, 5, 5, tzinfo=UTC), None, "since last Friday"),
    )


def test_a_question_when_names_no_time():
    assert parse_query("When did Caroline adopt the dog?", now=NOW).dates == ()
    assert parse_query("When did she go to Rome last year?", now=NOW).dates[0].phrase == "last year"


def test_relative_times_need_a_now():
    assert parse_query("What happened last week, or on 8 May 2023?").dates == (
        DateRange(datetime(2023, 5, 8, tzinfo=UTC), datetime(2023, 5, 9, tzinfo=UTC), "8 May 2023"),
    )


def test_the_language_of_a_query_is_its_own():
    parsed = parse_query("Was hat Mel letzte Woche mit der Katze gemacht?", now=NOW)
    assert parsed.language == "de"
    assert parsed.dates[0].start == datetime(2023, 5, 1, tzinfo=UTC)
    assert parse_query("dogs").language == "und"


@pytest.mark.parametrize(
    ("query", "latest", "earliest", "current"),
    [
        ("Where does Caroline live?", False, False, True),
        ("What is Mel's job now?", True, False, True),
        ("How many dogs does she have?", False, False, True),
        ("Is she still married?", True, False, True),
        ("What's her favourite colour?", False, False, True),
        ("Where did Caroline live?", False, False, False),
        ("Where was she living in 2022?", False, False, False),
        ("What is planned for 8 May 2023?", False, False, False),
        ("Which countries has she visited?", False, False, False),
        ("Has she ever been to Rome?", False, False, False),
        ("What is her most recent painting?", True, False, True),
        ("What was the last book she read?", True, False, False),
        ("What did she do last week?", False, False, False),
        ("What is her last name?", False, False, True),
        ("When did they first meet?", False, True, False),
        ("What did she originally want to be?", False, True, False),
        ("Who taught the first aid course?", False, False, False),
        ("What happened on the first weekend of May?", False, False, False),
        ("I live in Rome now", True, False, False),
        ("dogs", False, False, False),
    ],
)
def test_which_of_several_is_asked_for(query, latest, earliest, current):
    parsed = parse_query(query, now=NOW)
    assert (parsed.asks_latest, parsed.asks_earliest, parsed.asks_current) == (latest, earliest, current)


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("where does kate live?", ("kate",)),
        ("WHERE DOES KATE LIVE?", ("KATE",)),
        ("what is kate's job?", ("kate",)),
        ("what is my dog's name?", ()),
        ("what is the weather's effect?", ()),
        ("Where does kate live?", ()),
        ("凯特住在哪里？", ()),
    ],
)
def test_a_query_in_one_case_names_who_stands_where_people_do(query: str, names: tuple[str, ...]) -> None:
    assert unknown_names(query, ["user"]) == names
