"""Two-fold time: when a thing was true, and when we knew it."""

import time
from datetime import UTC, datetime
from typing import Any

import pytest


def moment() -> str:
    """Return a moment between what was done and what will be."""
    time.sleep(0.002)
    now = datetime.now(UTC).isoformat()
    time.sleep(0.002)
    return now


class TestWrittenAroundTheText:
    """A time before a text, a message in JSON: what was said is found as if it stood there alone, and is kept as it was sent."""

    @pytest.mark.parametrize(
        "said",
        [
            "[8 May 2023, 1:56 pm] I adopted a cat called Oscar.",
            '{"role": "user", "content": "I adopted a cat called Oscar.", "timestamp": "2023-05-08T13:56:00Z"}',
        ],
    )
    def test_what_was_said_is_found(self, me: Any, api: Any, said: str) -> None:
        began = moment()
        made = api.remember(said, extract="none")
        assert made["content"] == said
        assert made["observed_at"] > began[:19], "when it was observed is for the caller to say"
        assert me.post("/v1/memories", json={"content": said, "extract": "none"}).status_code == 200
        plain = api.remember("I adopted a cat called Oscar.", extract="none")
        of = {
            one["memory"]["id"]: one["channels"]["vector"]["score"]
            for one in api.search("Which cat did I adopt?", channels={"vector": 1})["results"]
        }
        assert of[made["id"]] == pytest.approx(of[plain["id"]], abs=1e-3)

    @pytest.mark.parametrize(
        "said",
        [
            "[2024-05-08T12:00:00+23:00] odd zone",
            "[0001-01-01T00:00:00+02:00] zero time",
            '{"role": "user", "date": "0001-01-01T00:00:00+05:00", "text": "Go zero"}',
            "[2024-05-08]" + " " * 60_000 + "x",
        ],
    )
    def test_odd_times_do_no_harm(self, api: Any, said: str) -> None:
        assert api.remember(said)["content"] == said


class TestRead:
    def test_each_version_as_of_its_time(self, me: Any, api: Any, problem: Any) -> None:
        before = moment()
        made = api.remember("Wording one.", tags=["a"])
        path = f"/v1/memories/{made['id']}"
        first = moment()
        me.patch(path, json={"content": "Wording two.", "tags": ["b"]})
        second = moment()
        me.delete(path)
        third = moment()
        problem(me.get(path, params={"as_of": before}), 404, "memory_not_found")
        for when, version, content, state in [
            (first, 1, "Wording one.", "activated"),
            (second, 2, "Wording two.", "activated"),
            (third, 3, "Wording two.", "archived"),
        ]:
            shown = me.get(path, params={"as_of": when})
            assert (shown.json()["version"], shown.json()["content"], shown.json()["state"]) == (
                version,
                content,
                state,
            )
            assert shown.headers["etag"] == f'"{version}"'

    @pytest.mark.parametrize(
        "as_of",
        [
            "",
            "yesterday",
            "2024-01-01",
            "2024-01-01T00:00:00",
            "1700000000",
            "0000-01-01T00:00:00Z",
            "10000-01-01T00:00:00Z",
            "2024-02-30T00:00:00Z",
            "infinity",
            "9" * 400,
        ],
    )
    def test_times_that_are_none(self, me: Any, api: Any, problem: Any, as_of: str) -> None:
        made = api.remember("x")
        problem(me.get(f"/v1/memories/{made['id']}", params={"as_of": as_of}), 422, pointer="?as_of")


@pytest.mark.parametrize("offset", ["+23:59", "-21:37", "+14:00", "-12:00"])
def test_every_offset_that_can_be_written(me: Any, api: Any, offset: str) -> None:
    made = api.remember("Far away.", observed_at=f"2024-03-03T12:00:00{offset}")
    assert made["observed_at"].endswith("Z")
    changed = me.patch(f"/v1/memories/{made['id']}", json={"valid_from": f"2024-03-03T12:00:00{offset}"})
    assert changed.json()["valid_from"] == made["observed_at"]
    assert api.found("far away", as_of={"valid": f"2025-03-03T12:00:00{offset}"}) == [made["id"]]


class TestKnown:
    def test_a_search_as_of_earlier_knows_what_was_known(self, me: Any, api: Any) -> None:
        before = moment()
        made = api.remember("The code of the gate is lapwing.")
        first = moment()
        me.patch(f"/v1/memories/{made['id']}", json={"content": "The code of the gate is curlew."})
        second = moment()
        later = api.remember("The code of the shed is dunlin.")
        third = moment()
        for known, contents in [
            (before, []),
            (first, ["The code of the gate is lapwing."]),
            (second, ["The code of the gate is curlew."]),
            (third, ["The code of the gate is curlew.", "The code of the shed is dunlin."]),
        ]:
            results = api.search("code of the gate", as_of={"known": known})["results"]
            assert [r["memory"]["content"] for r in results] == contents
        assert api.found("lapwing", channels={"keyword": 1}, as_of={"known": first}) == [made["id"]]
        assert api.found("lapwing", channels={"keyword": 1}, as_of={"known": second}) == []
        assert api.found("dunlin", channels={"keyword": 1}, as_of={"known": second}) == []
        assert later["id"] in api.found("dunlin")

    def test_what_was_archived_later_was_known_then(self, me: Any, api: Any) -> None:
        made = api.remember("The swing is broken.")
        then = moment()
        me.delete(f"/v1/memories/{made['id']}")
        after = moment()
        assert api.found("swing", as_of={"known": then}) == [made["id"]]
        assert api.search("swing", as_of={"known": then})["results"][0]["memory"]["state"] == "activated"
        assert api.found("swing", as_of={"known": after}) == []

    def test_what_was_superseded_later_stood_alone_then(self, me: Any, api: Any) -> None:
        old = api.remember("Ada lives in Rome.")
        then = moment()
        me.post(f"/v1/memories/{old['id']}/supersede", json={"content": "Ada lives in Oslo."})
        (result,) = api.search("Where does Ada live?", as_of={"known": then})["results"]
        assert (result["memory"]["id"], result["superseded_by"], result["memory"]["version"]) == (old["id"], None, 1)

    def test_filters_read_the_record_as_it_was(self, me: Any, api: Any) -> None:
        made = api.remember("A bell.", tags=["old"])
        then = moment()
        me.patch(f"/v1/memories/{made['id']}", json={"tags": ["new"]})
        assert api.found("bell", as_of={"known": then}, filter={"tags": "old"}) == [made["id"]]
        assert api.found("bell", as_of={"known": then}, filter={"tags": "new"}) == []
        assert api.found("bell", filter={"tags": "new"}) == [made["id"]]

    def test_restored_memories_have_a_gap(self, me: Any, api: Any) -> None:
        made = api.remember("A fountain.")
        path = f"/v1/memories/{made['id']}"
        one = moment()
        me.delete(path)
        two = moment()
        me.post(f"{path}/restore")
        three = moment()
        assert [api.found("fountain", as_of={"known": when}) for when in (one, two, three)] == [
            [made["id"]],
            [],
            [made["id"]],
        ]


class TestValid:
    def test_what_was_true_then(self, api: Any) -> None:
        rome = api.remember("Ada lives in Rome.", valid_from="2020-01-01T00:00:00Z", valid_to="2022-01-01T00:00:00Z")[
            "id"
        ]
        oslo = api.remember("Ada lives in Oslo.", valid_from="2022-01-01T00:00:00Z")["id"]
        for valid, expected in {
            "2019-01-01T00:00:00Z": [],
            "2020-01-01T00:00:00Z": [rome],
            "2021-12-31T23:59:59Z": [rome],
            "2022-01-01T00:00:00Z": [oslo],
            "2030-01-01T00:00:00Z": [oslo],
        }.items():
            assert api.found("Where does Ada live?", as_of={"valid": valid}) == expected, valid
            assert api.found("Ada lives", channels={"keyword": 1}, as_of={"valid": valid}) == expected, valid

    def test_both_times_at_once(self, me: Any, api: Any) -> None:
        made = api.remember("The bridge is open.", valid_from="2020-01-01T00:00:00Z")["id"]
        then = moment()
        me.patch(f"/v1/memories/{made}", json={"valid_to": "2021-01-01T00:00:00Z"})
        late = "2023-01-01T00:00:00Z"
        assert api.found("bridge", as_of={"valid": late}) == []
        assert api.found("bridge", as_of={"valid": late, "known": then}) == [made]


class TestWindow:
    def test_it_limits_valid_time(self, api: Any) -> None:
        days = {
            day: api.remember(f"Fog on day {day}.", observed_at=f"2024-03-{day:02}T12:00:00Z")["id"]
            for day in (1, 2, 3)
        }
        held = api.remember("Fog season.", valid_from="2024-03-02T00:00:00Z", valid_to="2024-03-03T00:00:00Z")["id"]
        for window, expected in [
            ({"from": "2024-03-02T00:00:00Z", "to": "2024-03-02T23:00:00Z"}, {days[2], held}),
            ({"from": "2024-03-03T00:00:00Z"}, {days[3]}),
            ({"to": "2024-03-01T23:59:59Z"}, {days[1]}),
            ({"from": "2025-01-01T00:00:00Z"}, set()),
            ({}, {*days.values(), held}),
        ]:
            assert set(api.found("fog", window=window)) == expected, window

    @pytest.mark.parametrize(
        "body",
        [
            {"window": {"from": "2024-03-02T00:00:00Z", "to": "2024-03-01T00:00:00Z"}},
            {"window": {"from": "2024-03-02"}},
            {"window": {"since": 1}},
            {"window": []},
            {"as_of": "2024-03-02T00:00:00Z"},
            {"as_of": {"known": 5}},
            {"as_of": {"valid": "2024-03-02T00:00:00"}},
            {"as_of": {"when": None}},
            {"now": "soon"},
        ],
    )
    def test_times_that_make_no_sense(self, me: Any, problem: Any, body: Any) -> None:
        problem(me.post("/v1/search", json={"query": "x", **body}), 422)


def test_now_is_accepted(api: Any) -> None:
    api.remember("A heron.", observed_at="2024-03-01T00:00:00Z")
    assert len(api.found("What did I see last week?", now="2024-03-08T00:00:00Z")) == 1
