"""Another tenant's ids, names and words in every endpoint: not there, and nothing of that tenant changes."""

import json
import re
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from memory_service.storage.ids import new_id
from memory_service.types import KeyScope

PARAMETERS = {
    "agent_id",
    "changeset_id",
    "review_id",
    "document_id",
    "erasure_id",
    "entity_id",
    "episode_id",
    "topic_id",
    "community_id",
    "user_id",
    "memory_id",
    "kv_memory_id",
    "plan_id",
    "parametric_id",
    "search_id",
    "job_id",
    "key_id",
    "query_id",
    "session_id",
    "label",
    "task_id",
    "path",
    "event_id",
    "entity_type",
    "webhook_id",
    "link_id",
    "delivery_id",
    "org_id",
    "project_id",
    "tenant_id",
}
# What a caller may use to name something; a new way to name needs attacks of its own.
NAMES_SOMETHING = re.compile(r"(^|_)(ids?|namespaces?|prefix|path|cursor|filter|parents?|ref|tenant)$")
KNOWN_NAMES = PARAMETERS | {
    "encoder_id",  # encoders are of no tenant
    "app_id", "cursor", "external_id", "filter", "ids", "namespace", "namespace_prefix", "namespaces", "prefix",
    "parent_id", "root_id", "memory_ids", "id",
    "ref",  # of a source: a text of the caller, nothing is looked up by it
    "run_id", "user_id",
}  # fmt: skip
# A tenant is told the same of whatever it names: 403.
FOR_OPERATORS = {
    "GET /v1/tenants/{tenant_id}",
    "DELETE /v1/tenants/{tenant_id}",
    "POST /v1/encoders",
    "GET /v1/encoders/{encoder_id}",
    "POST /v1/encoders/{encoder_id}/default",
    *(f"POST /v1/encoders/{{encoder_id}}/reindex{step}" for step in ("", "/cut-over", "/roll-back", "/finish")),
}
LISTS = ("data", "results", "citations", "edges")


def operations(app: FastAPI) -> dict[str, dict[str, Any]]:
    return {
        f"{method.upper()} {path}": operation
        for path, methods in app.openapi()["paths"].items()
        for method, operation in methods.items()
        if method != "parameters"
    }


def test_every_operation_is_attacked(app: FastAPI, ours: Any, theirs: Any, asks_about: Callable[..., Any]) -> None:
    """A new endpoint fails here until a part of `asks` says how it is attacked."""
    attacked = asks_about(theirs, ours)
    assert operations(app).keys() == attacked.keys()
    for operation, asks in attacked.items():
        assert asks, operation
        for name in re.findall(r"{(\w+)}", operation):
            # A kind of policy is a word that everybody knows, the digest of an engine one that everybody can compute, and
            # encoders are of no tenant.
            assert name in PARAMETERS or name in {"kind", "digest", "encoder_id"}, (
                f"{operation}: no id of another tenant is known for {name}"
            )
            # What is put at an address that another tenant uses too is the asker's own.
            puts = operation == "PUT /v1/blocks/{label}" or operation in FOR_OPERATORS
            assert puts or any(ask.want in {"absent", "nothing"} for ask in asks), operation


def test_every_way_to_name_something_is_known(app: FastAPI) -> None:
    document = app.openapi()
    found = {p["name"] for o in operations(app).values() for p in o.get("parameters", []) if p["in"] != "header"}
    for name, schema in document["components"]["schemas"].items():
        if name.endswith(("In", "Patch")):
            found |= schema.get("properties", {}).keys()
    assert {name for name in found if NAMES_SOMETHING.search(name)} <= KNOWN_NAMES


def nothing_in(answer: Any) -> bool:
    if answer.headers["content-type"].startswith("application/x-ndjson"):
        _header, *records, _end = answer.text.splitlines()
        return not records
    body = answer.json()
    if "deleted" in body:  # as mem0's clients are told
        return body["deleted"] == 0
    rows = [body[name] for name in LISTS if name in body]
    return not any(rows) if rows else (body["matched"], body["changed"]) == (0, 0)


def as_wanted(answer: Any, ask: Any) -> bool:
    match ask.want:
        case "absent":
            media_type = "application/json" if ask.path.startswith("/compat/") else "application/problem+json"
            return bool(answer.status_code == 404 and answer.headers["content-type"] == media_type)
        case "refused":
            return bool(answer.status_code == ask.status)
        case "nothing":
            return bool(answer.status_code == 200 and nothing_in(answer))
        case _:
            return answer.status_code in (200, 201, 202)


def leaked(answer: Any, ask: Any, household: Any) -> set[str]:
    """Return the marks of a tenant that an answer shows and the request did not send."""
    sent = f"{ask.path} {json.dumps(ask.json)}".replace("%2F", "/")
    return {name for name, mark in household.marks.items() if mark in answer.text and mark not in sent}


def send(asker: Any, operation: str, ask: Any) -> Any:
    return asker.request(operation.split()[0], ask.path, **({} if ask.json is None else {"json": ask.json}))


@pytest.mark.parametrize("operator", [False, True], ids=["tenant", "operator"])
def test_a_stranger_finds_and_changes_nothing(
    make_household: Callable[..., Any], untouched: Any, asks_about: Callable[..., Any], operator: bool
) -> None:
    """Neither with every scope inside a tenant nor as an operator, who may list tenants but not look into them."""
    asker = make_household(f"stranger{operator}", **({"scopes": tuple(KeyScope)} if operator else {}))
    wrong = []
    asked = [(operation, ask) for operation, asks in asks_about(untouched, asker).items() for ask in asks]
    # What makes things of the same names in the asker's own tenant comes last, or those would be found.
    for operation, ask in sorted(asked, key=lambda pair: (pair[1].want == "own", not pair[0].startswith("GET "))):
        if operator and (operation.endswith("/v1/tenants") or operation in FOR_OPERATORS):
            continue
        answer = send(asker.client, operation, ask)
        shown = leaked(answer, ask, untouched)
        if shown or not as_wanted(answer, ask):
            wrong.append(
                f"{operation} {ask.path} {ask.json}: {answer.status_code} shows {shown} in {answer.text[:300]}"
            )
    assert not wrong, "\n".join(wrong)


def test_what_another_tenant_has_cannot_be_told_from_what_nobody_has(
    ours: Any, untouched: Any, asks_about: Callable[..., Any]
) -> None:
    """An erased memory is gone for its own tenant (410) and simply unknown to every other."""

    def told(operation: str, path: str, body: Any, names: dict[str, str]) -> tuple[int, str]:
        for real, other in names.items():
            path, body = path.replace(real, other), json.loads(json.dumps(body).replace(real, other))
        method = operation.split()[0]
        answer = ours.client.request(method, path, **({} if body is None else {"json": body}))
        document = answer.json()
        document.pop("request_id", None)
        shown = json.dumps(document, sort_keys=True)
        for number, (real, other) in enumerate(names.items()):
            shown = shown.replace(real, f"<{number}>").replace(other, f"<{number}>")
        return answer.status_code, shown

    marks = [mark for name, mark in untouched.marks.items() if name not in {"tenant_id", "secret"}]
    same = {mark: mark for mark in marks}
    unknown = {mark: str(new_id()) if _is_uuid(mark) else mark.replace("theirs", "nobodys") for mark in marks}
    for operation, asks in asks_about(untouched, ours).items():
        for ask in asks:
            if ask.want == "absent":
                real, other = (told(operation, ask.path, ask.json, names) for names in (same, unknown))
                assert _neutral(real[1], marks, unknown) == _neutral(other[1], marks, unknown), operation
                assert real[0] == other[0] == 404


def _is_uuid(value: str) -> bool:
    try:
        return bool(UUID(value))
    except ValueError:
        return False


def _neutral(shown: str, marks: list[str], unknown: dict[str, str]) -> str:
    for mark in marks:
        for form in (mark, mark.replace("/", "%2F"), unknown[mark], unknown[mark].replace("/", "%2F")):
            shown = shown.replace(form, "<>")
    return shown.replace("theirs-space", "<>").replace("nobodys-space", "<>")


def test_its_own_tenant_finds_all_of_it(theirs: Any, client: TestClient) -> None:
    """The attacks would prove nothing with ids that do not work for their owner either."""
    me = theirs.client
    assert me.get(f"/v1/memories/{theirs.memory_id}").status_code == 200
    assert me.get(f"/v1/memories/{theirs.archived_id}").status_code == 200
    assert me.get(f"/v1/memories/{theirs.erased_id}").status_code == 410
    paths = (
        f"jobs/{theirs.queued_job_id}",
        f"traces/{theirs.search_id}",
        f"api-keys/{theirs.key_id}",
        f"entities/{theirs.entity_id}",
        f"episodes/{theirs.episode_id}",
        f"topics/{theirs.topic_id}",
        f"tasks/{theirs.step_id}/context",
        f"blocks/{theirs.label}?namespace={theirs.namespace}&user_id={theirs.user_id}&agent_id={theirs.agent_id}",
        f"profiles/{theirs.user_id}",
        f"erasures/{theirs.erasure_id}",
        f"parametric/{theirs.parametric_id}",
    )
    for path in paths:
        assert me.get(f"/v1/{path}").status_code == 200, path
    assert me.get(f"/v1/namespaces/{theirs.namespace.replace('/', '%2F')}").json()["memories"] == 3
    assert len(me.get(f"/v1/sessions/{theirs.session_id}/messages").json()["data"]) == 3
    assert len(me.get(f"/v1/memories?external_id={theirs.external_id}").json()["data"]) == 1
