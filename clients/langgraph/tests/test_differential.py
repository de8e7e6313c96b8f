"""Random sequences of operations, here and in LangGraph's own store: the same answers.

Known differences are left out of the comparison or put right before it: InMemoryStore also lists namespaces that are empty or
were only asked for, orders its results by insertion, and takes true for 1. Here the newest comes first.
"""

import asyncio
import json
import secrets
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from langgraph.store.base import GetOp, Item, ListNamespacesOp, MatchCondition, Op, PutOp, SearchOp
from langgraph.store.memory import InMemoryStore

from memory_langgraph import MemoryServiceStore

LABELS = st.sampled_from(["a", "b", "a b", "ü/", "*"])
NAMESPACES = st.lists(LABELS, min_size=1, max_size=3).map(tuple)
PREFIXES = st.lists(LABELS, max_size=2).map(tuple)
KEYS = st.sampled_from(["k", "l", "%", ""])
TEXTS = st.sampled_from(["red", "green", "", "a"])
NUMBERS = st.integers(-3, 3) | st.sampled_from([0.5, 2.5, -1.0, 10])
VALUES = st.fixed_dictionaries(
    {"n": NUMBERS},
    optional={
        "t": TEXTS,
        "b": st.booleans(),
        "x": st.none(),
        "l": st.lists(NUMBERS | TEXTS, max_size=3),
        "o": st.fixed_dictionaries({}, optional={"t": TEXTS, "n.m": NUMBERS, "x": st.none()}),
    },
)
CONDITIONS = st.fixed_dictionaries(
    {},
    optional={
        "n": NUMBERS
        | st.dictionaries(
            st.sampled_from(["$eq", "$ne", "$gt", "$gte", "$lt", "$lte"]), NUMBERS, min_size=1, max_size=2
        ),
        "t": TEXTS | st.none() | st.dictionaries(st.sampled_from(["$eq", "$ne"]), TEXTS, min_size=1),
        "b": st.booleans() | st.none(),
        "l": st.lists(NUMBERS | TEXTS, max_size=2) | st.dictionaries(st.just("$ne"), NUMBERS | TEXTS, min_size=1),
        "o": st.fixed_dictionaries({}, optional={"t": TEXTS, "n.m": NUMBERS}),
        "missing": st.none() | TEXTS,
    },
)
PUTS = st.tuples(NAMESPACES, KEYS, st.none() | VALUES).map(lambda of: PutOp(*of))
READS = (
    st.tuples(NAMESPACES, KEYS).map(lambda of: GetOp(*of))
    | st.builds(
        SearchOp,
        namespace_prefix=PREFIXES,
        filter=st.none() | CONDITIONS,
        limit=st.integers(1, 5) | st.just(100),
        offset=st.integers(0, 2),
        query=st.none(),
        refresh_ttl=st.booleans(),
    )
    | st.builds(
        ListNamespacesOp,
        match_conditions=st.none()
        | st.lists(st.builds(MatchCondition, st.sampled_from(["prefix", "suffix"]), NAMESPACES), max_size=2).map(tuple),
        max_depth=st.none() | st.integers(1, 3),
        limit=st.integers(1, 5) | st.just(100),
        offset=st.integers(0, 2),
    )
)
BATCHES = st.lists(st.lists(PUTS | READS, min_size=1, max_size=6), min_size=1, max_size=5)


def plain(item: Any) -> Any:
    return (item.namespace, item.key, item.value) if isinstance(item, Item) else item


def canonical(item: Item) -> str:
    return json.dumps(plain(item), sort_keys=True)


def compare(ours: Any, op: Op, whole: "list[Any]", theirs: InMemoryStore) -> None:
    """Compare one answer with that of the other store, which has not carried out the writes of the batch yet."""
    if isinstance(op, PutOp):
        assert ours is None
    elif isinstance(op, GetOp):
        assert plain(ours) == plain(theirs.batch([op])[0])
    elif isinstance(op, SearchOp):
        expected: Any = theirs.batch([op._replace(limit=10_000, offset=0)])[0]
        assert sorted(map(canonical, whole)) == sorted(map(canonical, expected))
        assert ours == whole[op.offset : op.offset + op.limit]
    else:
        # Without the namespaces that are empty.
        clean = InMemoryStore()
        for item in theirs.search((), limit=10_000):
            clean.put(item.namespace, item.key, item.value)
        assert ours == clean.batch([op])[0]


@pytest.mark.parametrize("kind", ["blocking", "awaiting"])
def test_the_same_operations_have_the_same_answers(service: Any, kind: str) -> None:
    @settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
    @given(BATCHES)
    def check(batches: "list[list[Op]]") -> None:
        theirs = InMemoryStore()
        with MemoryServiceStore(service.url, service.api_key, root=f"tests/{secrets.token_hex(6)}") as store:

            async def awaited(ops: "list[Op]") -> "list[Any]":
                try:
                    return await store.abatch(ops)
                finally:
                    await store.aclose()

            for ops in batches:
                wholes = store.batch(
                    [
                        op._replace(limit=10_000, offset=0) if isinstance(op, SearchOp) else GetOp(("a",), "")
                        for op in ops
                    ]
                )
                ours = store.batch(ops) if kind == "blocking" else asyncio.run(awaited(ops))
                for answer, op, whole in zip(ours, ops, wholes, strict=True):
                    compare(answer, op, whole, theirs)  # type: ignore[arg-type]
                theirs.batch([op for op in ops if isinstance(op, PutOp)])

    check()
