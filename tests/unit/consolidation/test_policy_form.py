"""A policy that cannot be is refused with every reason; what is not said is as it was."""

import json
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from consolidation.retention.policy import DEFAULT, Promotion
from consolidation.retention.policy_form import merged, read_policy, to_json

WRONG = [
    ({"curve": "linear"}, "/curve"),
    ({"stability_days": {"dream": 3}}, "/stability_days/dream"),
    ({"stability_days": {"working": 0}}, "/stability_days/working"),
    ({"stability_days": 3}, "/stability_days"),
    ({"source_factors": {"user": -1}}, "/source_factors/user"),
    ({"int8_below": 1.5}, "/int8_below"),
    ({"int8_below": 0.4}, "/binary_below"),
    ({"archive_below": 0.9}, "/archive_below"),
    ({"binary_below": None, "archive_below": 0.85}, "/archive_below"),
    ({"delete_after_days": 0}, "/delete_after_days"),
    ({"archive_below": None, "delete_after_days": 9}, "/delete_after_days"),
    ({"protect_importance": None}, "/protect_importance"),
    ({"protection": float("nan")}, "/protection"),
    ({"rank_weight": True}, "/rank_weight"),
    ({"promotion": {"semantic": {"uses": 1}}}, "/promotion/semantic"),
    ({"promotion": {"working": {"uses": 0}}}, "/promotion/working/uses"),
    ({"promotion": {"working": {"recalls": 1}}}, "/promotion/working"),
    ({"gains": {"lapse_keeps": 2}}, "/gains/lapse_keeps"),
    ({"gains": {"luck": 2}}, "/gains/luck"),
    ({"forget_everything": True}, "/forget_everything"),
]


@pytest.mark.parametrize(("stated", "pointer"), WRONG)
def test_what_cannot_be_is_refused_where_it_stands(stated: dict[str, Any], pointer: str) -> None:
    assert pointer in [one.pointer for one in merged(stated)[1]]


def test_every_fault_is_named_at_once() -> None:
    _, wrong = merged({"curve": "no", "protection": -1, "gains": {"recall": "much"}})
    assert [one.pointer for one in wrong] == ["/curve", "/protection", "/gains/recall"]


def test_a_policy_is_written_out_whole_and_read_back() -> None:
    policy, wrong = merged(
        {
            "archive_below": None,
            "promotion": {"working": None, "episodic": {"uses": 9}},
            "stability_days": {"core": 900},
        }
    )
    assert wrong == []
    assert policy.archive_below is None
    assert policy.promotion == {"working": None, "episodic": Promotion(9.0, 14.0)}
    assert policy.stability_days["core"] == 900.0
    assert policy.stability_days["working"] == 1.0
    assert merged(to_json(policy)) == (policy, [])
    assert merged({"curve": "ebbinghaus"}, to_json(policy))[0].archive_below is None, "laid over what is in force"


def test_the_default_deletes_nothing_and_ranks_by_nothing() -> None:
    assert DEFAULT.delete_after_days is None
    assert DEFAULT.rank_weight == 0.0


def test_a_stored_policy_keeps_its_id_and_what_a_later_version_wrote_is_passed_over() -> None:
    stored = json.dumps({"id": str(UUID(int=7)), "policy": {**to_json(DEFAULT), "moods": 3, "protection": 1.0}})
    assert read_policy(stored) == replace(DEFAULT, id=UUID(int=7), protection=1.0)
