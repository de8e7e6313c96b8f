"""Structures made of memories that came by HTTP: cut, gathered, told, taken back, made anew."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import text

from consolidation import consolidate, enriching
from consolidation.planning import Put, Structure, Supersede, Why
from consolidation.planning import Step as PlannedStep
from consolidation.records import Ref
from consolidation.structure.steps import community_changes, episode_changes, profile_changes, topic_changes
from consolidation.tenancy import Tenancy

from .conftest import BEGAN, FLIGHT, GARDEN


def members(structures: Any, kind: str) -> set[frozenset[UUID]]:
    return {frozenset(one["members"]) for one in structures.live(kind).values() if one["members"]}


def test_a_session_is_cut_where_its_subject_changes_and_a_second_run_plans_nothing(structures: Any) -> None:
    ids = structures.say(*GARDEN, *FLIGHT)
    structures.run(episode_changes)
    assert members(structures, "episode") == {frozenset(ids[:5]), frozenset(ids[5:])}
    first = min(structures.live("episode").values(), key=lambda one: one["starts"])
    assert (first["session_id"], first["user_id"], first["size"]) == ("s", "ana", 5)
    assert (first["first_memory_id"], first["last_memory_id"]) == (ids[0], ids[4])
    assert structures.plan(episode_changes) == []


def test_every_gist_is_made_of_words_of_its_memories(structures: Any, me: Any) -> None:
    structures.say(*GARDEN, *FLIGHT)
    structures.run(episode_changes)
    gists = structures.gists("episode")
    assert gists.keys() == structures.live("episode").keys()
    for gist in gists.values():
        quoted = []
        for id, version, start, end in gist["spans"]:
            memory = me.get(f"/v1/memories/{id}").json()
            assert memory["version"] == version
            quoted.append(memory["content"][start:end])
        assert gist["text"] == " ".join(quoted)
        assert UUID(gist["spans"][0][0]) in gist["members"]


def test_a_session_that_grows_keeps_the_ids_of_its_episodes(structures: Any) -> None:
    structures.say(*GARDEN)
    structures.run(episode_changes)
    (garden,) = structures.live("episode")
    structures.say(*FLIGHT, at=BEGAN + timedelta(minutes=30))
    other = structures.say("A new session begins here.", session="other")
    structures.run(episode_changes)
    found = structures.live("episode")
    assert len(found) == 3
    assert len(found[garden]["members"]) == 5
    assert frozenset(other) in members(structures, "episode")


def test_what_leaves_in_the_same_run_is_in_no_episode_and_no_gist(structures: Any) -> None:
    ids = structures.say(*GARDEN)
    structures.run(episode_changes, leaving=ids[:1])
    assert members(structures, "episode") == {frozenset(ids[1:])}
    assert all(ids[0] not in gist["members"] for gist in structures.gists("episode").values())


def test_an_archived_memory_leaves_its_episode_and_its_topic(structures: Any, me: Any) -> None:
    ids = structures.say(*GARDEN)
    structures.run(episode_changes)
    structures.run(topic_changes)
    assert me.delete(f"/v1/memories/{ids[2]}").status_code == 204
    for step, kind in ((episode_changes, "episode"), (topic_changes, "topic")):
        structures.run(step)
        assert not any(ids[2] in one["members"] for one in structures.live(kind).values())
        assert not any(ids[2] in one["members"] for one in structures.gists(kind).values())
        assert structures.plan(step) == []
    assert me.post(f"/v1/memories/{ids[2]}/restore").status_code == 200
    structures.run(topic_changes)
    assert any(ids[2] in one["members"] for one in structures.live("topic").values())


def test_what_is_not_to_be_read_is_in_nothing(structures: Any, me: Any) -> None:
    body = {"content": "The garden is mine alone.", "session_id": "s", "user_id": "ana", "extract": "none"}
    assert me.post("/v1/memories", json=body).status_code == 201
    for step in (episode_changes, topic_changes, community_changes, profile_changes):
        assert structures.plan(step) == []


def test_topics_tell_subjects_apart_and_a_second_run_plans_nothing(structures: Any) -> None:
    ids = structures.say(*GARDEN, *FLIGHT)
    structures.run(topic_changes)
    assert {one for some in members(structures, "topic") for one in some} == set(ids)
    for some in members(structures, "topic"):
        assert some <= set(ids[:5]) or some <= set(ids[5:])
    assert structures.gists("topic")
    assert structures.plan(topic_changes) == []
    structures.say("The zucchini in the garden grow faster than the tomatoes.", session="t")
    changes = structures.run(topic_changes)
    topics = [change for change in changes if isinstance(change, Put) and change.structure is Structure.TOPIC]
    assert len(topics) == 1, "only the topic that it fell into is written"
    assert structures.plan(topic_changes) == []


def test_erasing_a_memory_takes_the_gists_that_quote_it_and_the_next_run_makes_them_anew(
    structures: Any, me: Any, database: Any
) -> None:
    secret = "The garden gate code is 47xq11, near the tomatoes."
    ids = structures.say(secret, *GARDEN)
    for step in (episode_changes, topic_changes, profile_changes):
        structures.run(step)
    held = _everything(database, me)
    assert "47xq11" in held
    assert str(ids[0]) in held
    job = me.delete(f"/v1/memories/{ids[0]}?erase=true").json()["job_id"]
    tenancy = Tenancy(me.tenant_id, lambda: database.transaction(me.tenant_id), lambda: structures.now)
    assert consolidate.run_job(tenancy, UUID(job))
    held = _everything(database, me)
    assert "47xq11" not in held
    assert str(ids[0]) not in held
    for step in (episode_changes, topic_changes, profile_changes):
        structures.run(step)
    assert members(structures, "episode") == {frozenset(ids[1:])}
    assert {one for some in members(structures, "topic") for one in some} == set(ids[1:])


def test_a_corrected_text_is_quoted_as_it_is_now(structures: Any, me: Any) -> None:
    ids = structures.say("Our cat Biscuit hates the vet in Porto.")
    structures.run(episode_changes)
    answer = me.patch(f"/v1/memories/{ids[0]}", json={"content": "Our cat Biscuit hates the vet in Lisbon."})
    assert answer.status_code == 200
    structures.run(episode_changes)
    (gist,) = structures.gists("episode").values()
    assert gist["text"] == "Our cat Biscuit hates the vet in Lisbon."


def test_memories_that_name_the_same_belong_together(structures: Any, database: Any, me: Any) -> None:
    pairs = ("Tom", "Rita")
    ids = structures.say(*(f"I saw {pairs[n % 2]} again, number {n}." for n in range(12)))
    tenancy = Tenancy(me.tenant_id, lambda: database.transaction(me.tenant_id), lambda: structures.now)
    enriching.enrich_pending(tenancy)
    structures.run(community_changes)
    # Whom half of all memories name tells nothing by the usual share, so nobody is held together here.
    assert structures.live("community") == {}
    structures.say(*(f"It rained in the valley on day {n}." for n in range(30)), session="rain")
    structures.say(*(f"I saw {name} in {place}." for name in pairs for place in ("Porto", "Lisbon")), session="more")
    enriching.enrich_pending(tenancy)
    structures.run(community_changes)
    assert {frozenset(ids[0::2]), frozenset(ids[1::2])} <= {
        frozenset(set(ids) & some) for some in members(structures, "community")
    }
    assert structures.gists("community").keys() == structures.live("community").keys()
    assert structures.plan(community_changes) == []


def test_a_profile_says_what_lasts_and_what_was_lately(structures: Any, me: Any) -> None:
    said = structures.say("I live in Porto.", "I moved to Lisbon.", session="homes", at=BEGAN - timedelta(days=2))
    ids = structures.say(*GARDEN, *FLIGHT)
    structures.say("Somebody else's cat is ill today.", session="o", user="bo")
    structures.run(episode_changes)
    structures.run(profile_changes)
    found = {one["user_id"]: one for one in structures.live("profile").values()}
    assert found.keys() == {"ana", "bo"}
    lines = found["ana"]["lines"]
    lasting = [line for line in lines if line["section"] == "static"]
    (home,) = [line for line in lasting if line["attribute"] == "lives_in"]
    assert (home["value"], home["memory_ids"]) == ("Lisbon", [str(said[1])])
    lately = [line for line in lines if line["section"] == "recent"]
    assert "flight" in lately[0]["text"]
    assert set(found["ana"]["members"]) <= {*ids, *said}
    assert structures.plan(profile_changes) == []
    answer = me.get("/v1/profiles/ana").json()
    assert [line["value"] for line in answer["static"] if line["attribute"] == "lives_in"] == ["Lisbon"]
    assert answer["recent"][0]["memory_ids"] == lately[0]["memory_ids"]
    for nobody in ("nobody", "team%2Fnobody"):
        assert me.get(f"/v1/profiles/{nobody}").json()["code"] == "profile_not_found"


def test_a_profile_says_what_still_holds_before_the_next_run_too(structures: Any, me: Any) -> None:
    """A profile is written once a week: what ends, goes or is replaced in between is not told of a user until then."""

    def told(part: str) -> set[str]:
        return {line["text"].partition(": ")[2] for line in me.get("/v1/profiles/ana").json()[part]}

    home, job, rent = structures.say("I live in Porto.", "I work at Siemens.", "My rent is 950 euros.", session="facts")
    again = structures.say("I live in Porto, as you know.", session="facts", at=BEGAN + timedelta(minutes=9))[0]
    over = me.post(
        "/v1/memories",
        json={
            "content": "My gym is Atlas.",
            "user_id": "ana",
            "observed_at": "2026-01-02T09:00:00Z",
            "valid_to": "2026-02-01T00:00:00Z",
        },
    )
    assert over.status_code == 201
    structures.run(episode_changes)
    structures.run(profile_changes)
    assert told("static") == {"lives in Porto", "works at Siemens", "rent 950 euros"}, "its validity has ended"
    (lately,) = me.get("/v1/profiles/ana").json()["recent"]
    assert str(again) in lately["memory_ids"]
    answer = me.post(f"/v1/memories/{job}/supersede", json={"content": "I work at Bosch.", "user_id": "ana"})
    assert answer.status_code == 201
    assert me.delete(f"/v1/memories/{home}").status_code == 204
    assert told("static") == {"lives in Porto", "rent 950 euros"}
    (line,) = [one for one in me.get("/v1/profiles/ana").json()["static"] if one["attribute"] == "lives_in"]
    assert line["memory_ids"] == [str(again)], "who says so still"
    assert me.patch(f"/v1/memories/{rent}", json={"valid_to": "2026-03-01T00:00:00Z"}).status_code == 200
    assert me.delete(f"/v1/memories/{again}").status_code == 204
    left = me.get("/v1/profiles/ana").json()
    assert (left["static"], left["recent"]) == ([], []), "what is archived is quoted no more"


def test_a_profile_says_at_once_no_more_what_a_corrected_text_said(structures: Any, me: Any, database: Any) -> None:
    def told() -> tuple[set[str], list[str]]:
        answer = me.get("/v1/profiles/ana").json()
        return (
            {line["text"].partition(": ")[2] for line in answer["static"]},
            [line["text"] for line in answer["recent"]],
        )

    home, job, tram = structures.say("I live in Porto.", "I work at Siemens.", "The tram to work is late.")
    structures.run(episode_changes)
    structures.run(profile_changes)
    assert told() == ({"lives in Porto", "works at Siemens"}, ["The tram to work is late."])
    assert me.patch(f"/v1/memories/{home}", json={"content": "I live in Braga."}).status_code == 200
    assert me.patch(f"/v1/memories/{tram}", json={"content": "The tram to work is early."}).status_code == 200
    assert told() == ({"works at Siemens"}, [])
    # What the new text says as well is told again as soon as it has been read.
    assert me.patch(f"/v1/memories/{job}", json={"content": "I work at Siemens, in Graz."}).status_code == 200
    assert told() == (set(), [])
    tenancy = Tenancy(me.tenant_id, lambda: database.transaction(me.tenant_id), lambda: structures.now)
    enriching.enrich_pending(tenancy)
    assert told() == ({"works at Siemens"}, [])
    structures.run(episode_changes)
    structures.run(profile_changes)
    static, recent = told()
    assert static == {"lives in Braga", "works at Siemens"}
    assert recent[0].endswith("The tram to work is early.")
    assert structures.plan(profile_changes) == []


def test_a_profile_knows_what_the_same_run_supersedes(structures: Any, me: Any) -> None:
    two, three = structures.say("I drink two coffees a day.", "I drink three coffees a day.")
    why = Why(PlannedStep.CONFLICTS, "another number", 0.9)
    replaces = Supersede(Ref(two, 1), Ref(three, 1), BEGAN + timedelta(minutes=1), why)
    (put,) = structures.plan(profile_changes, planned=[replaces])
    assert [line["value"] for line in put.values["lines"]] == ["three coffees a day"]


def test_structures_are_listed_with_their_gist_and_their_memories(structures: Any, me: Any) -> None:
    ids = [str(id) for id in structures.say(*GARDEN, *FLIGHT)]
    for step in (episode_changes, topic_changes):
        structures.run(step)
    first = me.get("/v1/episodes?namespace=default&limit=1").json()
    assert first["has_more"]
    rest = me.get(f"/v1/episodes?namespace=default&limit=1&cursor={first['next_cursor']}").json()
    assert sorted(id for one in (*first["data"], *rest["data"]) for id in one["memory_ids"]) == sorted(ids)
    episode = me.get(f"/v1/episodes/{first['data'][0]['id']}").json()
    assert episode == first["data"][0]
    for quote in episode["gist"]["spans"]:
        content = me.get(f"/v1/memories/{quote['memory_id']}").json()["content"]
        assert content[slice(*quote["span"])] in episode["gist"]["text"]
    topics = me.get("/v1/topics").json()["data"]
    assert sum(one["size"] for one in topics if one["parent_id"] is None) == len(ids)
    assert {one["depth"] for one in topics if one["parent_id"] is None} == {0}
    assert me.delete(f"/v1/memories/{ids[0]}").status_code == 204
    # What is archived is left out at once, whether or not a run has passed since.
    assert not any(ids[0] in one["memory_ids"] for one in me.get("/v1/episodes").json()["data"])


def _everything(database: Any, me: Any) -> str:
    tables = ("episode", "topic", "gist", "community", "profile", "structure_member")
    with database.transaction(me.tenant_id) as session:
        return "\n".join(
            str(row[0])
            for table in tables
            for row in session.execute(
                text(f"SELECT t::text FROM {table} t WHERE t.tenant_id = :tenant"), {"tenant": me.tenant_id}
            )
        )
