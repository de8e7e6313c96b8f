"""POST /v1/messages and what belongs to a session."""

from typing import Any

TURNS = [
    {"role": "user", "name": "Ada", "content": "I adopted a greyhound.", "observed_at": "2024-03-01T10:00:00Z"},
    {"role": "assistant", "name": "Bot", "content": "What is it called?", "observed_at": "2024-03-01T10:00:05Z"},
    {"role": "user", "name": "Ada", "content": "Zephyr, after the wind.", "observed_at": "2024-03-01T10:00:09Z"},
]


def send(me: Any, messages: list[dict[str, Any]], **fields: Any) -> dict[str, Any]:
    answer = me.post("/v1/messages", json={"messages": messages, **fields})
    assert answer.status_code == 202, answer.text
    assert answer.headers["location"] == f"/v1/jobs/{answer.json()['job_id']}"
    made: dict[str, Any] = answer.json()
    assert len(made["memories"]) == len(messages)
    return made


def test_each_turn_is_stored_verbatim_and_findable_at_once(me: Any, api: Any) -> None:
    made = send(me, TURNS, session_id="s", user_id="ada", agent_id="bot", namespace="users/ada")
    for turn, memory_id in zip(TURNS, made["memories"], strict=True):
        stored = api.read(memory_id)
        assert stored["content"] == turn["content"]
        assert (stored["source"]["speaker"], stored["source"]["role"]) == (turn["name"], turn["role"])
        assert stored["source"]["kind"] == turn["role"]
        assert (stored["observed_at"], stored["session_id"]) == (turn["observed_at"], "s")
        assert (stored["user_id"], stored["agent_id"], stored["namespace"]) == ("ada", "bot", "users/ada")
        assert stored["derivation"]["method"] == "verbatim"
    assert api.found("What is the greyhound's name, Zephyr?", namespace="users/ada")


def test_the_job_tells_the_outcome_of_each(me: Any, work: Any) -> None:
    made = send(me, TURNS)
    before = me.get(f"/v1/jobs/{made['job_id']}").json()
    assert (before["kind"], before["status"], before["progress"]) == ("enrich", "queued", {"done": 0, "total": 3})
    work(me.tenant_id)
    after = me.get(f"/v1/jobs/{made['job_id']}").json()
    assert (after["status"], after["progress"], after["error"]) == ("succeeded", {"done": 3, "total": 3}, None)
    assert [item["memory_id"] for item in after["items"]] == made["memories"]
    assert {item["status"] for item in after["items"]} == {"succeeded"}
    assert after["finished_at"] > after["created_at"]


def test_a_repeated_text_is_a_new_turn(me: Any) -> None:
    first = send(me, [{"role": "user", "content": "Yes."}] * 3, session_id="s")
    second = send(me, [{"role": "user", "content": "Yes."}], session_id="s")
    assert len({*first["memories"], *second["memories"]}) == 4


def test_a_known_external_id_is_skipped(me: Any, api: Any) -> None:
    turn = {"role": "user", "content": "Yes.", "external_id": "m1"}
    first = send(me, [turn, turn | {"external_id": "m2"}, turn])
    again = send(me, [turn | {"content": "Other."}])
    assert first["memories"][0] == first["memories"][2] == again["memories"][0]
    assert first["memories"][1] != first["memories"][0]
    assert api.read(again["memories"][0])["content"] == "Yes."
    assert me.get(f"/v1/jobs/{again['job_id']}").json()["status"] == "succeeded"


def test_the_messages_of_a_session_in_order(me: Any) -> None:
    made = send(me, TURNS, session_id="s/1 é")
    send(me, TURNS, session_id="other")
    listed = me.get("/v1/sessions/s%2F1%20%C3%A9/messages")
    assert [memory["id"] for memory in listed.json()["data"]] == made["memories"]
    assert me.get("/v1/sessions/unknown/messages").json()["data"] == []


def test_the_pages_of_a_session(me: Any) -> None:
    made = send(me, [{"content": f"Turn {n}."} for n in range(5)], run_id="s")
    path, seen = "/v1/sessions/s/messages?limit=2", []
    while True:
        page = me.get(path).json()
        seen += [memory["id"] for memory in page["data"]]
        if not page["has_more"]:
            break
        path = f"/v1/sessions/s/messages?limit=2&cursor={page['next_cursor']}"
    assert seen == made["memories"]


def test_bad_messages(me: Any, problem: Any) -> None:
    for body, pointer in [
        ({}, "/messages"),
        ({"messages": []}, "/messages"),
        ({"messages": [{"content": ""}]}, "/messages/0/content"),
        ({"messages": [{"role": "user"}]}, "/messages/0/content"),
        ({"messages": [{"content": "a", "speaker": "x"}]}, "/messages/0/speaker"),
        ({"messages": [{"content": "a"}], "namespace": "a/"}, "/namespace"),
        ({"messages": "a"}, "/messages"),
        ({"messages": [{"content": "a", "observed_at": "yesterday"}]}, "/messages/0/observed_at"),
    ]:
        problem(me.post("/v1/messages", json=body), 422, pointer=pointer)
    problem(me.post("/v1/messages", json={"messages": [{"content": "a"}] * 1001}), 413)
    problem(me.post("/v1/messages", json={"messages": [{"content": "a" * 70_000}]}), 413)
    assert me.get("/v1/memories").json()["data"] == []


def test_messages_are_idempotent(me: Any, api: Any) -> None:
    body = {"messages": TURNS}
    first = me.post("/v1/messages", json=body, headers={"Idempotency-Key": "k"})
    second = me.post("/v1/messages", json=body, headers={"Idempotency-Key": "k"})
    assert (second.status_code, second.content) == (202, first.content)
    assert (second.headers["idempotent-replayed"], second.headers["location"]) == ("true", first.headers["location"])
    assert len(api.query({})) == 3


def test_waiting_is_bounded_and_changes_nothing_about_the_answer(me: Any) -> None:
    body = {"messages": TURNS, "wait": "consolidated", "timeout_s": 0.2}
    assert me.post("/v1/messages", json=body).status_code == 202
    for timeout_s in (0, -1, 31, "1", None):
        assert me.post("/v1/messages", json={**body, "timeout_s": timeout_s}).status_code == 422


def test_users_agents_and_sessions_with_counts(me: Any, api: Any, problem: Any) -> None:
    send(me, TURNS, session_id="s1", user_id="ada", agent_id="bot", namespace="a")
    send(me, TURNS[:1], session_id="s2", user_id="ada", namespace="b")
    gone = api.remember("Archived.", user_id="ghost", namespace="b")
    me.delete(f"/v1/memories/{gone['id']}")
    users = me.get("/v1/users").json()
    assert [(u["id"], u["count"]) for u in users["data"]] == [("ada", 4)]
    assert users["data"][0]["last_activity"].endswith("Z")
    assert [(a["id"], a["count"]) for a in me.get("/v1/agents").json()["data"]] == [("bot", 3)]
    assert [(s["id"], s["count"]) for s in me.get("/v1/sessions").json()["data"]] == [("s1", 3), ("s2", 1)]
    assert [(s["id"], s["count"]) for s in me.get("/v1/sessions?namespace=b").json()["data"]] == [("s2", 1)]
    first = me.get("/v1/sessions?limit=1").json()
    assert first["has_more"]
    assert me.get(f"/v1/sessions?limit=1&cursor={first['next_cursor']}").json()["data"][0]["id"] == "s2"
    problem(me.get("/v1/users?namespace=unknown"), 404, "namespace_not_found")
    problem(me.get(f"/v1/users?limit=1&cursor={first['next_cursor']}"), 422, "invalid_cursor")
