"""The filter grammar through HTTP: the same rows from lists, searches and set-based changes."""

# ruff: noqa: E501 (tables of cases are read by column)

from typing import Any

import pytest

ADA = {
    "content": "The kiln record of Ada.", "user_id": "ada", "agent_id": "x", "session_id": "s1", "external_id": "e1", "title": "Alpha",
    "memory_type": "semantic", "tags": ["Work", "home"], "keywords": ["clay"], "entities": ["Ada"], "importance": 0.25, "confidence": 0.5,
    "pinned": True, "observed_at": "2023-05-08T10:00:00Z", "valid_from": "2023-01-01T00:00:00Z", "valid_to": "2024-01-01T00:00:00Z",
    "metadata": {"n": 3, "s": "Clay pot", "b": True, "l": ["Work", 3], "o": {"k": "v"}, "a.b": "dot"}, "language": "en", "speaker": "Ada",
}  # fmt: skip
BOB = {
    "content": "The kiln record of Bob.", "user_id": "bob", "session_id": "s2", "tags": ["home"], "keywords": ["glaze", "ash"],
    "entities": ["Bob", "Oslo"], "importance": 0.75, "confidence": 1.0, "observed_at": "2024-05-08T10:00:00Z",
    "valid_from": "2024-02-01T00:00:00Z", "metadata": {"n": 10, "s": "glaze", "b": False, "l": ["home"], "o": {"k": "w"}},
}  # fmt: skip
CYD = {
    "content": "The kiln record of Cyd.",
    "memory_type": "core",
    "observed_at": "2025-05-08T10:00:00Z",
    "importance": 0.5,
}

CASES: list[tuple[Any, str]] = [
    # text: eq ne in nin contains icontains exists, order
    ({"user_id": "ada"}, "a"), ({"user_id": {"eq": "ada"}}, "a"), ({"user_id": {"ne": "ada"}}, "b"), ({"user_id": {"in": ["ada", "bob"]}}, "ab"),
    ({"user_id": {"nin": ["ada"]}}, "b"), ({"user_id": {"contains": "da"}}, "a"), ({"user_id": {"contains": "DA"}}, ""),
    ({"user_id": {"icontains": "DA"}}, "a"), ({"user_id": {"exists": True}}, "ab"), ({"user_id": {"exists": False}}, "c"),
    ({"user_id": {"gt": "ada"}}, "b"), ({"user_id": {"gte": "ada"}}, "ab"), ({"user_id": {"lt": "bob"}}, "a"), ({"user_id": {"lte": "bob"}}, "ab"),
    ({"agent_id": "x"}, "a"), ({"session_id": "s2"}, "b"), ({"run_id": "s2"}, "b"), ({"external_id": "e1"}, "a"), ({"title": {"icontains": "ALPH"}}, "a"),
    ({"user_id": ["ada", "bob"]}, "ab"), ({"user_id": {"in": []}}, ""), ({"speaker": "Ada"}, "a"), ({"language": "en"}, "a"),
    # choices
    ({"memory_type": "core"}, "c"), ({"memory_type": {"ne": "core"}}, "ab"), ({"memory_type": {"in": ["core", "semantic"]}}, "ac"),
    ({"memory_type": {"nin": ["core", "semantic"]}}, "b"), ({"memory_type": {"contains": "man"}}, "a"), ({"memory_type": {"icontains": "MAN"}}, "a"),
    ({"memory_type": {"exists": True}}, "abc"), ({"payload_type": "plaintext"}, "abc"), ({"state": "frozen"}, "a"),
    ({"state": {"ne": "frozen"}}, "bc"), ({"state": {"in": ["archived", "frozen"]}}, "a"), ({"state": {"nin": ["frozen"]}}, "bc"),
    # lists
    ({"tags": "home"}, "ab"), ({"tags": {"eq": "Work"}}, "a"), ({"tags": {"eq": ["home"]}}, "b"), ({"tags": {"eq": ["home", "Work"]}}, "a"),
    ({"tags": {"ne": "Work"}}, "b"), ({"tags": {"in": ["Work", "x"]}}, "a"), ({"tags": {"nin": ["Work"]}}, "b"), ({"tags": {"contains": "home"}}, "ab"),
    ({"tags": {"contains": ["home", "Work"]}}, "a"), ({"tags": {"contains": "hom"}}, ""), ({"tags": {"icontains": "WOR"}}, "a"),
    ({"tags": {"exists": True}}, "ab"), ({"tags": {"exists": False}}, "c"), ({"tags": {"gt": "home"}}, ""), ({"tags": {"lt": "home"}}, "a"),
    ({"keywords": "ash"}, "b"), ({"keywords": {"icontains": "GLA"}}, "b"), ({"entities": "Oslo"}, "b"), ({"entities": {"ne": "Oslo"}}, "a"),
    # numbers
    ({"importance": 0.25}, "a"), ({"importance": {"ne": 0.25}}, "bc"), ({"importance": {"gt": 0.5}}, "b"), ({"importance": {"gte": 0.5}}, "bc"),
    ({"importance": {"lt": 0.5}}, "a"), ({"importance": {"lte": 0.5}}, "ac"), ({"importance": {"in": [0.25, 0.75]}}, "ab"),
    ({"importance": {"nin": [0.25]}}, "bc"), ({"importance": {"contains": ".7"}}, "b"), ({"importance": {"icontains": ".7"}}, "b"),
    ({"importance": {"exists": True}}, "abc"), ({"importance": {"gte": 0.25, "lt": 0.75}}, "ac"), ({"confidence": {"lt": 1}}, "a"), ({"confidence": 1}, "bc"),
    # booleans
    ({"pinned": True}, "a"), ({"pinned": {"ne": True}}, "bc"), ({"pinned": {"in": [False]}}, "bc"),
    # times
    ({"observed_at": "2023-05-08T12:00:00+02:00"}, "a"), ({"observed_at": {"ne": "2023-05-08T10:00:00Z"}}, "bc"),
    ({"observed_at": {"gt": "2024-05-08T10:00:00Z"}}, "c"), ({"observed_at": {"gte": "2024-05-08T10:00:00Z"}}, "bc"),
    ({"observed_at": {"lt": "2024-05-08T10:00:00Z"}}, "a"), ({"observed_at": {"lte": "2024-05-08T10:00:00Z"}}, "ab"),
    ({"observed_at": {"in": ["2023-05-08T10:00:00Z"]}}, "a"), ({"observed_at": {"nin": ["2023-05-08T10:00:00Z"]}}, "bc"),
    ({"observed_at": {"contains": "2024-05"}}, "b"), ({"observed_at": {"icontains": "t10:00:00z"}}, "abc"), ({"valid_from": {"exists": False}}, "c"),
    ({"valid_to": {"exists": True}}, "a"), ({"valid_to": {"ne": "2020-01-01T00:00:00Z"}}, "a"), ({"created_at": {"gt": "2001-01-01T00:00:00Z"}}, "abc"),
    ({"updated_at": {"lt": "2001-01-01T00:00:00Z"}}, ""),
    # metadata
    ({"metadata.n": 3}, "a"), ({"metadata.n": "3"}, ""), ({"metadata.n": {"ne": 3}}, "b"), ({"metadata.n": {"gt": 3}}, "b"), ({"metadata.n": {"gte": 3}}, "ab"),
    ({"metadata.n": {"lt": 10}}, "a"), ({"metadata.n": {"lte": 10}}, "ab"), ({"metadata.n": {"in": [3, 4]}}, "a"), ({"metadata.n": {"nin": [3, 4]}}, "b"),
    ({"metadata.s": {"contains": "pot"}}, "a"), ({"metadata.s": {"icontains": "POT"}}, "a"), ({"metadata.s": {"gt": "a"}}, "b"), ({"metadata.b": True}, "a"),
    ({"metadata.b": {"ne": True}}, "b"), ({"metadata.l": "Work"}, "a"), ({"metadata.l": {"contains": 3}}, "a"), ({"metadata.l": {"icontains": "HOM"}}, "b"),
    ({"metadata.o.k": "v"}, "a"), ({"metadata.o.k": {"in": ["v", "w"]}}, "ab"), ({"metadata.o": {"exists": True}}, "ab"), ({"metadata.zz": {"exists": False}}, "abc"),
    ({"metadata.n": {"exists": False}}, "c"), ({r"metadata.a\.b": "dot"}, "a"),
    # combinations
    ({}, "abc"), ({"AND": [{"tags": "home"}, {"importance": {"gt": 0.5}}]}, "b"), ({"OR": [{"user_id": "ada"}, {"memory_type": "core"}]}, "ac"),
    ({"NOT": {"user_id": "ada"}}, "bc"), ({"OR": [{"user_id": {"ne": "ada"}}, {"user_id": {"exists": False}}]}, "bc"), ({"user_id": "ada", "tags": "home"}, "a"),
    ({"$and": [{"$or": [{"user_id": {"$eq": "ada"}}, {"user_id": {"$in": ["bob"]}}]}, {"$not": {"pinned": True}}]}, "b"),
    ({"NOT": {"OR": [{"user_id": "ada"}, {"AND": [{"user_id": "bob"}, {"NOT": {"tags": "x"}}]}]}}, "c"),
]  # fmt: skip


@pytest.fixture(scope="module")
def three(client: Any, make_tenant: Any) -> Any:
    """Three memories of one tenant: a request function and their ids by letter."""
    _, key = make_tenant()

    def post(path: str, body: Any) -> Any:
        return client.post(path, json=body, headers={"X-API-Key": key})

    ids = {
        post("/v1/memories", {**body, "extract": "none"}).json()["id"]: letter
        for letter, body in zip("abc", (ADA, BOB, CYD), strict=True)
    }
    assert len(ids) == 3
    return post, ids


@pytest.mark.parametrize(("filter", "expected"), CASES, ids=[str(number) for number in range(len(CASES))])
def test_the_same_rows_everywhere(three: Any, filter: Any, expected: str) -> None:
    post, ids = three
    listed = post("/v1/memories/query", {"filter": filter})
    assert listed.status_code == 200, listed.text
    assert sorted(ids[m["id"]] for m in listed.json()["data"]) == list(expected), ("query", filter)
    found = post("/v1/search", {"query": "kiln record", "filter": filter})
    assert found.status_code == 200, found.text
    assert sorted(ids[r["memory"]["id"]] for r in found.json()["results"]) == list(expected), ("search", filter)
    for verb in ("archive", "restore"):
        counted = post(f"/v1/memories/{verb}", {"filter": filter, "namespace": "default", "dry_run": True}).json()
        assert counted["matched"] == (len(expected) if verb == "archive" else 0), (verb, filter)


@pytest.mark.parametrize(
    ("filter", "pointer"),
    [
        ([], "/filter"), ("x", "/filter"), ({"nonsense": 1}, "/filter/nonsense"), ({"user_id": {"like": "x"}}, "/filter/user_id/like"),
        ({"user_id": 3}, "/filter/user_id"), ({"user_id": None}, "/filter/user_id"), ({"user_id": {}}, "/filter/user_id"), ({"importance": "high"}, "/filter/importance"),
        ({"importance": {"in": 3}}, "/filter/importance/in"), ({"importance": {"gt": True}}, "/filter/importance/gt"), ({"memory_type": "nice"}, "/filter/memory_type"),
        ({"observed_at": {"gt": "2024-01-01"}}, "/filter/observed_at/gt"), ({"observed_at": {"gt": "2024-13-01T00:00:00Z"}}, "/filter/observed_at/gt"),
        ({"observed_at": {"gt": "0000-01-01T00:00:00Z"}}, "/filter/observed_at/gt"), ({"observed_at": {"gt": 5}}, "/filter/observed_at/gt"),
        ({"tags": {"exists": "yes"}}, "/filter/tags/exists"), ({"AND": {}}, "/filter/AND"), ({"OR": []}, "/filter/OR"), ({"NOT": 1}, "/filter/NOT"),
        ({"AND": [{"a": 1}]}, "/filter/AND/0/a"), ({"metadata": {"a": 1}}, "/filter/metadata"), ({"metadata.": 1}, "/filter/metadata."), ({"metadata.a": {"eq": {"b": 1}}}, "/filter/metadata.a/eq"),
        ({"metadata.a": {"eq": None}}, "/filter/metadata.a/eq"), ({"id": "x"}, "/filter/id"), ({"tenant_id": "x"}, "/filter/tenant_id"), ({"a/b~c": 1}, "/filter/a~1b~0c"),
    ],
)  # fmt: skip
def test_what_is_no_filter_is_named_by_its_place(three: Any, problem: Any, filter: Any, pointer: str) -> None:
    post, _ = three
    problem(post("/v1/memories/query", {"filter": filter}), 422, pointer=pointer)
    problem(post("/v1/search", {"query": "x", "filter": filter}), 422, pointer=pointer)
    problem(post("/v1/memories/archive", {"filter": filter}), 422, pointer=pointer)


def nested(depth: int) -> Any:
    inner: Any = {"user_id": "ada"}
    for _ in range(depth):
        inner = {"NOT": inner}
    return inner


def test_limits(three: Any, problem: Any) -> None:
    post, _ = three
    for path, body in (
        ("/v1/memories/query", {}),
        ("/v1/search", {"query": "x"}),
        ("/v1/memories/archive", {"dry_run": True}),
    ):
        assert post(path, {**body, "filter": nested(8)}).status_code == 200
        problem(post(path, {**body, "filter": nested(9)}), 413, "filter_too_large")
        many = [{"user_id": str(n)} for n in range(101)]
        assert post(path, {**body, "filter": {"OR": many[:100]}}).status_code == 200
        problem(post(path, {**body, "filter": {"OR": many}}), 413, "filter_too_large")
        problem(post(path, {**body, "filter": {"user_id": {"in": ["x"] * 1001}}}), 413, "filter_too_large")


@pytest.mark.parametrize(
    "piece", ["100%", "a_b", "'; DROP TABLE memory; --", "\\", '"', "{}", "%", "İ", "ß", "🐝", ":tenant", "%(x)s", "$1"]
)
def test_values_are_only_values(api: Any, piece: str) -> None:
    made = api.remember(f"Odd {piece} text.", tags=[piece], metadata={"k": piece, piece: 1}, user_id=piece)["id"]
    api.remember("Plain text.", tags=["x"], metadata={"k": "x"}, user_id="x")
    for filter in (
        {"tags": piece}, {"tags": {"icontains": piece}}, {"metadata.k": piece}, {"metadata.k": {"contains": piece}}, {"user_id": {"icontains": piece}},
        {"content": {"contains": piece}},
    ):  # fmt: skip
        assert api.query(filter) == [made], filter
        assert api.found("text", filter=filter) == [made], filter
