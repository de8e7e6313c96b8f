"""A run with a model: what can be checked is taken over and says who made it, what cannot leaves the rules standing."""

import importlib.util
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import sleep
from types import ModuleType
from typing import Any
from uuid import UUID

import pytest

from consolidation.consolidate import run_job
from consolidation.enriching import enrich_pending
from consolidation.tenancy import Spending, Tenancy
from memory_service.chat_model.endpoint import ChatEndpoint
from memory_service.lifecycle.draft import Encoding

SCRIPTED = Path(__file__).parents[2] / "unit" / "chat_model" / "conftest.py"

Script = Callable[[str, dict[str, Any]], Any]  # what is asked for, and the request, to the content of the reply


def scripted() -> ModuleType:
    spec = importlib.util.spec_from_file_location("scripted_endpoint", SCRIPTED)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def endpoint() -> Iterator[Any]:
    with scripted().serving() as opened:
        yield opened


@pytest.fixture
def told(endpoint: Any) -> Callable[[Script], None]:
    """Return a function that sets what the model says, by what it is asked for: facts, notes, links, conflicts, sentences."""

    def tell(script: Script) -> None:
        def answer(body: dict[str, Any]) -> Any:
            schema = json.dumps(body["response_format"])
            for word, name in (
                ("decision", "conflicts"),
                ("verdicts", "links"),
                ("facts", "facts"),
                ("notes", "notes"),
            ):
                if f'"{word}"' in schema:
                    return endpoint.completion(script(name, body))
            return endpoint.completion(script("lines" if '"lines"' in schema else "sentences", body))

        endpoint.will(answer)

    return tell


@pytest.fixture
def with_model(tenancy: Tenancy, endpoint: Any, client: Any) -> Iterator[Tenancy]:
    services = client.app.state.services

    @contextmanager
    def open_encoding() -> Iterator[Encoding]:
        from memory_service.api.writing import encoding_of

        yield encoding_of(services)

    chat = ChatEndpoint(endpoint.base_url, "scripted-1", timeout_s=5.0, sleep=lambda _: None)
    yield replace(tenancy, chat=chat, open_encoding=open_encoding, spending=Spending(reply_ttl=timedelta(days=1)))
    chat.close()


def consolidate(me: Any, tenancy: Tenancy, **body: Any) -> dict[str, Any]:
    enrich_pending(tenancy)
    job_id = me.post("/v1/consolidations", json=body).json()["job_id"]
    assert run_job(tenancy, UUID(job_id))
    job: dict[str, Any] = me.get(f"/v1/jobs/{job_id}").json()
    assert job["status"] == "succeeded", job
    return job


EMPTY: dict[str, Any] = {
    "facts": {"facts": []}, "notes": {"notes": []}, "links": {"verdicts": []}, "conflicts": {"verdicts": []},
    "sentences": {"sentences": []}, "lines": {"lines": []},
}  # fmt: skip


def test_facts_become_memories_with_their_sources(
    me: Any, with_model: Tenancy, told: Any, remember: Any, rows: Any, snapshot: Any
) -> None:
    said = remember("I adopted a cat, Mia, in May.", speaker="Ana", user_id="ana", extract="llm")
    remember("The tram was late again.", speaker="Ana", user_id="ana")
    fact = {
        "subject": "Ana",
        "attribute": "pet",
        "value": "a cat, Mia",
        "sentence": "Ana adopted a cat, Mia.",
        "evidence": [{"id": "m1", "quote": "adopted a cat, Mia"}],
    }
    told(lambda name, body: {"facts": [fact]} if name == "facts" else EMPTY[name])
    enrich_pending(with_model)
    before = snapshot()
    job = consolidate(me, with_model)
    (found,) = [m for m in me.get("/v1/memories").json()["data"] if m["content"] == "Ana adopted a cat, Mia."]
    assert (found["memory_type"], found["user_id"]) == ("semantic", "ana")
    assert found["derivation"]["method"] == "scripted-1"
    assert found["derivation"]["parents"] == [said["id"]]
    assert found["value"] == {"subject": "Ana", "attribute": "pet", "value": "a cat, Mia"}
    (changeset_id,) = job["result"]["changesets"]
    assert found["derivation"]["changeset_id"] == changeset_id
    nodes = me.get(f"/v1/memories/{found['id']}/provenance").json()["nodes"]
    spans = [
        n["source"]["span"] for n in nodes if n["kind"] == "source" and n["source"]["ref"] == f"memory/{said['id']}"
    ]
    assert spans == [[2, 20]]
    below = me.get(f"/v1/memories/{said['id']}/provenance").json()
    assert {"from": found["id"], "to": said["id"], "type": "derived_from"} in below["edges"]
    assert found["id"] in [n["id"] for n in below["nodes"]]
    results = me.post("/v1/search", json={"query": "Which pet did Ana adopt?"}).json()["results"]
    assert found["id"] in [r["memory"]["id"] for r in results]
    assert job["usage"]["calls"] > 0
    assert me.get(f"/v1/changesets/{changeset_id}").json()["usage"]["calls"] == job["usage"]["calls"]
    assert me.post(f"/v1/changesets/{changeset_id}/revert").status_code == 200
    assert me.get(f"/v1/memories/{found['id']}").json()["state"] == "archived"
    after = snapshot()
    assert {i: row for i, row in after["memories"].items() if str(i) != found["id"]} == before["memories"]


def test_erasing_what_a_fact_was_read_from_erases_the_fact(
    me: Any, with_model: Tenancy, told: Any, remember: Any
) -> None:
    said = remember("I adopted a cat, Mia, in May.", speaker="Ana", extract="llm")
    fact = {
        "subject": "Ana", "attribute": "pet", "value": "a cat, Mia", "sentence": "Ana adopted a cat, Mia.",
        "evidence": [{"id": "m1", "quote": "adopted a cat, Mia"}],
    }  # fmt: skip
    told(lambda name, body: {"facts": [fact]} if name == "facts" else EMPTY[name])
    consolidate(me, with_model)
    (derived,) = [m for m in me.get("/v1/memories").json()["data"] if m["id"] != said["id"]]
    job_id = me.delete(f"/v1/memories/{said['id']}?erase=true").json()["job_id"]
    assert run_job(with_model, UUID(job_id))
    assert me.get(f"/v1/memories/{said['id']}").status_code == 410
    assert me.get(f"/v1/memories/{derived['id']}").status_code == 410
    assert me.post("/v1/search", json={"query": "cat"}).json()["results"] == []


def test_replies_that_cannot_be_used_leave_the_rules_standing(
    me: Any, with_model: Tenancy, tenancy: Tenancy, told: Any, remember: Any
) -> None:
    for number, place in enumerate(("Lisbon", "Porto", "Faro")):
        remember(f"I spent the weekend in {place} with Marta.", speaker="Ana", session_id=f"s{number}")
    told(lambda name, body: "I cannot help with that.")
    job = consolidate(me, with_model)
    changeset = me.get(f"/v1/changesets/{job['result']['changesets'][0]}").json()
    assert {change["method"] for change in changeset["changes"]} == {"rules"}
    assert job["usage"]["dead_letters"] > 0
    letters = me.get(f"/v1/jobs/{job['id']}/dead-letters").json()["data"]
    assert {letter["reply"] for letter in letters} == {"I cannot help with that."}


def test_gists_and_profiles_are_asked_with_speaker_and_date_and_can_be_read(
    me: Any, with_model: Tenancy, told: Any, endpoint: Any, remember: Any
) -> None:
    said = ("I live in Porto with my sister.", "My rent is 900 euros.", "I sold the boat in May.")
    for minute, content in enumerate(said):
        remember(
            content, speaker="Ana", user_id="u1", session_id="s", role="user",
            observed_at=f"2024-05-08T10:0{minute}:00Z",
        )  # fmt: skip
    sentence = {"text": "Ana sold the boat in May.", "sources": ["m3"]}
    lines = [
        {"text": "Ana lives in Porto with her sister.", "kind": "static", "sources": ["m1"]},
        {"text": "Ana sold the boat in May.", "kind": "recent", "sources": ["m3"]},
    ]

    def script(name: str, body: dict[str, Any]) -> Any:
        return {"sentences": {"sentences": [sentence]}, "lines": {"lines": lines}}.get(name, EMPTY[name])

    told(script)
    consolidate(me, with_model)
    (gist,) = [one["gist"] for one in me.get("/v1/episodes").json()["data"]]
    assert (gist["text"], gist["derivation"]["method"]) == (sentence["text"], "scripted-1")
    asked = [endpoint.said(number) for number in range(len(endpoint.asked))]
    shown = '{"id": "m3", "speaker": "Ana", "observed": "2024-05-08", "text": "I sold the boat in May."}'
    (gisted,) = {text for text in asked if "Sum up the texts" in text and said[0] in text}
    assert shown in gisted
    (described,) = [text for text in asked if "Describe one person" in text]
    assert '{"person": "Ana"}' in described
    assert shown in described
    profile = me.get("/v1/profiles/u1").json()
    for part, line in (("static", lines[0]), ("recent", lines[1])):
        assert profile[part][0]["section"] == part, "rules come first"
        assert [(one["text"], one["method"]) for one in profile[part] if "method" in one] == [
            (line["text"], "scripted-1")
        ]


def test_a_profile_is_asked_of_the_user_and_not_of_who_speaks_most(
    me: Any, with_model: Tenancy, told: Any, endpoint: Any, remember: Any
) -> None:
    for speaker, content in (
        ("Ben", "I live in Porto."), ("Ben", "I work as a nurse."), ("Ben", "I have a cat."),
        ("Ana", "I live in Lisbon."), ("Ana", "I work as a baker."),
    ):  # fmt: skip
        remember(content, speaker=speaker, user_id="ana")
    told(lambda name, body: EMPTY[name])
    consolidate(me, with_model)
    asked = [endpoint.said(number) for number in range(len(endpoint.asked))]
    (described,) = [text for text in asked if "Describe one person" in text]
    assert described.count('"speaker": "Ben"') > described.count('"speaker": "Ana"') > 0
    assert '{"person": "Ana"}' in described


def told_lines(me: Any) -> list[str]:
    profile = me.get("/v1/profiles/u1").json()
    return [line["text"] for part in ("static", "recent") for line in profile[part] if line["section"] == "told"]


def rules_lines(me: Any) -> list[tuple[str, list[str]]]:
    profile = me.get("/v1/profiles/u1").json()
    lines = [*profile["static"], *profile["recent"]]
    return [(line["text"], line["memory_ids"]) for line in lines if line["section"] != "told"]


WITH_SISTER = "Ana lives in Porto with her sister."


@pytest.fixture
def home(me: Any, with_model: Tenancy, told: Any, remember: Any) -> str:
    """Return the id of a text of which rules know one thing and a model told another."""
    made = remember("I live in Porto with my sister.", speaker="Ana", user_id="u1", role="user")
    line = {"text": WITH_SISTER, "kind": "static", "sources": ["m1"]}
    told(lambda name, body: {"lines": [line]} if name == "lines" else EMPTY[name])
    consolidate(me, with_model)
    assert told_lines(me) == [WITH_SISTER]
    return str(made["id"])


def test_a_told_line_goes_at_once_when_its_text_is_corrected_and_a_run_asks_anew(
    me: Any, with_model: Tenancy, told: Any, home: str
) -> None:
    by_rules = rules_lines(me)
    assert by_rules
    assert me.patch(f"/v1/memories/{home}", json={"tags": ["family"]}).status_code == 200
    assert told_lines(me) == [WITH_SISTER], "the text is the same"
    corrected = me.patch(f"/v1/memories/{home}", json={"content": "I live in Porto with my brother."})
    assert corrected.status_code == 200, corrected.text
    assert told_lines(me) == []
    with_brother = {"text": "Ana lives in Porto with her brother.", "kind": "static", "sources": ["m1"]}
    told(lambda name, body: {"lines": [with_brother]} if name == "lines" else EMPTY[name])
    consolidate(me, with_model)
    assert told_lines(me) == [with_brother["text"]]
    assert rules_lines(me) == by_rules, "no line of rules has changed"


def test_a_model_that_does_not_answer_is_asked_by_the_next_run(
    me: Any, with_model: Tenancy, told: Any, endpoint: Any, home: str, rows: Any
) -> None:
    stored = "SELECT lines FROM profile WHERE tenant_id = :t AND known_to = 'infinity'"
    me.patch(f"/v1/memories/{home}", json={"content": "I live in Porto with my brother."})
    endpoint.will(lambda body: scripted().problem(400))
    consolidate(me, with_model)
    assert told_lines(me) == [], "hidden"
    (profile,) = rows.all(stored, t=me.tenant_id)
    assert WITH_SISTER in {line["text"] for line in profile.lines}, "what is left to ask is to be seen"
    with_brother = {"text": "Ana lives in Porto with her brother.", "kind": "static", "sources": ["m1"]}
    told(lambda name, body: {"lines": [with_brother]} if name == "lines" else EMPTY[name])
    consolidate(me, with_model)
    assert told_lines(me) == [with_brother["text"]]


def test_a_model_that_has_nothing_to_say_is_not_asked_again(
    me: Any, with_model: Tenancy, told: Any, endpoint: Any, home: str, rows: Any
) -> None:
    me.patch(f"/v1/memories/{home}", json={"content": "I live in Porto with my brother."})
    told(lambda name, body: EMPTY[name])
    consolidate(me, with_model)
    (profile,) = rows.all("SELECT lines FROM profile WHERE tenant_id = :t AND known_to = 'infinity'", t=me.tenant_id)
    assert {line["section"] for line in profile.lines} == {"static"}
    before = len(endpoint.asked)
    consolidate(me, with_model)
    asked = [endpoint.said(number) for number in range(before, len(endpoint.asked))]
    assert not [text for text in asked if "Describe one person" in text]


def test_a_run_without_a_model_strikes_out_a_told_line_whose_text_is_corrected(
    me: Any, tenancy: Tenancy, home: str, rows: Any
) -> None:
    me.patch(f"/v1/memories/{home}", json={"content": "I live in Porto with my brother."})
    consolidate(me, tenancy)
    (profile,) = rows.all("SELECT lines FROM profile WHERE tenant_id = :t AND known_to = 'infinity'", t=me.tenant_id)
    assert {line["section"] for line in profile.lines} == {"static"}


def test_what_a_model_told_stands_behind_the_lines_of_rules_of_all_namespaces(
    me: Any, tenancy: Tenancy, home: str, remember: Any
) -> None:
    remember("I live in Faro.", speaker="Ana", user_id="u1", role="user", namespace="work")
    consolidate(me, tenancy, namespace="work")
    static = me.get("/v1/profiles/u1").json()["static"]
    sections = [(line["namespace"], line["section"]) for line in static]
    assert {space for space, _ in sections[:-1]} == {"default", "work"}
    assert sections[-1] == ("default", "told")
    assert "told" not in {section for _, section in sections[:-1]}


@pytest.mark.parametrize("how", ["archive", "supersede"])
def test_a_told_line_goes_at_once_with_its_memory(
    me: Any, with_model: Tenancy, told: Any, endpoint: Any, home: str, how: str
) -> None:
    if how == "archive":
        assert me.delete(f"/v1/memories/{home}").status_code == 204
    else:
        answer = me.post(f"/v1/memories/{home}/supersede", json={"content": "I live in Porto with my brother."})
        assert answer.status_code == 201, answer.text
    assert told_lines(me) == []
    told(lambda name, body: EMPTY[name])
    before = len(endpoint.asked)
    consolidate(me, with_model)
    asked = [endpoint.said(number) for number in range(before, len(endpoint.asked))]
    assert not [text for text in asked if "Describe one person" in text and "my sister" in text]
    if how == "archive":
        assert me.get("/v1/profiles/u1").status_code == 404, "nothing is left that rules know"
    else:
        assert told_lines(me) == []


def test_a_told_line_goes_when_its_memory_expires(me: Any, home: str) -> None:
    expires = datetime.now(UTC) + timedelta(seconds=2)
    assert me.patch(f"/v1/memories/{home}", json={"expires_at": expires.isoformat()}).status_code == 200
    while told_lines(me):
        assert datetime.now(UTC) < expires + timedelta(seconds=5)
        sleep(0.1)
    assert datetime.now(UTC) >= expires


def test_a_told_line_stays_until_what_takes_its_memorys_place_holds(me: Any, home: str) -> None:
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    said = {"content": "I live in Faro with my sister.", "valid_from": tomorrow}
    assert me.post(f"/v1/memories/{home}/supersede", json=said).status_code == 201
    assert told_lines(me) == [WITH_SISTER]


def test_a_model_decides_what_rules_would_ask_a_person(
    me: Any, with_model: Tenancy, told: Any, remember: Any, do: Any, ref: Any
) -> None:
    from consolidation.model.budget import Budget
    from consolidation.model.counsel import Counsel
    from consolidation.planning import Ask, Merge, ReviewKind, Step, Supersede, Why
    from consolidation.records import Considered, Record

    rows = [
        remember("The rent is 900 euros.", observed_at="2024-01-01T00:00:00Z"),
        remember("The rent is 950 euros.", observed_at="2024-02-01T00:00:00Z"),
    ]
    records = [
        Record(UUID(r["id"]), 1, r["content"], observed_at=r_at, created_at=r_at)
        for r, r_at in zip(rows, _moments(rows), strict=True)
    ]
    import numpy as np

    from consolidation.records import Neighbour

    considered = [Considered(records[1], np.ones(2, np.float32), (Neighbour(records[0], 0.9),))]
    doubt = Ask(ReviewKind.CONFLICT, (records[0].ref, records[1].ref), "supersede", Why(Step.CONFLICTS, "perhaps", 0.9))
    counsel = Counsel(with_model.chat, Budget(100_000), lambda outcome: None, lambda: True)  # type: ignore[arg-type]
    verdict = {"pair": "p1", "decision": "supersede", "reason": "the rent changed"}
    told(lambda name, body: {"verdicts": [verdict]} if name == "conflicts" else EMPTY[name])
    (change,) = counsel.turn(considered, [doubt], {Step.CONFLICTS})
    assert isinstance(change, Supersede)
    assert (change.old.id, change.new.id, change.why.method) == (records[0].id, records[1].id, "scripted-1")
    told(
        lambda name, body: {"verdicts": [{**verdict, "decision": "uncertain"}]} if name == "conflicts" else EMPTY[name]
    )
    (change,) = counsel.turn(considered, [doubt], {Step.CONFLICTS})
    assert isinstance(change, Ask)
    told(lambda name, body: {"verdicts": [{**verdict, "decision": "add"}]} if name == "conflicts" else EMPTY[name])
    assert counsel.turn(considered, [doubt], {Step.CONFLICTS}) == []
    told(lambda name, body: {"verdicts": [{**verdict, "pair": "p9"}]} if name == "conflicts" else EMPTY[name])
    assert counsel.turn(considered, [doubt], {Step.CONFLICTS}) == [doubt]
    assert not any(isinstance(change, Merge) for change in [doubt])


def _moments(rows: list[dict[str, Any]]) -> list[Any]:
    from datetime import datetime

    return [datetime.fromisoformat(row["observed_at"]) for row in rows]
