"""Why this was found, why not that: sentences, replays, and where a memory fell out of a search."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from memory_service.api.explain_models import ExplainOut, ReplayOut, WhyNotOut
from memory_service.storage.database import Database

NOWHERE = "018f3c1e-7b1a-7c3d-9e2f-5a6b7c8d9e0f"
FACTS = [
    "Ada keeps eleven hives of bees behind the mill.",
    "Bob repaired the roof of the mill in spring.",
    "The choir rehearses on Thursdays at eight.",
    "Ada is allergic to walnuts.",
    "The bakery sells rye bread on Saturdays only.",
    "The mill was sold to a cooperative.",
    "Flour from the mill is sold at the market.",
]


@pytest.fixture
def facts(api: Any) -> list[str]:
    return [api.remember(text, extract="none", user_id=f"u{n % 2}")["id"] for n, text in enumerate(FACTS)]


@pytest.fixture
def why_not(me: Any) -> Callable[[dict[str, Any], str], dict[str, Any]]:
    def ask(search: dict[str, Any], memory_id: str) -> dict[str, Any]:
        answer = me.post(f"/v1/traces/{search['search_id']}/why-not", json={"memory_id": memory_id})
        assert answer.status_code == 200, answer.text
        WhyNotOut.model_validate(answer.json())
        assert answer.json()["detail"].endswith(".")
        found: dict[str, Any] = answer.json()
        return found

    return ask


def ids_of(answer: dict[str, Any]) -> list[str]:
    return [result["memory"]["id"] for result in answer["results"]]


def replayed(me: Any, search: dict[str, Any]) -> dict[str, Any]:
    answer = me.get(f"/v1/traces/{search['search_id']}", params={"replay": "true"})
    assert answer.status_code == 200, answer.text
    replay: dict[str, Any] = answer.json()["replay"]
    ReplayOut.model_validate(replay)
    return replay


class TestStages:
    def test_found(self, api: Any, facts: list[str], why_not: Any) -> None:
        search = api.search("Who keeps bees?", top_k=2)
        answer = why_not(search, facts[0])
        assert (answer["stage"], answer["rank"], answer["version"]) == ("found", 1, 1)
        assert answer["score"] == search["results"][0]["score"]

    def test_below_top_k_and_what_brings_it_in(self, api: Any, facts: list[str], why_not: Any) -> None:
        full = ids_of(api.search("Who lives by the mill?", top_k=50))
        search = api.search("Who lives by the mill?", top_k=2)
        helped = 0
        for rank, missed in enumerate(full[2:], start=3):
            answer = why_not(search, missed)
            assert (answer["stage"], answer["rank"]) == ("below_top_k", rank)
            last = answer["last_result"]
            assert last["memory_id"] == full[1]
            assert answer["missing_score"] == pytest.approx(last["score"] - answer["score"], abs=1e-5)
            assert sum(answer["costs"].values()) == pytest.approx(answer["missing_score"], abs=1e-4)
            assert answer["dearest_channel"] == max(answer["costs"], key=answer["costs"].__getitem__)
            remedy = answer["would_bring_it_in"]
            assert missed in ids_of(api.search("Who lives by the mill?", top_k=remedy["top_k"]))
            assert missed not in ids_of(api.search("Who lives by the mill?", top_k=remedy["top_k"] - 1))
            if remedy["channels"]:
                helped += 1
                assert missed in ids_of(api.search("Who lives by the mill?", top_k=2, channels=remedy["channels"]))
        assert helped

    def test_not_a_candidate(self, api: Any, facts: list[str], why_not: Any) -> None:
        answer = why_not(api.search("mill", channels={"keyword": 1}), facts[3])
        assert answer["stage"] == "not_a_candidate"
        assert "keyword" in answer["detail"]

    def test_filtered_says_by_what(self, api: Any, facts: list[str], why_not: Any) -> None:
        search = api.search("mill", user_id="u0", filter={"memory_type": "episodic", "importance": {"gte": 0.1}})
        answer = why_not(search, facts[1])
        assert answer["stage"] == "filtered"
        assert answer["excluded_by"] == [{"part": "filter", "condition": "user_id eq u0"}]
        both = why_not(api.search("mill", user_id="u0", filter={"OR": [{"tags": "x"}, {"tags": "y"}]}), facts[1])
        assert [one["condition"] for one in both["excluded_by"]] == ["user_id eq u0", None]

    @pytest.mark.parametrize(
        ("asked", "condition"),
        [
            ({"filter": {"observed_at": {"gt": "2090-03-05T01:00:00+01:00"}}}, "observed_at gt 2090-03-05T00:00:00Z"),
            ({"filter": {"user_id": {"in": ["u7", "u8"]}}}, "user_id in [u7, u8]"),
            ({"filter": {"external_id": {"exists": True}}}, "external_id exists true"),
            ({"as_of": {"valid": "1950-01-01T00:00:00Z"}}, "true at 1950-01-01T00:00:00Z"),
        ],
    )
    def test_a_condition_reads_as_a_filter_is_written(
        self, api: Any, facts: list[str], why_not: Any, asked: dict[str, Any], condition: str
    ) -> None:
        late = api.remember("The mill burned down.", valid_from="2000-01-01T00:00:00Z")
        answer = why_not(api.search("mill", **asked), late["id"])
        assert [one["condition"] for one in answer["excluded_by"]] == [condition]

    def test_valid_time_and_window(self, api: Any, facts: list[str], why_not: Any) -> None:
        old = api.remember(
            "The mill had a steam engine.", valid_from="1900-01-01T00:00:00Z", valid_to="1920-01-01T00:00:00Z"
        )
        valid = why_not(api.search("mill", as_of={"valid": "1950-01-01T00:00:00Z"}), old["id"])
        assert (valid["stage"], [one["part"] for one in valid["excluded_by"]]) == ("filtered", ["valid"])
        window = why_not(api.search("mill", window={"from": "1950-01-01T00:00:00Z"}), old["id"])
        assert (window["stage"], [one["part"] for one in window["excluded_by"]]) == ("filtered", ["window"])

    def test_archived_then_and_archived_since(self, me: Any, api: Any, facts: list[str], why_not: Any) -> None:
        before = api.search("bees", top_k=1)
        me.delete(f"/v1/memories/{facts[0]}")
        assert why_not(before, facts[0])["stage"] == "found"
        assert why_not(api.search("bees"), facts[0])["stage"] == "archived"
        assert why_not(api.search("bees", include=["archived"]), facts[0])["stage"] == "found"

    def test_expired(self, api: Any, facts: list[str], why_not: Any) -> None:
        soon = datetime.now(UTC) + timedelta(seconds=1)
        made = api.remember("The voucher is worth ten.", expires_at=soon.isoformat())["id"]
        early = api.search("voucher")
        time.sleep(1.1)
        assert why_not(early, made)["stage"] == "found"
        assert why_not(api.search("voucher"), made)["stage"] == "expired"
        assert why_not(api.search("voucher", include=["archived"]), made)["stage"] == "expired"
        by_state = api.search("voucher", include=["archived"], filter={"state": "expired"})
        assert why_not(by_state, made)["stage"] == "found"

    def test_merged(self, me: Any, api: Any, facts: list[str], why_not: Any, database: Database) -> None:
        me.delete(f"/v1/memories/{facts[0]}")
        with database.transaction(me.tenant_id) as session:
            session.execute(
                text("UPDATE memory SET state = 'merged' WHERE tenant_id = :tenant AND id = :id"),
                {"tenant": me.tenant_id, "id": facts[0]},
            )
        answer = why_not(api.search("bees"), facts[0])
        assert answer["stage"] == "archived"
        assert "merged" in answer["detail"]
        assert why_not(api.search("bees", include=["archived"]), facts[0])["stage"] == "found"

    def test_not_yet_known(self, api: Any, facts: list[str], why_not: Any) -> None:
        search = api.search("bees")
        later = api.remember("More bees came.")["id"]
        assert why_not(search, later)["stage"] == "not_yet_known"
        assert why_not(api.search("bees"), later)["stage"] == "found"

    def test_other_namespace(self, api: Any, facts: list[str], why_not: Any) -> None:
        elsewhere = api.remember("Bees.", namespace="elsewhere")["id"]
        assert why_not(api.search("bees"), elsewhere)["stage"] == "other_namespace"
        assert why_not(api.search("bees", namespaces=["default", "elsewhere"]), elsewhere)["stage"] == "found"

    def test_nothing_was_there(self, api: Any, why_not: Any) -> None:
        search = api.search("bees")
        assert why_not(search, api.remember("Bees.")["id"])["stage"] == "not_yet_known"

    def test_budget(self, api: Any, why_not: Any) -> None:
        long = api.remember("The mill " + "has a very long and winding story " * 30)["id"]
        short = api.remember("The mill is old.")["id"]
        search = api.search("mill story", token_budget=40)
        assert ids_of(search) == [short]
        answer = why_not(search, long)
        assert answer["stage"] == "budget"
        assert answer["budget"]["limit"] == 40
        assert answer["budget"]["used"] + answer["budget"]["tokens"] > 40
        assert why_not(search, short)["stage"] == "found"

    def test_of_a_context(self, api: Any, facts: list[str], why_not: Any) -> None:
        """A context looks at thirty results unless it says otherwise; its trace replays with as many."""
        assert why_not(api.context("mill"), facts[4])["stage"] == "found"


class TestWhatIsNotThere:
    def test_unknown_erased_foreign(
        self, me: Any, api: Any, facts: list[str], work: Any, problem: Any, make_tenant: Any, as_tenant: Any
    ) -> None:
        path = f"/v1/traces/{api.search('bees')['search_id']}/why-not"
        problem(me.post(path, json={"memory_id": NOWHERE}), 404, "memory_not_found")
        problem(me.post(f"/v1/traces/{NOWHERE}/why-not", json={"memory_id": facts[0]}), 404, "trace_not_found")
        for body in ({}, {"memory_id": "x"}, {"memory_id": facts[0], "more": 1}):
            problem(me.post(path, json=body), 422)
        stranger = as_tenant(make_tenant())
        problem(stranger.post(path, json={"memory_id": facts[0]}), 404, "trace_not_found")
        own = stranger.post("/v1/search", json={"query": "bees"}).json()["search_id"]
        problem(stranger.post(f"/v1/traces/{own}/why-not", json={"memory_id": facts[0]}), 404, "memory_not_found")
        assert me.delete(f"/v1/memories/{facts[0]}", params={"erase": "true"}).status_code == 202
        work(me.tenant_id)
        problem(me.post(path, json={"memory_id": facts[0]}), 410, "erased")

    def test_it_changes_nothing(self, me: Any, api: Any, facts: list[str], why_not: Any) -> None:
        search = api.search("bees", reinforce=True)
        path = f"/v1/traces/{search['search_id']}"
        before, memory = me.get(path).json(), api.read(facts[0])
        why_not(search, facts[0])
        replayed(me, search)
        assert me.get(path).json() == before
        assert api.read(facts[0])["version"] == memory["version"]
        assert api.read(facts[0])["retention"]["recall_count"] == memory["retention"]["recall_count"]


class TestReplay:
    @pytest.mark.parametrize(
        "fields",
        [
            {},
            {"filter": {"user_id": "u0"}},
            {"namespace": None, "namespace_prefix": "default"},
            {"top_k": 3, "diversity": 0.5},
            {"channels": {"vector": 1, "keyword": 2}},
        ],
    )
    def test_it_answers_as_of_its_time(self, me: Any, api: Any, facts: list[str], work: Any, fields: Any) -> None:
        api.remember("Ada likes honey.", speaker="Ada", session_id="s")
        search = api.search("What does Bob do at the mill?", **fields)
        was = ids_of(search)
        # Afterwards somebody called Bob speaks, in another language as well, and the best results change.
        api.remember("I sold the mill.", speaker="Bob", session_id="s")
        api.remember("Bob, was machst du in der alten Mühle?", language="de", user_id="u0")
        api.remember("Bob works at the mill.", namespace="default/below", user_id="u0")
        assert me.patch(f"/v1/memories/{was[0]}", json={"content": "Nothing to see here."}).status_code == 200
        assert me.delete(f"/v1/memories/{was[1]}").status_code == 204
        assert me.post(f"/v1/memories/{was[2]}/supersede", json={"content": "The mill is gone."}).status_code == 201
        work(me.tenant_id)
        assert ids_of(api.search("What does Bob do at the mill?", **fields)) != was
        replay = replayed(me, search)
        assert [r["memory_id"] for r in replay["results"]] == was
        assert (replay["same"], replay["differences"], replay["erased_since"]) == (True, [], 0)
        assert [r["score"] for r in replay["results"]] == pytest.approx(
            [r["score"] for r in search["results"]], abs=1e-4
        )

    def test_an_erased_memory_stays_away(self, me: Any, api: Any, facts: list[str], work: Any) -> None:
        search = api.search("mill", top_k=3)
        gone = ids_of(search)[0]
        assert me.delete(f"/v1/memories/{gone}", params={"erase": "true"}).status_code == 202
        work(me.tenant_id)
        replay = replayed(me, search)
        assert replay["erased_since"] == 1
        assert gone not in str(me.get(f"/v1/traces/{search['search_id']}", params={"replay": "true"}).json())
        assert replay["same"] is False  # another memory has moved up
        assert None in [d["was"] for d in replay["differences"]]

    def test_without_asking_there_is_none(self, me: Any, api: Any, facts: list[str], problem: Any) -> None:
        path = f"/v1/traces/{api.search('mill')['search_id']}"
        assert "replay" not in me.get(path).json()
        problem(me.get(path, params={"replay": "perhaps"}), 422)


class TestReasons:
    @pytest.fixture
    def talk(self, me: Any) -> list[str]:
        said = [
            ("Caroline", "I went to the shelter and adopted a dog."),
            ("Melanie", "What is its name?"),
            ("Caroline", "He is called Oscar, after my uncle in Lisbon."),
            ("Melanie", "My cousin lives in Lisbon."),
            ("Melanie", "The weather was dull all week."),
        ]
        turns = [
            {"name": name, "content": text, "observed_at": f"2023-05-08T10:0{n}:00Z"}
            for n, (name, text) in enumerate(said)
        ]
        body = {"messages": turns, "session_id": "s"}
        made: list[str] = me.post("/v1/messages", json=body).json()["memories"]
        return made

    def test_what_counts_most_comes_first(self, api: Any, talk: list[str]) -> None:
        results = api.search("What did Caroline adopt in May 2023?", now="2024-01-01T00:00:00Z")["results"]
        best = next(r for r in results if r["memory"]["id"] == talk[0])
        assert "said by Caroline, whom the query names" in best["why"]
        assert 'observed the time asked for, "May 2023"' in best["why"]
        assert "matches" in best["why"]
        assert "adopt" in best["why"]
        assert "(cosine " in best["why"]
        others = [r for r in results if r["memory"]["source"]["speaker"] == "Melanie"]
        assert others
        assert all("said by Caroline" not in r["why"] for r in others)

    @pytest.mark.parametrize("name", ["vector", "keyword", "graph", "temporal", "hopfield"])
    def test_a_channel_alone_says_why(self, me: Any, api: Any, talk: list[str], work: Any, name: str) -> None:
        work(me.tenant_id)
        results = api.search("What did Caroline say about Lisbon in May 2023?", channels={name: 1})["results"]
        assert results
        for result in results:
            channel = result["channels"][name]
            assert channel["rank"] is not None
            assert channel["score"] is not None
            assert result["why"].startswith(f"{name} rank {channel['rank']} (")

    @pytest.mark.parametrize("query", ["Where does my cousin live?", "Oscar", "dull weather"])
    def test_counterfactual_ranks_are_those_of_a_search_without_the_channel(
        self, api: Any, talk: list[str], query: str
    ) -> None:
        # No words of the queries, nothing beside it: the vector alone finds it.
        lone = api.remember("Zebras graze.", session_id="zoo", extract="none")["id"]
        channels = {"vector": 1, "keyword": 1, "graph": 1}  # Without one, two are left: one would rank by its own.
        explain = api.search(query, channels=channels, explain=True)["explain"]
        for silent in channels:
            rest = {name: weight for name, weight in channels.items() if name != silent}
            real = {r["memory"]["id"]: r["rank"] for r in api.search(query, channels=rest)["results"]}
            said = {one: ranks[silent] for one, ranks in explain["counterfactual_ranks"].items()}
            assert set(said) == {*talk, lone}
            assert {one: rank for one, rank in said.items() if rank is not None} == real
            assert silent != "vector" or said[lone] is None

    def test_explain_is_read_by_people(self, api: Any, talk: list[str]) -> None:
        query = 'Can you give me a summary of what Caroline said about "Oscar" in May 2023?'
        explain = api.search(query, explain=True, top_k=2, now="2024-01-01T00:00:00Z")["explain"]
        ExplainOut.model_validate(explain)
        asked = explain["query"]
        assert asked["dates"] == [
            {"phrase": "May 2023", "start": "2023-05-01T00:00:00Z", "end": "2023-06-01T00:00:00Z"}
        ]
        assert (asked["speaker"], asked["phrases"]) == ("Caroline", ["Oscar"])
        assert {"summary", "course"} <= set(asked["intents"])
        assert asked["route"] in {"question", "statement"}
        assert asked["route_reason"]
        assert explain["loaded"] == "resident"
        assert set(explain["timings_ms"]) >= {"encode", "candidates", "fuse", "total"}
        assert explain["near_misses"]
        assert all(miss["channels"] for miss in explain["near_misses"])
        assert all(set(ranks) == set(explain["weights"]) for ranks in explain["counterfactual_ranks"].values())
