"""What a question wants besides its topic, and results spread over time."""

import numpy as np
import pytest

from retrieval.intent import wants_advice, wants_answers, wants_course, wants_summary, wants_work
from retrieval.segments import SegmentSettings, over_time


@pytest.mark.parametrize(
    ("query", "summary", "course", "answers"),
    [
        ("Summarise what we said about the roof.", True, True, False),
        ("Give me a recap.", True, True, False),
        ("How did my essay evolve?", False, True, False),
        ("Show the timeline of the project.", False, True, False),
        ("What did you suggest for the roof?", False, False, True),
        ("What was your advice?", False, False, True),
        ("Which book had you recommended?", False, False, True),
        ("What would you suggest?", False, False, False),
        ("Where do I keep the keys?", False, False, False),
        ("Was hat er empfohlen?", False, False, False),
        ("", False, False, False),
    ],
)
def test_intents(query: str, summary: bool, course: bool, answers: bool) -> None:
    assert (wants_summary(query), wants_course(query), wants_answers(query)) == (summary, course, answers)


@pytest.mark.parametrize(
    ("query", "advice"),
    [
        ("How do we deploy?", False),
        ("How do we handle refunds?", False),
        ("How do I get to work?", False),
        ("How do I take my coffee?", False),
        ("How do I usually pay?", False),
        ("How do I like my eggs?", False),
        ("How do I feel about the move?", False),
        ("How do we get to the office?", False),
        ("How do we currently back up the server?", False),
        ("How do we get the baby to sleep?", True),
        ("How do we make bread?", True),
        ("How do we learn Spanish?", True),
        ("How do we reduce costs?", True),
        ("How do we deploy faster?", True),
        ("How do I feel better?", True),
        ("How do I now fix this?", True),
        ("How do I know if it works?", True),
        ("How do we best deploy?", True),
        ("How do we fix the leak?", True),
        ("How should we deploy?", True),
        ("How can I get to work faster?", True),
        ("How do I sort a list?", True),
        ("How do I fix my bike?", True),
    ],
)
def test_what_is_done_is_no_advice(query: str, advice: bool) -> None:
    assert wants_advice(query) is advice


@pytest.mark.parametrize(
    ("query", "work"),
    [
        ("Please reserve a table for two in Graz.", True),
        ("Hi, book me a train to Vienna", True),
        ("Find me something to read", True),
        ("find a time for a call with Ana", True),
        ("My shoes are worn out, re-order the same ones", True),
        ("The tests fail on main. Fix that for me", True),
        ("Write me a poem about rain", True),
        ("Explain photosynthesis to me", True),
        ("It rains, what shall we do?", True),
        ("Find the mail from Tom", False),
        ("find the note about the boiler", False),
        ("List my trips", False),
        ("Tell me when I moved", False),
        ("Explain the delay in March", False),
        ("Explain why Tom left", False),
        ("Order pizza for tonight", True),
        ("Write tests for the parser", True),
        ("let's plan a trip to Rome", True),
        ("Commit and push", True),
        ("order my husband placed in March", False),
        ("Make me a short list of my allergies", False),
        ("Find me a note about the boiler", False),
        ("He told me: fix it", False),
        ("Make a list of the places I visited", False),
        ("Write me a summary of what I said", False),
        ("Get me the next meeting date", False),
        ("Pick one: Oslo or Bergen, where did I go?", False),
        ("Did we book a table?", False),
        ("When did I say that, order a taxi and go?", False),
        ("What did she write?", False),
        ("order of the talks", False),
        ("", False),
    ],
)
def test_what_is_to_be_done_is_told_from_what_is_known(query: str, work: bool) -> None:
    assert wants_work(query) is work


def test_the_best_of_every_part_comes_first_in_the_order_of_relevance() -> None:
    when = np.array([5.0, 1.0, 2.0, 3.0, 4.0, 6.0, 7.0, 8.0])
    order = np.array([7, 6, 5, 0, 1, 2, 3, 4])  # the latest are the best
    got = over_time(order, when, settings=SegmentSettings(parts=4, each=1)).tolist()
    # By time: rows 1 2 | 3 4 | 0 5 | 6 7; the best of each is 1, 3, 5 and 7.
    assert got == [7, 5, 1, 3, 6, 0, 2, 4]
    assert sorted(got) == sorted(order)


def test_what_is_far_behind_is_not_lifted() -> None:
    when = np.arange(8.0)
    order = np.array([7, 6, 5, 4, 3, 2, 1, 0])
    got = over_time(order, when, settings=SegmentSettings(parts=2, each=1, considered=3)).tolist()
    assert got == order.tolist()


@pytest.mark.parametrize("n", [0, 1, 2])
def test_few_rows(n: int) -> None:
    got = over_time(np.arange(n), np.full(n, np.nan), settings=SegmentSettings())
    assert got.tolist() == list(range(n))
