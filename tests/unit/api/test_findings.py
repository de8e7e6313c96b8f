"""Refusals of pydantic, said as the service says everything else."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest
from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from memory_service.api.findings import sentence
from memory_service.api.memory_models import MemoryIn
from memory_service.api.problems import field_errors
from memory_service.api.search_models import SearchIn
from memory_service.api.strict_json import Body


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


class Plain(BaseModel):
    colour: Colour


class Strict(Body):
    colour: Colour


def found(model: type[BaseModel], body: Any) -> list[tuple[str, str]]:
    with pytest.raises(ValidationError) as refused:
        model.model_validate(body)
    errors = [{**one, "loc": ("body", *one["loc"])} for one in refused.value.errors()]
    return [(one.pointer, one.detail) for one in field_errors(errors, body)]


@pytest.mark.parametrize("model", [SearchIn, MemoryIn])
@pytest.mark.parametrize(("value", "kind"), [([], "an array"), ("a", "a string"), (7, "a number"), (True, "a boolean")])
def test_an_object_of_another_kind_is_named(model: type[BaseModel], value: Any, kind: str) -> None:
    for name in {"filter", "channels", "metadata"} & set(model.model_fields):
        body = {"query": "x", "content": "x", name: value}
        body = {at: body[at] for at in body if at in model.model_fields}
        assert found(model, body) == [(f"/{name}", f"is {kind}; expected is an object")]


@pytest.mark.parametrize(
    ("given", "pointer", "says"),
    [
        ({"query": {}}, "/query", "is an object; expected is a string"),
        ({"namespaces": "a"}, "/namespaces", "is a string; expected is an array"),
        ({"namespaces": []}, "/namespaces", "is empty"),
        ({"explain": "yes"}, "/explain", "is a string; expected is a boolean"),
        ({"top_k": 1.5}, "/top_k", "has a fraction; expected is an integer"),
        ({"top_k": 0}, "/top_k", "is less than 1"),
        ({"neighbours": 4}, "/neighbours", "is more than 3"),
        ({"channels": {"vector": -1}}, "/channels/vector", "is less than 0"),
        ({"channels": {"vector": 2000}}, "/channels/vector", "is more than 1,000"),
        ({"preset": "slow"}, "/preset", "must be 'fast', 'balanced' or 'thorough'"),
        ({"user_id": ""}, "/user_id", "is empty"),
        ({"user_id": "a" * 257}, "/user_id", "has more than 256 characters"),
        ({"include": ["archived"] * 9}, "/include", "has more than 8 items"),
        ({"now": "2026-13-01T00:00:00Z"}, "/now", "is no time: month value is outside expected range of 1-12"),
        ({"colour": "red"}, "/colour", "is no field of this object"),
    ],
)
def test_a_search_is_refused_in_our_words(given: dict[str, Any], pointer: str, says: str) -> None:
    assert found(SearchIn, {"query": "x", **given}) == [(pointer, says)]


@pytest.mark.parametrize(
    ("kind", "value", "says"),
    [
        (int, "abc", "is no integer"),
        (int, [], "is an array; expected is an integer"),
        (float, "abc", "is no number"),
        (float, None, "is null; expected is a number"),
        (Annotated[float, Field(allow_inf_nan=False)], float("nan"), "is not a finite number"),
        (Annotated[float, Field(gt=0.5, lt=1)], 0.5, "is not more than 0.5"),
        (Annotated[float, Field(gt=0.5, lt=1)], 1, "is not less than 1"),
        (bool, "maybe", "is neither true nor false"),
        (bool, {}, "is an object; expected is a boolean"),
        (datetime, "tomorrow", "is no time: input is too short"),
        (datetime, [], "is an array; expected is a time"),
        (UUID, "abc", "is no UUID"),
        (UUID, 7, "is a number; expected is a UUID"),
        (Colour, "green", "must be 'red' or 'blue'"),
        (Literal["archived"], "erased", "must be 'archived'"),
        (Annotated[str, Field(min_length=3)], "ab", "has fewer than 3 characters"),
        (Annotated[str, Field(max_length=1)], "ab", "has more than 1 character"),
        (Annotated[str, Field(pattern="^(a|b)$")], "c", "does not match the pattern ^(a|b)$"),
        (Annotated[dict[str, int], Field(max_length=1)], {"a": 1, "b": 2}, "has more than 1 member"),
        (dict[str, int], object(), "is not an object"),
        (Plain, "red", "is a string; expected is an object"),
        (Strict, "red", "is a string; expected is an object with the fields colour"),
        (list[int], 7, "is a number; expected is an array"),
    ],
)
def test_what_is_common_has_words(kind: Any, value: Any, says: str) -> None:
    with pytest.raises(ValidationError) as refused:
        TypeAdapter(kind).validate_python(value)
    assert [sentence(one) for one in refused.value.errors()] == [says]


def test_what_is_missing_is_said_so() -> None:
    assert found(SearchIn, {}) == [("/query", "is missing")]


def test_what_is_rare_is_said_by_whoever_found_it() -> None:
    with pytest.raises(ValidationError) as refused:
        TypeAdapter(Annotated[int, Field(multiple_of=2)]).validate_python(3)
    assert [sentence(one) for one in refused.value.errors()] == ["Input should be a multiple of 2"]
