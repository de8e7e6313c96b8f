from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memory_service.errors import InvalidFilter
from memory_service.filters import (
    EVERYTHING,
    FIELDS,
    MAX_DEPTH,
    MAX_LIST,
    MAX_TERMS,
    And,
    Compare,
    FieldKind,
    Filter,
    Not,
    Operator,
    Or,
    all_of,
    filter_from_query,
    is_filter_parameter,
    parse_filter,
)

ID = "018f3c1e-7b1a-7c3d-9e2f-5a6b7c8d9e0f"
MAY = datetime(2023, 5, 8, 10, tzinfo=UTC)


def term(name: str, operator: Operator, operand: Any) -> Compare:
    return Compare(FIELDS[name], operator, operand)


def refused(raw: object, *, pointer: str = "") -> InvalidFilter:
    with pytest.raises(InvalidFilter) as caught:
        parse_filter(raw, pointer=pointer)
    assert len(caught.value.errors) == 1
    assert caught.value.detail.endswith((".", "?"))
    return caught.value


ADA = term("user_id", Operator.EQ, "ada")
WORK = term("tags", Operator.EQ, "work")


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ({}, EVERYTHING),
        ({"AND": [{}]}, EVERYTHING),
        ({"user_id": "ada"}, ADA),
        ({"user_id": {"eq": "ada"}}, ADA),
        ({"user_id": {"$eq": "ada"}}, ADA),
        ({"user_id": "ada", "tags": "work"}, And((ADA, WORK))),
        ({"AND": [{"user_id": "ada"}, {"tags": "work"}]}, And((ADA, WORK))),
        ({"$and": [{"user_id": "ada"}], "tags": "work"}, And((ADA, WORK))),
        ({"OR": [{"user_id": "ada"}, {"tags": "work"}]}, Or((ADA, WORK))),
        ({"or": [{"user_id": "ada"}]}, ADA),
        ({"NOT": {"user_id": "ada"}}, Not(ADA)),
        ({"$not": {"user_id": "ada", "tags": "work"}}, Not(And((ADA, WORK)))),
        ({"NOT": [{"user_id": "ada"}, {"tags": "work"}]}, Not(Or((ADA, WORK)))),
        (
            {"importance": {"gt": 0, "lte": 0.5}},
            And((term("importance", Operator.GT, 0.0), term("importance", Operator.LTE, 0.5))),
        ),
        ({"run_id": "s"}, term("session_id", Operator.EQ, "s")),
        ({"user_id": ["a", "b"]}, term("user_id", Operator.IN, ("a", "b"))),
        ({"user_id": []}, term("user_id", Operator.IN, ())),
        ({"tags": {"eq": ["a", "b"]}}, term("tags", Operator.EQ, ("a", "b"))),
        (
            {"tags": {"contains": ["a", "b"]}},
            And((term("tags", Operator.CONTAINS, "a"), term("tags", Operator.CONTAINS, "b"))),
        ),
        ({"valid_to": {"exists": False}}, term("valid_to", Operator.EXISTS, False)),
        ({"valid_from": "2023-05-08T12:00:00+02:00"}, term("valid_from", Operator.EQ, MAY)),
        ({"valid_from": "2023-05-08t10:00:00.000000000z"}, term("valid_from", Operator.EQ, MAY)),
        ({"id": ID.upper()}, term("id", Operator.EQ, UUID(ID))),
        ({"importance": {"contains": 1.0}}, term("importance", Operator.CONTAINS, "1")),
        ({"pinned": {"icontains": True}}, term("pinned", Operator.ICONTAINS, "true")),
    ],
)
def test_the_grammar(raw: object, expected: Filter) -> None:
    assert parse_filter(raw) == expected


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("metadata.a", ("a",)),
        ("metadata.a.b.0", ("a", "b", "0")),
        (r"metadata.a\.b.c", ("a.b", "c")),
        (r"metadata.a\\.c", ("a\\", "c")),
        ("metadata.a\\", ("a\\",)),
        ("value.a", ("a",)),
        (r"value.a\.b.c", ("a.b", "c")),
    ],
)
def test_dots_separate_the_keys_of_a_metadata_path(name: str, path: tuple[str, ...]) -> None:
    parsed = parse_filter({name: 1})
    assert isinstance(parsed, Compare)
    assert (parsed.field.kind, parsed.field.path, parsed.operand) == (FieldKind.JSON, path, 1)


@pytest.mark.parametrize(
    ("raw", "pointer", "words"),
    [
        (None, "", "null"),
        ([], "", "a list"),
        ({"user": "ada"}, "/user", "'user_id'"),
        ({"constructor": "ada"}, "/constructor", "Fields are"),
        ({"metadata": {"a": 1}}, "/metadata", "metadata.<path>"),
        ({"value": 1}, "/value", "value.<path>"),
        ({"value.": 1}, "/value.", "A value path"),
        ({"value.n": {"eq": {"a": 1}}}, "/value.n/eq", "value.n.<key>"),
        ({"metadata.": 1}, "/metadata.", "keys"),
        ({"metadata.a..b": 1}, "/metadata.a..b", "keys"),
        ({"metadata.a/b~": {"like": 1}}, "/metadata.a~1b~0/like", "no operator"),
        ({"user_id": {"like": "a"}}, "/user_id/like", "icontains"),
        ({"user_id": {"$$eq": "a"}}, "/user_id/$$eq", "no operator"),
        ({"user_id": {}}, "/user_id", "No operator"),
        ({"user_id": None}, "/user_id", "exists"),
        ({"user_id": {"ne": None}}, "/user_id/ne", "exists"),
        ({"user_id": 4}, "/user_id", "a number"),
        ({"user_id": {"eq": ["a"]}}, "/user_id/eq", "'in'"),
        ({"user_id": {"in": "a"}}, "/user_id/in", "a list of values"),
        ({"user_id": ["a", 1]}, "/user_id/1", "a string"),
        ({"user_id": {"exists": 1}}, "/user_id/exists", "true or false"),
        ({"user_id": "a\x00"}, "/user_id", "NUL"),
        ({"user_id": "\ud800"}, "/user_id", "surrogate"),
        ({"metadata.\ud800": 1}, "/metadata.?", "surrogate"),
        ({"tags": {"contains": 1}}, "/tags/contains", "a number"),
        ({"tags": {"contains": ["a", None]}}, "/tags/contains/1", "null"),
        ({"tags": {"eq": []}}, "/tags/eq", "empty"),
        ({"tags": {"in": [["a"]]}}, "/tags/in/0", "a list"),
        ({"importance": "high"}, "/importance", "a string"),
        ({"importance": True}, "/importance", "a boolean"),
        ({"importance": {"gt": float("nan")}}, "/importance/gt", "finite"),
        ({"importance": {"contains": float("inf")}}, "/importance/contains", "finite"),
        ({"importance": 10**400}, "/importance", "64 bits"),
        ({"metadata.n": 2**63}, "/metadata.n", "64 bits"),
        ({"metadata.n": {"eq": {"a": 1}}}, "/metadata.n/eq", "metadata.n.<key>"),
        ({"metadata.n": {"icontains": 1}}, "/metadata.n/icontains", "a string"),
        ({"pinned": "true"}, "/pinned", "a string"),
        ({"memory_type": "semantics"}, "/memory_type", "semantic"),
        ({"state": ["activated", "gone"]}, "/state/1", "archived"),
        ({"valid_from": "2023-05-08"}, "/valid_from", "zone"),
        ({"valid_from": "2023-05-08T10:00:00"}, "/valid_from", "zone"),
        ({"valid_from": "2023-02-30T10:00:00Z"}, "/valid_from", "no such time"),
        ({"valid_from": "0001-01-01T00:00:00+10:00"}, "/valid_from", "no such time"),
        ({"valid_from": 1683540000}, "/valid_from", "a number"),
        ({"id": "1"}, "/id", "an id"),
        ({"AND": {}}, "/AND", "a list"),
        ({"OR": []}, "/OR", "empty"),
        ({"AND": [{"user_id": "a"}, 1]}, "/AND/1", "a number"),
        ({"NOT": "a"}, "/NOT", "a string"),
        ({"$or": [{"not": {"tags": 3}}]}, "/$or/0/not/tags", "a string"),
    ],
)
def test_a_mistake_is_pointed_at(raw: object, pointer: str, words: str) -> None:
    error = refused(raw, pointer="/filter")
    assert error.errors[0].pointer == f"/filter{pointer}"
    assert words in error.detail
    error.detail.encode("utf-8")
    assert error.specific_code == "invalid_filter"


def nested(levels: int) -> dict[str, Any]:
    raw: dict[str, Any] = {"user_id": "ada"}
    for level in range(levels):
        raw = {"NOT": raw} if level % 2 else {"AND": [raw]}
    return raw


def test_limits_hold_exactly() -> None:
    parse_filter(nested(MAX_DEPTH))
    parse_filter({"OR": [{"user_id": "ada"}] * MAX_TERMS})
    parse_filter({"user_id": ["ada"] * MAX_LIST})
    for beyond in (
        nested(MAX_DEPTH + 1),
        nested(500),
        {"OR": [{"user_id": "ada"}] * (MAX_TERMS + 1)},
        {"tags": {"contains": ["a"] * (MAX_TERMS + 1)}},
        {"user_id": ["ada"] * (MAX_LIST + 1)},
    ):
        assert refused(beyond).specific_code == "filter_too_large"


def test_query_parameters_are_equalities_lists_and_times() -> None:
    found = filter_from_query(
        {
            "run_id": ["s"],
            "tags": ["a", "b"],
            "created_after": ["2023-05-08T10:00:00Z"],
            "observed_before": ["2023-05-08T10:00:00Z"],
            "metadata.n": ["3"],
            "speaker": [],
        }
    )
    assert found == all_of(
        [
            parse_filter({"session_id": "s", "tags": {"in": ["a", "b"]}}),
            term("created_at", Operator.GT, MAY),
            term("observed_at", Operator.LT, MAY),
            parse_filter({"OR": [{"metadata.n": "3"}, {"metadata.n": 3}]}),
        ]
    )
    assert filter_from_query({}) == EVERYTHING


@pytest.mark.parametrize(
    ("name", "values", "same"),
    [
        ("metadata.n", ["x"], {"metadata.n": "x"}),
        ("metadata.n", ["true"], {"OR": [{"metadata.n": "true"}, {"metadata.n": True}]}),
        (
            "metadata.n",
            ["3", "x", "-1.5e1"],
            {"OR": [{"metadata.n": ["3", "x", "-1.5e1"]}, {"metadata.n": [3, -15.0]}]},
        ),
        ("metadata.n", ["9" * 19], {"metadata.n": "9" * 19}),
        ("metadata.n", ["1e400"], {"metadata.n": "1e400"}),
        ("pinned", ["true"], {"pinned": True}),
        ("importance", ["0.5", "1"], {"importance": [0.5, 1]}),
        ("keywords", ["3"], {"keywords": "3"}),
        ("valid_to", ["2023-05-08T10:00:00Z"], {"valid_to": "2023-05-08T10:00:00Z"}),
    ],
)
def test_a_query_parameter_means_what_its_field_holds(name: str, values: list[str], same: object) -> None:
    assert filter_from_query({name: values}) == parse_filter(same)


def test_as_many_values_as_a_list_may_have() -> None:
    numbers = [str(n) for n in range(MAX_LIST)]
    assert filter_from_query({"metadata.n": numbers}) == parse_filter(
        {"OR": [{"metadata.n": numbers}, {"metadata.n": list(range(MAX_LIST))}]}
    )


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("limit", ["3"]),
        ("pinned", ["yes"]),
        ("importance", ["high"]),
        ("observed_at", ["2023-05-08T10:00:00 00:00"]),
        ("created_after", ["yesterday"]),
        ("created_after", ["2023-05-08T10:00:00 00:00"]),
        ("created_after", ["2023-05-08T10:00:00Z", "2023-05-08T10:00:00Z"]),
        ("memory_type", ["x"]),
        ("user_id", ["\x00"]),
        ("metadata.", ["3"]),
    ],
)
def test_a_bad_query_parameter_is_pointed_at(name: str, values: list[str]) -> None:
    with pytest.raises(InvalidFilter) as caught:
        filter_from_query({name: values})
    assert caught.value.errors[0].pointer == f"/{name}"
    assert is_filter_parameter(name) == (name != "limit")


NAMES = st.sampled_from([*FIELDS, "metadata.a", "run_id", "AND", "or", "$not", "NOT", *Operator, "$in"]) | st.text(
    max_size=5
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just("2023-05-08T10:00:00Z"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=12,
)


@given(raw=st.dictionaries(NAMES, JSON, max_size=3) | JSON)
def test_any_json_parses_or_is_refused(raw: object) -> None:
    message = ""
    try:
        parse_filter(raw)
    except InvalidFilter as error:
        message = error.detail + "".join(place.pointer for place in error.errors)
    message.encode("utf-8")
