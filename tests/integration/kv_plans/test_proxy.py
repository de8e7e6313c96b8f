"""Chats through the proxy: planned where the engine loads caches, with parameters of our own and never the client's."""

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine, text
from starlette.testclient import TestClient

from benchmarks.model_server import ModelServer, model_server
from memory_service.activation.chain import block_hashes
from memory_service.activation.grant import open_grant
from memory_service.activation.model_folder import text_digests
from memory_service.api.app import create_app
from memory_service.chat_model.cache_salt import cache_salt
from memory_service.model_text.model import ModelText
from memory_service.settings import Settings
from memory_service.storage import kv_plans
from memory_service.storage.database import Database
from memory_service.storage.keys import create_key

SECRET = b"a secret of tests"
CHAT = "/openai/v1/chat/completions"


@pytest.fixture(scope="module")
def model() -> Iterator[ModelServer]:
    with model_server() as server:
        yield server


@pytest.fixture(scope="module")
def kv_client(kv_settings: Settings, model: ModelServer) -> Iterator[TestClient]:
    app = create_app(kv_settings.model_copy(update={"upstream_url": model.url, "upstream_kv": True}))
    with TestClient(app, base_url="http://127.0.0.1:8000", raise_server_exceptions=False) as running:
        yield running


@pytest.fixture
def known(me: Any, remember: Callable[..., str], announce: Callable[..., Any], model: ModelServer) -> list[str]:
    model.reset()
    announce(me)
    return [
        remember(me, "The house rule is known.", memory_type="core"),
        remember(me, "Ana lives in Lyon and keeps a cat.", user_id="ana"),
    ]


def chat(client: Any, messages: Any, **body: Any) -> Any:
    turns = [{"role": "user", "content": messages}] if isinstance(messages, str) else messages
    memory = {"user_id": "ana", **body.pop("memory", {})}
    answer = client.post(CHAT, json={"model": "tiny", "messages": turns, "memory": memory, **body})
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_a_chat_is_planned_as_the_engine_reads_it(
    me: Any, known: list[str], model: ModelServer, chat_folder: Path, database: Database
) -> None:
    said = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "What about Ana and the house rule?"},
    ]
    answer = chat(me, said)
    sent = model.last.body
    told = sent["kv_transfer_params"]["memory_service"]
    salt = cache_salt(SECRET, me.tenant_id)
    assert sent["cache_salt"] == salt
    reads = ModelText(chat_folder)
    ids = reads.cut(reads.render(sent["messages"])).ids
    assert told["block_hashes"] == list(block_hashes(ids, block_size=8, engine=told["engine"], salt=salt))
    grant = open_grant(SECRET, told["grant"], now=datetime.now(UTC))
    assert (grant.tenant_id, str(grant.plan_id)) == (me.tenant_id, told["plan_id"])
    kv = answer["memory"]["kv"]
    assert (kv["plan_id"], kv["tokens"], kv["expected_hit_tokens"]) == (told["plan_id"], len(ids), 0)
    with database.transaction(me.tenant_id) as session:
        sources = kv_plans.sources_of(session, me.tenant_id, UUID(told["plan_id"]))
    assert [str(one.memory_id) for one in sources] == known
    assert [one.kind for one in sources] == ["system", "user"]
    assert kv["admitted_blocks"] == told["admitted"] == sources[1].token_start // 8, "the second was never recalled"


def test_turns_are_never_admitted(
    me: Any, known: list[str], model: ModelServer, maintenance: Engine, chat_folder: Path
) -> None:
    with maintenance.begin() as connection:
        connection.execute(text("UPDATE retention SET recall_count = 9 WHERE tenant_id = :t"), {"t": me.tenant_id})
    kv = chat(me, "What about Ana and the house rule, secretly?")["memory"]["kv"]
    cut = ModelText(chat_folder).cut
    whole = ModelText(chat_folder).render(model.last.body["messages"])
    before = len(cut(whole[: whole.index("What about Ana")]).ids)
    assert kv["admitted_blocks"] == before // 8 > 3


def test_a_blank_greeting_does_not_let_turns_in(
    me: Any, known: list[str], model: ModelServer, maintenance: Engine, chat_folder: Path
) -> None:
    with maintenance.begin() as connection:
        connection.execute(text("UPDATE retention SET recall_count = 9 WHERE tenant_id = :t"), {"t": me.tenant_id})
    asked = "What about Ana and the house rule? My secret is 4711 and it is a long one."
    kv = chat(me, [{"role": "assistant", "content": ""}, {"role": "user", "content": asked}])["memory"]["kv"]
    reads = ModelText(chat_folder)
    whole = reads.render(model.last.body["messages"])
    admitted = whole[: reads.cut(whole).offsets[kv["admitted_blocks"] * 8 - 1][1]]
    assert "house rule is known" in admitted
    assert "<|im_start|>assistant" not in admitted


def test_a_first_turn_that_the_template_changes_and_a_later_one_quotes_does_not_let_turns_in(
    me: Any, known: list[str], announce: Any, model: ModelServer, maintenance: Engine, thinking_folder: Path
) -> None:
    with maintenance.begin() as connection:
        connection.execute(text("UPDATE retention SET recall_count = 9 WHERE tenant_id = :t"), {"t": me.tenant_id})
    digests = text_digests(thinking_folder)
    announce(me, model="thinking", tokenizer=digests.tokenizer, chat_template=digests.chat_template)
    first = "<think>Who is it?</think>What about Ana?"
    turns = [
        {"role": "user", "content": first},
        {"role": "assistant", "content": "The house rule is known, and my secret is 4711."},
        {"role": "user", "content": f"I had said: {first} And the house rule?"},
    ]
    kv = chat(me, turns, model="thinking")["memory"]["kv"]
    reads = ModelText(thinking_folder)
    whole = reads.render(model.last.body["messages"])
    assert whole.index("What about Ana?") < whole.index("4711") < whole.rindex("And the house rule?")
    admitted = whole[: reads.cut(whole).offsets[kv["admitted_blocks"] * 8 - 1][1]]
    assert "house rule is known" in admitted, "the memory is worth saving"
    assert "4711" not in admitted
    assert "What about Ana?" not in admitted


def test_a_key_without_the_scope_has_its_chats_passed_on_without_a_plan(
    me: Any, known: list[str], model: ModelServer, database: Database
) -> None:
    with database.transaction(me.tenant_id) as session:
        scopes = ["memories:read", "memories:write"]
        _, secret = create_key(
            session, me.tenant_id, name="chat", scopes=scopes, expires_at=None, now=datetime.now(UTC)
        )
    key = {"Authorization": f"Bearer {secret}"}
    body = {"model": "tiny", "messages": [{"role": "user", "content": "What about Ana?"}], "memory": {"user_id": "ana"}}
    answer = me.post(CHAT, json=body, headers=key)
    assert answer.status_code == 200, answer.text
    assert answer.json()["memory"]["memories"]
    assert "kv" not in answer.json()["memory"]
    assert "kv_transfer_params" not in model.last.body
    assert "kv" in me.post(CHAT, json=body).json()["memory"]


def test_memories_among_the_turns_are_sources_too(
    me: Any, known: list[str], model: ModelServer, remember: Callable[..., str], database: Database
) -> None:
    first = [{"role": "user", "content": "What about Ana?"}]
    chat(me, first)
    boats = remember(me, "Runa repairs boats every Tuesday.")
    turns = [
        *first, {"role": "assistant", "content": "She keeps a cat."}, {"role": "user", "content": "Who repairs boats on Tuesday?"}
    ]  # fmt: skip
    kv = chat(me, turns)["memory"]["kv"]
    with database.transaction(me.tenant_id) as session:
        sources = kv_plans.sources_of(session, me.tenant_id, UUID(kv["plan_id"]))
    places = {str(one.memory_id): one.first_block for one in sources}
    assert boats in places
    assert places[boats] > max(places[one] for one in known)
    assert kv["admitted_blocks"] <= places[boats]


def test_a_clients_own_parameters_stay_behind(me: Any, known: list[str], model: ModelServer) -> None:
    chat(me, "What about Ana?", kv_transfer_params={"memory_service": {"grant": "stolen"}}, cache_salt="theirs")
    sent = model.last.body
    assert sent["kv_transfer_params"]["memory_service"]["grant"].startswith("kvg1.")
    assert sent["cache_salt"] == cache_salt(SECRET, me.tenant_id)


@pytest.mark.parametrize(
    "body",
    [
        {"tools": [{"type": "function", "function": {"name": "f", "parameters": {}}}]},
        {"chat_template": "{{ messages }}"},
        {"model": "another"},
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "What about Ana?"}]}]},
    ],
    ids=["tools", "template", "model", "parts"],
)
def test_what_cannot_be_foreseen_goes_on_without_a_plan(
    me: Any, known: list[str], model: ModelServer, body: dict[str, Any]
) -> None:
    answer = chat(me, body.pop("messages", "What about Ana?"), **body)
    assert "kv" not in answer["memory"]
    assert "kv_transfer_params" not in model.last.body
    assert model.last.body["cache_salt"]


def test_no_engine_is_no_plan_and_no_error(me: Any, model: ModelServer, remember: Callable[..., str]) -> None:
    model.reset()
    remember(me, "Ana lives in Lyon.")
    assert "kv" not in chat(me, "Where does Ana live?")["memory"]
    assert len(model.sent) == 1


def test_streams_say_it_in_their_first_event(me: Any, known: list[str], model: ModelServer) -> None:
    answer = me.post(CHAT, json={"model": "tiny", "stream": True, "messages": [{"role": "user", "content": "Ana?"}]})
    assert '"kv":{"plan_id"' in answer.text.split("\n\n")[0]


def test_chats_at_once_have_plans_of_their_own(me: Any, known: list[str], model: ModelServer) -> None:
    found: list[str] = []
    threads = [
        threading.Thread(target=lambda n=n: found.append(chat(me, f"What about Ana, {n}?")["memory"]["kv"]["plan_id"]))
        for n in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(found)) == 4
