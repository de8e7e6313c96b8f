import math
from uuid import UUID

import numpy as np
import pytest

from memory_service.analysis.tokens import terms
from retrieval.entries import Entry, Vectors
from retrieval.gathering import Gathering
from retrieval.query import parse_query
from retrieval.rows import Rows
from retrieval.updates import Statement, newest_first, usual_terms

NEAR = np.array([1.0, 0.0], np.float32)
FAR = np.array([0.0, 1.0], np.float32)
APART = np.array([0.25, 0.97], np.float32)


def said(text: str, at: float, *, speaker: str = "user", vector: np.ndarray = NEAR) -> Statement:
    return Statement(text, at, speaker, vector)


OLD = said("The repository has 150 commits on the main branch", 1.0)
NEW = said("The main branch of the repository now has 165 commits", 2.0)
ASKED = "How many commits are on the main branch?"


def rows_of(texts: list[str]) -> Rows:
    gathering = Gathering()
    for number, text in enumerate(texts, start=1):
        entry = Entry(
            id=UUID(int=number), namespace_id=UUID(int=9), content_version=1, session_id=None, user_id=None, agent_id=None,
            speaker=None, role="user", observed_at=1.0, valid_from=None, valid_to=None, expires_at=None, superseded=False,
            archived=False, traits=0, terms=tuple(terms(text)),
        )  # fmt: skip
        gathering.add(entry, Vectors(NEAR[None, :]))
    return gathering.rows()


def order(query: str, *statements: Statement) -> list[int]:
    return newest_first(parse_query(query, speakers=["Ana"]), statements)[0]


@pytest.mark.parametrize(
    ("query", "old", "new"),
    [
        (ASKED, OLD.text, NEW.text),
        (ASKED, OLD.text, "The main branch of the repository has 165 commits"),  # no word says that it changed
        ("Where do I live?", "I live in Boston with my sister", "We moved, so I live in Seattle these days"),
        ("When is my dentist appointment?", "My dentist appointment is on May 3", "They moved my dentist appointment to May 9"),
        ("What is my rent?", "I pay $900 of rent", "My rent increased to $1,050"),
        ("How many dogs do I have?", "I have two dogs", "I adopted another, so I have three dogs"),
        ("How many people are in the team?", "The team grew to 12 people", "The team grew from 12 to 15 people"),
        ("What is the travel budget?", "The travel budget rose from 50 to 60 euros", "The travel budget rose from 60 to 70 euros"),
        (  # long requests share few words of the query, but those that say what the value is
            "What is the deadline for handing in the first chapter about the harbour and its trade?",
            "I have a deadline of May 2 for the first chapter on the harbour and its trade, how do I plan my week?",
            "Can you change my plan to the new chapter deadline of May 9? I need some time off too.",
        ),
        (  # what "it" is stands before it
            "What time should I join the video call with Dr Okafor?",
            "I have a video call with Dr Okafor on June 3 at 2 PM, what should I ask?",
            "I keep forgetting the video call with Dr Okafor, can you please note for me that it's moved to June 3 at 5 PM?",
        ),
    ],
)  # fmt: skip
def test_another_value_of_the_same_attribute_comes_first(query: str, old: str, new: str) -> None:
    assert newest_first(parse_query(query), [said(old, 1.0), said(new, 2.0)]) == ([1, 0], {1: 0})


@pytest.mark.parametrize(
    ("query", "first", "second"),
    [
        ("How many commits were on the main branch?", OLD, NEW),  # what was so
        ("How many commits are on the main branch?", NEW, OLD),  # already so
        (ASKED, OLD, said(NEW.text, 2.0, speaker="assistant")),
        (ASKED, OLD, said(NEW.text, 2.0, vector=FAR)),
        ("How many commits are there?", OLD, said(NEW.text, 2.0, vector=APART)),  # only one word says what is counted
        ("How should I review all the commits of the main branch?", OLD, NEW),  # asks for advice
        (
            "What is the deadline of the first chapter?",
            said("The deadline of chapter one is May 2", 1.0),
            said("I'm glad I'm done with chapter one, now I'm free until the new deadline", 2.0),
        ),  # "I'm" is no name
        (ASKED, OLD, said(NEW.text, math.nan)),
        (ASKED, OLD, said("The main branch of the repository now has 150 commits", 2.0)),  # the same value
        (ASKED, OLD, said("New: the commits on the main branch", 2.0)),  # no value
        (ASKED, OLD, said("The commits on the main branch now cost $165", 2.0)),  # of another kind
        (ASKED, OLD, said("On the main branch, new commits:\n```\nprint(165)\n```", 2.0)),  # code
    ],
)
def test_everything_else_keeps_its_place(query: str, first: Statement, second: Statement) -> None:
    assert newest_first(parse_query(query), [first, second]) == ([0, 1], {})


def test_the_newest_of_a_chain_comes_first_and_nothing_is_lost() -> None:
    newest = said("The main branch of the repository reached 180 commits", 3.0)
    other = said("My cat sleeps", 9.0)
    assert order(ASKED, OLD, other, NEW, newest) == [3, 2, 0, 1]


def test_nothing_comes_in_from_far_below() -> None:
    others = [said("My cat sleeps", 0.5)] * 9
    assert order(ASKED, OLD, *others, NEW) == list(range(11))
    assert order(ASKED, OLD, *others[1:], NEW) == [9, *range(9)]


def test_only_what_is_among_the_first_five_is_overtaken() -> None:
    others = [said("My cat sleeps", 0.5)] * 5
    old, new = said("I drive a Civic", 1.0), said("I sold the Civic", 2.0)
    assert order("What car do I have?", *others[1:], old, new) == [0, 1, 2, 3, 5, 4]
    assert order("What car do I have?", *others, old, new) == list(range(7))


def test_the_name_of_the_speaker_is_no_word_to_share() -> None:
    old, new = (
        said("I work at Acme", 1.0, speaker="Ana"),
        said("I changed jobs, I work at Globex now", 2.0, speaker="Ana"),
    )
    assert order("Where does Ana work?", old, new) == [1, 0]


def test_texts_that_are_not_near_need_three_words_beside_the_value() -> None:
    asked = "How many commits has the main branch of the repository?"
    new = said("The commits on the main branch of the repository reached 165", 2.0, vector=APART)
    assert order(asked, said("The repository has 150 commits on its main branch", 1.0), new) == [1, 0]
    usual = parse_query(asked).terms
    assert newest_first(parse_query(asked), [OLD, new], usual=usual)[0] == [0, 1]


def test_words_of_a_quarter_of_the_memories_are_usual() -> None:
    texts = ["the branch"] * 30 + ["the commit"] * 5 + ["else"] * 5
    rows = rows_of(texts)
    assert usual_terms(parse_query("How many commits are on the branch?"), rows) == {"branch"}
    assert usual_terms(parse_query("How many commits are on the branch?"), rows_of(texts[28:])) == frozenset()
