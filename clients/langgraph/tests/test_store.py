"""What LangGraph expects of every store: what its documentation says, and what its own stores do alike.

LangGraph publishes conformance tests for checkpointers, none for stores; so each behaviour is written down here.
"""

import time
from datetime import datetime, timezone

import pytest
from langgraph.store.base import (
    GetOp,
    InvalidNamespaceError,
    Item,
    ListNamespacesOp,
    MatchCondition,
    PutOp,
    SearchItem,
    SearchOp,
)

from memory_langgraph import MemoryServiceStore

NESTED = {
    "s": "text",
    "n": 1,
    "f": 0.5,
    "b": True,
    "x": None,
    "l": [1, "a", [None]],
    "o": {"k": {"deep": []}},
    "ü": "ß",
}


def keys(found: "list[SearchItem]") -> list[str]:
    return [item.key for item in found]


def test_what_is_put_is_got(store: MemoryServiceStore) -> None:
    before = datetime.now(timezone.utc)
    store.put(("users", "ana"), "profile", NESTED)
    item = store.get(("users", "ana"), "profile")
    assert isinstance(item, Item)
    assert (item.value, item.key, item.namespace) == (NESTED, "profile", ("users", "ana"))
    assert item.created_at.tzinfo is not None
    assert abs((item.created_at - before).total_seconds()) < 60
    assert store.get(("users", "ana"), "other") is None
    assert store.get(("users", "bob"), "profile") is None
    assert store.get(("users",), "profile") is None


@pytest.mark.parametrize("number", [1e19, 1e23, -1.5e300, 2.0**63, 5e-324, 2**63 - 1, 1.0, 1])
def test_a_number_that_is_got_may_be_put_and_looked_for(store: MemoryServiceStore, number: float) -> None:
    store.put(("n",), "k", {"n": number, "in": [{"n": number}]})
    item = store.get(("n",), "k")
    assert item is not None
    assert repr(item.value["n"]) == repr(item.value["in"][0]["n"]) == repr(number)
    store.put(("n",), "k", item.value)
    for wanted in (number, {"$gte": number}):
        assert keys(store.search(("n",), filter={"n": wanted})) == ["k"]
        assert keys(store.search(("n",), filter={"n": wanted}, query="n")) == ["k"]


def test_nothing_is_there_before_the_first_write(store: MemoryServiceStore) -> None:
    assert store.get(("a",), "k") is None
    assert store.search(("a",)) == []
    assert store.search((), query="anything") == []
    assert store.list_namespaces() == []
    store.delete(("a",), "k")


def test_a_second_put_replaces_the_value_and_keeps_the_beginning(store: MemoryServiceStore) -> None:
    store.put(("a",), "k", {"text": "first", "only": 1})
    first = store.get(("a",), "k")
    store.put(("a",), "k", {"text": "second"})
    second = store.get(("a",), "k")
    assert first is not None
    assert second is not None
    assert second.value == {"text": "second"}
    assert second.created_at == first.created_at
    assert second.updated_at > first.updated_at
    # Also where the text is the same, and where nothing changes.
    store.put(("a",), "k", {"text": "second", "more": 1}, index=["text"])
    store.put(("a",), "k", {"text": "second", "more": 2}, index=["text"])
    third = store.get(("a",), "k")
    assert third is not None
    assert third.value == {"text": "second", "more": 2}
    assert keys(store.search(("a",))) == ["k"]
    assert keys(store.search(("a",), query="second")) == ["k"]


def test_what_is_deleted_is_gone_and_may_come_back(store: MemoryServiceStore) -> None:
    store.put(("a",), "k", {"text": "tea"})
    store.put(("a",), "stays", {"text": "tea"})
    store.delete(("a",), "k")
    store.delete(("a",), "k")
    assert store.get(("a",), "k") is None
    assert keys(store.search(("a",))) == keys(store.search(("a",), query="tea")) == ["stays"]
    store.put(("a",), "k", {"text": "tea"})
    again = store.get(("a",), "k")
    assert again is not None
    assert again.value == {"text": "tea"}
    store.batch([PutOp(("a",), "k", None)])
    assert store.get(("a",), "k") is None


def test_a_prefix_is_of_whole_labels(store: MemoryServiceStore) -> None:
    for namespace in (("users", "4"), ("users", "42"), ("users", "4", "notes"), ("user",)):
        store.put(namespace, "k", {"in": "/".join(namespace)})
    found = store.search(("users", "4"))
    assert sorted(item.namespace for item in found) == [("users", "4"), ("users", "4", "notes")]
    assert len(store.search(("users",))) == 3
    assert len(store.search(())) == 4
    assert store.search(("use",)) == []


def test_lists_are_taken_for_tuples(store: MemoryServiceStore) -> None:
    store.put(["a", "b"], "k", {"n": 1})  # type: ignore[arg-type]  # As its own stores do.
    assert keys(store.search(["a"])) == ["k"]  # type: ignore[arg-type]
    assert store.list_namespaces(prefix=["a"]) == [("a", "b")]  # type: ignore[arg-type]


def test_pages_of_a_search_hold_every_item_once(store: MemoryServiceStore) -> None:
    store.batch([PutOp(("many",), f"k{n:02}", {"n": n, "even": n % 2 == 0}) for n in range(25)])
    assert len(store.search(("many",))) == 10
    pages = [store.search(("many",), limit=7, offset=offset) for offset in (0, 7, 14, 21, 28)]
    assert [len(page) for page in pages] == [7, 7, 7, 4, 0]
    assert sorted(key for page in pages for key in keys(page)) == [f"k{n:02}" for n in range(25)]
    even = [keys(store.search(("many",), filter={"even": True}, limit=5, offset=offset)) for offset in (0, 5, 10)]
    assert [len(page) for page in even] == [5, 5, 3]
    assert len({key for page in even for key in page}) == 13
    assert store.search(("many",), limit=0) == []
    assert all(item.score is None for item in pages[0])


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({"color": "red"}, "ab"),
        ({"color": {"$eq": "red"}}, "ab"),
        ({"color": {"$ne": "red"}}, "cd"),
        ({"score": {"$gt": 3}}, "acd"),
        ({"score": {"$gte": 4.0, "$lt": 4.5}}, "c"),
        ({"score": {"$lte": 3.5}}, "b"),
        ({"score": {"$gt": 9}}, "d"),  # As numbers, not as text.
        ({"color": "red", "score": {"$gte": 4}}, "a"),
        ({"color": {"$gt": "green"}}, "ab"),
        ({"missing": None}, "abcd"),
        ({"extra": None}, "bcd"),
        ({"extra": {"$ne": 1}}, "bcd"),
        ({"extra": True}, ""),  # 1 is not true.
        ({"tags": ["x", "y"]}, "b"),
        ({"tags": "x"}, ""),
        ({"tags": {"$ne": "x"}}, "abcd"),
        ({"at": {"place": "Porto"}}, "c"),
        ({"at": {"year": {"$gt": 2000}}}, "c"),
        ({"a.b": "dotted"}, "d"),
        ({"a\\b": 1}, "d"),
        ({"": "empty"}, "d"),
        ({"0": "digit"}, "d"),
        ({}, "abcd"),
        (None, "abcd"),
        ({"score": float("nan")}, ""),
        ({"score": 2**70}, ""),
        ({"color": "re\x00d"}, ""),
        ({"color": {"$gt": "\ud800"}}, ""),
    ],
)
def test_filters(store: MemoryServiceStore, wanted: "dict[str, object] | None", found: str) -> None:
    items: dict[str, dict[str, object]] = {
        "a": {"color": "red", "score": 4.5, "extra": 1},
        "b": {"color": "red", "score": 3.0, "tags": ["x", "y"]},
        "c": {"color": "green", "score": 4, "at": {"place": "Porto", "year": 2020}},
        "d": {"color": "blue", "score": 10, "a.b": "dotted", "a\\b": 1, "": "empty", "0": "digit", "tags": ["y", "x"]},
    }
    store.batch([PutOp(("f",), key, value) for key, value in items.items()])
    assert sorted(keys(store.search(("f",), filter=wanted))) == list(found)
    assert sorted(keys(store.search(("f",), query="red green", filter=wanted))) == list(found)


def test_a_filter_of_many_conditions(store: MemoryServiceStore) -> None:
    wanted = {f"k{n}": {"$ne": -1, "$gte": 0, "$lt": 100} for n in range(100)}
    store.put(("f",), "all", {f"k{n}": n for n in range(100)})
    store.put(("f",), "but one", {f"k{n}": n if n < 99 else -1 for n in range(100)})
    assert keys(store.search(("f",), filter=wanted)) == ["all"]
    assert keys(store.search(("f",), query="k", filter=wanted)) == ["all"]


def test_an_operator_that_there_is_not_is_refused(store: MemoryServiceStore) -> None:
    store.put(("a",), "k", {"n": 1})
    for query in (None, "words"):
        with pytest.raises(ValueError, match="Unsupported operator"):
            store.search(("a",), filter={"n": {"$regex": "1"}}, query=query)


def test_namespaces_are_listed(store: MemoryServiceStore) -> None:
    namespaces = [
        ("a", "b", "c"), ("a", "b", "d", "e"), ("a", "b", "d", "i"), ("a", "b", "f"), ("a", "c", "f"), ("b", "a", "f"),
        ("users", "ana maria"), ("users", "4/2"),
    ]  # fmt: skip
    store.batch([PutOp(namespace, "k", {"n": 1}) for namespace in namespaces])
    assert store.list_namespaces() == sorted(namespaces)
    assert store.list_namespaces(prefix=("a", "b")) == sorted(namespaces[:4])
    assert store.list_namespaces(suffix=("f",)) == [("a", "b", "f"), ("a", "c", "f"), ("b", "a", "f")]
    assert store.list_namespaces(prefix=("a",), suffix=("f",)) == [("a", "b", "f"), ("a", "c", "f")]
    assert store.list_namespaces(prefix=("a", "*", "f")) == [("a", "b", "f"), ("a", "c", "f")]
    assert store.list_namespaces(suffix=("*", "f")) == [("a", "b", "f"), ("a", "c", "f"), ("b", "a", "f")]
    assert store.list_namespaces(prefix=("a", "b"), max_depth=3) == [("a", "b", "c"), ("a", "b", "d"), ("a", "b", "f")]
    assert store.list_namespaces(max_depth=1) == [("a",), ("b",), ("users",)]
    assert store.list_namespaces(limit=2, offset=1) == sorted(namespaces)[1:3]
    assert store.list_namespaces(prefix=("nowhere",)) == []
    store.delete(("a", "c", "f"), "k")
    assert ("a", "c", "f") not in store.list_namespaces()


def test_a_batch_answers_in_order_and_reads_before_it_writes(store: MemoryServiceStore) -> None:
    store.put(("test", "foo"), "k1", {"data": 1})
    store.put(("test", "bar"), "k2", {"data": 2})
    results = store.batch(
        [
            GetOp(("test", "foo"), "k1"),
            PutOp(("test", "bar"), "k2", {"data": 3}),
            GetOp(("test", "bar"), "k2"),
            SearchOp(("test",), filter={"data": 1}),
            ListNamespacesOp(match_conditions=(MatchCondition("suffix", ("bar",)),)),
            PutOp(("test",), "k3", {"data": 4}),
            GetOp(("test",), "k3"),
            GetOp(("test", "foo"), "k1"),
        ]
    )
    got = [result.value if isinstance(result, Item) else result for result in results]
    assert got[:3] == [{"data": 1}, None, {"data": 2}]
    assert [item.key for item in got[3]] == ["k1"]  # type: ignore[union-attr]
    assert got[4:] == [[("test", "bar")], None, None, {"data": 1}]
    changed = store.get(("test", "bar"), "k2")
    assert changed is not None
    assert changed.value == {"data": 3}
    assert store.batch([]) == []


def test_the_last_write_to_a_key_counts(store: MemoryServiceStore) -> None:
    store.batch(
        [
            PutOp(("a",), "twice", {"n": 1}),
            PutOp(("a",), "gone", {"n": 1}),
            PutOp(("a",), "twice", {"n": 2}),
            PutOp(("a",), "gone", None),
            PutOp(("a",), "back", None),
            PutOp(("a",), "back", {"n": 3}),
        ]
    )
    assert {item.key: item.value["n"] for item in store.search(("a",))} == {"twice": 2, "back": 3}


def test_names_that_langgraph_refuses_are_refused(store: MemoryServiceStore) -> None:
    for namespace in ((), ("a.b",), ("a", ""), ("langgraph", "x"), ("a\x00",)):
        with pytest.raises(InvalidNamespaceError):
            store.put(namespace, "k", {})
    for label in ("a.b", "", "a\x00", 7):
        for op in (GetOp((label,), "k"), PutOp((label,), "k", {}), SearchOp((label,))):  # type: ignore[arg-type]
            with pytest.raises(InvalidNamespaceError):
                store.batch([op])
    with pytest.raises(InvalidNamespaceError):
        store.batch([PutOp((), "k", {})])
    # Past `put` its own stores take that root.
    store.batch([PutOp(("langgraph", "x"), "k", {"n": 1})])
    assert keys(store.search(("langgraph", "x"))) == ["k"]


@pytest.mark.parametrize("key", ["", " ", "a/b", "ключ", "100%", "%25", "%", "a.b", "🗝", "x" * 256, 7])
def test_every_key_finds_its_item(store: MemoryServiceStore, key: "str | int") -> None:
    store.put(("keys",), key, {"of": str(key)})  # type: ignore[arg-type]  # A number is taken for its digits.
    item = store.get(("keys",), key)  # type: ignore[arg-type]
    assert item is not None
    assert (item.key, item.value) == (str(key), {"of": str(key)})
    store.delete(("keys",), str(key))
    assert store.get(("keys",), str(key)) is None


def test_items_show_what_they_are(store: MemoryServiceStore) -> None:
    store.put(("a",), "k", {"n": 1})
    (found,) = store.search(("a",))
    shown = found.dict()
    assert (shown["namespace"], shown["key"], shown["value"], shown["score"]) == (["a"], "k", {"n": 1}, None)
    assert datetime.fromisoformat(shown["created_at"]) == found.created_at


def test_two_stores_with_one_root_are_one(store: MemoryServiceStore, make_store: "object") -> None:
    root = store._layout.root
    other = make_store(root=root)  # type: ignore[operator]
    apart = make_store()  # type: ignore[operator]
    store.put(("a",), "k", {"n": 1})
    assert keys(other.search(())) == ["k"]
    assert apart.search(()) == []


def test_a_put_is_found_at_once(store: MemoryServiceStore) -> None:
    began = time.monotonic()
    for n in range(20):
        store.put(("quick",), f"k{n}", {"text": f"note number {n}"})
        assert keys(store.search(("quick",), query=f"note number {n}", limit=1)) == [f"k{n}"]
        assert len(store.search(("quick",), limit=50)) == n + 1
    assert time.monotonic() - began < 60
