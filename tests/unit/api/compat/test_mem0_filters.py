"""mem0's filters in our grammar: one case per operator and field, and every translation is read by our parser."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memory_service.api.compat.mem0.filters import FIELDS, OPERATORS, joined, owners_named, translate
from memory_service.errors import InvalidFilter, MemoryServiceError
from memory_service.filters import parse_filter

ID = "018f3c1e-7b1a-7c3d-9e2f-5a6b7c8d9e0f"

CASES: list[tuple[Any, Any]] = [
    ({}, {}),
    ({"user_id": "ada"}, {"user_id": {"eq": "ada"}}),
    ({"user_id": ["ada", "bo"]}, {"user_id": {"in": ["ada", "bo"]}}),
    ({"user_id": "*"}, {"user_id": {"exists": True}}),
    ({"run_id": {"eq": "r"}}, {"session_id": {"eq": "r"}}),
    ({"app_id": {"in": ["a", "b"]}}, {"metadata.app_id": {"in": ["a", "b"]}}),
    ({"agent_id": {"ne": "cook"}}, {"NOT": {"agent_id": {"eq": "cook"}}}),
    ({"agent_id": {"nin": ["cook"]}}, {"NOT": {"agent_id": {"in": ["cook"]}}}),
    ({"score": {"gt": 1}}, {"metadata.score": {"gt": 1}}),
    ({"score": {"gte": 1, "lt": 3}}, {"AND": [{"metadata.score": {"gte": 1}}, {"metadata.score": {"lt": 3}}]}),
    ({"score": {"lte": 1}}, {"metadata.score": {"lte": 1}}),
    ({"topic": {"contains": "be"}}, {"metadata.topic": {"contains": "be"}}),
    ({"topic": {"icontains": "BE"}}, {"metadata.topic": {"icontains": "BE"}}),
    ({"a.b": "x"}, {"metadata.a\\.b": {"eq": "x"}}),
    ({"metadata": {"k": "v"}}, {"metadata.k": {"eq": "v"}}),
    ({"metadata": {"k": "*"}}, {"metadata.k": {"exists": True}}),
    ({"metadata": {"ne": {"k": "v"}}}, {"NOT": {"metadata.k": {"eq": "v"}}}),
    ({"metadata": {"eq": "v"}}, {"metadata.eq": {"eq": "v"}}),
    ({"categories": {"contains": "fin"}}, {"tags": {"icontains": "fin"}}),
    ({"keywords": "tea"}, {"content": {"contains": "tea"}}),
    ({"memory_ids": ID}, {"id": {"in": [ID]}}),
    ({"memory_ids": [ID]}, {"id": {"in": [ID]}}),
    ({"created_at": {"gte": "2024-07-01"}}, {"observed_at": {"gte": "2024-07-01T00:00:00Z"}}),
    ({"timestamp": {"lt": 1_700_000_000}}, {"observed_at": {"lt": "2023-11-14T22:13:20Z"}}),
    ({"updated_at": ["2024-07-01T10:00:00"]}, {"updated_at": {"in": ["2024-07-01T10:00:00Z"]}}),
    ({"OR": [{"user_id": "a"}, {"role": "user"}]}, {"OR": [{"user_id": {"eq": "a"}}, {"role": {"eq": "user"}}]}),
    ({"$or": [{"user_id": "a"}]}, {"OR": [{"user_id": {"eq": "a"}}]}),
    ({"NOT": {"user_id": "a"}}, {"NOT": {"user_id": {"eq": "a"}}}),
    ({"NOT": [{"user_id": "a"}]}, {"NOT": [{"user_id": {"eq": "a"}}]}),
    ({"user_id": "a", "n": 1}, {"AND": [{"user_id": {"eq": "a"}}, {"metadata.n": {"eq": 1}}]}),
]


@pytest.mark.parametrize(("theirs", "ours"), CASES, ids=[str(theirs) for theirs, _ in CASES])
def test_a_filter_is_translated(theirs: Any, ours: Any) -> None:
    assert translate(theirs) == ours
    parse_filter(ours)


@pytest.mark.parametrize(
    ("filters", "pointer"),
    [
        ("x", "/filters"),
        ([], "/filters"),
        ({"AND": []}, "/filters/AND"),
        ({"OR": {"user_id": "a"}}, "/filters/OR"),
        ({"AND": ["x"]}, "/filters/AND/0"),
        ({"user_id": {}}, "/filters/user_id"),
        ({"user_id": {">=": "a"}}, "/filters/user_id/>="),
        ({"user_id": None}, "/filters/user_id"),
        ({"user_id": {"eq": None}}, "/filters/user_id/eq"),
        ({"metadata": "x"}, "/filters/metadata"),
        ({"metadata": {}}, "/filters/metadata"),
        ({"metadata": {"k": {"below": "x"}}}, "/filters/metadata/k/below"),
        ({"keywords": {"in": ["a"]}}, "/filters/keywords/in"),
    ],
)
def test_what_is_none_is_refused_where_it_stands(filters: Any, pointer: str) -> None:
    with pytest.raises(InvalidFilter) as refused:
        translate(filters)
    assert [error.pointer for error in refused.value.errors] == [pointer]


def test_who_is_named_is_seen_at_any_depth() -> None:
    assert owners_named({"AND": [{"NOT": {"app_id": "x"}}, {"metadata": {"user_id": "no owner"}}]}) == {"app_id"}
    assert owners_named({"topic": "x"}) == owners_named(None) == frozenset()


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from([*FIELDS, *OPERATORS, "AND", "OR", "NOT", "metadata", "*"]) | st.text(max_size=3),
            inner,
            max_size=3,
        )
    ),
    max_leaves=12,
)


@given(values)
def test_anything_is_translated_or_refused(raw: Any) -> None:
    """Nothing but our own errors comes out, and what is translated is read or refused by our parser."""
    refused: MemoryServiceError | None = None
    try:
        parse_filter(joined([translate(raw)]))
    except MemoryServiceError as error:
        refused = error
    assert refused is None or (refused.status in {413, 422} and refused.errors)
