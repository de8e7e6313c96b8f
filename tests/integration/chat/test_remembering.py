"""What is remembered of chats: the user's turns whatever happens, whole replies, each once."""

import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import create_engine, text
from structlog.testing import capture_logs

from consolidation import consolidate, enriching
from consolidation.tenancy import Tenancy
from memory_service.api.chat_proxy import passing
from memory_service.api.services import utc_now
from memory_service.storage.database import Database

REMEMBER = {"remember": True, "user_id": "ana", "session_id": "s1"}


def texts(memories: list[dict[str, Any]]) -> list[str]:
    return [one["content"] for one in memories]


def tenancy(chats: Any, database: Database) -> Tenancy:
    """Open a tenant the way workers do."""
    return Tenancy(chats.tenant_id, lambda: database.transaction(chats.tenant_id), utc_now)


def user(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}


def assistant(text: str) -> dict[str, Any]:
    return {"role": "assistant", "content": text}


def test_nothing_is_remembered_unless_asked(chats: Any, model: Any) -> None:
    chats.ask("I moved to Lyon.")
    chats.events("I moved to Lyon.")
    assert chats.memories() == []


@pytest.mark.parametrize("stream", [False, True])
def test_a_turn_and_its_reply_are_remembered(chats: Any, model: Any, stream: bool) -> None:
    if stream:
        chats.events([user("I moved to Lyon.")], memory=REMEMBER)
    else:
        answer = chats.ask([user("I moved to Lyon.")], memory=REMEMBER)
        # The user's turn is stored before the answer is sent.
        assert chats.memories()[0]["id"] == answer["memory"]["remembered"][0]
    turn, reply = chats.wait_for(2)
    assert (turn["content"], turn["user_id"], turn["session_id"]) == ("I moved to Lyon.", "ana", "s1")
    assert (turn["source"]["kind"], reply["source"]["kind"]) == ("user", "assistant")
    assert reply["content"] == "Noted, thank you."


def test_only_new_turns_are_remembered_and_each_once(chats: Any, model: Any) -> None:
    first = [user("I moved to Lyon.")]
    chats.ask(first, memory=REMEMBER)
    chats.wait_for(2)
    second = [*first, assistant("Noted, thank you."), user("Yes."), user("And I bought a boat.")]
    model.behaviour.text = "A boat!"
    for _ in range(2):  # a client that asks again
        chats.ask(second, memory=REMEMBER)
    found = chats.wait_for(5)
    assert texts(found) == ["I moved to Lyon.", "Noted, thank you.", "Yes.", "And I bought a boat.", "A boat!"]
    model.behaviour.text = "Good."
    chats.ask([*second, assistant("A boat!"), user("Yes.")], memory=REMEMBER)
    assert texts(chats.wait_for(7))[-2:] == ["Yes.", "Good."]


def test_a_reply_that_is_made_again_takes_the_place_of_the_other(chats: Any, model: Any) -> None:
    for said in ("Lyon is in Spain.", "Lyon is in France.", "Lyon is in France."):
        model.behaviour.text = said
        chats.ask("Where is Lyon?", memory=REMEMBER)
        chats.wait_for(2 if said == "Lyon is in Spain." else 3)
    time.sleep(0.5)
    live = [one["content"] for one in chats.wait_for(3) if one["superseded_by"] is None]
    assert live == ["Where is Lyon?", "Lyon is in France."]


def test_the_users_turn_outlives_a_model_that_does_not_answer(chats: Any, model: Any) -> None:
    model.behaviour.drop = True
    assert chats.post("I moved to Lyon.", memory=REMEMBER).status_code == 502
    assert texts(chats.wait_for(1)) == ["I moved to Lyon."]
    model.reset()
    chats.ask("I moved to Lyon.", memory=REMEMBER)
    assert texts(chats.wait_for(2)) == ["I moved to Lyon.", "Noted, thank you."]


@contextmanager
def refusing_to_store(role_urls: Any, tenant_id: UUID) -> Iterator[Callable[[], bool]]:
    """Have the database refuse every memory of a tenant, for a reason that nobody foresaw; say whether it has."""
    # What a sequence has given out stays given out when the transaction is rolled back.
    sequence = "CREATE SEQUENCE refused_for_a_test"
    grant = "GRANT USAGE ON SEQUENCE refused_for_a_test TO PUBLIC"
    function = f"""
        CREATE FUNCTION refuse_for_a_test() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            IF NEW.tenant_id = '{tenant_id}' THEN
                PERFORM nextval('refused_for_a_test');
                RAISE EXCEPTION 'not now';
            END IF;
            RETURN NEW;
        END $$
    """
    trigger = (
        "CREATE TRIGGER refuse_for_a_test BEFORE INSERT ON memory FOR EACH ROW EXECUTE FUNCTION refuse_for_a_test()"
    )
    owner = create_engine(role_urls.owner)

    def refused() -> bool:
        with owner.begin() as connection:
            return bool(connection.execute(text("SELECT is_called FROM refused_for_a_test")).scalar_one())

    with owner.begin() as connection:
        for statement in (sequence, grant, function, trigger):
            connection.execute(text(statement))
    try:
        yield refused
    finally:
        with owner.begin() as connection:
            connection.execute(text("DROP TRIGGER refuse_for_a_test ON memory"))
            connection.execute(text("DROP FUNCTION refuse_for_a_test()"))
            connection.execute(text("DROP SEQUENCE refused_for_a_test"))
        owner.dispose()


def turns_counted(running: Any, outcome: str) -> float:
    found = re.search(
        rf'memory_service_chat_turns_total{{outcome="{outcome}"}} (\S+)',
        running[1].state.services.metrics.render().decode(),
    )
    return float(found[1]) if found else 0.0


def test_turns_that_could_not_be_stored_are_stored_with_their_reply(chats: Any, model: Any, role_urls: Any) -> None:
    """The client sends them no more, and a reply without what it replies to is half a conversation."""
    model.go_on = threading.Event()
    with refusing_to_store(role_urls, chats.tenant_id) as refused:
        asking = threading.Thread(target=lambda: chats.events("I moved to Lyon.", memory=REMEMBER))
        asking.start()
        assert model.streaming.wait(30)
        deadline = time.monotonic() + 30
        while not refused() and time.monotonic() < deadline:  # They are stored while the model answers.
            time.sleep(0.05)
        assert refused()
    model.go_on.set()
    asking.join(30)
    assert texts(chats.wait_for(2)) == ["I moved to Lyon.", "Noted, thank you."]


@pytest.mark.parametrize("answered", [True, False])
def test_no_answer_hangs_on_what_could_not_be_stored(
    chats: Any, model: Any, role_urls: Any, running: Any, answered: bool
) -> None:
    model.behaviour.drop = not answered
    before = turns_counted(running, "failed")
    with refusing_to_store(role_urls, chats.tenant_id):
        answer = chats.post("I moved to Lyon.", memory=REMEMBER)
        assert answer.status_code == (200 if answered else 502), answer.text
        if answered:
            assert answer.json()["memory"]["remembered"] is None, "it may yet be"
        lost, deadline = 2 if answered else 1, time.monotonic() + 30
        while turns_counted(running, "failed") < before + lost and time.monotonic() < deadline:
            time.sleep(0.05)
        assert turns_counted(running, "failed") == before + lost, "each of them once"
    assert chats.memories() == []


@pytest.mark.parametrize(("unread", "kept"), [("new_turns", "Noted, thank you."), ("reply_turn", "I moved to Lyon.")])
@pytest.mark.parametrize("stream", [False, True])
def test_no_answer_hangs_on_what_could_not_be_read(
    chats: Any, model: Any, running: Any, monkeypatch: pytest.MonkeyPatch, unread: str, kept: str, stream: bool
) -> None:
    """A mistake of ours costs the turn that it is about, which is counted, and neither the answer nor the other turn."""

    def fails(*_: Any, **__: Any) -> list[Any]:
        raise ValueError("I moved to Lyon.")

    monkeypatch.setattr(passing, unread, fails)
    before = turns_counted(running, "failed")
    with capture_logs() as logs:
        answer = chats.post("I moved to Lyon.", stream=stream, memory=REMEMBER)
        assert answer.status_code == 200, answer.text
        assert "Noted" in answer.text
        assert texts(chats.wait_for(1)) == [kept]
        deadline = time.monotonic() + 30
        while turns_counted(running, "failed") < before + 1 and time.monotonic() < deadline:
            time.sleep(0.05)
    assert turns_counted(running, "failed") == before + 1
    crashes = [one for one in logs if one["event"] == "chat_turn_crashed"]
    assert [one["error"] for one in crashes] == ["ValueError"] * (2 if unread == "new_turns" else 1)
    assert "Lyon" not in str(crashes)


def test_half_a_reply_is_not_remembered(chats: Any, model: Any) -> None:
    model.behaviour.events = 4
    chats.events("I moved to Lyon.", memory=REMEMBER)
    chats.wait_for(1)


def event(content: str, reason: str | None = None) -> bytes:
    choice = {"index": 0, "delta": {"content": content}, "finish_reason": reason}
    return f"data: {json.dumps({'choices': [choice]}, ensure_ascii=False)}\n\n".encode()


@pytest.mark.parametrize(
    ("middle", "reply"),
    [
        (event(" not\u2028"), ["Do not\u2028 go."]),
        (b'data: {"choices": [{"delta": {"content": " not"\n\n', []),
    ],
)
def test_a_reply_has_no_hole(chats: Any, model: Any, middle: bytes, reply: list[str]) -> None:
    model.behaviour.headers = {"Content-Type": "text/event-stream"}
    model.behaviour.raw = event("Do") + middle + event(" go.") + event("", "stop") + b"data: [DONE]\n\n"
    passed = chats.post("Shall I go?", stream=True, memory=REMEMBER).content
    assert passed.endswith(model.behaviour.raw[len(event("Do")) :]), "the client is given what came"
    chats.wait_for(1 + len(reply))
    time.sleep(0.5)
    assert texts(chats.memories())[1:] == reply


@pytest.mark.parametrize("stream", [False, True])
def test_a_reply_that_was_cut_off_is_not_remembered(chats: Any, model: Any, stream: bool) -> None:
    if stream:
        model.behaviour.headers = {"Content-Type": "text/event-stream"}
        model.behaviour.raw = event("Do not") + event("", "length") + b"data: [DONE]\n\n"
    else:
        message = {"role": "assistant", "content": "Do not"}
        choice = {"index": 0, "message": message, "finish_reason": "length"}
        model.behaviour.raw = json.dumps({"choices": [choice]}).encode()
    assert "Do not" in chats.post("Shall I go?", stream=stream, memory=REMEMBER).text
    chats.wait_for(1)
    time.sleep(0.5)
    assert texts(chats.memories()) == ["Shall I go?"]


def test_calls_of_tools_are_no_turns(chats: Any, model: Any) -> None:
    call = {"id": "1", "type": "function", "function": {"name": "weather", "arguments": "{}"}}
    model.behaviour.message = {"role": "assistant", "content": None, "tool_calls": [call]}
    answer = chats.ask([user("What is the weather in Lyon?")], memory=REMEMBER)
    assert answer["choices"][0]["message"]["tool_calls"] == [call]
    chats.wait_for(1)
    model.reset()
    model.behaviour.text = "It rains."
    turns = [
        user("What is the weather in Lyon?"),
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "1", "content": "rain"},
    ]
    chats.ask(turns, memory=REMEMBER)
    assert texts(chats.wait_for(2)) == ["What is the weather in Lyon?", "It rains."]


def test_parts_that_are_text_are_remembered(chats: Any, model: Any) -> None:
    parts = [{"type": "text", "text": "Look at my boat:"}, {"type": "image_url", "image_url": {"url": "data:,x"}}]
    chats.ask([{"role": "user", "name": "Ana", "content": parts}], memory=REMEMBER)
    turn = chats.wait_for(2)[0]
    assert (turn["content"], turn["source"]["speaker"]) == ("Look at my boat:", "Ana")


def test_a_turn_longer_than_a_memory_is_cut_and_nothing_left_out(chats: Any, model: Any) -> None:
    said = "\n".join(f"wörd{n} " + "x" * 300 for n in range(250))
    chats.ask(said, memory={"remember": True, "search": False})
    parts = chats.wait_for(3, patience_s=90)
    assert "".join(texts(parts[:2])).split() == said.split()


def test_what_was_recalled_is_not_remembered_as_said_anew(chats: Any, model: Any, database: Database) -> None:
    lyon = chats.remember("Ana moved to Lyon in March because of her new work at the harbour.", user_id="ana")
    model.behaviour.text = "Ana moved to Lyon in March because of her new work at the harbour."
    chats.ask("Why did Ana move?", memory={"remember": True})
    reply = chats.wait_for(3)[-1]
    enriching.enrich_pending(tenancy(chats, database))
    kept = chats.http.get(f"/v1/memories/{reply['id']}").json()
    assert kept["derivation"]["method"] == "recalled"
    assert kept["derivation"]["parents"] == [lyon]


def test_a_new_namespace_begins_with_its_first_turn(chats: Any, model: Any) -> None:
    memory = {"remember": True, "namespace": "users/new"}
    assert chats.ask("I moved to Lyon.", memory=memory)["memory"]["search_id"] is None
    chats.wait_for(2, namespace="users/new")
    assert chats.ask("Where did I move?", memory=memory)["memory"]["memories"]


def test_many_at_once_lose_no_turn(chats: Any, model: Any) -> None:
    def ask(n: int) -> Callable[[], None]:
        return lambda: chats.ask(f"Fact number {n}.", memory={"remember": True, "search": False})

    threads = [threading.Thread(target=ask(n)) for n in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    found = set(texts(chats.wait_for(40)))
    assert found == {f"Fact number {n}." for n in range(20)} | {"Noted, thank you."}
    assert all(UUID(one["id"]) for one in chats.memories())


def test_an_erased_turn_stays_away(chats: Any, model: Any, database: Database) -> None:
    chats.ask("My secret is 4711.", memory={"remember": True})
    turn = chats.wait_for(2)[0]
    erasing = chats.http.delete(f"/v1/memories/{turn['id']}", params={"erase": "true"})
    consolidate.run_job(tenancy(chats, database), UUID(erasing.json()["job_id"]))
    answer = chats.ask("My secret is 4711.", memory={"remember": True})
    assert answer["memory"]["remembered"] == []
    assert "My secret is 4711." not in texts(chats.memories())


def test_stopping_waits_for_what_is_still_to_be_remembered(
    serve_app: Any, proxy_settings: Any, chats: Any, model: Any
) -> None:
    with serve_app(proxy_settings) as (url, _):
        for n in range(5):
            body = {"messages": [user(f"Last word {n}.")], "memory": {"remember": True}}
            httpx.post(f"{url}/openai/v1/chat/completions", json=body, headers=dict(chats.http.headers), timeout=30)
    assert len(chats.memories()) == 10


def test_turns_are_redacted_as_their_namespace_has_it(chats: Any, model: Any) -> None:
    rules = [{"find": "email", "do": "mask"}, {"find": "secret", "do": "refuse"}]
    assert chats.http.put("/v1/policies/redaction", json={"rules": rules}).status_code == 200
    model.behaviour.text = "I wrote to bob@example.com."
    chats.ask([user("Write to ana@example.com.")], memory=REMEMBER)
    assert texts(chats.wait_for(2)) == ["Write to [email].", "I wrote to [email]."]
    # What is sent on is as the client wrote it.
    assert "ana@example.com" in str(model.sent[-1])
    answer = chats.ask([user("The key is AKIAIOSFODNN7EXAMPLE.")], memory={**REMEMBER, "session_id": "s2"})
    assert answer["memory"]["remembered"] == []
    assert "AKIA" not in str(chats.memories())
