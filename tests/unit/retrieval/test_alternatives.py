from uuid import UUID

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval.alternatives import grouped, together
from retrieval.bm25 import match
from retrieval.contiguity import ContiguitySettings, session_word_scores
from retrieval.entries import Entry, Vectors
from retrieval.gathering import Gathering
from retrieval.rows import Postings, Rows

SPACE = UUID(int=1)


def rows_of(*texts: str) -> Rows:
    """Return rows of texts, two to a session, as they are kept in memory."""
    gathering = Gathering()
    for place, text in enumerate(texts):
        entry = Entry(
            id=UUID(int=100 + place), namespace_id=SPACE, content_version=1, session_id=f"s{place // 2}", user_id=None,
            agent_id=None, speaker=None, role=None, observed_at=float(place), valid_from=None, valid_to=None,
            expires_at=None, superseded=False, archived=False, traits=0, terms=tuple(text.split()),
        )  # fmt: skip
        gathering.add(entry, Vectors(np.ones((1, 4), np.float32) / 2))
    return gathering.rows()


GERMAN = {"haus": ("haus", "hauser")}


def test_with_one_language_nothing_is_put_together():
    rows = rows_of("haus see", "katz")
    assert grouped(rows, {}) is rows


def test_a_word_counts_once_whichever_of_its_terms_a_memory_holds():
    """Two of four memories hold the word, one as each language cuts it: as if both had held the same term."""
    mixed = grouped(rows_of("haus see", "hauser lake", "katz", "cat"), GERMAN)
    alike = rows_of("haus see", "haus lake", "katz", "cat")
    for found, wanted in ((match(mixed, ("haus", "see")), match(alike, ("haus", "see"))),):
        np.testing.assert_array_equal(found.score, wanted.score)
        np.testing.assert_array_equal(found.covered, wanted.covered)
    settings = ContiguitySettings()
    np.testing.assert_array_equal(
        session_word_scores(mixed, ("haus",), settings=settings),
        session_word_scores(alike, ("haus",), settings=settings),
    )


def test_a_memory_that_holds_two_of_them_holds_the_word_twice():
    mixed = grouped(rows_of("haus hauser", "katz"), GERMAN)
    np.testing.assert_array_equal(match(mixed, ("haus",)).score, match(rows_of("haus haus", "katz"), ("haus",)).score)


def test_words_that_nobody_holds_are_not_there():
    rows = grouped(rows_of("see", "katz"), GERMAN)
    assert "haus" not in rows.postings
    assert sorted(rows.postings) == ["katz", "see"]
    assert match(rows, ("haus", "see")).covered.max() < 1


def test_only_an_alternative_is_held():
    rows = grouped(rows_of("hauser", "katz"), GERMAN)
    assert rows.postings["haus"].row.tolist() == [0]
    assert len(rows.postings) == 3
    assert set(rows.postings) == {"haus", "hauser", "katz"}
    with pytest.raises(KeyError):
        rows.postings["hund"]


@given(st.lists(st.dictionaries(st.integers(0, 30), st.integers(1, 5)), min_size=1, max_size=4))
def test_postings_add_up(parts):
    given_postings = [
        Postings(np.array(sorted(part), np.int32), np.array([part[row] for row in sorted(part)], np.int32))
        for part in parts
    ]
    added = together(given_postings)
    wanted: dict[int, int] = {}
    for part in parts:
        for row, frequency in part.items():
            wanted[row] = wanted.get(row, 0) + frequency
    assert dict(zip(added.row.tolist(), added.frequency.tolist(), strict=True)) == wanted
    assert added.row.tolist() == sorted(wanted)
    assert added.row.dtype == added.frequency.dtype == np.int32
