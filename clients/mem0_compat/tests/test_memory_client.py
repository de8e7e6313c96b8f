"""Every method of mem0ai's `MemoryClient` and `AsyncMemoryClient` whose path exists, and a clear refusal of the others."""

import inspect
import os
import re
import socket
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, closing
from importlib.metadata import version
from pathlib import Path
from typing import Any

import anyio
import httpx
import mem0
import pytest
from mem0 import AsyncMemoryClient, MemoryClient
from mem0.client.types import (
    AddMemoryOptions,
    DeleteAllMemoryOptions,
    GetAllMemoryOptions,
    SearchMemoryOptions,
    UpdateMemoryOptions,
)
from mem0.exceptions import (
    AuthenticationError,
    MemoryNotFoundError,
    MemoryQuotaExceededError,
    ValidationError,
)
from mem0.memory import telemetry

SUPPORTED = "2.2.1"
TURNS = [
    {"role": "user", "content": "I'm a vegetarian and allergic to nuts."},
    {"role": "assistant", "content": "Got it! I'll remember your dietary preferences."},
]
Call = Callable[..., Any]


class Sync:
    """A client whose methods are called as they are."""

    def __init__(self, host: str, api_key: str) -> None:
        self.client = MemoryClient(api_key=api_key, host=host)

    def __call__(self, method: str, *args: Any, **options: Any) -> Any:
        return getattr(self.client, method)(*args, **options)

    def close(self) -> None:
        self.client.client.close()


class Async:
    """A client whose coroutines are run to their end, each with a client of its own."""

    def __init__(self, host: str, api_key: str) -> None:
        self.host, self.api_key = host, api_key

    def __call__(self, method: str, *args: Any, **options: Any) -> Any:
        async def run() -> Any:
            async with AsyncMemoryClient(api_key=self.api_key, host=self.host) as client:
                called: Awaitable[Any] = getattr(client, method)(*args, **options)
                return await called

        return anyio.run(run)

    def close(self) -> None:
        pass  # Each was closed after its call.


@pytest.fixture(params=[Sync, Async])
def call(request: pytest.FixtureRequest, service: Any, make_tenant: Callable[[], str]) -> Iterator[Call]:
    """Return a function that calls a method of the client of a fresh tenant, sync or async."""
    with closing(request.param(f"{service.url}/compat/mem0", make_tenant())) as made:
        yield made


@pytest.fixture
def connect(service: Any) -> Iterator[Callable[..., Sync]]:
    """Return a function that makes a sync client of a key, whose connections are closed in the end."""
    with ExitStack() as stack:
        yield lambda key, below="": stack.enter_context(closing(Sync(f"{service.url}/compat/mem0{below}", key)))


def add(call: Call, text: str, **options: Any) -> str:
    (result,) = call("add", text, **({"user_id": "alex"} | options))["results"]
    return str(result["id"])


def test_it_is_the_version_that_the_docs_name_and_it_reports_to_nobody() -> None:
    assert version("mem0ai") == SUPPORTED
    assert telemetry.MEM0_TELEMETRY is False
    assert telemetry.client_telemetry.posthog is None
    assert os.environ["MEM0_DIR"] not in mem0.__file__


def test_the_guard_would_notice(nothing_leaves_this_machine: list[str]) -> None:
    for reach in (
        lambda: socket.create_connection(("192.0.2.1", 80), timeout=1),
        lambda: httpx.get("http://mem0.invalid/", timeout=1),
    ):
        with pytest.raises((PermissionError, httpx.ConnectError)):
            reach()
    assert nothing_leaves_this_machine == ["192.0.2.1", "mem0.invalid"]
    nothing_leaves_this_machine.clear()


def test_the_quickstart(call: Call) -> None:
    added = call("add", TURNS, user_id="user123")
    assert added["status"] == "SUCCEEDED"
    assert added["event_id"]
    found = call("search", "What are my dietary restrictions?", filters={"user_id": "user123"})["results"]
    assert found[0]["memory"] == TURNS[0]["content"]
    assert found[0]["user_id"] == "user123"
    assert 0 <= found[-1]["score"] <= found[0]["score"] <= 1
    everything = call("get_all", filters={"user_id": "user123"})
    assert (everything["count"], everything["next"], everything["previous"]) == (2, None, None)
    memory_id = found[0]["id"]
    call("update", memory_id, text="I'm vegan and allergic to nuts.", metadata={"checked": True})
    read = call("get", memory_id)
    assert (read["memory"], read["metadata"]) == ("I'm vegan and allergic to nuts.", {"checked": True})
    assert [(h["event"], h["old_memory"], h["new_memory"]) for h in call("history", memory_id)] == [
        ("ADD", None, TURNS[0]["content"]),
        ("UPDATE", TURNS[0]["content"], "I'm vegan and allergic to nuts."),
    ]
    assert call("delete", memory_id)["message"]
    with pytest.raises(MemoryNotFoundError):
        call("get", memory_id)
    assert call("history", memory_id)[-1]["event"] == "DELETE"
    assert call("delete_all", user_id="user123")["message"]
    assert call("get_all", filters={"user_id": "user123"})["results"] == []


def test_options_say_the_same_as_keywords(call: Call) -> None:
    scope = {"user_id": "alex", "run_id": "r"}
    call(
        "add", "Meet at nine.", AddMemoryOptions(filters=scope, metadata={"k": "v"}, infer=False, timestamp=1700000000)
    )
    listed = call("get_all", GetAllMemoryOptions(filters=scope, page=1, page_size=5, end_date="2023-12-31"))
    (item,) = listed["results"]
    assert (item["run_id"], item["metadata"], item["created_at"]) == ("r", {"k": "v"}, "2023-11-14T22:13:20Z")
    options = SearchMemoryOptions(
        filters={"AND": [{"user_id": "alex"}, {"run_id": "*"}]}, top_k=3, rerank=False, threshold=0.0,
        keyword_search=True, latest_only=True, show_expired=False, reference_date="2023-11-15",
    )  # fmt: skip
    assert [r["id"] for r in call("search", "When do we meet?", options)["results"]] == [item["id"]]
    call("update", item["id"], UpdateMemoryOptions(text="Meet at ten.", expiration_date="2099-01-31"))
    assert call("get", item["id"])["expiration_date"] == "2099-01-31"
    call("update", item["id"], expiration_date=None)
    assert call("get", item["id"])["expiration_date"] is None
    call("delete_all", DeleteAllMemoryOptions(filters={"user_id": "alex"}))
    assert call("get_all", filters=scope)["results"] == []


def test_pages_and_filters(call: Call) -> None:
    for n in range(3):
        add(call, f"Note {n}.", metadata={"n": n}, app_id="notes")
    first = call("get_all", filters={"app_id": "notes"}, page=1, page_size=2)
    assert (first["count"], len(first["results"])) == (3, 2)
    assert "page=2" in first["next"]
    odd = call("get_all", filters={"AND": [{"user_id": "alex"}, {"OR": [{"n": {"gte": 2}}, {"n": 0}]}]})
    assert sorted(item["metadata"]["n"] for item in odd["results"]) == [0, 2]


def test_batches(call: Call) -> None:
    ids = [add(call, f"Note {n}.") for n in range(2)]
    call("batch_update", [{"memory_id": ids[0], "text": "Zero."}, {"memory_id": ids[1], "metadata": {"k": 1}}])
    assert call("get", ids[0])["memory"] == "Zero."
    assert call("get", ids[1])["metadata"] == {"k": 1}
    call("batch_delete", [{"memory_id": i} for i in ids])
    assert call("get_all", filters={"user_id": "alex"})["count"] == 0


def test_users_are_listed_and_deleted(call: Call) -> None:
    add(call, "Of a user.")
    add(call, "Of an agent.", user_id=None, agent_id="cook/1")
    add(call, "Of an app.", user_id=None, app_id="kitchen")
    add(call, "Of a run.", user_id=None, run_id="r 1")
    listed = call("users")["results"]
    assert [(e["type"], e["name"]) for e in listed] == [
        ("user", "alex"), ("agent", "cook/1"), ("app", "kitchen"), ("run", "r 1"),
    ]  # fmt: skip
    assert call("delete_users", agent_id="cook/1")["message"] == "Entity deleted successfully."
    assert len(call("users")["results"]) == 3
    assert call("reset")["message"]
    assert call("users")["results"] == []


def test_feedback_and_profile(call: Call) -> None:
    memory_id = add(call, "I play cricket.")
    assert call("feedback", memory_id, feedback="positive", feedback_reason="true")["feedback"] == "POSITIVE"
    assert call("feedback", memory_id, feedback="VERY_NEGATIVE")["feedback"] == "VERY_NEGATIVE"
    assert call("feedback", memory_id)["feedback"] is None
    assert call("get_profile", "alex")["status"] in {"pending", "succeeded"}
    with pytest.raises(MemoryNotFoundError):
        call("get_profile", "nobody")


REFUSED: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = [
    ("create_memory_export", ("{}",), {"user_id": "alex"}),
    ("get_memory_export", (), {"user_id": "alex"}),
    ("get_summary", (), {}),
    ("generate_profile", ("alex",), {}),
    ("sample_profiles", (), {}),
    ("get_profile_job", ("7",), {}),
    ("get_profile_settings", (), {}),
    ("update_profile_settings", (), {"enabled": True}),
    ("update_project", (), {"custom_instructions": "Be brief."}),
    ("get_webhooks", ("default",), {}),
    ("create_webhook", ("http://127.0.0.1/", "hook", "default", ["memory_add"]), {}),
    ("update_webhook", (7,), {"name": "hook"}),
    ("delete_webhook", (7,), {}),
]


@pytest.mark.parametrize(("method", "args", "options"), REFUSED, ids=[method for method, _, _ in REFUSED])
def test_what_is_not_offered_says_why(call: Call, method: str, args: tuple[Any, ...], options: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as refused:
        call(method, *args, **options)
    assert refused.value.details["code"] == "not_offered"
    assert refused.value.message == refused.value.details["detail"]


def test_the_project_is_the_namespace(connect: Callable[..., Sync], make_tenant: Callable[[], str]) -> None:
    client = connect(make_tenant(), "/ns/team%2Fa").client
    assert client.project_id == client.project.project_id == "team/a"
    assert client.project.get()["name"] == "team/a"
    assert client.get_project(fields=["custom_categories"])["custom_categories"] == []
    for refused in (
        lambda: client.project.create("x"),
        lambda: client.project.update(custom_instructions="x"),
        lambda: client.project.delete(),
        lambda: client.project.get_members(),
        lambda: client.project.add_member("a@example.org"),
        lambda: client.project.update_member("a@example.org", "READER"),
        lambda: client.project.remove_member("a@example.org"),
    ):
        with pytest.raises(ValidationError):
            refused()


def test_async_projects(service: Any, make_tenant: Callable[[], str]) -> None:
    async def run() -> None:
        async with AsyncMemoryClient(api_key=make_tenant(), host=f"{service.url}/compat/mem0") as client:
            assert (await client.project.get())["id"] == "default"
            assert (await client.get_project())["id"] == "default"
            with pytest.raises(ValidationError):
                await client.project.update(multilingual=True)

    anyio.run(run)


def test_a_namespace_in_the_address_is_apart(
    service: Any, connect: Callable[..., Sync], make_tenant: Callable[[], str]
) -> None:
    key = make_tenant()
    inside, outside = connect(key, "/ns/team%2Fa"), connect(key)
    memory_id = add(inside, "Inside.")
    assert inside("get_all", filters={"user_id": "alex"})["count"] == 1
    assert outside("get_all", filters={"user_id": "alex"})["count"] == 0
    with pytest.raises(MemoryNotFoundError):
        outside("get", memory_id)
    with service.http(key) as http:
        assert http.get(f"/v1/memories/{memory_id}").json()["namespace"] == "team/a"


def test_errors_come_as_the_client_knows_them(call: Call, service: Any) -> None:
    with pytest.raises(MemoryNotFoundError, match="There is no memory"):
        call("get", "no-such-id")
    with pytest.raises(ValidationError, match="user_id") as refused:
        call("add", "Whose?")
    assert refused.value.details["errors"][0]["pointer"] == "/user_id"
    with pytest.raises(ValidationError, match="stored as they are"):
        call("add", "a", user_id="alex", custom_instructions="Only food.")
    with pytest.raises(ValidationError, match="no operator"):
        call("search", "a", filters={"user_id": {"like": "a"}})
    with pytest.raises(MemoryQuotaExceededError, match="64 KiB"):
        call("add", "x" * 70_000, user_id="alex")
    with httpx.Client() as http, pytest.raises(ValueError, match="not valid"):
        MemoryClient(api_key="nonsense", host=f"{service.url}/compat/mem0", client=http)
    with pytest.raises(ValueError, match="not valid"):
        AsyncMemoryClient(api_key="nonsense", host=f"{service.url}/compat/mem0")


def test_a_key_without_the_right_is_refused(
    service: Any, connect: Callable[..., Sync], make_tenant: Callable[[], str]
) -> None:
    with service.http(make_tenant()) as http:
        body = {"name": "reader", "scopes": ["memories:read"]}
        key = http.post("/v1/api-keys", json=body).json()["key"]
    client = connect(key).client
    assert client.get_all(filters={"user_id": "alex"})["count"] == 0
    with pytest.raises(AuthenticationError, match="memories:write"):
        client.add("a", user_id="alex")


def test_another_tenant_sees_nothing(connect: Callable[..., Sync], make_tenant: Callable[[], str]) -> None:
    ours, theirs = (connect(make_tenant()) for _ in range(2))
    memory_id = add(ours, "Ours alone.")
    assert theirs("search", "Ours alone.", filters={"user_id": "alex"})["results"] == []
    assert theirs("get_all", filters={"user_id": "*"})["count"] == 0
    assert theirs("users")["results"] == []
    theirs("delete_all", user_id="alex")
    for method in ("get", "history", "delete"):
        with pytest.raises(MemoryNotFoundError):
            theirs(method, memory_id)
    assert ours("get", memory_id)["memory"] == "Ours alone."


def test_an_own_http_client_is_used(service: Any, make_tenant: Callable[[], str]) -> None:
    with httpx.Client(timeout=30) as http:
        client = MemoryClient(api_key=make_tenant(), host=f"{service.url}/compat/mem0", client=http)
        assert client.add("Through my own.", user_id="alex")["status"] == "SUCCEEDED"


def test_what_mem0_stored_is_consolidated_like_anything_else(
    connect: Callable[..., Sync], service: Any, make_tenant: Callable[[], str]
) -> None:
    client = connect(make_tenant()).client
    (added,) = client.add("I live in Lisbon.", user_id="alex")["results"]
    with service.http(client.api_key) as http:
        body = {"namespace": "default", "steps": ["notes"]}
        job = http.post("/v1/consolidations", json=body).json()["job_id"]
        with http.stream("GET", f"/v1/jobs/{job}/events", timeout=120) as events:
            assert any(line == "event: finished" for line in events.iter_lines())
        assert http.get(f"/v1/jobs/{job}").json()["status"] == "succeeded"
        facts = http.get(f"/v1/memories/{added['id']}/facts").json()["data"]
    assert [fact["attribute"] for fact in facts] == ["lives_in"]


GUIDE = Path(__file__).parents[3] / "docs" / "howto" / "mem0.md"


def test_the_snippet_of_the_guide_works(
    service: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (snippet,) = re.findall(r"^```python mem0\n(.*?)^```$", GUIDE.read_text(encoding="utf-8"), re.M | re.S)
    monkeypatch.chdir(service.data_dir.parent)
    said: dict[str, Any] = {}
    exec(snippet.replace("http://127.0.0.1:8000", service.url), said)
    said["client"].client.close()
    assert capsys.readouterr().out.splitlines() == ["I'm vegetarian and allergic to nuts."] * 2


TESTED = {
    "add", "batch_delete", "batch_update", "create_memory_export", "create_webhook", "delete", "delete_all",
    "delete_users", "delete_webhook", "feedback", "generate_profile", "get", "get_all", "get_memory_export",
    "get_profile", "get_profile_job", "get_profile_settings", "get_project", "get_summary", "get_webhooks", "history",
    "reset", "sample_profiles", "search", "update", "update_profile_settings", "update_project", "update_webhook", "users",
}  # fmt: skip
NOT_CALLED = {"chat"}  # raises NotImplementedError before it asks anybody


@pytest.mark.parametrize("kind", [MemoryClient, AsyncMemoryClient])
def test_no_method_is_forgotten(kind: type) -> None:
    methods = {name for name, _ in inspect.getmembers(kind, inspect.isfunction) if not name.startswith("_")}
    assert methods - NOT_CALLED == TESTED
