"""The ranking as a whole: which rows may lead where, what is asked of which channels, ties."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import numpy as np
import pytest

from memory_service.analysis.traits import traits
from retrieval.entries import Annotations, Entry, Vectors
from retrieval.gathering import Gathering
from retrieval.priors import PriorSettings, question_signals
from retrieval.query import parse_query
from retrieval.ranking import rank, worded
from retrieval.ranking_settings import PRESETS
from retrieval.reasons import why
from retrieval.router import Route
from retrieval.rows import Rows
from retrieval.similarity import distinct_similarity

RNG = np.random.default_rng(7)


def unit(*shape: int) -> np.ndarray:
    vectors = RNG.standard_normal(shape).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def gathered(
    texts: list[str],
    vectors: np.ndarray,
    *,
    speakers: tuple[str, ...] = ("Ada", "Bob"),
    roles: tuple[str | None, ...] = (None,),
    only: frozenset[str] | None = None,
) -> Rows:
    gathering = Gathering(only=only)
    for number, (text, vector) in enumerate(zip(texts, vectors, strict=True), start=1):
        entry = Entry(
            id=UUID(int=number), namespace_id=UUID(int=9), content_version=1, session_id=f"s{number // 10}", user_id=None,
            agent_id=None, speaker=speakers[number % len(speakers)] if speakers else None, role=roles[(number - 1) % len(roles)],
            observed_at=1e9 + number, valid_from=None, valid_to=None, expires_at=None, superseded=False, archived=False,
            traits=traits(text).pack(), terms=tuple(text.split()),
        )  # fmt: skip
        gathering.add(entry, Vectors(vector[None, :]))
    return gathering.rows()


@pytest.fixture(scope="module")
def many() -> Rows:
    return gathered([f"word{n % 97} thing{n}" for n in range(400)], unit(400, 16))


@pytest.mark.parametrize(
    "channels", [{"keyword": 1, "graph": 1}, {"vector": 1, "keyword": 1}, {"keyword": 1, "hopfield": 1}]
)
def test_channels_that_are_named_answer_whatever_the_query_is_like(many: Rows, channels: dict[str, float]) -> None:
    # Hardly covered by the memories, so without names the statement way would rank it.
    query = parse_query("I am so tired of word5 unheard unseen unknown unsaid matters lately")
    assert rank(many, query, vector=unit(16)).routing.route is Route.STATEMENT
    ranked = rank(many, query, vector=unit(16), weights=channels)
    assert set(ranked.channels) <= set(channels)
    assert "keyword" in ranked.channels
    assert len(ranked.order)


@pytest.mark.parametrize("channel", ["vector", "hopfield", "temporal"])
def test_a_filter_leaves_a_channel_enough_to_start_from(many: Rows, channel: str) -> None:
    vector = unit(16)
    allowed = np.zeros(len(many), dtype=bool)
    allowed[np.argsort(many.vectors @ vector)[:40]] = True  # the farthest
    ranked = rank(many, parse_query("word5?"), vector=vector, allowed=allowed, weights={channel: 1}, limit=10)
    assert len(ranked.order) == 10
    assert allowed[ranked.order].all()


def test_equal_texts_tie_and_stand_by_id() -> None:
    # Where a row stands in memory decides which kernel multiplies it, and so its last digits.
    same, cue = unit(384), unit(384)
    vectors = unit(1003, 384)
    places = [*range(3, 1000, 37), 1000, 1001, 1002]
    vectors[places] = same
    rows = gathered([f"thing{n}" for n in range(1003)], vectors)
    alone = np.full(len(rows), -1, np.int32)
    rows = replace(rows, session=alone, previous=alone, following=alone)
    ranked = rank(rows, parse_query("what?"), vector=cue, weights={"vector": 1}, limit=len(rows))
    assert len({float(score) for score in ranked.score[places]}) == 1
    standing = [row for row in ranked.order.tolist() if row in set(places)]
    assert standing == sorted(places)


def test_where_a_row_stands_in_memory_says_nothing_of_how_crowded_it_is() -> None:
    # So many that a sample stands for all. What was written last stands last, and first once the namespace is read anew.
    n = 3000
    vectors = unit(n, 16)
    vectors[::2] = unit(16) + 0.3 * vectors[::2]  # a crowd at every second place
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    rows = gathered([f"thing{number}" for number in range(n)], vectors)
    order = np.r_[0:n:2, 1:n:2]
    moved = replace(rows, ids=[rows.ids[row] for row in order.tolist()], vectors=rows.vectors[order])
    cue = vectors[0]
    here, there = distinct_similarity(rows, cue), distinct_similarity(moved, cue)
    np.testing.assert_allclose(there, here[order], atol=1e-5)


def test_of_equal_texts_at_the_edge_of_the_nearest_those_of_the_first_ids_count_as_near() -> None:
    # Each vector has its opposite, so that the mean is zero and the cosines with the cue are those written here.
    cue = np.eye(16, dtype=np.float32)[0]
    aside = unit(200, 16)
    aside[:, :2] = 0
    aside /= np.linalg.norm(aside, axis=1, keepdims=True)
    cosines = np.linspace(0.7, 0.9, 200, dtype=np.float32)[:, None]
    nearer = cosines * cue + np.sqrt(1 - cosines**2) * aside
    level = np.tile(np.array([0.6, 0.8] + [0] * 14, np.float32), (300, 1))
    vectors = np.concatenate([level, nearer, -level, -nearer])
    n = len(vectors)
    rows = gathered([f"thing{number}" for number in range(n)], vectors)
    for order in (np.arange(n), np.arange(n)[::-1], np.random.default_rng(3).permutation(n)):
        moved = replace(rows, ids=[rows.ids[row] for row in order.tolist()], vectors=rows.vectors[order])
        score = distinct_similarity(moved, cue)
        # They crowd each other, so that what was looked at stands below what was not.
        crowd = [(moved.ids[row], score[row]) for row in range(n) if order[row] < 300]
        lowest = min(value for _, value in crowd)
        near = {id for id, value in crowd if value < lowest + 1e-4}
        assert near == set(sorted(id for id, _ in crowd)[: 256 - 200])


@pytest.mark.parametrize(
    ("query", "boosted"),
    [
        ("What did Anna Smith tell Jane Doe?", False),
        ("What did Anna tell Jane?", False),
        ("What did Mel tell Caro?", False),
        ("What did Anna cook?", True),
        ("What did Mel cook?", True),
    ],
)
def test_who_is_named_beside_another_gets_no_prior(query: str, boosted: bool) -> None:
    speakers = ("Anna Smith", "Jane Doe", "Melanie", "Caroline")
    rows = gathered(["a b"] * 8, unit(8, 4), speakers=speakers)
    signals = question_signals(rows, parse_query(query, speakers=speakers), settings=PriorSettings())
    assert ("speaker" in signals) is boosted


def talks(texts: list[str], sessions: list[int], speakers: list[int]) -> Rows:
    rows = gathered(texts, unit(len(texts), 4), speakers=())
    of = {"session": np.array(sessions, np.int32), "speaker": np.array(speakers, np.int32)}
    return replace(rows, speakers=("Anna", "Bo", "Cy"), **of)


def test_what_others_say_where_the_one_named_is_not_is_put_back() -> None:
    texts = ["rain again", "hail here", "snow", "fog", "anna is ill", "poor thing", "no talk", "a note"]
    # Anna and Bo talk; Bo and Cy do without her; then they speak of her; one turn is in no talk, one thing nobody said.
    rows = talks(texts, [0, 0, 1, 1, 2, 2, -1, 1], [0, 1, 1, 2, 1, 2, 2, -1])
    query = parse_query("What did Anna cook?", speakers=rows.speakers)
    signals = question_signals(rows, query, settings=PriorSettings())
    assert signals["speaker"].tolist() == [1.6, 0, 0, 0, 0, 0, 0, 0]
    assert signals["elsewhere"].tolist() == [0, 0, -1.6, -1.6, 0, 0, 0, 0]


def test_a_talk_in_which_one_is_called_otherwise_is_one_with_them() -> None:
    rows = talks(["rain", "hey kate", "snow", "hi"], [0, 1, 1, 2], [0, 1, 2, 1])
    query = parse_query("What did Kate cook?", speakers=rows.speakers, called={"Kate": "Anna"})
    assert question_signals(rows, query, settings=PriorSettings())["elsewhere"].tolist() == [0, 0, 0, -1.6]


def test_of_one_whose_name_is_no_word_nothing_is_put_back() -> None:
    rows = replace(talks(["rain", "snow"], [0, 1], [0, 1]), speakers=("Will", "Bo", "Cy"))
    query = parse_query("What did Will cook?", speakers=rows.speakers)
    signals = question_signals(rows, query, settings=PriorSettings())
    assert signals["speaker"].tolist() == [1.6, 0]
    assert "elsewhere" not in signals


def test_candidates_do_not_tell_who_took_part_in_a_talk() -> None:
    rows = talks(["rain", "snow"], [0, 1], [0, 1])
    query = parse_query("What did Anna cook?", speakers=rows.speakers)
    for documents, told in ((2, True), (3, False)):
        found = question_signals(replace(rows, documents=documents), query, settings=PriorSettings())
        assert found["speaker"].tolist() == [1.6, 0]
        assert ("elsewhere" in found) is told


@pytest.mark.parametrize(
    ("words", "spread"),
    [([2, 40, 3, 30], 1.0), ([10, 11, 10, 11], 0.11), ([10, 10, 10, 10], 0.0)],
)
def test_lengths_that_hardly_differ_tell_less(words: list[int], spread: float) -> None:
    rows = gathered([" ".join(["word"] * count) for count in words], np.ones((4, 16), dtype=np.float32) / 4)
    signals = question_signals(rows, parse_query("which word"), settings=PriorSettings(length=1.0))
    lengths = signals.get("length", np.zeros(4))
    assert float(lengths.std()) == pytest.approx(spread, abs=0.005)
    assert np.argsort(lengths)[-1] in {1, 3}


@pytest.mark.parametrize(
    ("query", "route", "best"),
    [
        ("What did we eat yesterday?", Route.QUESTION, 3),
        ("Tell me what we ate on 2 September 2024", Route.QUESTION, 1),
        ("What was our most recent meal?", Route.QUESTION, 3),
        ("What was our first meal?", Route.QUESTION, 0),
        ("what did we eat yesterday", Route.QUESTION, 3),
        ("When my bonus hit yesterday, I was glad of it all", Route.STATEMENT, None),
        ("What do we usually eat?", Route.QUESTION, None),
        ("We ate something unknown yesterday and we liked it", Route.STATEMENT, None),
    ],
)
def test_a_question_for_a_time_is_one_however_few_words_it_shares(query: str, route: Route, best: int | None) -> None:
    rows = gathered(["red", "green", "blue", "white"], np.ones((4, 16), dtype=np.float32) / 4)
    days = [datetime(2024, 9, day, 12, tzinfo=UTC).timestamp() for day in (1, 2, 3, 9)]
    rows = replace(rows, observed_at=np.array(days))
    parsed = parse_query(query, now=datetime(2024, 9, 10, tzinfo=UTC))
    ranked = rank(rows, parsed, vector=unit(16))
    assert ranked.routing.route is route
    if best is not None:
        assert ranked.order[0] == best


@pytest.mark.parametrize(
    ("query", "spreads"),
    [("What did Ada say of word5 and thing5?", True), ("What did I say of word5?", False), ("Where is word5?", True)],
)
def test_what_one_asks_of_oneself_is_no_matter_of_the_graph(many: Rows, query: str, spreads: bool) -> None:
    ranked = rank(many, parse_query(query, speakers=many.speakers), vector=unit(16))
    assert ranked.routing.route is Route.QUESTION
    assert ("graph" in ranked.channels) is spreads


@pytest.mark.parametrize(
    ("said", "role"), [(1, None), (2, None), (9, None), (2, "assistant"), (4, "tool"), (9, "assistant")]
)
def test_among_few_the_user_does_not_outrank_an_exact_match(said: int, role: str | None) -> None:
    texts = ["password office heron", *["rosa visits tomorrow"] * said]
    vectors = np.eye(16, dtype=np.float32)[: 1 + said]
    rows = gathered(texts, vectors, speakers=(), roles=(role, *["user"] * said))
    ranked = rank(rows, parse_query("What is the password of the office?"), vector=vectors[0])
    assert ranked.order[0] == 0


@pytest.mark.parametrize("others", [0, 1, 6])
def test_among_few_what_the_user_says_outranks_that_the_assistant_will_remember_it(others: int) -> None:
    texts = ["heron grey tall", "noted bird", *["rosa visits tomorrow"] * others]
    vectors = np.eye(16, dtype=np.float32)[: 2 + others]
    cue = (0.3 * vectors[0] + 0.6 * vectors[1]) / np.hypot(0.3, 0.6)
    rows = gathered(texts, vectors, speakers=(), roles=("user", "assistant", *["user"] * others))
    ranked = rank(rows, parse_query("Which bird?"), vector=cue.astype(np.float32))
    assert ranked.order[0] == 0


@pytest.mark.parametrize(
    ("roles", "raised"), [((None, "assistant"), [3.0, 0.0]), ((None, "user"), None), ((None,), None)]
)
def test_what_nobody_is_said_to_have_said_counts_as_the_user_s(
    roles: tuple[str | None, ...], raised: list[float] | None
) -> None:
    rows = gathered(["heron", "stork"], np.eye(16, dtype=np.float32)[:2], speakers=(), roles=roles)
    signals = question_signals(rows, parse_query("Which bird?"), settings=PriorSettings())
    assert (signals["role"].tolist() if "role" in signals else None) == raised


def test_what_an_assistant_says_in_a_few_words_was_done_counts_nearly_as_the_user_s() -> None:
    texts = ["heron", "booked heron 198", "noted heron", " ".join(["heron"] * 100) + " 198", "booked heron 198"]
    roles = ("user", "assistant", "assistant", "assistant", "tool")
    rows = gathered(texts, np.eye(16, dtype=np.float32)[:5], speakers=(), roles=roles)
    query = parse_query("Which heron?")
    signals = question_signals(rows, query, settings=PriorSettings())
    brief = signals["brief"].tolist()
    assert 0 < brief[1] < signals["role"][0]
    assert [at for at, amount in enumerate(brief) if amount] == [1], "neither what was noted, nor advice, nor a tool"
    ranked = rank(rows, query, vector=unit(16))
    shown = ranked.shown(5)
    said = dict(zip((one.row for one in shown), why(rows, query, ranked, shown, [[]] * 5), strict=True))
    assert "says in a few words what was done" in said[1]
    asked = question_signals(rows, parse_query("What did you say of the heron?"), settings=PriorSettings())
    assert "brief" not in asked
    assert "brief" not in question_signals(rows, query, settings=PriorSettings(brief=0.0))


def test_where_roles_are_people_either_counts_and_is_named() -> None:
    texts = ["I fed my heron, did you see it?" if n % 4 == 1 else "I saw my stork" for n in range(40)]
    rows = gathered(texts, unit(40, 16), speakers=(), roles=("user", "assistant"))
    assert rows.speakers == ("user", "assistant")
    asked = question_signals(rows, parse_query("Which bird did Kate see?"), settings=PriorSettings())
    assert "role" not in asked
    assert (asked["asks"] < 0).tolist() == [n % 4 == 1 for n in range(40)]
    named = parse_query("Which bird did Kate see?", called={"Kate": "assistant"})
    signals = question_signals(rows, named, settings=PriorSettings())
    assert (signals["speaker"] > 0).tolist() == [n % 2 == 1 for n in range(40)]
    own = question_signals(rows, parse_query("Which bird did I see?"), settings=PriorSettings())
    assert own["role"].tolist() == [3.0, 0.0] * 20
    assert "brief" not in own


@pytest.mark.parametrize(
    "texts",
    [
        ("I saw my heron", "Here is what to know of herons and where they live in such a case"),  # answers
        ("I saw my heron", "a heron"),  # says nothing of itself
        ("I saw it", "I would say that my advice is to look at the river and wait there for a while with a book"),
    ],
)
def test_an_assistant_is_no_person(texts: tuple[str, str]) -> None:
    rows = gathered(list(texts) * 20, unit(40, 16), speakers=(), roles=("user", "assistant"))
    assert rows.speakers == ()
    assert "role" in question_signals(rows, parse_query("Which bird did Kate see?"), settings=PriorSettings())


@pytest.mark.parametrize(("roles", "counts"), [(("user",), True), ((None,), True), (("user", "assistant"), False)])
def test_a_question_of_people_counts_less_unless_they_talk_with_an_assistant(
    roles: tuple[str | None, ...], counts: bool
) -> None:
    rows = gathered(["which heron?", "a heron"] * 3, unit(6, 16), roles=roles)
    signals = question_signals(rows, parse_query("Which bird?"), settings=PriorSettings())
    assert ("asks" in signals) is counts


def test_candidates_do_not_tell_that_roles_are_people() -> None:
    """Another query has others: what the talk is would hang on what is asked."""
    texts = ["I saw my heron"] * 40
    assert gathered(texts, unit(40, 16), speakers=(), roles=("user", "assistant")).people
    assert not gathered(texts, unit(40, 16), speakers=(), roles=("user", "assistant"), only=frozenset({"heron"})).people


def test_of_few_turns_nobody_knows_who_is_a_person() -> None:
    rows = gathered(["I saw my heron"] * 38, unit(38, 16), speakers=(), roles=("user", "assistant"))
    assert rows.speakers == ()


def test_the_reason_says_who_said_it_only_where_that_is_known() -> None:
    rows = gathered(
        ["heron grey", "heron tall", "heron"],
        np.eye(16, dtype=np.float32)[:3],
        speakers=(),
        roles=("user", None, "assistant"),
    )
    query = parse_query("heron?")
    ranked = rank(rows, query, vector=unit(16))
    shown = ranked.shown(3)
    said = dict(zip((one.row for one in shown), why(rows, query, ranked, shown, [["heron"]] * 3), strict=True))
    assert "said by the user" in said[0]
    assert "not said by the assistant" in said[1]
    assert "said by" not in said[2]


def test_a_namespace_without_memories_ranks_nothing(many: Rows) -> None:
    gathering = Gathering()
    ranked = rank(gathering.rows(), parse_query("What did Ada say?"), vector=unit(16))
    assert len(ranked.order) == 0
    assert ranked.best_cosine is None


QUERIES = (
    "What did Ada say of word3?",
    "Give me a summary of all that happened with Bob.",
    "How did the word5 thing change over time?",
    "When did Ada last see word7?",
    "I am so tired of word5 unheard unseen unknown unsaid matters lately",
)
ALONE = ({"vector": 1}, {"keyword": 1}, {"graph": 1}, {"temporal": 1}, {"hopfield": 1})


@pytest.mark.parametrize("weights", [None, *ALONE], ids=str)
@pytest.mark.parametrize("query", QUERIES)
def test_the_order_in_which_memories_came_changes_no_rank(query: str, weights: dict[str, float] | None) -> None:
    rng = np.random.default_rng(11)
    n, dimension = 260, 32
    vectors = rng.standard_normal((n, dimension)).astype(np.float32)
    vectors[40:80] = vectors[:40]  # and what says the same
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    entries = []
    for number in range(n):
        said = number - 40 if 40 <= number < 80 else number
        text = f"Ada thing{said // 2} word{said % 13} in 20{said % 9 + 10} Bob{'?' if said % 5 == 0 else ''}"
        entries.append(
            Entry(
                id=UUID(int=number + 1),
                namespace_id=UUID(int=9),
                content_version=1,
                session_id=f"s{number % 20}",
                user_id=None,
                agent_id=None,
                speaker=("Ada", "Bob")[number % 2],
                role=None,
                observed_at=1e9 + 86_400 * (number % 4),
                valid_from=None,
                valid_to=None,
                expires_at=None,
                superseded=number % 17 == 0,
                archived=False,
                traits=traits(text).pack(),
                terms=tuple(text.lower().split()),
            )
        )
    cue = vectors[60] + 0.2 * vectors[100]
    cue /= np.linalg.norm(cue)

    def ranking(order: np.ndarray) -> list[tuple[int, float]]:
        gathering = Gathering()
        for number in order.tolist():
            gathering.add(entries[number], Vectors(vectors[number][None, :]))
            gathering.annotate(entries[number].id, Annotations(entities=(f"thing{number % 7}",)))
        rows = gathering.rows()
        ranked = rank(rows, parse_query(query, speakers=("Ada", "Bob")), vector=cue, weights=weights, limit=50)
        return [(rows.ids[row].int, round(float(ranked.score[row]), 4)) for row in ranked.order.tolist()]

    first = ranking(np.arange(n))
    assert len(first) > 10
    for _ in range(3):
        assert ranking(rng.permutation(n)) == first


@pytest.mark.parametrize(
    ("query", "options"),
    [
        ("When did Ada say word5 to Bob?", {}),
        ("I am so tired of word5 unheard unseen unknown unsaid matters lately", {}),
        ("word5?", {"weights": {"keyword": 1}}),
        ("How many word5 are there?", {"weights": {"vector": 1, "temporal": 0.5}}),
        ("Who said word5?", {"weights": {"vector": 1, "rerank": 1}, "extra": {"rerank": np.linspace(0, 1, 400)}}),
    ],
)
def test_words_that_were_compared_before_the_vector_was_there_rank_alike(
    many: Rows, query: str, options: dict[str, Any]
) -> None:
    parsed, cue = parse_query(query, speakers=many.speakers), unit(16)
    at_once = rank(many, parsed, vector=cue, **options)
    wording = worded(many, parsed, settings=PRESETS["balanced"])
    told = sorted(wording.signals)
    for _ in range(2):  # what was compared once is not changed by ranking
        after = rank(many, parsed, vector=cue, wording=wording, **options)
        assert after.order.tolist() == at_once.order.tolist()
        assert np.array_equal(after.score, at_once.score)
        assert sorted(wording.signals) == told
        assert {name: one.tolist() for name, one in after.signals.items()} == {
            name: one.tolist() for name, one in at_once.signals.items()
        }
