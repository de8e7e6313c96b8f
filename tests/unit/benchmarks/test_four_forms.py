"""The data set of the project's own says what it claims, and its report counts what it says."""

import json
from typing import Any

import pytest

from benchmarks.ablation_ranks import Placed
from benchmarks.four_forms import FOLDER, FORMS, SETUPS, report_of


def read(form: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((FOLDER / f"{form}.jsonl").read_text())
    return found


@pytest.mark.parametrize("form", FORMS)
def test_every_question_has_evidence_that_was_there_when_it_was_asked(form: str) -> None:
    space = read(form)
    said = {one["id"]: one["date"] for one in space["docs"]}
    assert len(said) == len(space["docs"])
    assert list(said.values()) == sorted(said.values())
    ids = [one["qid"] for one in space["questions"]]
    assert len(set(ids)) == len(ids) >= 55
    for one in space["questions"]:
        assert one["gold"], one["qid"]
        assert len(set(one["gold"])) == len(one["gold"])
        assert all(said[turn] <= one["qdate"] for turn in one["gold"]), one["qid"]
        roles = one.get("gold_roles") or {}
        assert (one["cat"] == "knowledge_update") == bool(roles), one["qid"]
        if roles:
            assert sorted(roles["old"] + roles["new"]) == sorted(one["gold"])


def test_a_form_without_speakers_has_none_and_one_with_roles_has_two() -> None:
    speakers = {form: {one["speaker"] for one in read(form)["docs"]} for form in FORMS}
    assert speakers["facts"] == speakers["notes"] == {""}
    assert speakers["assistant"] == speakers["travel"] == speakers["coach"] == {"user", "assistant"}
    assert len(speakers["team"]) == 6


def test_the_report_compares_with_the_better_baseline_and_counts_the_newest() -> None:
    def placed(*ranks: tuple[int | None, ...], old: tuple[int | None, ...] = ()) -> list[Placed]:
        return [Placed("s", str(at), "some", gold, old, gold, 1.0) for at, gold in enumerate(ranks)]

    found = {name: placed((1,), (None,)) for name in SETUPS}
    found["usual"] = placed((1,), (2,), old=(2,))
    found["keywords"] = placed((None,), (None,))
    report = report_of(found)
    assert report["best_baseline"] == "vectors"
    assert report["recall"]["usual"] == {
        "all": {"1": 0.5, "10": 1.0, "50": 1.0},
        "some": {"1": 0.5, "10": 1.0, "50": 1.0},
    }
    assert report["gain"]["mean"] == 0.5
    assert (report["newest_above"], report["newest_and_old_found"]) == (1, 2)
