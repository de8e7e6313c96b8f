"""Lists: pages, cursors, filters in the address."""

from collections.abc import Callable
from typing import Any

import pytest
from fastapi import FastAPI

from memory_service.types import KeyScope

COLLECTIONS = ["/v1/memories", "/v1/jobs", "/v1/users", "/v1/agents", "/v1/sessions"]


@pytest.mark.parametrize("path", [*COLLECTIONS, "/v1/namespaces", "/v1/api-keys"])
def test_one_shape(me: Any, path: str) -> None:
    listed = me.get(path)
    assert listed.status_code == 200
    assert {"data", "next_cursor", "has_more"} <= set(listed.json())
    assert (listed.json()["next_cursor"], listed.json()["has_more"]) == (None, False)


@pytest.mark.parametrize("path", COLLECTIONS)
def test_each_takes_a_namespace(me: Any, path: str, problem: Any) -> None:
    assert me.get(f"{path}?namespace=default").json()["data"] == []
    problem(me.get(f"{path}?namespace=nowhere"), 404, "namespace_not_found")
    problem(me.get(f"{path}?namespace=a//b"), 422)


@pytest.fixture
def operator(as_tenant: Any, make_tenant: Any) -> Any:
    """Return the client of a fresh tenant's operator."""
    return as_tenant(make_tenant(scopes=tuple(KeyScope)))


def test_no_collection_goes_without_a_namespace(operator: Any, app: FastAPI, problem: Any) -> None:
    """An engine computes for every tenant, and a webhook may wait for a namespace's first write."""
    listed = {
        path
        for path, operations in app.openapi()["paths"].items()
        if "{" not in path and any(one["name"] == "cursor" for one in operations.get("get", {}).get("parameters", ()))
    } - {"/v1/kv/engines"}
    assert len(listed) > 25
    operator.post("/v1/memories", json={"content": "Mara has a bicycle."})
    for path in sorted(listed):
        assert operator.get(f"{path}?namespace=default").status_code == 200, path
        problem(operator.get(f"{path}?namespace=a//b"), 422)
        if path != "/v1/webhooks":
            problem(operator.get(f"{path}?namespace=nowhere"), 404, "namespace_not_found")


def test_a_namespace_chooses_among_what_no_namespace_owns(operator: Any, me: Any) -> None:
    operator.post("/v1/memories", json={"content": "Mara has a bicycle.", "namespace": "users/4"})
    operator.post("/v1/memories", json={"content": "Mara has a boat.", "namespace": "users/4/boats"})
    paths = [one["path"] for one in operator.get("/v1/namespaces?namespace=users/4").json()["data"]]
    assert paths == ["users/4"]
    assert [one["path"] for one in me.get("/v1/namespaces?namespace=default").json()["data"]] == ["default"]
    assert operator.get("/v1/namespaces?namespace=users/4&prefix=users/4/boats").json()["data"] == []
    keys = operator.get("/v1/api-keys").json()["data"]
    assert operator.get("/v1/api-keys?namespace=users/4").json()["data"] == keys
    tenants = operator.get("/v1/tenants?namespace=users/4").json()["data"]
    assert [one["id"] for one in tenants] == [str(operator.tenant_id)]
    (encoder,) = operator.get("/v1/encoders?namespace=users/4").json()["data"]
    assert encoder["memories"] == 2
    assert me.get("/v1/encoders?namespace=default").json()["data"] == []


@pytest.mark.parametrize("path", [*COLLECTIONS, "/v1/namespaces", "/v1/api-keys"])
@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=-1",
        "limit=1000000000",
        "limit=99999999999999999999",
        "limit=x",
        "limit=1.5",
        "limit=",
        "cursor=",
        "cursor=garbage",
        "cursor=" + "A" * 5000,
        "cursor=%F0%9F%90%9D",
        "nonsense=1",
        "limit=2&sort=up",
    ],
)
def test_bad_parameters(me: Any, path: str, query: str, problem: Any) -> None:
    problem(me.get(f"{path}?{query}"), 422)


def walk(me: Any, filter: Any, limit: int, between: Callable[[], Any] = lambda: None) -> list[str]:
    seen, cursor = [], None
    while True:
        body = {"filter": filter, "limit": limit} | ({"cursor": cursor} if cursor else {})
        answer = me.post("/v1/memories/query", json=body)
        assert answer.status_code == 200, answer.text
        page = answer.json()
        assert len(page["data"]) <= limit
        assert page["has_more"] == (page["next_cursor"] is not None)
        seen += [memory["id"] for memory in page["data"]]
        if not page["has_more"]:
            return seen
        cursor = page["next_cursor"]
        between()


@pytest.mark.parametrize("limit", [1, 3, 7, 50])
def test_pages_hold_everything_once(me: Any, api: Any, limit: int) -> None:
    made = [api.remember(f"Number {n}.", extract="none")["id"] for n in range(7)]
    assert walk(me, {}, limit) == made[::-1]


def test_the_order_is_stable_under_writes(me: Any, api: Any) -> None:
    made = [api.remember(f"Number {n}.", tags=["t"])["id"] for n in range(9)]
    more = iter(range(100))

    def write() -> None:
        api.remember(f"Later {next(more)}.", tags=["t"])
        me.patch(f"/v1/memories/{made[0]}", json={"title": f"t{next(more)}"})
        me.patch(f"/v1/memories/{made[8]}", json={"title": f"t{next(more)}"})

    assert walk(me, {"tags": "t"}, 2, write) == made[::-1]


def test_oldest_first_is_the_same_list_the_other_way_round(me: Any, api: Any, problem: Any) -> None:
    made = [api.remember(f"Number {n}.", extract="none")["id"] for n in range(5)]
    seen, cursor = [], None
    while cursor is not None or not seen:
        body = {"limit": 2, "order": "oldest"} | ({"cursor": cursor} if cursor else {})
        answer = me.post("/v1/memories/query", json=body).json()
        seen += [memory["id"] for memory in answer["data"]]
        first, cursor = cursor or answer["next_cursor"], answer["next_cursor"]
    assert seen == made
    problem(me.post("/v1/memories/query", json={"limit": 2, "cursor": first}), 422, "invalid_cursor")
    problem(me.post("/v1/memories/query", json={"order": "sideways"}), 422)


def test_a_cursor_continues_only_its_own_list(
    me: Any, api: Any, make_tenant: Any, as_tenant: Callable[..., Any], problem: Any
) -> None:
    for n in range(3):
        api.remember(f"Number {n}.", user_id="u")
    cursor = me.get("/v1/memories?limit=1&user_id=u").json()["next_cursor"]
    assert me.get(f"/v1/memories?limit=2&user_id=u&cursor={cursor}").status_code == 200
    problem(me.get(f"/v1/memories?limit=1&cursor={cursor}"), 422, "invalid_cursor")
    problem(me.get(f"/v1/memories?limit=1&user_id=v&cursor={cursor}"), 422, "invalid_cursor")
    problem(me.get(f"/v1/memories?limit=1&user_id=u&namespace=default&cursor={cursor}"), 422, "invalid_cursor")
    problem(me.get(f"/v1/jobs?cursor={cursor}"), 422, "invalid_cursor")
    problem(as_tenant(make_tenant()).get(f"/v1/memories?limit=1&user_id=u&cursor={cursor}"), 422, "invalid_cursor")
    problem(me.post("/v1/memories/query", json={"filter": {"user_id": "x"}, "cursor": cursor}), 422, "invalid_cursor")
    problem(me.get(f"/v1/memories?limit=1&user_id=u&cursor={cursor[:-2]}"), 422, "invalid_cursor")


def test_filters_in_the_address(me: Any, api: Any) -> None:
    a = api.remember(
        "A.",
        user_id="1",
        agent_id="x",
        session_id="s",
        external_id="e1",
        memory_type="semantic",
        tags=["red", "big"],
        metadata={"project": {"name": "mill"}, "floor": 5, "lift": True},
        pinned=True,
        importance=0.25,
        keywords=["clay"],
        speaker="Ada",
        observed_at="2024-01-01T00:00:00Z",
    )["id"]
    b = api.remember(
        "B.",
        user_id="2",
        tags=["blue"],
        namespace="n",
        role="user",
        metadata={"floor": "5"},
        observed_at="2025-01-01T00:00:00Z",
    )["id"]
    for query, expected in {
        "": [b, a],
        "user_id=1": [a],
        "user_id=1&user_id=2": [b, a],
        "agent_id=x": [a],
        "session_id=s": [a],
        "run_id=s": [a],
        "external_id=e1": [a],
        "memory_type=semantic": [a],
        "memory_type=core": [],
        "payload_type=plaintext": [b, a],
        "state=activated": [b],
        "state=frozen&state=activated": [b, a],
        "state=archived": [],
        "tags=red": [a],
        "tags=red&tags=blue": [b, a],
        "namespace=n": [b],
        "metadata.project.name=mill": [a],
        "metadata.project.name=x": [],
        "metadata.floor=5": [b, a],
        "metadata.floor=6&metadata.floor=5.0": [a],
        "metadata.lift=true": [a],
        "metadata.lift=false": [],
        "pinned=true": [a],
        "importance=0.25": [a],
        "keywords=clay": [a],
        "observed_at=2024-01-01T00:00:00Z": [a],
        "speaker=Ada": [a],
        "role=user": [b],
        "user_id=1&tags=blue": [],
        "observed_after=2024-06-01T00:00:00Z": [b],
        "observed_before=2024-06-01T00:00:00%2B02:00": [a],
        "created_after=2001-01-01T00:00:00Z": [b, a],
        "updated_before=2001-01-01T00:00:00Z": [],
    }.items():
        answer = me.get(f"/v1/memories?{query}")
        assert answer.status_code == 200, (query, answer.text)
        assert [memory["id"] for memory in answer.json()["data"]] == expected, query


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("memory_type=nice", "?memory_type"),
        ("created_after=2024-01-01", "?created_after"),
        ("metadata.=1", "?metadata."),
        ("state=x&state=y", "?state/0"),
        ("pinned=yes", "?pinned"),
        ("importance=high", "?importance"),
    ],
)
def test_a_wrong_filter_in_the_address_is_named(me: Any, problem: Any, query: str, pointer: str) -> None:
    problem(me.get(f"/v1/memories?{query}"), 422, pointer=pointer)


def test_an_address_holds_no_more_terms_than_a_body(me: Any, problem: Any) -> None:
    asked = [f"metadata.k{n}=1" for n in range(51)]
    assert me.get(f"/v1/memories?{'&'.join(asked[:50])}").status_code == 200
    problem(me.get(f"/v1/memories?{'&'.join(asked)}"), 413, "filter_too_large")


def test_what_may_be_asked_for_is_named(me: Any, app: FastAPI, problem: Any) -> None:
    said = problem(me.get("/v1/memories?colour=red"), 422, pointer="?colour")["detail"]
    for name in ("metadata.<path>", "created_after", "observed_before", "pinned", "tags", "limit"):
        assert f" {name}" in said, name
    described = {p["name"] for p in app.openapi()["paths"]["/v1/memories"]["get"]["parameters"]}
    assert {"created_after", "pinned", "tags", "cursor"} <= described


@pytest.mark.parametrize("broken", ["%ed%a0%80", "%ff", "a%C3", "%e2%82"])
def test_an_address_that_is_no_utf_8(me: Any, problem: Any, broken: str) -> None:
    problem(me.get(f"/v1/memories?limit=2&user_id={broken}"), 422, "invalid_request", pointer="?user_id")
    problem(me.get(f"/v1/memories?metadata.{broken}=a"), 422, "invalid_request")
    problem(me.get(f"/v1/profiles/{broken}"), 422, "invalid_request")
    assert me.get("/v1/memories?user_id=%c3%a9%F0%9F%90%9D+a").status_code == 200


@pytest.mark.parametrize(
    ("method", "address", "name"),
    [
        ("GET", "/v1/memories?namespace=other&namespace=default", "namespace"),
        ("GET", "/v1/tasks?status=open&status=failed", "status"),
        ("GET", "/v1/jobs?limit=5&limit=6", "limit"),
        ("DELETE", "/v1/users/ada?namespace=default&namespace=other", "namespace"),
        ("DELETE", "/v1/users/ada?erase=true&erase=false", "erase"),
    ],
)
def test_a_parameter_that_is_taken_once_is_given_once(
    me: Any, api: Any, problem: Any, method: str, address: str, name: str
) -> None:
    # As the last alone would count, what was asked first would be left out without a word.
    for namespace in ("default", "other"):
        api.remember("Ada keeps bees.", user_id="ada", namespace=namespace)
    problem(me.request(method, address), 422, "invalid_request", pointer=f"?{name}")
    assert len(me.get("/v1/memories?user_id=ada").json()["data"]) == 2


def test_parameters_that_take_several_values_may_be_repeated(me: Any, api: Any) -> None:
    made = [api.remember(f"{name} keeps bees.", user_id=name) for name in ("ada", "bob", "eve")]
    listed = me.get("/v1/memories?user_id=ada&user_id=bob").json()["data"]
    assert len(listed) == 2
    seeds = "&".join(f"seed={one['id'] if isinstance(one, dict) else one}" for one in made[:2])
    assert me.get(f"/v1/graph?{seeds}").status_code == 200


def test_a_very_long_address(me: Any, problem: Any) -> None:
    # A filter asks, it stores nothing: a value that no memory can have selects none, in the address as in a body.
    answer = me.get(f"/v1/memories?user_id={'x' * 60_000}")
    assert (answer.status_code, answer.json()["data"]) == (200, [])
    assert me.post("/v1/memories/query", json={"filter": {"user_id": "x" * 60_000}}).json()["data"] == []
    problem(me.get("/v1/memories?" + "&".join(f"tags=t{n}" for n in range(5000))), 413, "filter_too_large")


def test_namespaces(me: Any, api: Any, problem: Any) -> None:
    for path in ("users/4", "users/4/notes", "users/42", "other"):
        api.remember("Here.", namespace=path)
    paths = [n["path"] for n in me.get("/v1/namespaces").json()["data"]]
    assert paths == ["default", "other", "users/4", "users/4/notes", "users/42"]
    below = me.get("/v1/namespaces?prefix=users/4").json()["data"]
    assert [n["path"] for n in below] == ["users/4", "users/4/notes"]
    assert me.get("/v1/namespaces/users%2F4%2Fnotes").json()["path"] == "users/4/notes"
    assert me.get("/v1/namespaces/default").status_code == 200
    problem(me.get("/v1/namespaces/users%2F5"), 404, "namespace_not_found")


@pytest.mark.parametrize("path", ["a" * 256, "A.b_c@d:e-f", "/".join("abcdefgh"), "0"])
def test_namespaces_that_may_be(api: Any, path: str) -> None:
    api.remember("Here.", namespace=path)
    assert len(api.found("here", namespace=path)) == 1


@pytest.mark.parametrize(
    "path", ["", " ", "a" * 257, "/a", "a/", "a//b", "a b", "é", "a\n", "a%2Fb", "a*", "..\\x", "a\u0000"]
)
def test_namespaces_that_may_not_be(me: Any, problem: Any, path: str) -> None:
    problem(me.post("/v1/memories", json={"content": "x", "namespace": path}), 422, pointer="/namespace")
    problem(me.post("/v1/search", json={"query": "x", "namespace": path}), 422)


def test_lists_leave_out_what_is_archived_or_expired_unless_the_state_is_asked(me: Any, api: Any) -> None:
    kept, gone = api.remember("Kept for the list."), api.remember("Archived, so not in the list.")
    assert me.delete(f"/v1/memories/{gone['id']}").status_code == 204

    def listed(**parameters: str) -> set[str]:
        return {memory["id"] for memory in me.get("/v1/memories", params=parameters).json()["data"]}

    def queried(condition: dict[str, Any]) -> set[str]:
        answer = me.post("/v1/memories/query", json={"filter": condition})
        return {memory["id"] for memory in answer.json()["data"]}

    assert listed() == queried({}) == {kept["id"]}
    assert listed(state="archived") == queried({"state": "archived"}) == {gone["id"]}
    assert queried({"NOT": {"state": "expired"}}) == {kept["id"], gone["id"]}


ORDERS = {
    "newest": (lambda memory: memory["id"], True),
    "oldest": (lambda memory: memory["id"], False),
    "latest_observed": (lambda memory: (memory["observed_at"], memory["id"]), True),
    "earliest_observed": (lambda memory: (memory["observed_at"], memory["id"]), False),
    "latest_updated": (lambda memory: (memory["updated_at"], memory["id"]), True),
    "most_important": (lambda memory: (memory["importance"], memory["id"]), True),
}


@pytest.mark.parametrize("order", ORDERS)
def test_an_order_is_kept_from_page_to_page(me: Any, api: Any, order: str) -> None:
    """Equal values stand together and are not lost between two pages; the address takes the same orders."""
    made = [
        api.remember(f"Item {n}.", importance=(n * 7 % 4) / 4, observed_at=f"2024-01-0{n * 5 % 3 + 1}T00:00:00Z")
        for n in range(11)
    ]
    for n in (8, 2, 5):
        made[n] = me.patch(f"/v1/memories/{made[n]['id']}", json={"tags": ["changed"]}).json()
    key, descending = ORDERS[order]
    wanted = [one["id"] for one in sorted(made, key=key, reverse=descending)]
    seen: list[str] = []
    cursor = None
    while cursor is not None or not seen:
        answer = me.post("/v1/memories/query", json={"order": order, "limit": 3, "cursor": cursor}).json()
        seen += [one["id"] for one in answer["data"]]
        cursor = answer["next_cursor"]
    assert seen == wanted
    first = me.get(f"/v1/memories?order={order}&limit=3").json()
    second = me.get(f"/v1/memories?order={order}&limit=8&cursor={first['next_cursor']}").json()
    assert [one["id"] for one in first["data"] + second["data"]] == wanted


def test_a_cursor_continues_the_order_it_came_from(me: Any, api: Any, problem: Any) -> None:
    for n in range(3):
        api.remember(f"Item {n}.")
    cursor = me.post("/v1/memories/query", json={"order": "most_important", "limit": 1}).json()["next_cursor"]
    problem(me.post("/v1/memories/query", json={"order": "newest", "cursor": cursor}), 422, "invalid_cursor")
    problem(me.post("/v1/memories/query", json={"order": "latest_observed", "cursor": cursor}), 422, "invalid_cursor")
    problem(me.post("/v1/memories/query", json={"order": "random"}), 422)
    problem(me.get("/v1/memories?order=random"), 422)
