import math

import numpy as np
import pytest

from retrieval.query import parse_query
from retrieval.updates import Statement, newest_first

NEAR = np.array([1.0, 0.0], np.float32)
FAR = np.array([0.0, 1.0], np.float32)


def said(text: str, at: float, *, speaker: str = "user", vector: np.ndarray = NEAR) -> Statement:
    return Statement(text, at, speaker, vector)


OLD = said("The repository has 150 commits on the main branch", 1.0)
NEW = said("The main branch of the repository now has 165 commits", 2.0)
ASKED = "How many commits are on the main branch?"


def order(query: str, *statements: Statement) -> list[int]:
    return newest_first(parse_query(query, speakers=["Ana"]), statements)[0]


@pytest.mark.parametrize(
    ("query", "old", "new"),
    [
        (ASKED, OLD.text, NEW.text),
        ("Where do I live?", "I live in Boston with my sister", "We moved, so I live in Seattle these days"),
        ("When is my dentist appointment?", "My dentist appointment is on May 3", "They moved my dentist appointment to May 9"),
        ("What is my rent?", "I pay $900 of rent", "My rent increased to $1,050"),
        ("How many dogs do I have?", "I have two dogs", "I adopted another, so I have three dogs"),
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
        (ASKED, OLD, said(NEW.text, math.nan)),
        (ASKED, OLD, said("The main branch of the repository now has 150 commits", 2.0)),  # the same value
        (ASKED, OLD, said("The main branch of the repository has 165 commits", 2.0)),  # nothing says it changed
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
    others = [said("My cat sleeps", 0.5)] * 4
    assert order(ASKED, OLD, *others, NEW) == [0, 1, 2, 3, 4, 5]


def test_the_name_of_the_speaker_is_no_word_to_share() -> None:
    old, new = (
        said("I work at Acme", 1.0, speaker="Ana"),
        said("I changed jobs, I work at Globex now", 2.0, speaker="Ana"),
    )
    assert order("Where does Ana work?", old, new) == [1, 0]
