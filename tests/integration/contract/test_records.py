"""One memory at a time: remember, read, correct, supersede, archive, restore, pin, erase, and its history."""

from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from memory_service.storage.database import Database
from memory_service.storage.ids import new_id
from memory_service.types import KeyScope

NOWHERE = "018f3c1e-7b1a-7c3d-9e2f-5a6b7c8d9e0f"


def derive(session: Session, tenant_id: UUID, child: str, parent: str) -> None:
    """Say that one memory was made of another, as a consolidation does."""
    values = {"t": tenant_id, "id": new_id(), "child": UUID(child), "parent": UUID(parent)}
    session.execute(
        text(
            "INSERT INTO link (tenant_id, id, namespace_id, source_id, target_id, type, weight, derivation_method, known_from) "
            "SELECT :t, :id, namespace_id, id, :parent, 'derived_from', 1, 'rules', now() "
            "FROM memory WHERE tenant_id = :t AND id = :child"
        ),
        values,
    )
    session.execute(
        text(
            "UPDATE memory SET derivation_parents = array_append(derivation_parents, CAST(:parent AS uuid)) "
            "WHERE tenant_id = :t AND id = :child"
        ),
        values,
    )


FULL = {
    "content": "Ada keeps bees — eleven hives 🐝 behind the mill.",
    "namespace": "users/42",
    "memory_type": "semantic",
    "user_id": "ada",
    "agent_id": "gardener",
    "session_id": "s-1",
    "external_id": "ext-1",
    "title": "Bees",
    "context": "Told over breakfast.",
    "keywords": ["bees", "hives"],
    "tags": ["home", "animals"],
    "entities": ["Ada"],
    "metadata": {"project": {"name": "mill", "n": 3}, "list": [1, "two", None, 2.5], "empty": {}},
    "value": [{"any": "json"}, 1.5, None],
    "importance": 0.75,
    "confidence": 0.5,
    "pinned": False,
    "language": "en",
    "observed_at": "2023-05-08T13:56:00+02:00",
    "valid_from": "2023-05-01T00:00:00Z",
    "valid_to": "2033-05-01T00:00:00Z",
    "expires_at": "2099-01-01T00:00:00.250Z",
    "source": {"kind": "document", "ref": "diary.txt", "speaker": "Ada", "role": "user", "span": [10, 59]},
}
MEMCUBE = {
    "id", "namespace", "user_id", "agent_id", "session_id", "external_id", "payload_type", "memory_type", "state",
    "version", "content", "title", "context", "keywords", "tags", "entities", "metadata", "importance", "confidence",
    "pinned", "language", "value", "observed_at", "valid_from", "valid_to", "created_at", "updated_at", "expires_at",
    "source", "derivation", "retention", "links_count",
}  # fmt: skip


def test_what_is_given_comes_back(api: Any) -> None:
    made = api.remember(**FULL)
    assert set(made) >= MEMCUBE
    same = {
        name: value
        for name, value in FULL.items()
        if not name.endswith("_at") and name not in {"source", "valid_from", "valid_to"}
    }
    assert {name: made[name] for name in same} == same
    assert made["observed_at"] == "2023-05-08T11:56:00Z"
    assert made["expires_at"].startswith("2099-01-01T00:00:00.25")
    assert (made["valid_from"], made["valid_to"]) == ("2023-05-01T00:00:00Z", "2033-05-01T00:00:00Z")
    assert {k: made["source"][k] for k in FULL["source"]} == FULL["source"]  # type: ignore[attr-defined, index]
    assert len(made["source"]["hash"]) == 64
    assert (made["payload_type"], made["version"], made["state"]) == ("plaintext", 1, "activated")
    assert api.read(made["id"]) == made


def test_what_is_not_given_has_a_default(api: Any) -> None:
    made = api.remember("Bo sings.")
    assert (made["namespace"], made["memory_type"], made["metadata"], made["tags"]) == ("default", "episodic", {}, [])
    assert (made["pinned"], made["superseded_by"], made["expires_at"]) == (False, None, None)
    assert made["observed_at"] == made["created_at"] == made["updated_at"]
    assert made["derivation"] == {"method": "verbatim", "parents": [], "changeset_id": None}
    assert (made["retention"]["recall_count"], made["retention"]["precision_tier"]) == (0, "half")
    assert made["retention"]["retrievability"] == 1.0
    assert 0 <= made["importance"] <= 1
    assert UUID(made["id"]).version == 7


def test_the_answer_names_the_place_and_the_version(me: Any) -> None:
    answer = me.post("/v1/memories", json={"content": "Cy swims."})
    assert answer.status_code == 201
    assert answer.headers["location"] == f"/v1/memories/{answer.json()['id']}"
    assert answer.headers["etag"] == '"1"'
    assert me.get(answer.headers["location"]).headers["etag"] == '"1"'


def test_run_id_is_another_word_for_session_id(api: Any) -> None:
    assert api.remember("Dee sails.", run_id="r-1")["session_id"] == "r-1"


def test_stored_means_findable(api: Any) -> None:
    made = api.remember("The heron nests on the third pylon.")
    for channel in ("vector", "keyword"):
        assert api.found("heron pylon", channels={channel: 1}) == [made["id"]]


def test_waiting_for_the_background_is_bounded(me: Any) -> None:
    answer = me.post("/v1/memories", json={"content": "Nobody works here.", "wait": "consolidated", "timeout_s": 0.2})
    assert answer.status_code == 201
    assert answer.headers["location"].endswith(answer.json()["id"])


def test_a_memory_that_is_not_there(me: Any, problem: Any) -> None:
    for method, path in [
        ("GET", ""), ("PATCH", ""), ("DELETE", ""), ("DELETE", "?erase=true"), ("POST", "/supersede"), ("POST", "/restore"),
        ("POST", "/pin"), ("POST", "/unpin"), ("POST", "/archive"), ("GET", "/versions"), ("GET", "/diff?from=1&to=2"),
        ("GET", "/provenance"), ("GET", "/links"), ("GET", "/retention"), ("GET", "/recalls"),
    ]:  # fmt: skip
        body = {"PATCH": {"tags": ["x"]}, "POST": {"content": "x"} if "supersede" in path else None}.get(method)
        problem(me.request(method, f"/v1/memories/{NOWHERE}{path}", json=body), 404, "memory_not_found")


def test_a_memory_of_another_tenant_is_not_there(
    api: Any, make_tenant: Any, as_tenant: Callable[..., Any], problem: Any
) -> None:
    made = api.remember("Mine alone.", external_id="e", session_id="s")
    stranger = as_tenant(make_tenant())
    path = f"/v1/memories/{made['id']}"
    for method, tail, body in [
        ("GET", "", None), ("PATCH", "", {"tags": ["x"]}), ("DELETE", "", None), ("DELETE", "?erase=true", None),
        ("POST", "/supersede", {"content": "x"}), ("POST", "/pin", None), ("POST", "/archive", None),
        ("GET", "/versions", None), ("GET", "/provenance", None), ("GET", "/links", None), ("GET", "/recalls", None),
    ]:  # fmt: skip
        problem(stranger.request(method, path + tail, json=body), 404, "memory_not_found")
    for selection in ({"ids": [made["id"]]}, {"filter": {"id": made["id"]}}):
        assert stranger.post("/v1/memories/archive", json=selection).json()["changed"] == 0
    assert stranger.get("/v1/sessions/s/messages").json()["data"] == []
    assert api.read(made["id"]) == made


class TestPatch:
    def test_changed_fields_make_a_version(self, me: Any, api: Any) -> None:
        made = api.remember("Ada lives in Genoa.", tags=["a"], metadata={"k": 1})
        answer = me.patch(f"/v1/memories/{made['id']}", json={"content": "Ada lives in Turin.", "tags": ["b"]})
        assert answer.status_code == 200
        assert answer.headers["etag"] == '"2"'
        changed = answer.json()
        assert (changed["id"], changed["version"], changed["content"]) == (made["id"], 2, "Ada lives in Turin.")
        assert (changed["tags"], changed["metadata"]) == (["b"], {"k": 1})
        assert changed["created_at"] == made["created_at"]
        assert changed["updated_at"] > made["updated_at"]

    def test_the_corrected_text_is_found_by_its_new_words_only(self, me: Any, api: Any) -> None:
        made = api.remember("The passphrase is marzipan.")
        me.patch(f"/v1/memories/{made['id']}", json={"content": "The passphrase is gorgonzola."})
        assert api.found("gorgonzola", channels={"keyword": 1}) == [made["id"]]
        assert api.found("marzipan", channels={"keyword": 1}) == []

    def test_a_change_that_changes_nothing_makes_no_version(self, me: Any, api: Any) -> None:
        made = api.remember("Still.", tags=["a"])
        answer = me.patch(f"/v1/memories/{made['id']}", json={"tags": ["a"], "content": "Still."})
        assert (answer.status_code, answer.json()["version"]) == (200, 1)

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("memory_type", "core"), ("user_id", "u"), ("agent_id", "a"), ("session_id", "s"), ("external_id", "e"),
            ("title", "t"), ("context", "c"), ("keywords", ["k"]), ("tags", ["t"]), ("entities", ["e"]),
            ("metadata", {"a": [1]}), ("value", {"b": None}), ("value", False), ("importance", 1.0), ("confidence", 0.0),
            ("pinned", True), ("language", "de"), ("observed_at", "2020-02-29T12:00:00Z"),
            ("valid_from", "2020-01-01T00:00:00Z"), ("valid_to", "2030-01-01T00:00:00Z"),
            ("expires_at", "2090-01-01T00:00:00Z"),
        ],
    )  # fmt: skip
    def test_each_field(self, me: Any, api: Any, name: str, value: Any) -> None:
        made = api.remember("A field.")
        path = f"/v1/memories/{made['id']}"
        changed = me.patch(path, json={name: value})
        assert changed.status_code == 200, changed.text
        assert (changed.json()[name], changed.json()["version"]) == (value, 2)
        assert api.read(made["id"])[name] == value
        assert api.found("a field") == [made["id"]]

    @pytest.mark.parametrize(("old", "new"), [(1, True), (False, 0), ({"a": [1]}, {"a": [True]}), (None, []), ("1", 1)])
    def test_what_only_python_takes_for_the_same(self, me: Any, api: Any, old: Any, new: Any) -> None:
        made = api.remember("A value.", value=old, metadata={"k": old})
        changed = me.patch(f"/v1/memories/{made['id']}", json={"value": new, "metadata": {"k": new}}).json()
        assert changed["version"] == 2
        assert type(changed["value"]) is type(new)
        assert repr(changed["metadata"]["k"]) == repr(new)

    @pytest.mark.parametrize("name", ["user_id", "external_id", "title", "value", "valid_to", "expires_at", "language"])
    def test_null_clears(self, me: Any, api: Any, name: str) -> None:
        made = api.remember("Clear me.", **{name: FULL[name]})
        assert me.patch(f"/v1/memories/{made['id']}", json={name: None}).json()[name] is None

    @pytest.mark.parametrize(
        "body",
        [
            {}, {"nonsense": 1}, {"id": NOWHERE}, {"version": 7}, {"namespace": "x"}, {"content": None}, {"content": " "},
            {"importance": 2}, {"importance": None}, {"observed_at": None}, {"tags": "a"}, {"metadata": None}, {"state": "frozen"},
            {"valid_from": "2021-01-01T00:00:00Z", "valid_to": "2020-01-01T00:00:00Z"}, {"expires_at": "2020-01-01T00:00:00"},
        ],
    )  # fmt: skip
    def test_what_cannot_be_changed(self, me: Any, api: Any, problem: Any, body: Any) -> None:
        made = api.remember("Firm.")
        problem(me.patch(f"/v1/memories/{made['id']}", json=body), 422)
        assert api.read(made["id"]) == made

    def test_validity_is_checked_against_what_is_stored(self, me: Any, api: Any, problem: Any) -> None:
        made = api.remember("True for a while.", valid_from="2021-01-01T00:00:00Z")
        problem(
            me.patch(f"/v1/memories/{made['id']}", json={"valid_to": "2020-01-01T00:00:00Z"}), 422, pointer="/valid_to"
        )

    def test_an_external_id_belongs_to_one_memory(self, me: Any, api: Any, problem: Any) -> None:
        api.remember("First.", external_id="e")
        second = api.remember("Second.")
        problem(me.patch(f"/v1/memories/{second['id']}", json={"external_id": "e"}), 409, "external_id_conflict")

    def test_if_match(self, me: Any, api: Any, problem: Any) -> None:
        made = api.remember("Versioned.")
        path = f"/v1/memories/{made['id']}"
        assert me.patch(path, json={"tags": ["a"]}, headers={"If-Match": '"1"'}).status_code == 200
        problem(me.patch(path, json={"tags": ["b"]}, headers={"If-Match": '"1"'}), 412, "version_mismatch")
        problem(me.patch(path, json={"tags": ["b"]}, headers={"If-Match": 'W/"2"'}), 412)
        problem(me.patch(path, json={"tags": ["b"]}, headers={"If-Match": '"02"'}), 412)
        problem(me.delete(path, headers={"If-Match": '"1"'}), 412, "version_mismatch")
        problem(me.post(f"{path}/supersede", json={"content": "x"}, headers={"If-Match": '"1"'}), 412)
        problem(me.post(f"{path}/archive", headers={"If-Match": '"1"'}), 412)
        assert me.patch(path, json={"tags": ["b"]}, headers={"If-Match": "*"}).json()["version"] == 3
        assert me.delete(path, headers={"If-Match": '"3"'}).status_code == 204

    @pytest.mark.parametrize(
        "tag", ["3", "garbage", '"', "'1'", '"x"', '"1', "é".encode(), '"-1"', '"99999999999999999999999"', ""]
    )
    def test_if_match_that_makes_no_sense(self, me: Any, api: Any, tag: Any) -> None:
        made = api.remember("Guarded.")
        answer = me.patch(f"/v1/memories/{made['id']}", json={"tags": ["b"]}, headers={"If-Match": tag})
        assert answer.status_code in {412, 422}, answer.text
        assert api.read(made["id"])["version"] == 1

    def test_computed_values_do_not_change_the_version(self, me: Any, api: Any) -> None:
        made = api.remember("Recalled often.")
        api.search("recalled often", reinforce=True)
        answer = me.get(f"/v1/memories/{made['id']}")
        assert answer.headers["etag"] == '"1"'
        assert answer.json()["retention"]["recall_count"] == 1


class TestArchive:
    def test_delete_archives_and_restore_brings_back(self, me: Any, api: Any) -> None:
        made = api.remember("The ferry leaves at nine.")
        path = f"/v1/memories/{made['id']}"
        gone = me.delete(path)
        assert (gone.status_code, gone.content) == (204, b"")
        assert api.read(made["id"])["state"] == "archived"
        assert api.found("ferry") == []
        assert api.found("ferry", include=["archived"]) == [made["id"]]
        assert me.delete(path).status_code == 204
        back = me.post(f"{path}/restore")
        assert (back.status_code, back.json()["state"], back.json()["content"]) == (200, "activated", made["content"])
        assert api.found("ferry") == [made["id"]]
        assert api.found("ferry", channels={"keyword": 1}) == [made["id"]]

    def test_archive_and_restore_by_id_again_and_again(self, me: Any, api: Any) -> None:
        made = api.remember("A tide.")
        path = f"/v1/memories/{made['id']}"
        for _ in range(3):
            assert me.post(f"{path}/archive").json()["state"] == "archived"
            assert me.post(f"{path}/archive").json()["state"] == "archived"
            assert api.found("tide") == []
            assert me.post(f"{path}/restore").json()["state"] == "activated"
            assert me.post(f"{path}/restore").json()["state"] == "activated"
            assert api.found("tide") == [made["id"]]
        assert api.read(made["id"])["version"] == 7

    def test_an_archived_memory_can_be_corrected_and_restored(self, me: Any, api: Any) -> None:
        made = api.remember("The dog is called Rex.")
        path = f"/v1/memories/{made['id']}"
        me.delete(path)
        assert me.patch(path, json={"content": "The dog is called Bruno."}).status_code == 200
        assert api.found("Bruno") == []
        me.post(f"{path}/restore")
        assert api.found("Bruno", channels={"keyword": 1}) == [made["id"]]
        assert api.found("Rex", channels={"keyword": 1}) == []
        assert api.found("a dog", channels={"vector": 1}) == [made["id"]]

    @pytest.mark.parametrize("by", ["filter", "ids"])
    def test_by_selection_with_dry_run(self, me: Any, api: Any, by: str) -> None:
        ids = [api.remember(f"Leaf {n}.", tags=["leaf"])["id"] for n in range(3)]
        root = api.remember("Root.", tags=["root"])["id"]
        chosen = {"filter": {"tags": "leaf"}} if by == "filter" else {"ids": ids}
        assert me.post("/v1/memories/archive", json={**chosen, "dry_run": True}).json() == {
            "matched": 3, "changed": 0, "dry_run": True,
        }  # fmt: skip
        assert len(api.found("leaf")) >= 3
        assert me.post("/v1/memories/archive", json=chosen).json() == {"matched": 3, "changed": 3, "dry_run": False}
        assert api.found("leaf or root") == [root]
        assert me.post("/v1/memories/archive", json=chosen).json()["changed"] == 0
        assert me.post("/v1/memories/restore", json={**chosen, "dry_run": True}).json()["matched"] == 3
        assert me.post("/v1/memories/restore", json=chosen).json()["changed"] == 3
        assert set(api.found("leaf or root")) == {root, *ids}

    @pytest.mark.parametrize(
        "everything", [{}, {"AND": [{}, {}]}, {"OR": [{}]}, {"OR": [{}, {"tags": "x"}]}, {"NOT": {"NOT": {}}}]
    )
    def test_everything_needs_a_namespace(self, me: Any, api: Any, problem: Any, everything: Any) -> None:
        here = api.remember("Here.")["id"]
        for path in ("/v1/memories/archive", "/v1/erasures"):
            said = problem(me.post(path, json={"filter": everything}), 422, "invalid_request")
            assert "name the namespace that is to be emptied" in said["detail"]
        # Counting empties nothing.
        counted = me.post("/v1/memories/archive", json={"filter": everything, "dry_run": True})
        assert counted.json() == {"matched": 1, "changed": 0, "dry_run": True}
        assert api.read(here)["state"] == "activated"
        wanted = {"filter": everything, "namespace": "default"}
        assert me.post("/v1/memories/archive", json=wanted).json()["changed"] == 1
        assert me.post("/v1/memories/restore", json={"filter": everything}).json()["changed"] == 1

    def test_a_selection_stays_in_its_namespace(self, me: Any, api: Any, problem: Any) -> None:
        here = api.remember("Here.", namespace="a", tags=["t"])["id"]
        there = api.remember("There.", namespace="b", tags=["t"])["id"]
        assert me.post("/v1/memories/archive", json={"namespace": "a", "filter": {"tags": "t"}}).json()["changed"] == 1
        assert (api.read(here)["state"], api.read(there)["state"]) == ("archived", "activated")
        answer = me.post("/v1/memories/archive", json={"namespace": "c", "filter": {"tags": "t"}})
        problem(answer, 404, "namespace_not_found")

    @pytest.mark.parametrize(
        "body",
        [
            {},
            {"filter": {"tags": "a"}, "ids": [NOWHERE]},
            {"ids": []},
            {"ids": ["x"]},
            {"ids": [1]},
            {"filter": 3},
            {"filter": None},
        ],
    )
    def test_a_selection_that_selects_nothing_sensible(self, me: Any, problem: Any, body: Any) -> None:
        problem(me.post("/v1/memories/archive", json=body), 422)
        problem(me.post("/v1/memories/restore", json=body), 422)

    def test_restoring_what_was_replaced_meanwhile_is_a_conflict(self, me: Any, api: Any, problem: Any) -> None:
        old = api.remember("Version one.", external_id="doc")
        me.delete(f"/v1/memories/{old['id']}")
        api.remember("Version two.", external_id="doc")
        problem(me.post(f"/v1/memories/{old['id']}/restore"), 409, "external_id_conflict")

    def test_two_archived_holders_of_one_external_id_are_not_both_restored(
        self, me: Any, api: Any, problem: Any
    ) -> None:
        ids = []
        for n in (1, 2):
            ids.append(api.remember(f"Number {n}.", external_id="same")["id"])
            me.delete(f"/v1/memories/{ids[-1]}")
        problem(me.post("/v1/memories/restore", json={"ids": ids}), 409, "external_id_conflict")
        assert me.post("/v1/memories/restore", json={"ids": ids[:1]}).json()["changed"] == 1


class TestPin:
    def test_pin_freezes_and_unpin_lets_go(self, me: Any, api: Any) -> None:
        made = api.remember("Never forget the gate code.")
        path = f"/v1/memories/{made['id']}"
        pinned = me.post(f"{path}/pin").json()
        assert (pinned["pinned"], pinned["state"], pinned["version"]) == (True, "frozen", 2)
        assert me.post(f"{path}/pin").json()["version"] == 2
        assert api.found("gate code") == [made["id"]]
        loose = me.post(f"{path}/unpin").json()
        assert (loose["pinned"], loose["state"]) == (False, "activated")

    def test_pinned_from_the_start(self, api: Any) -> None:
        made = api.remember("Pinned.", pinned=True)
        assert (made["pinned"], made["state"], made["retention"]["retrievability"]) == (True, "frozen", 1.0)


class TestSupersede:
    def test_the_new_memory_takes_the_place_of_the_old(self, me: Any, api: Any) -> None:
        old = api.remember("Ada drinks coffee.", external_id="drink", user_id="ada", namespace="users/ada")
        answer = me.post(f"/v1/memories/{old['id']}/supersede", json={"content": "Ada drinks tea."})
        assert answer.status_code == 201
        new = answer.json()
        assert answer.headers["location"] == f"/v1/memories/{new['id']}"
        assert new["id"] != old["id"]
        assert (new["external_id"], new["user_id"], new["namespace"], new["version"]) == (
            "drink",
            "ada",
            "users/ada",
            1,
        )
        before = api.read(old["id"])
        assert (before["superseded_by"], before["external_id"], before["version"]) == (new["id"], None, 2)
        assert before["valid_to"] == new["valid_from"]
        results = api.search("Ada drinks", namespace="users/ada")["results"]
        assert [r["memory"]["id"] for r in results] == [new["id"], old["id"]]
        assert [r["superseded_by"] for r in results] == [None, new["id"]]

    def test_what_was_superseded_ranks_below_even_when_it_fits_better(self, me: Any, api: Any) -> None:
        old = api.remember("The wifi password of the office is swordfish.")
        for n in range(5):
            api.remember(f"The office has {n + 2} windows.")
        new = me.post(f"/v1/memories/{old['id']}/supersede", json={"content": "It is trombone now."}).json()
        ranks = api.found("What is the wifi password of the office: swordfish?")
        assert ranks.index(new["id"]) < ranks.index(old["id"])

    def test_a_chain_is_ranked_newest_first(self, me: Any, api: Any) -> None:
        chain = [api.remember("Ada's phone number is 111.")["id"]]
        for number in ("222", "333"):
            body = {"content": f"Ada's phone number is {number}."}
            chain.append(me.post(f"/v1/memories/{chain[-1]}/supersede", json=body).json()["id"])
        assert api.found("Is Ada's phone number 111?") == chain[::-1]
        assert api.found("Is Ada's phone number 111?", top_k=1) == [chain[-1]]

    def test_only_the_present_one_can_be_superseded(self, me: Any, api: Any, problem: Any) -> None:
        old = api.remember("One.")
        path = f"/v1/memories/{old['id']}/supersede"
        me.post(path, json={"content": "Two."})
        problem(me.post(path, json={"content": "Three."}), 409, "already_superseded")

    def test_an_external_id_of_its_own_must_be_free(self, me: Any, api: Any, problem: Any) -> None:
        api.remember("Taken.", external_id="taken")
        old = api.remember("Old.", external_id="mine")
        path = f"/v1/memories/{old['id']}/supersede"
        problem(me.post(path, json={"content": "New.", "external_id": "taken"}), 409, "external_id_conflict")
        assert me.post(path, json={"content": "New.", "external_id": "fresh"}).json()["external_id"] == "fresh"

    def test_by_the_text_of_another_memory(self, me: Any, api: Any) -> None:
        copy = api.remember("Tea.")
        old = api.remember("Coffee.")
        answer = me.post(f"/v1/memories/{old['id']}/supersede", json={"content": "Tea."})
        assert answer.status_code == 201, answer.text
        # What replaces a memory is a record of its own, whoever said the same; the copy stays what a repeated post finds.
        assert api.read(old["id"])["superseded_by"] == answer.json()["id"] != copy["id"]
        assert me.post("/v1/memories", json={"content": "Tea."}).json()["id"] == copy["id"]

    def test_it_stays_in_its_namespace(self, me: Any, api: Any, problem: Any) -> None:
        old = api.remember("Here.", namespace="a")
        path = f"/v1/memories/{old['id']}/supersede"
        problem(me.post(path, json={"content": "There.", "namespace": "b"}), 422, pointer="/namespace")
        assert me.post(path, json={"content": "Here too.", "namespace": "a"}).json()["namespace"] == "a"

    def test_validity_is_cut_where_the_new_one_begins(self, me: Any, api: Any) -> None:
        old = api.remember("Ada lives in Rome.", valid_from="2020-01-01T00:00:00Z")
        body = {"content": "Ada lives in Oslo.", "valid_from": "2022-01-01T00:00:00Z"}
        new = me.post(f"/v1/memories/{old['id']}/supersede", json=body).json()
        assert api.read(old["id"])["valid_to"] == "2022-01-01T00:00:00Z"
        assert new["valid_from"] == "2022-01-01T00:00:00Z"
        when = {"2021-06-01T00:00:00Z": old["id"], "2023-06-01T00:00:00Z": new["id"]}
        for valid, expected in when.items():
            assert api.found("Where does Ada live?", as_of={"valid": valid}) == [expected]


class TestErase:
    def test_erased_is_gone_inside_and_unknown_outside(
        self, me: Any, api: Any, work: Any, make_tenant: Any, as_tenant: Callable[..., Any], problem: Any
    ) -> None:
        made = api.remember("The vault opens with 4711.", external_id="v")
        kept = api.remember("The vault is in the cellar.")
        path = f"/v1/memories/{made['id']}"
        search_id = api.search("vault opens")["search_id"]
        answer = me.delete(f"{path}?erase=true")
        assert answer.status_code == 202
        assert answer.headers["location"] == f"/v1/jobs/{answer.json()['job_id']}"
        work(me.tenant_id)
        job = me.get(answer.headers["location"]).json()
        assert (job["kind"], job["status"], job["items"][0]["memory_id"]) == ("erase", "succeeded", made["id"])
        for method, tail, body in [
            ("GET", "", None), ("PATCH", "", {"tags": []}), ("DELETE", "", None), ("POST", "/restore", None),
            ("GET", "/versions", None), ("POST", "/supersede", {"content": "x"}), ("GET", "/provenance", None),
        ]:  # fmt: skip
            problem(me.request(method, path + tail, json=body), 410, "erased")
        problem(as_tenant(make_tenant()).get(path), 404, "memory_not_found")
        assert api.found("vault 4711", include=["archived"]) == [kept["id"]]
        assert "opens with" not in me.get(f"/v1/traces/{search_id}").text
        assert api.remember("Something else.", external_id="v")["version"] == 1

    def test_it_needs_its_scope(self, api: Any, make_tenant: Any, as_tenant: Callable[..., Any], problem: Any) -> None:
        writer = as_tenant(make_tenant(scopes=(KeyScope.READ, KeyScope.WRITE)))
        made = writer.post("/v1/memories", json={"content": "Safe."}).json()
        problem(writer.delete(f"/v1/memories/{made['id']}?erase=true"), 403, "forbidden")
        assert writer.get(f"/v1/memories/{made['id']}").json()["state"] == "activated"
        assert writer.delete(f"/v1/memories/{made['id']}").status_code == 204


class TestHistory:
    def test_versions(self, me: Any, api: Any) -> None:
        made = api.remember("First wording.")
        path = f"/v1/memories/{made['id']}"
        me.patch(path, json={"content": "Second wording."})
        me.post(f"{path}/pin")
        me.delete(path)
        listed = me.get(f"{path}/versions").json()
        assert [v["version"] for v in listed["data"]] == [4, 3, 2, 1]
        assert [v["content"] for v in listed["data"]] == ["Second wording."] * 3 + ["First wording."]
        assert [v["state"] for v in listed["data"]] == ["archived", "frozen", "activated", "activated"]
        assert (listed["has_more"], listed["next_cursor"], listed["data"][0]["known_to"]) == (False, None, None)
        spans = [(v["known_from"], v["known_to"]) for v in listed["data"][::-1]]
        assert [later[0] for later in spans[1:]] == [earlier[1] for earlier in spans[:-1]]
        first = me.get(f"{path}/versions?limit=3").json()
        rest = me.get(f"{path}/versions?limit=3&cursor={first['next_cursor']}").json()
        assert (first["has_more"], first["data"] + rest["data"]) == (True, listed["data"])

    def test_diff(self, me: Any, api: Any, problem: Any) -> None:
        made = api.remember("alpha\nbeta", tags=["x"])
        path = f"/v1/memories/{made['id']}"
        me.patch(path, json={"content": "alpha\ngamma", "tags": ["y"]})
        diff = me.get(f"{path}/diff?from=1&to=2").json()
        assert {"field": "tags", "from": ["x"], "to": ["y"]} in diff["changes"]
        assert "-beta" in diff["content_diff"]
        assert "+gamma" in diff["content_diff"]
        assert me.get(f"{path}/diff?from=2&to=2").json()["changes"] == []
        back = me.get(f"{path}/diff?from=2&to=1").json()
        assert {"field": "tags", "from": ["y"], "to": ["x"]} in back["changes"]
        for missing in (3, 2**31 - 2):
            problem(me.get(f"{path}/diff?from=1&to={missing}"), 404, "version_not_found")
        for query in (
            "",
            "?from=1",
            "?from=0&to=1",
            "?from=x&to=1",
            "?from=1&to=99999999999999999999",
            "?from=1&to=2147483648",
        ):
            problem(me.get(f"{path}/diff{query}"), 422)

    def test_provenance_and_links(self, me: Any, api: Any) -> None:
        old = api.remember("One.", source={"kind": "tool", "ref": "calendar"})
        new = me.post(f"/v1/memories/{old['id']}/supersede", json={"content": "Two."}).json()
        for start in (old, new):
            graph = me.get(f"/v1/memories/{start['id']}/provenance").json()
            nodes = {n["id"]: n for n in graph["nodes"]}
            assert {old["id"], new["id"]} <= set(nodes)
            assert {"from": new["id"], "to": old["id"], "type": "supersedes"} in graph["edges"]
            assert "calendar" in [n["source"]["ref"] for n in nodes.values() if n["kind"] == "source"]
            (link,) = me.get(f"/v1/memories/{start['id']}/links").json()["data"]
            assert (link["source_id"], link["target_id"], link["type"]) == (new["id"], old["id"], "supersedes")
            assert api.read(start["id"])["links_count"] == 1

    def test_what_was_made_of_two_is_drawn_from_both_however_long_the_way(
        self, me: Any, api: Any, database: Database
    ) -> None:
        """One parent stands two steps below the memory, the child of both already one step below, where it is read first."""
        root, both, one, two, elsewhere = (api.remember(f"Number {n}.")["id"] for n in range(5))
        made = [(one, [root]), (two, [one]), (both, [root, two, elsewhere])]
        with database.transaction(me.tenant_id) as session:
            for child, parents in made:
                for parent in parents:
                    derive(session, me.tenant_id, child, parent)
        graph = me.get(f"/v1/memories/{root}/provenance").json()
        drawn = {(edge["from"], edge["to"]) for edge in graph["edges"] if edge["type"] == "derived_from"}
        assert drawn == {(one, root), (two, one), (both, root), (both, two)}
        assert {node["id"] for node in graph["nodes"] if node["kind"] == "memory"} == {root, one, two, both}
        assert not graph["truncated"]

    def test_retention_is_a_curve_that_falls(self, me: Any, api: Any) -> None:
        made = api.remember("Fading.")
        shown = me.get(f"/v1/memories/{made['id']}/retention").json()
        values = [point["retrievability"] for point in shown["forecast"]]
        assert values == sorted(values, reverse=True)
        assert len(values) > 2
        assert shown["forecast"][0]["days"] == 0
        assert 0 < values[-1] < values[0] <= 1

    def test_recalls_are_listed_once_they_count(self, me: Any, api: Any) -> None:
        made = api.remember("The comet returns.")
        api.search("comet")
        path = f"/v1/memories/{made['id']}/recalls"
        assert me.get(path).json()["data"] == []
        search_id = api.search("comet", reinforce=True)["search_id"]
        (recall,) = me.get(path).json()["data"]
        assert (recall["search_id"], recall["rank"]) == (search_id, 1)


def test_an_id_that_is_none(me: Any, problem: Any) -> None:
    for bad in ("x", "1", "default", str(uuid4())[:-1], "%20", "..%2Fx", "018f3c1e_7b1a_7c3d_9e2f_5a6b7c8d9e0f"):
        answer = me.get(f"/v1/memories/{bad}")
        assert answer.status_code in {404, 422}, bad
        problem(answer, answer.status_code)
