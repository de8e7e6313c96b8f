"""POST /v1/context: within its budget, every citation a verbatim span."""

import random
from typing import Any

import pytest

TEXTS = [
    "Ada keeps eleven hives of bees behind the mill.",
    "日本語のメモ: 蜂の巣は十一個あります。🐝🐝🐝",
    "The mill\nhas three floors;\nthe bees live on none of them. " + "It turns slowly. " * 40,
    "supercalifragilisticexpialidocious" * 30,
    "   indented bees with trailing blanks   ",
    "bees",
    "Bees: §§§ ¶¶¶ ‡‡‡ ﷽﷽﷽ 𝕓𝕖𝕖𝕤 \t\t tabs " * 8,
    *[f"Note {n}: hive number {n} gave {n * 3} jars of honey in the year {1990 + n}." for n in range(25)],
]


@pytest.fixture(scope="module")
def bees(client: Any, make_tenant: Any) -> Any:
    """A tenant that knows about bees: a request function and its contents by id."""
    _, key = make_tenant()

    def post(path: str, body: Any) -> Any:
        return client.post(path, json=body, headers={"X-API-Key": key})

    items = [
        {"content": text, "speaker": "Ada" if n % 2 else None, "observed_at": f"2024-{n % 12 + 1:02}-03T00:00:00Z"}
        for n, text in enumerate(TEXTS)
    ]
    results = post("/v1/memories/batch", {"items": items}).json()["results"]
    return post, {result["id"]: text for result, text in zip(results, TEXTS, strict=True)}


def shown(made: dict[str, Any]) -> str:
    """Return what a model would be given."""
    if "text" in made and made["text"] is not None:
        return str(made["text"])
    if made.get("messages") is not None:
        return "\n".join(message["content"] for message in made["messages"])
    return "\n".join(item["text"] for item in made["items"])


def check(made: dict[str, Any], contents: dict[str, str], budget: int) -> None:
    assert 0 <= made["tokens"] <= budget
    text = shown(made)
    assert len(text) / 4 <= budget
    markers = [citation["marker"] for citation in made["citations"]]
    assert len(markers) == len(set(markers))
    for citation in made["citations"]:
        start, end = citation["span"]
        span = contents[citation["memory_id"]][start:end]
        assert span
        assert span in text
    if not made["citations"]:
        assert text == ""


def test_no_budget_is_ever_exceeded(bees: Any) -> None:
    post, contents = bees
    rng = random.Random(7)
    budgets = [*range(1, 20), *(rng.randint(1, 2000) for _ in range(45))]
    for budget in budgets:
        body = {
            "query": rng.choice(
                ["How many hives of bees?", "honey jars", "蜂の巣", "supercalifragilisticexpialidocious", "mill"]
            ),
            "token_budget": budget,
            "format": rng.choice(["text", "messages", "json"]),
            "order": rng.choice(["relevance", "time", "stable"]),
            "top_k": rng.choice([1, 5, 40]),
        }
        answer = post("/v1/context", body)
        assert answer.status_code == 200, (body, answer.text)
        check(answer.json(), contents, budget)


def test_a_generous_budget_holds_whole_memories(bees: Any) -> None:
    post, contents = bees
    made = post("/v1/context", {"query": "hives of bees", "token_budget": 100_000, "top_k": 32}).json()
    assert len(made["citations"]) == 32
    assert all(citation["span"] == [0, len(contents[citation["memory_id"]])] for citation in made["citations"])


def test_the_default_budget(bees: Any) -> None:
    post, contents = bees
    made = post("/v1/context", {"query": "hives of bees", "top_k": 200}).json()
    check(made, contents, 1200)
    assert made["tokens"] > 300
    assert {"text", "citations", "tokens", "search_id", "prefix_hash"} <= set(made)
    assert (
        post("/v1/context", {"query": "hives of bees"}).json()["prefix_hash"]
        == post("/v1/context", {"query": "hives of bees"}).json()["prefix_hash"]
    )


def test_when_not_even_the_best_fits_its_beginning_is_shown(bees: Any) -> None:
    post, contents = bees
    made = post("/v1/context", {"query": "floors of the mill, it turns slowly", "token_budget": 30, "top_k": 1}).json()
    (citation,) = made["citations"]
    assert citation["span"][1] < len(contents[citation["memory_id"]])
    check(made, contents, 30)


def test_the_best_is_cut_rather_than_left_out(me: Any) -> None:
    plan = "Ana stays in the hotel Miramar in Lisbon. " + " ".join(
        f"On day {n} she sees museum {n}." for n in range(400)
    )
    me.post("/v1/memories", json={"content": plan})
    small = [f"My cat likes tuna, said number {n}." for n in range(3)]
    me.post("/v1/memories/batch", json={"items": [{"content": one} for one in small]})
    body = {"query": "In which hotel does Ana stay in Lisbon?", "token_budget": 200}
    made = me.post("/v1/context", json=body).json()
    assert 0 < made["tokens"] <= 200
    assert made["text"].startswith("[1]")
    assert "hotel Miramar" in made["text"].splitlines()[0]
    assert len(made["citations"]) == 4  # the others fit beside its beginning
    start, end = made["citations"][0]["span"]
    assert start == 0
    assert plan[:end] in made["text"]


@pytest.mark.parametrize("order", ["relevance", "time", "stable"])
def test_what_is_true_no_more_says_so(me: Any, order: str) -> None:
    observed = "2024-03-01T00:00:00Z"
    old = me.post("/v1/memories", json={"content": "Ana lives in Lisbon.", "observed_at": observed}).json()["id"]
    new = {"content": "Ana lives in Porto.", "observed_at": "2024-06-05T00:00:00Z"}
    assert me.post(f"/v1/memories/{old}/supersede", json=new).status_code == 201
    lines = me.post("/v1/context", json={"query": "Where does Ana live?", "order": order}).json()["text"].splitlines()
    assert sorted(line.split("] ")[1] for line in lines) == [
        "(1 March 2024, outdated, until 5 June 2024) Ana lives in Lisbon.",
        "(5 June 2024) Ana lives in Porto.",
    ]


def test_formats(bees: Any) -> None:
    post, _ = bees
    text = post("/v1/context", {"query": "bees", "format": "text"}).json()
    messages = post("/v1/context", {"query": "bees", "format": "messages"}).json()
    as_json = post("/v1/context", {"query": "bees", "format": "json"}).json()
    assert isinstance(text["text"], str)
    assert all(set(message) >= {"role", "content"} for message in messages["messages"])
    assert shown(messages) == text["text"]
    assert [item["memory_id"] for item in as_json["items"]] == [
        citation["memory_id"] for citation in as_json["citations"]
    ]
    assert all(citation["marker"] in text["text"] for citation in text["citations"])


def test_orders(bees: Any) -> None:
    post, _ = bees
    by_relevance, by_time, stable = (
        [
            c["memory_id"]
            for c in post(
                "/v1/context", {"query": "jars of honey", "order": order, "token_budget": 5000, "top_k": 10}
            ).json()["citations"]
        ]
        for order in ("relevance", "time", "stable")
    )
    ranked = [r["memory"] for r in post("/v1/search", {"query": "jars of honey"}).json()["results"]]
    assert by_relevance == [memory["id"] for memory in ranked]
    times = {memory["id"]: memory["observed_at"] for memory in ranked}
    assert [times[i] for i in by_time] == sorted(times.values())
    assert stable == sorted(by_relevance)


def test_stable_contexts_keep_their_prefix(api: Any) -> None:
    for n in range(4):
        api.remember(f"Rule {n}: knock {n + 1} times.")
    one = api.context("knock three times", order="stable", top_k=4)
    two = api.context("which rule says to knock once", order="stable", top_k=4)
    assert one["text"] == two["text"]
    assert one["prefix_hash"] == two["prefix_hash"]
    assert one["search_id"] != two["search_id"]


def test_nothing_known_is_an_empty_context(api: Any) -> None:
    made = api.context("anything")
    assert (made["text"], made["citations"], made["tokens"]) == ("", [], 0)
    assert api.context("anything", format="messages")["messages"] == []


def test_it_takes_what_a_search_takes(api: Any) -> None:
    one = api.remember("A drum for Ada.", user_id="1", namespace="n")["id"]
    api.remember("A drum for Bob.", user_id="2", namespace="n")
    made = api.context(
        "drum",
        namespace="n",
        user_id="1",
        filter={"content": {"contains": "Ada"}},
        channels={"keyword": 1},
        preset="fast",
        top_k=3,
    )
    assert [citation["memory_id"] for citation in made["citations"]] == [one]
    assert api.me.get(f"/v1/traces/{made['search_id']}").status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        {"token_budget": 0},
        {"token_budget": -1},
        {"token_budget": "12"},
        {"token_budget": 1.5},
        {"token_budget": True},
        {"format": "xml"},
        {"order": "random"},
        {"token_budget": None},
        {"token_budget": 10**30},
        {"budget": 3},
    ],
)
def test_bad_requests(me: Any, problem: Any, body: Any) -> None:
    problem(me.post("/v1/context", json={"query": "x", **body}), 422)
