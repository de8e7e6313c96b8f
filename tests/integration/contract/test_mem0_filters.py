"""mem0's filters select what they select there, in lists and in searches."""

from typing import Any

import pytest
from starlette.testclient import TestClient

FILTERED: list[tuple[Any, set[str]]] = [
    ({"user_id": "ada"}, {"bees", "rain"}),
    ({"user_id": {"eq": "ada"}}, {"bees", "rain"}),
    ({"user_id": {"ne": "ada"}, "agent_id": "*"}, {"agent"}),
    ({"OR": [{"user_id": {"in": ["ada", "bo"]}}]}, {"bees", "rain", "bo"}),
    ({"AND": [{"user_id": {"nin": ["ada"]}}, {"user_id": "*"}]}, {"bo"}),
    ({"user_id": "*"}, {"bees", "rain", "bo"}),
    ({"app_id": "hive"}, {"bees"}),
    ({"app_id": "*"}, {"bees"}),
    ({"run_id": "r"}, {"rain"}),
    ({"NOT": [{"user_id": "ada"}]}, {"bo", "agent"}),
    ({"NOT": {"user_id": "*"}}, {"agent"}),
    ({"user_id": "ada", "metadata": {"topic": "insects"}}, {"bees"}),
    ({"user_id": "ada", "metadata": {"topic": {"ne": "insects"}}}, {"rain"}),
    ({"user_id": "ada", "metadata": {"ne": {"topic": "insects"}}}, {"rain"}),
    ({"user_id": "ada", "metadata": {"topic": {"contains": "sect"}}}, {"bees"}),
    ({"user_id": "ada", "topic": {"icontains": "INSECT"}}, {"bees"}),
    ({"user_id": "ada", "n": {"gt": 2}}, {"bees"}),
    ({"user_id": "ada", "n": {"gte": 3, "lt": 4}}, {"bees"}),
    ({"user_id": "ada", "n": {"lte": 2}}, set()),
    ({"user_id": "ada", "dotted.key": "x"}, {"rain"}),
    ({"user_id": "ada", "keywords": {"contains": "eleven"}}, {"bees"}),
    ({"user_id": "ada", "keywords": {"icontains": "ELEVEN"}}, {"bees"}),
    ({"user_id": "ada", "keywords": {"contains": "ELEVEN"}}, set()),
    ({"user_id": "ada", "categories": {"in": ["animals", "x"]}}, {"bees"}),
    ({"user_id": "ada", "categories": {"contains": "anim"}}, {"bees"}),
    ({"user_id": "ada", "categories": {"ne": "animals"}}, {"rain"}),
    ({"user_id": "ada", "created_at": {"lt": "2024-01-01"}}, {"rain"}),
    ({"user_id": "ada", "timestamp": {"gte": 1_700_000_001}}, {"bees"}),
    ({"user_id": "ada", "updated_at": {"lt": "2024-01-01"}}, set()),
]


@pytest.fixture(scope="module")
def filtered(mem0_of: Any, make_tenant: Any, client: TestClient, tenant_client: Any) -> tuple[Any, dict[str, str]]:
    mem0 = mem0_of(tenant_client(client, *make_tenant()))
    ids = {
        "bees": mem0.one(
            "Ada keeps eleven hives.", user_id="ada", app_id="hive", metadata={"topic": "insects", "n": 3}
        ),
        "rain": mem0.one(
            "It rained.", user_id="ada", run_id="r", timestamp=1_700_000_000, metadata={"dotted.key": "x"}
        ),
        "bo": mem0.one("Bo sings.", user_id="bo"),
        "agent": mem0.add("An agent's note.", agent_id="cook")["results"][0]["id"],
    }
    assert mem0.me.patch(f"/v1/memories/{ids['bees']}", json={"tags": ["animals"]}).status_code == 200
    return mem0, ids


@pytest.mark.parametrize(("filters", "expected"), FILTERED, ids=[str(f) for f, _ in FILTERED])
def test_every_operator_selects_what_mem0_would(
    filtered: tuple[Any, dict[str, str]], filters: Any, expected: set[str]
) -> None:
    mem0, ids = filtered
    names = {memory_id: name for name, memory_id in ids.items()}
    assert {names[item["id"]] for item in mem0.all(filters)["results"]} == expected
    found = mem0.search("What is new?", filters=filters)["results"]
    assert {names[item["id"]] for item in found} == expected


def test_memories_by_id(filtered: tuple[Any, dict[str, str]]) -> None:
    mem0, ids = filtered
    wanted = {"user_id": "*", "memory_ids": [ids["bees"], ids["bo"]]}
    assert {item["id"] for item in mem0.all(wanted)["results"]} == {ids["bees"], ids["bo"]}


@pytest.mark.parametrize(
    "filters",
    [
        {"user_id": {"like": "a"}},
        {"user_id": None},
        {"user_id": {}},
        {"AND": []},
        {"AND": {"user_id": "a"}},
        {"user_id": "a", "metadata": "x"},
        {"user_id": "a", "metadata": {"k": {"deep": "x"}}},
        {"user_id": "a", "created_at": {"gt": "soon"}},
        {"user_id": "a", "keywords": {"gt": "x"}},
        {"user_id": "a", "memory_ids": ["no id"]},
    ],
)
def test_a_wrong_filter_is_told(mem0: Any, filters: Any) -> None:
    refused = mem0.all(filters, status=422)
    assert refused["code"] == "invalid_filter" or refused["errors"]
    mem0.search("a", filters=filters, status=422)
