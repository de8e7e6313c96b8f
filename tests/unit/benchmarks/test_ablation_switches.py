import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from benchmarks import ablation, ablation_table
from benchmarks.ablation_data import Space
from benchmarks.ablation_overlap import overlaps
from benchmarks.ablation_raw import RawSet
from benchmarks.ablation_setup import ALL_KEYS, BARE, FURTHER, Setup, nearest, with_keys
from benchmarks.ablation_switches import USUAL, Mechanism, alone_name, mechanisms, setups, switched_name
from benchmarks.bootstrap import Interval, paired_difference
from retrieval.ranking_settings import DEFAULT
from retrieval.router import Route
from retrieval.rows import KeyKind


def names(setup: Setup, space: Space, question: int = 0) -> tuple[set[str], set[str]]:
    asked = space.asked[question]
    ranked = setup.rank(space, setup.form(asked))
    return set(ranked.channels), set(ranked.signals)


def by_name(part: str) -> Mechanism:
    return next(one for one in mechanisms() if part in one.name)


def test_every_switch_changes_something_and_only_itself() -> None:
    for one in mechanisms():
        assert one.switched != USUAL, one.name
        assert one.alone not in (USUAL, BARE), one.name


def test_a_signal_turned_off_leaves_the_others() -> None:
    switched = asdict(by_name("longer").switched.settings.priors)
    assert {name for name, value in asdict(DEFAULT.priors).items() if switched[name] != value} == {"length"}


def test_bare_has_no_signals_and_nothing_around(spaces: list[Space]) -> None:
    asked = spaces[0].asked[0]
    ranked = BARE.rank(spaces[0], BARE.form(asked))
    assert ranked.signals == {}
    assert not ranked.channels["temporal"].contribution.any()
    assert ranked.routing.route is Route.QUESTION


def test_a_channel_alone_ranks_alone(spaces: list[Space]) -> None:
    for channel in ("vector", "keyword", *FURTHER):
        assert names(Setup(alone=channel), spaces[0]) == ({channel}, set())


def test_an_extra_channel_is_on_only_where_asked(spaces: list[Space]) -> None:
    assert "hopfield" not in names(USUAL, spaces[0])[0]
    assert "hopfield" in names(by_name("channel hopfield").switched, spaces[0])[0]


def test_without_the_first_person_the_query_is_encoded_as_asked(spaces: list[Space]) -> None:
    asked = spaces[0].asked[0]
    assert by_name("first person").switched.form(asked) is asked.plain
    assert USUAL.form(asked) is asked.whole


def test_without_vectors_there_is_no_vector_channel(spaces: list[Space]) -> None:
    assert "vector" not in names(Setup(vectors=False), spaces[0])[0]


def test_keys_are_left_out_by_kind(spaces: list[Space]) -> None:
    rows = spaces[0].rows
    assert with_keys(rows, ALL_KEYS) is rows
    assert with_keys(rows, ALL_KEYS - {KeyKind.ANSWER}).keys.kind.tolist() == [KeyKind.CAPTION]


def test_candidates_are_the_nearest_of_both_channels(spaces: list[Space]) -> None:
    space = spaces[0]
    cue = space.asked[1].whole
    assert len(nearest(space.rows, cue, count=1)) <= 2
    assert nearest(space.rows, cue).tolist() == [0, 1, 2]


def test_channels_that_repeat_the_vectors_overlap_fully(spaces: list[Space]) -> None:
    # Three memories: whatever is found is among the first ten of the vectors.
    assert set(overlaps(spaces).values()) == {1.0}


def test_names_of_setups_are_distinct() -> None:
    count = sum(1 + (one.alone is not None) for one in mechanisms())
    assert len(setups()) == count + 2


def test_a_run_adds_its_set_to_the_file(tmp_path: Path, spaces: list[Space], monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "ablation.json"
    monkeypatch.setattr(ablation, "setups", lambda: {"usual": USUAL, "bare": BARE})
    ablation.run_table("realtalk", spaces, out=out)
    ablation.run_table("locomo", spaces, out=out)
    result = json.loads(out.read_text(encoding="utf-8"))
    assert list(result["sets"]) == ["locomo", "realtalk"]
    assert result["sets"]["locomo"]["questions"][0] == {"conversation": "one", "qid": "q1", "category": "single-hop"}
    assert "pottery" not in out.read_text(encoding="utf-8")
    raw = ablation_table.read_sets(result)["locomo"]
    assert raw.setups["usual"][0] == [1]
    assert raw.mean_recall("usual")[50] == 1.0


def raw_set(**setups: list[list[int | None]]) -> RawSet:
    count = len(next(iter(setups.values())))
    return RawSet([{"category": "a", "qid": str(number)} for number in range(count)], setups)


def test_what_a_mechanism_is_worth_has_one_sign_whether_it_is_on_or_off() -> None:
    on = Mechanism("it", True, Setup(vectors=False), None)
    off = Mechanism("it", False, Setup(vectors=False), None)
    good, bad = [[1]] * 20, [[None]] * 20
    assert ablation_table.gain(on, RawSet([{"category": "a"}] * 20, {"usual": good, switched_name(on): bad})).low == 1.0
    assert (
        ablation_table.gain(off, RawSet([{"category": "a"}] * 20, {"usual": bad, switched_name(off): good})).low == 1.0
    )
    assert alone_name(on) == "it alone"


def test_the_table_shows_every_mechanism_that_was_run() -> None:
    setups_run = {name: [[1], [12]] for name in setups()}
    written = ablation_table.table({"locomo": raw_set(**setups_run), "beam": raw_set(**setups_run)})
    assert written.count("\n") == 3 + len(mechanisms())
    assert "| **everything that is on** |  | 50.0 (50.0 / 100.0) | 50.0 (50.0 / 100.0) |  |  |" in written
    assert "no difference" in written


def test_adversarial_questions_are_not_in_the_table() -> None:
    raw = RawSet([{"category": "adversarial"}, {"category": "x"}, {"category": "x"}], {"usual": [[1], [None], []]})
    assert raw.recall("usual", 10) == [0.0]


def test_bootstrap_keeps_pairs() -> None:
    # Both vary by much, and always by the same: without pairs the interval would be wide.
    base = np.arange(100.0)
    assert paired_difference(base + 1, base) == Interval(1.0, 1.0, 1.0)


def test_bootstrap_of_a_coin_by_hand() -> None:
    # 50 of 100 pairs gain 1: the mean is .5 with a deviation of .05, so 95% lie within ±.098.
    found = paired_difference([1.0] * 50 + [0.0] * 50, [0.0] * 100)
    assert found.mean == 0.5
    assert found.low == pytest.approx(0.402, abs=0.011)
    assert found.high == pytest.approx(0.598, abs=0.011)
    assert found == paired_difference([1.0] * 50 + [0.0] * 50, [0.0] * 100)


def test_pairs_must_match() -> None:
    with pytest.raises(ValueError, match="pairs are needed"):
        paired_difference([1.0], [1.0, 2.0])
    with pytest.raises(ValueError, match="pairs are needed"):
        paired_difference([], [])
