"""Listings of namespaces beside those of LangGraph's own store."""

from hypothesis import given
from hypothesis import strategies as st
from langgraph.store.base import ListNamespacesOp, MatchCondition
from langgraph.store.memory import InMemoryStore

from memory_langgraph.namespaces import common_prefix, selected

LABELS = st.sampled_from("abc")
NAMESPACES = st.lists(LABELS, min_size=1, max_size=4).map(tuple)
CONDITIONS = st.builds(
    MatchCondition,
    match_type=st.sampled_from(["prefix", "suffix"]),
    path=st.lists(LABELS | st.just("*"), min_size=1, max_size=3).map(tuple),
)
OPS = st.builds(
    ListNamespacesOp,
    match_conditions=st.none() | st.lists(CONDITIONS, max_size=2).map(tuple),
    max_depth=st.none() | st.integers(1, 3),
    limit=st.integers(0, 5),
    offset=st.integers(0, 3),
)


@given(st.sets(NAMESPACES, max_size=8), OPS)
def test_it_lists_what_langgraph_lists(namespaces: set[tuple[str, ...]], op: ListNamespacesOp) -> None:
    theirs = InMemoryStore()
    for namespace in namespaces:
        theirs.put(namespace, "key", {})
    asked = common_prefix(op.match_conditions or ())
    below = [one for one in namespaces if one[: len(asked)] == asked]
    assert selected(below, op) == theirs.batch([op])[0]
