"""Every operation of the OpenAPI document under generated requests: no 500, and answers as the document says."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import load_all_checks
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from memory_service.storage.bootstrap import RoleUrls
from memory_service.types import KeyScope

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@schemathesis.serializer("application/x-ndjson")
def as_lines(_: Any, value: Any) -> bytes:
    """Send a made body as a bundle: a text as it is, anything else as one line of JSON."""
    return value if isinstance(value, bytes) else (value if isinstance(value, str) else json.dumps(value)).encode()


EXAMPLES = 25  # Per operation and kind of request.
CHECKS = [
    schemathesis.checks.not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    response_headers_conformance,
]
# Revoking or rotating the key in use would end the run; key ids stay made up.
KNOWN = ("memory_id", "job_id", "search_id", "session_id", "erasure_id", "path", "label", "task_id", "parametric_id")


@pytest.fixture(scope="module")
def served(serve: Any, role_urls: RoleUrls, data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with serve(
        data_dir,
        tmp_path_factory.mktemp("fuzz") / "server.log",
        MEMORY_SERVICE_OWNER_DATABASE_URL=role_urls.owner,
        MEMORY_SERVICE_MAINTENANCE_DATABASE_URL=role_urls.maintenance,
        MEMORY_SERVICE_SERVICE_DATABASE_URL=role_urls.service,
        MEMORY_SERVICE_LOG_LEVEL="warning",
    ) as running:
        yield running


def seed(client: httpx.Client) -> dict[str, list[str]]:
    """Store a little of everything and return ids that exist, by the name of the path parameter."""
    turns = {"messages": [{"content": "The heron came back.", "name": "Ada"}] * 2, "session_id": "s", "user_id": "u"}
    sent = client.post("/v1/messages", json=turns).json()
    made = [client.post("/v1/memories", json={"content": f"Heron number {n}."}).json()["id"] for n in range(3)]
    client.post(f"/v1/memories/{made[0]}/supersede", json={"content": "Heron number zero."})
    for label in ("persona", "human"):
        client.put(f"/v1/blocks/{label}", json={"value": "A heron."})
    root = client.post("/v1/tasks", json={"title": "Watch the heron."}).json()["id"]
    steps = [client.post("/v1/tasks", json={"title": f"Step {n}.", "parent_id": root}).json()["id"] for n in range(3)]
    searches = [client.post("/v1/search", json={"query": "heron"}).json()["search_id"] for _ in range(2)]
    cubes = [client.post("/v1/parametric", json={"name": f"cube {n}"}).json()["id"] for n in range(2)]
    erasure = client.post("/v1/erasures", json={"filter": {"tags": "none"}}).json()
    return {
        "memory_id": [*made, *sent["memories"]],
        "job_id": [sent["job_id"]],
        "search_id": searches,
        "session_id": ["s"],
        "erasure_id": [erasure["erasure_id"]],
        "path": ["default"],
        "label": ["persona", "human"],
        "task_id": [root, *steps],
        "parametric_id": cubes,
    }


def tame(case: Any, known: dict[str, list[str]], number: int) -> None:
    """Point a request at something that exists now and then, and let none wait for workers that do not run."""
    # The events of a job that waits would be followed for a minute.
    if number >= 0 and not case.operation.path.endswith("/events"):
        for name in KNOWN:
            if name in case.path_parameters:
                case.path_parameters[name] = known[name][number % len(known[name])]
    if isinstance(case.body, dict) and case.body.get("wait") == "consolidated":
        case.body["timeout_s"] = 0.05


def test_every_operation(served: Any, make_tenant: Any, subtests: Any) -> None:
    load_all_checks()
    _, key = make_tenant(scopes=tuple(KeyScope))
    headers = {"Authorization": f"Bearer {key}"}
    schema = schemathesis.openapi.from_url(f"{served.url}/openapi.json")
    seen = 0
    with served.client(key) as client:
        known = seed(client)
        for found in schema.get_all_operations():
            operation = found.ok()
            for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
                if mode is GenerationMode.NEGATIVE and not takes_anything(operation):
                    continue
                with subtests.test(operation=operation.label, mode=mode.value):
                    hammer(operation, mode, headers=headers, known=known)
                    seen += 1
    assert seen > 60
    assert "request_crashed" not in served.log.read_text()


def takes_anything(operation: Any) -> bool:
    return bool(list(operation.iter_parameters()) or operation.body)


def hammer(operation: Any, mode: GenerationMode, *, headers: dict[str, str], known: dict[str, list[str]]) -> None:
    # The same requests in every run: a failure in CI is one at home.
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode), number=st.integers(-2, 4))
    def run(case: Any, number: int) -> None:
        tame(case, known, number)
        answer = case.call(headers=headers, timeout=60)
        case.validate_response(answer, checks=CHECKS)

    run()
