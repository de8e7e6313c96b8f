"""POST /v1/search, sentence by sentence."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from memory_service.types import KeyScope

FACTS = [
    "Ada keeps eleven hives of bees behind the mill.",
    "Bob repaired the roof of the mill in spring.",
    "The choir rehearses on Thursdays at eight.",
    "Ada is allergic to walnuts.",
    "The bakery sells rye bread on Saturdays only.",
]


@pytest.fixture
def facts(api: Any) -> list[str]:
    return [api.remember(text, extract="none")["id"] for text in FACTS]


def test_the_answer_has_its_shape(api: Any, facts: list[str]) -> None:
    answer = api.search("Who keeps bees?")
    assert {"search_id", "results", "confidence", "abstain", "timings_ms"} <= set(answer)
    assert set(answer["timings_ms"]) >= {"encode", "candidates", "graph", "fuse", "total"}
    assert all(value >= 0 for value in answer["timings_ms"].values())
    assert 0 <= answer["confidence"] <= 1
    results = answer["results"]
    assert results[0]["memory"]["id"] == facts[0]
    assert [r["rank"] for r in results] == list(range(1, len(results) + 1))
    for result in results:
        assert {"rank", "score", "memory", "channels", "why", "neighbours"} <= set(result)
        assert result["why"]
        assert set(result["channels"]) <= {"vector", "keyword", "graph", "temporal", "hopfield"}
        for channel in result["channels"].values():
            assert set(channel) >= {"rank", "score", "weight", "contribution"}
    scores = [r["score"] for r in results]
    assert scores == sorted(scores, reverse=True)
    assert results[0]["memory"] == api.read(facts[0]) | {"retention": results[0]["memory"]["retention"]}


def test_contributions_add_up_to_the_score(api: Any, facts: list[str]) -> None:
    for result in api.search("bees behind the mill")["results"]:
        total = sum(channel["contribution"] for channel in result["channels"].values())
        assert total == pytest.approx(result["score"], abs=1e-4)


@pytest.mark.parametrize("top_k", [1, 2, 200])
def test_top_k(api: Any, facts: list[str], top_k: int) -> None:
    assert len(api.found("the mill", top_k=top_k)) == min(top_k, len(FACTS))


def test_top_k_beyond_the_limit(me: Any, problem: Any) -> None:
    problem(me.post("/v1/search", json={"query": "x", "top_k": 201}), 413)


@pytest.mark.parametrize("preset", ["fast", "balanced", "thorough"])
def test_presets(api: Any, facts: list[str], preset: str) -> None:
    assert api.found("walnuts", preset=preset)[0] == facts[3]


@pytest.mark.parametrize("query", ["", " ", "\n\t", "\u3000"])
def test_an_empty_query(me: Any, problem: Any, query: str) -> None:
    problem(me.post("/v1/search", json={"query": query}), 422)
    problem(me.post("/v1/context", json={"query": query}), 422)


@pytest.mark.parametrize(
    "query",
    [
        "the of and",
        "?!…",
        "🐝",
        "a",
        "x" * 8000,
        "the " * 2000,
        "日本語の質問",
        "'; DROP TABLE memory; --",
        "\ufeffbees",
    ],
)
def test_odd_queries_are_answered(api: Any, facts: list[str], query: str) -> None:
    assert len(api.search(query)["results"]) > 0
    assert api.search(query, channels={"keyword": 1})["abstain"] in {True, False}


def test_a_query_that_is_too_long(me: Any, problem: Any) -> None:
    problem(me.post("/v1/search", json={"query": "word " * 100_000}), 413)


def test_what_is_written_around_a_question_changes_nothing_of_its_answer(me: Any, api: Any, facts: list[str]) -> None:
    for text in (
        "The answer is in one sentence.",
        "We had a conversation about answers.",
        "2024-05-01 was a Wednesday.",
    ):
        api.remember(text, extract="none")
    api.remember("I went to the lake.", extract="none", observed_at="2024-04-24T10:00:00Z")
    asked = "Where did I go last week?"
    plain = api.search(asked, explain=True, now="2024-05-01T00:00:00Z")
    framed = api.search(
        f"Today is 2024-05-01. Based on our conversation, answer the question: {asked} Please answer in one sentence.",
        explain=True,
    )
    assert framed["explain"]["query"] == plain["explain"]["query"]
    assert framed["explain"]["query"]["text"] == asked
    assert framed["explain"]["query"]["dates"][0]["start"] == "2024-04-22T00:00:00Z"
    for one, other in zip(framed["results"], plain["results"], strict=True):
        assert (one["memory"]["id"], one["score"]) == (other["memory"]["id"], other["score"])
    # The trace keeps what was sent, and a replay reads it as the search did.
    trace = me.get(f"/v1/traces/{framed['search_id']}", params={"replay": "true"}).json()
    assert trace["request"]["query"].startswith("Today is 2024-05-01.")
    replayed = [(one["memory_id"], one["score"]) for one in trace["replay"]["results"]]
    assert replayed == [(one["memory"]["id"], one["score"]) for one in framed["results"]]


@pytest.mark.parametrize("inside", ["where \\ud800 is it?", "where \\u0000 is it?"])
def test_what_is_no_text_inside_of_json_is_no_query(api: Any, facts: list[str], inside: str) -> None:
    query = f'{{"question": "{inside}"}}'
    assert api.search(query, explain=True)["explain"]["query"]["text"] == query


def test_who_asks_at_another_time_than_the_query_says_is_believed(api: Any, facts: list[str]) -> None:
    query = "Today is 2024-05-01. Where did I go yesterday?"
    found = api.search(query, explain=True, now="2025-06-02T12:00:00Z")
    assert found["explain"]["query"]["dates"][0]["start"] == "2025-06-01T00:00:00Z"


class TestNames:
    """A name that nobody bears may be the one by which the others call somebody."""

    @pytest.fixture
    def talk(self, api: Any) -> list[str]:
        said = [
            ("emi_92", "I moved to a flat by the canal last month."),
            ("jo", "Hi Kate! How is the new place?"),
            ("emi_92", "Small, but I love the light there."),
            ("jo", "Kate, I have news: my brother Oliver bought a boat."),
            ("emi_92", "A boat! Does he sail?"),
            ("jo", "Oliver hardly swims. Sleep well, Kate!"),
        ]
        return [
            api.remember(text, extract="none", speaker=speaker, session_id="s", observed_at=f"2026-01-01T10:0{n}:00Z")[
                "id"
            ]
            for n, (speaker, text) in enumerate(said)
        ]

    def test_who_is_called_by_it_is_asked_for(self, api: Any, talk: list[str]) -> None:
        answer = api.search("Where does Kate live?", explain=True)
        assert answer["explain"]["query"]["spoken"] == "Where do I live?"
        of = {result["memory"]["id"]: result["signals"].get("speaker", 0) for result in answer["results"]}
        assert [of[one] > 0 for one in talk] == [True, False, True, False, True, False]
        assert answer["results"][0]["memory"]["id"] == talk[0]

    @pytest.mark.parametrize("session", ["t", None])
    def test_of_several_it_is_the_one_who_talks_with_those_who_say_it(
        self, api: Any, talk: list[str], session: str | None
    ) -> None:
        for n, (speaker, text) in enumerate(
            [("bo", "Rain on the roof of the hut."), ("jo", "Is it warm?"), ("bo", "Hardly.")]
        ):
            of = {"session_id": session} if session else {}
            api.remember(text, extract="none", speaker=speaker, observed_at=f"2026-02-01T10:0{n}:00Z", **of)
        answer = api.search("Where does Kate live?", explain=True)
        assert answer["explain"]["query"]["spoken"] == "Where do I live?"
        of_kate = {r["memory"]["id"] for r in answer["results"] if r["signals"].get("speaker", 0) > 0}
        assert talk[0] in of_kate
        assert of_kate <= set(talk[::2])
        assert answer["results"][0]["memory"]["id"] == talk[0]

    def test_talks_at_the_same_time_are_two(self, api: Any, talk: list[str]) -> None:
        for n in range(6):
            for second in (10, 20, 30, 40):
                at = f"2026-01-01T10:0{n}:{second}Z"
                api.remember(f"Rain {n} {second}.", extract="none", speaker="bo", session_id="t", observed_at=at)
        answer = api.search("Where does Kate live?", explain=True)
        assert answer["explain"]["query"]["spoken"] == "Where do I live?"

    def test_of_several_who_talk_together_it_is_nobody(self, api: Any, talk: list[str]) -> None:
        for n in range(6):
            api.remember(
                f"Rain again. {n}", extract="none", speaker="bo", session_id="s", observed_at=f"2026-01-01T10:0{n}:30Z"
            )
        assert (
            api.search("Where does Kate live?", explain=True)["explain"]["query"]["spoken"] == "Where does Kate live?"
        )

    def test_who_is_talked_about_stays_himself(self, api: Any, talk: list[str]) -> None:
        answer = api.search("What did Oliver buy?", explain=True)
        assert answer["explain"]["query"]["spoken"] == "What did Oliver buy?"
        assert answer["results"][0]["memory"]["id"] == talk[3]

    def test_a_replay_knows_what_was_known(self, api: Any, me: Any, talk: list[str]) -> None:
        search = api.search("Where does Kate live?")
        for n in range(4):
            api.remember(f"Hi Kate! Take {n}.", extract="none", speaker="emi_92", session_id=f"later{n}")
        assert (
            api.search("Where does Kate live?", explain=True)["explain"]["query"]["spoken"] == "Where does Kate live?"
        )
        replay = me.get(f"/v1/traces/{search['search_id']}", params={"replay": "true"}).json()["replay"]
        assert [one["memory_id"] for one in replay["results"]] == [one["memory"]["id"] for one in search["results"]]


class TestPeopleAsRoles:
    """Two friends whom a loader calls user and assistant, because it knows nothing else."""

    @pytest.fixture
    def talk(self, me: Any, api: Any) -> list[str]:
        said = ["I moved to a flat by the canal, my first one.", "Hi Kate! I like it. My own flat is so dark."]
        said += ["I love the light there, and my plants do.", "Kate, I bought a boat with my brother."] * 10
        messages = [
            {
                "role": "user" if n % 2 == 0 else "assistant",
                "content": f"{one} {n}",
                "observed_at": f"2026-01-01T10:{n:02}:00Z",
            }
            for n, one in enumerate([*said, *said[2:]])
        ]
        body = {"session_id": "s", "messages": messages, "extract": "none"}
        sent = me.post("/v1/messages", json=body)
        assert sent.status_code == 202, sent.text
        ids: list[str] = sent.json()["memories"]
        return ids

    def test_the_one_who_is_called_by_a_name_is_asked_for_by_it(self, api: Any, talk: list[str]) -> None:
        answer = api.search("Where does Kate live?", explain=True, top_k=40)
        assert answer["explain"]["query"]["spoken"] == "Where do I live?"
        of = {result["memory"]["id"]: result["signals"] for result in answer["results"]}
        assert {one: "speaker" in signals for one, signals in of.items()} == {one: one in talk[::2] for one in of}
        assert not any("role" in signals for signals in of.values())


class TestTalksWithoutSession:
    SAID = (
        ("Rosa", "What did the storm do to the greenhouse?"),
        ("Milo", "Nothing that glue and a free Sunday cannot mend."),
    )

    def store(self, api: Any, *, minutes: int) -> list[str]:
        """Store two turns so far apart, and what was said on other days."""
        for day in range(1, 9):
            api.remember(
                f"Day {day}: bread, rain and a walk.",
                speaker="Milo",
                observed_at=f"2026-02-0{day}T10:00:00Z",
                extract="none",
            )
        return [
            api.remember(text, speaker=who, observed_at=f"2026-01-01T10:{n * minutes:02}:00Z", extract="none")["id"]
            for n, (who, text) in enumerate(self.SAID)
        ]

    def test_an_answer_stands_beside_its_question(self, api: Any, me: Any) -> None:
        asked, answered = self.store(api, minutes=1)
        found = api.search("What happened to the greenhouse in the storm?")
        first, second = found["results"][:2]
        assert [first["memory"]["id"], second["memory"]["id"]] == [asked, answered]
        assert "next to rank 1" in second["why"]
        assert second["channels"]["temporal"]["contribution"] > 0
        # Nobody said that it is a session: it is none to those who ask for turns around a result.
        assert second["memory"]["session_id"] is None
        then = api.search(
            "What happened to the greenhouse in the storm?", as_of={"known": datetime.now(UTC).isoformat()}
        )
        assert [(r["memory"]["id"], r["score"]) for r in then["results"]] == [
            (r["memory"]["id"], r["score"]) for r in found["results"]
        ]
        replay = me.get(f"/v1/traces/{found['search_id']}", params={"replay": "true"}).json()["replay"]
        assert [one["memory_id"] for one in replay["results"]] == [one["memory"]["id"] for one in found["results"]]

    def test_what_was_said_after_a_long_pause_does_not(self, api: Any) -> None:
        _, answered = self.store(api, minutes=31)
        found = api.search("What happened to the greenhouse in the storm?")["results"]
        (result,) = [one for one in found if one["memory"]["id"] == answered]
        assert "temporal" not in result["why"]


class TestChannels:
    @pytest.mark.parametrize("name", ["vector", "keyword"])
    def test_one_name_asks_that_channel_alone(self, api: Any, facts: list[str], name: str) -> None:
        results = api.search("bees", channels={name: 1})["results"]
        assert results[0]["memory"]["id"] == facts[0]
        assert all(set(r["channels"]) == {name} for r in results)

    def test_a_channel_alone_does_not_depend_on_its_weight(self, api: Any, facts: list[str]) -> None:
        assert api.found("mill", channels={"keyword": 0.1}) == api.found("mill", channels={"keyword": 900})

    def test_keyword_alone_finds_only_what_has_a_word(self, api: Any, facts: list[str]) -> None:
        assert set(api.found("mill", channels={"keyword": 1})) == {facts[0], facts[1]}
        assert api.found("zeppelin", channels={"keyword": 1}) == []

    def test_weight_zero_switches_off(self, api: Any, facts: list[str]) -> None:
        assert api.found("mill", channels={"vector": 0, "keyword": 1}) == api.found("mill", channels={"keyword": 1})

    @pytest.mark.parametrize(
        "channels",
        [
            {"vector": -1},
            {"telepathy": 1},
            {"vector": "1"},
            {"vector": True},
            {"vector": None},
            [],
            {},
            {"vector": 0},
            {"vector": 0, "keyword": 0},
        ],
    )
    def test_channels_that_make_no_sense(self, me: Any, problem: Any, channels: Any) -> None:
        problem(me.post("/v1/search", json={"query": "x", "channels": channels}), 422)


class TestNamespaces:
    def test_unknown(self, me: Any, problem: Any) -> None:
        for where in (
            {"namespace": "nowhere"},
            {"namespaces": ["default", "nowhere"]},
            {"namespace_prefix": "nowhere"},
        ):
            problem(me.post("/v1/search", json={"query": "x", **where}), 404, "namespace_not_found")
            problem(me.post("/v1/context", json={"query": "x", **where}), 404, "namespace_not_found")

    @pytest.mark.parametrize(
        "where", [{}, {"namespace": "default"}, {"namespaces": ["default"]}, {"namespace_prefix": "default"}]
    )
    def test_default_always_exists(self, api: Any, where: Any) -> None:
        answer = api.search("anything", **where)
        assert (answer["results"], answer["abstain"], answer["confidence"]) == ([], True, 0)

    def test_only_the_namespace_asked(self, api: Any) -> None:
        one = api.remember("A kite.", namespace="a")["id"]
        two = api.remember("A kite.", namespace="b")["id"]
        three = api.remember("A kite.")["id"]
        assert api.found("kite", namespace="a") == [one]
        assert api.found("kite") == [three]
        assert set(api.found("kite", namespaces=["a", "b"])) == {one, two}
        assert set(api.found("kite", namespaces=["a", "a", "default"])) == {one, three}

    def test_a_prefix_matches_whole_segments(self, api: Any) -> None:
        four, notes = (
            api.remember("A kite.", namespace="users/4")["id"],
            api.remember("A kite.", namespace="users/4/notes")["id"],
        )
        for path in ("users/42", "users/4-2", "users/4.2", "users/40/4", "4"):
            api.remember("A kite.", namespace=path)
        assert set(api.found("kite", namespace_prefix="users/4")) == {four, notes}
        assert set(api.found("kite", namespace_prefix="users/4/")) == {four, notes}
        assert len(api.found("kite", namespace_prefix="users")) == 6

    def test_one_way_to_name_them(self, me: Any, problem: Any) -> None:
        for body in (
            {"namespace": "default", "namespaces": ["default"]}, {"namespace": "default", "namespace_prefix": "default"},
            {"namespaces": []}, {"namespace": 3}, {"namespaces": "default"}, {"namespace_prefix": ""}, {"namespace_prefix": "/"},
        ):  # fmt: skip
            problem(me.post("/v1/search", json={"query": "x", **body}), 422)

    def test_a_thousand_at_once_and_no_more(self, me: Any, api: Any, problem: Any) -> None:
        items = [{"content": f"Kite number {n}.", "namespace": f"many/{n}", "extract": "none"} for n in range(1000)]
        assert me.post("/v1/memories/batch", json={"items": items}).status_code == 200
        found = api.search("kite number 777", namespace_prefix="many", top_k=3)["results"]
        assert found[0]["memory"]["namespace"] == "many/777"
        paths = [item["namespace"] for item in items]
        assert api.search("kite number 777", namespaces=paths)["results"][0]["memory"]["namespace"] == "many/777"
        api.remember("One more.", namespace="many")
        problem(me.post("/v1/search", json={"query": "x", "namespace_prefix": "many"}), 413)
        problem(me.post("/v1/search", json={"query": "x", "namespaces": [*paths, "default"]}), 413)

    def test_a_small_namespace_gets_its_share(self, me: Any, api: Any) -> None:
        items = [{"content": f"The harbour light number {n} is green.", "namespace": "big"} for n in range(300)]
        me.post("/v1/memories/batch", json={"items": items})
        small = [api.remember(f"The harbour light of lane {n} is red.", namespace="small")["id"] for n in range(3)]
        assert set(api.found("harbour light", namespace="small")) == set(small)
        assert set(
            api.found("harbour light is red", namespaces=["big", "small"], filter={"namespace": "small"})
        ) == set(small)


class TestScope:
    def test_users_agents_sessions(self, api: Any) -> None:
        one = api.remember("A drum.", user_id="1", agent_id="a", session_id="s")["id"]
        two = api.remember("A drum.", user_id="2")["id"]
        assert api.found("drum", user_id="1") == [one]
        assert api.found("drum", user_id="2") == [two]
        assert api.found("drum", agent_id="a") == [one]
        assert api.found("drum", session_id="s") == api.found("drum", run_id="s") == [one]
        assert api.found("drum", user_id="1", filter={"user_id": "2"}) == []
        assert api.found("drum", user_id="3") == []

    def test_a_minority_fills_its_top_k(self, me: Any, api: Any) -> None:
        items = [{"content": f"Invoice {n} was paid in cash.", "user_id": "many"} for n in range(500)]
        items += [{"content": f"A note about lunch {n}.", "user_id": "few"} for n in range(12)]
        me.post("/v1/memories/batch", json={"items": items})
        assert len(api.found("invoice paid in cash", user_id="few")) == 10

    def test_other_tenants_see_nothing(
        self, api: Any, facts: list[str], make_tenant: Any, as_tenant: Callable[..., Any]
    ) -> None:
        stranger = as_tenant(make_tenant())
        stranger.post("/v1/memories", json={"content": "Mine."})
        found = stranger.post("/v1/search", json={"query": "bees", "include": ["archived"], "explain": True}).json()
        assert [r["memory"]["content"] for r in found["results"]] == ["Mine."]


class TestWhatIsLeftOut:
    def test_archived(self, me: Any, api: Any, facts: list[str]) -> None:
        me.delete(f"/v1/memories/{facts[0]}")
        assert facts[0] not in api.found("bees", top_k=200)
        results = api.search("bees", include=["archived"])["results"]
        assert results[0]["memory"]["id"] == facts[0]
        assert results[0]["memory"]["state"] == "archived"

    def test_expired(self, me: Any, api: Any) -> None:
        soon = (datetime.now(UTC) + timedelta(seconds=1)).isoformat()
        made = api.remember("The voucher is worth ten.", expires_at=soon, external_id="v")
        assert api.found("voucher") == [made["id"]]
        time.sleep(1.1)
        assert api.found("voucher") == []
        assert api.read(made["id"])["state"] == "expired"
        assert api.query({"state": "expired"}) == [made["id"]]
        assert api.query({"state": "activated"}) == []
        assert api.remember("The voucher is worth twenty.", external_id="v")["id"] != made["id"]
        me.patch(f"/v1/memories/{made['id']}", json={"external_id": None})
        assert me.post(f"/v1/memories/{made['id']}/restore").json()["state"] == "activated"
        assert made["id"] in api.found("voucher ten")

    def test_expired_from_the_start(self, me: Any, api: Any) -> None:
        answer = me.post("/v1/memories", json={"content": "Stale.", "expires_at": "2001-01-01T00:00:00Z"})
        # What was true for a while is part of the past: a bundle of old memories is taken over whole, as expired.
        assert (answer.status_code, answer.json()["state"]) == (201, "expired")
        assert api.found("stale") == []
        assert api.query({"state": "expired"}) == [answer.json()["id"]]

    def test_expiry_can_be_moved(self, me: Any, api: Any) -> None:
        made = api.remember("A parcel.", expires_at="2090-01-01T00:00:00Z")
        path = f"/v1/memories/{made['id']}"
        for later in (None, "2095-01-01T00:00:00Z", None):
            assert me.patch(path, json={"expires_at": later}).json()["expires_at"] == later
            assert api.found("parcel") == [made["id"]]
            assert api.found("parcel", channels={"keyword": 1}) == [made["id"]]
        assert me.patch(path, json={"expires_at": "2001-01-01T00:00:00Z"}).status_code == 200
        assert api.found("parcel") == []
        assert me.patch(path, json={"expires_at": None}).status_code == 200
        assert api.found("parcel") == [made["id"]]

    @pytest.mark.parametrize("include", [["deleted"], "archived", ["archived", 3], {}])
    def test_include_knows_its_words(self, me: Any, problem: Any, include: Any) -> None:
        problem(me.post("/v1/search", json={"query": "x", "include": include}), 422)


class TestConfidence:
    def test_it_tells_what_it_knows_from_what_it_does_not(self, api: Any, facts: list[str]) -> None:
        sure, unsure = api.search("How many hives of bees does Ada keep?"), api.search("Which airline flies to Lima?")
        assert sure["confidence"] > unsure["confidence"]
        assert sure["abstain"] is False

    def test_the_threshold_is_the_callers(self, api: Any, facts: list[str]) -> None:
        strict = api.search("bees behind the mill", min_confidence=1)
        assert strict["abstain"] is (strict["confidence"] < 1)
        assert len(strict["results"]) > 0
        assert api.search("Which airline flies to Lima?", min_confidence=0)["abstain"] is False

    @pytest.mark.parametrize("value", [-0.1, 1.1, "0.5", True])
    def test_it_is_a_fraction(self, me: Any, problem: Any, value: Any) -> None:
        problem(me.post("/v1/search", json={"query": "x", "min_confidence": value}), 422, pointer="/min_confidence")


class TestNeighbours:
    def test_they_come_beside_and_do_not_count(self, me: Any, api: Any) -> None:
        turns = [
            {"content": text} for text in ("One duck.", "Two geese.", "Three swans.", "Four herons.", "Five storks.")
        ]
        ids = me.post("/v1/messages", json={"messages": turns, "session_id": "s"}).json()["memories"]
        me.post("/v1/messages", json={"messages": [{"content": "Elsewhere."}], "session_id": "t"})
        for distance, expected in {0: [], 1: [1, 3], 2: [0, 1, 3, 4], 3: [0, 1, 3, 4]}.items():
            results = api.search("three swans", top_k=1, neighbours=distance)["results"]
            assert [r["memory"]["id"] for r in results] == [ids[2]]
            assert [n["id"] for n in results[0]["neighbours"]] == [ids[i] for i in expected]

    def test_turns_of_one_moment_stay_in_order_whatever_changes(self, me: Any, api: Any) -> None:
        texts = ("One duck on the pond.", "It had two geese with it.", "Three swans came.", "Four herons stood by.")
        turns = [{"content": one, "observed_at": "2024-05-08T10:00:00Z"} for one in texts]
        ids = me.post("/v1/messages", json={"messages": turns, "session_id": "s"}).json()["memories"]
        channels = {"temporal": 1}

        def found(**body: Any) -> list[tuple[str, float]]:
            results = api.search("two geese", channels=channels, **body)["results"]
            return [(one["memory"]["id"], round(one["score"], 3)) for one in results]

        assert len(found()) == 4
        # What searches keep in memory gets the changed text as its last row; as of now it is read anew, in another order.
        assert me.patch(f"/v1/memories/{ids[0]}", json={"content": "One grey duck on the pond."}).is_success
        assert len(found()) == 4
        assert found() == found(as_of={"known": datetime.now(UTC).isoformat()})

    def test_what_belongs_to_no_session_has_none(self, api: Any, facts: list[str]) -> None:
        assert all(r["neighbours"] == [] for r in api.search("mill", neighbours=3)["results"])

    def test_archived_turns_are_no_neighbours(self, me: Any, api: Any) -> None:
        ids = me.post(
            "/v1/messages", json={"messages": [{"content": "Duck."}, {"content": "Goose."}], "session_id": "s"}
        ).json()["memories"]
        me.delete(f"/v1/memories/{ids[0]}")
        assert api.search("goose", neighbours=3)["results"][0]["neighbours"] == []

    @pytest.mark.parametrize("value", [-1, 4, 1.5, "1"])
    def test_bounds(self, me: Any, problem: Any, value: Any) -> None:
        problem(me.post("/v1/search", json={"query": "x", "neighbours": value}), 422)


class TestExplain:
    def test_it_adds_near_misses_counterfactuals_and_the_parsed_query(self, api: Any, facts: list[str]) -> None:
        plain, full = api.search("Who repaired the roof?"), api.search("Who repaired the roof?", top_k=1, explain=True)
        assert not plain.get("explain")
        explain = full["explain"]
        assert explain["query"]
        assert [m["memory_id"] for m in explain["near_misses"]]
        assert full["results"][0]["memory"]["id"] not in [m["memory_id"] for m in explain["near_misses"]]
        assert set(explain["counterfactual_ranks"]) == {full["results"][0]["memory"]["id"]}

    def test_it_changes_nothing_about_the_ranking(self, api: Any, facts: list[str]) -> None:
        assert api.found("mill") == api.found("mill", explain=True)


class TestReinforce:
    def test_it_is_explicit(self, me: Any, api: Any, facts: list[str]) -> None:
        for _ in range(3):
            api.search("bees", explain=True, neighbours=2)
            api.context("bees")
        assert api.read(facts[0])["retention"]["recall_count"] == 0
        api.search("bees", reinforce=True, top_k=1)
        assert api.read(facts[0])["retention"]["recall_count"] == 1
        assert api.read(facts[0])["retention"]["last_recalled_at"] is not None
        assert api.read(facts[1])["retention"]["recall_count"] == 0

    def test_a_key_that_only_reads_changes_nothing(
        self, make_tenant: Any, as_tenant: Callable[..., Any], problem: Any
    ) -> None:
        reader = as_tenant(make_tenant(scopes=(KeyScope.READ,)))
        assert reader.post("/v1/search", json={"query": "x"}).status_code == 200
        problem(reader.post("/v1/search", json={"query": "x", "reinforce": True}), 403, "forbidden")


def test_a_reading_post_ignores_an_idempotency_key(me: Any, api: Any) -> None:
    headers = {"Idempotency-Key": "k"}
    first = me.post("/v1/search", json={"query": "late"}, headers=headers)
    api.remember("Better late than never.")
    second = me.post("/v1/search", json={"query": "late"}, headers=headers)
    assert (first.status_code, len(second.json()["results"])) == (200, 1)
    assert me.post("/v1/memories/query", json={"filter": {"user_id": "x"}}, headers=headers).status_code == 200
    assert me.post("/v1/context", json={"query": "late"}, headers=headers).status_code == 200


def test_the_same_question_gets_the_same_answer(api: Any, facts: list[str]) -> None:
    first = api.search("the mill in spring")["results"]
    for _ in range(3):
        again = api.search("the mill in spring")["results"]
        assert [(r["memory"]["id"], r["score"]) for r in again] == [(r["memory"]["id"], r["score"]) for r in first]


def test_a_long_text_is_found_by_any_part(api: Any) -> None:
    parts = [
        "The regatta starts at the old pier.",
        "Moss grows on the north wall.",
        "The cellist lost her bow in Vienna.",
    ]
    filler = " ".join(f"Paragraph {n} speaks of nothing in particular and goes on for a while." for n in range(60))
    made = api.remember(f"{parts[0]} {filler} {parts[1]} {filler} {parts[2]}")["id"]
    for n in range(20):
        api.remember(f"Filler {n} speaks of nothing in particular and goes on.")
    for part in parts:
        assert api.found(part, channels={"vector": 1})[0] == made
        assert api.found(part)[0] == made


class TestTokenBudget:
    def test_a_search_within_a_budget(self, api: Any, facts: list[str]) -> None:
        everything = api.found("the mill", top_k=5)
        few = api.found("the mill", top_k=5, token_budget=25)
        assert 0 < len(few) < len(everything)
        assert few == [i for i in everything if i in few]
        assert api.found("the mill", top_k=5, token_budget=100_000) == everything


class TestDiversity:
    def test_it_prefers_what_is_not_a_repetition(self, api: Any) -> None:
        near = [
            api.remember(f"The meeting about the budget is on Monday{dots}")["id"] for dots in (".", "!", "…", " .")
        ]
        other = api.remember("Budget questions go to Priya in room nine.")["id"]
        assert other not in api.found("When is the meeting about the budget?", top_k=2, diversity=0)
        diverse = api.found("When is the meeting about the budget?", top_k=2, diversity=1)
        assert diverse[0] in near
        assert other in diverse


def test_a_newer_value_of_what_is_asked_stands_above_the_older_one(me: Any, api: Any) -> None:
    old = "The main branch of the budget repository has 150 commits, how many commits are too many?"
    new = "Our budget repository grew, the main branch now has 165 commits in all, and the tests pass."
    first = api.remember(old, role="user", observed_at="2024-03-01T10:00:00Z", extract="none")["id"]
    second = api.remember(new, role="user", observed_at="2024-04-01T10:00:00Z", extract="none")["id"]
    asked = "How many commits are on the main branch of the budget repository?"
    above, below = api.search(asked)["results"]
    assert [above["memory"]["id"], below["memory"]["id"]] == [second, first]
    # By itself the older one is nearer; scores tell the order all the same, and their parts add up.
    lifted = above["signals"]["succession"]
    assert above["score"] == below["score"]
    assert lifted > 0
    assert sum(c["contribution"] for c in above["channels"].values()) == pytest.approx(above["score"], abs=1e-5)
    assert above["channels"]["temporal"]["contribution"] >= lifted - 1e-5
    assert "stands above what it replaces" in above["why"]
    assert "succession" not in below["signals"]
    answer = api.search(asked, top_k=1)
    assert [one["memory"]["id"] for one in answer["results"]] == [second]
    # What kept the older one out is no channel's doing.
    fate = me.post(f"/v1/traces/{answer['search_id']}/why-not", json={"memory_id": first}).json()
    assert fate["stage"] == "below_top_k"
    assert "a newer memory took its place" in fate["detail"]
    third = api.remember("The garden of the mill has ten apple trees.", role="user", extract="none")["id"]
    answer = api.search(asked, top_k=1, explain=True)
    (last,) = answer["results"]
    assert last["memory"]["id"] == second
    (near,) = [one for one in answer["explain"]["near_misses"] if one["memory_id"] == third]
    fate = me.post(f"/v1/traces/{answer['search_id']}/why-not", json={"memory_id": third}).json()
    ranked = last["score"] - last["signals"]["succession"]
    assert fate["missing_score"] == pytest.approx(ranked - near["score"], abs=1e-4)
    past = api.search("How many commits were on the main branch of the budget repository in March?")["results"]
    assert past[0]["memory"]["id"] == first


def test_what_is_so_now_is_found_above_what_was(api: Any) -> None:
    for number, (earlier, later, question) in enumerate(
        [
            ("I live in Toronto.", "I moved to Montreal last week.", "Where do I live?"),
            (
                "The user drives a Honda Civic.",
                "User sold the Civic and bought a Tesla.",
                "What car does the user drive?",
            ),
            ("My weekly sync is on Tuesdays.", "The weekly sync moved to Thursdays.", "When is the weekly sync?"),
        ]
    ):
        own = f"now-{number}"
        days = {earlier: "2026-01-05T10:00:00Z", later: "2026-06-05T10:00:00Z"}
        ids = {
            text: api.remember(text, session_id=own, user_id=own, observed_at=day, extract="none")["id"]
            for text, day in days.items()
        }
        found = api.search(question, user_id=own, explain=True)["results"]
        assert [one["memory"]["id"] for one in found] == [ids[later], ids[earlier]]
        assert found[0]["score"] >= found[1]["score"]
        before = question.replace("do I", "did I").replace("does", "did").replace(" is ", " was ")
        assert all("succession" not in one["signals"] for one in api.search(before, user_id=own)["results"])


def test_what_supersedes_has_the_score_of_its_place(me: Any, api: Any) -> None:
    old = api.remember("The office of Ada is room nine, on the second floor.")["id"]
    body = {"content": "Ada moved."}
    new = me.post(f"/v1/memories/{old}/supersede", json=body).json()["id"]
    api.remember("Bob waters the plants of the office.")
    for options in ({}, {"channels": {"vector": 1}}, {"channels": {"keyword": 1, "vector": 1}}):
        results = api.search("Where is the office of Ada?", **options)["results"]
        assert [one["memory"]["id"] for one in results[:2]] == [new, old]
        scores = [one["score"] for one in results]
        assert scores == sorted(scores, reverse=True)
        for one in results:
            assert sum(c["contribution"] for c in one["channels"].values()) == pytest.approx(one["score"], abs=1e-5)
        assert results[0]["signals"]["succession"] > 0
        if len(options.get("channels", {})) == 2:
            assert results[0]["channels"]["temporal"]["weight"] == 0  # the caller did not ask it
    assert set(api.search("office Ada", channels={"vector": 1})["results"][0]["channels"]) == {"vector"}


def test_fast_leaves_the_graph_out(api: Any) -> None:
    for speaker, text in (("Ada", "Bob keeps bees at the mill"), ("Bob", "Ada sold honey of the bees of the mill")):
        api.remember(text, speaker=speaker, extract="none")
    named = {
        preset: api.search("Who keeps bees?", preset=preset)["results"][0]["channels"]
        for preset in ("fast", "balanced")
    }
    assert "graph" in named["balanced"]
    assert "graph" not in named["fast"]
