"""Redaction policies: how they are put and shown, and that nothing of a value is anywhere once one is in force."""

import base64
import hashlib
import json
import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine, text

from memory_service.api.writing import encoding_of
from memory_service.lifecycle.draft import Draft, Encoding, prepare
from memory_service.lifecycle.remember import remember
from memory_service.storage.database import Database
from memory_service.storage.redactions import FRESH_S
from memory_service.types import KeyScope

POLICY = "/v1/policies/redaction"
MAIL = "ana.moreno@harbour.example.com"
PHONE = "+44 20 7946 0958"
CARD = "4111 1111 1111 1111"
STAFF = "EMP-471108"
KEY = "AKIAIOSFODNN7EXAMPLE"
RULES = [
    {"find": "email", "do": "hash"},
    {"find": "phone", "do": "mask"},
    {"find": "card", "do": "mask"},
    {"pattern": "EMP-[0-9]{6}", "name": "employee", "do": "mask"},
    {"find": "secret", "do": "refuse"},
]
SAID = f"Write to {MAIL} or ring {PHONE}; card {CARD}, staff {STAFF}."
Work = Callable[[UUID], None]


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a policy hold at once: every look is a new one, so that no test has to wait for the second to pass."""
    monkeypatch.setattr("memory_service.storage.redactions.FRESH_S", 0.0)
    monkeypatch.setattr("memory_service.api.routes.redaction_policies.FRESH_S", 0.0)


@pytest.fixture
def redacting(me: Any) -> Any:
    """Return the client of a tenant whose default namespace redacts."""
    assert me.put(POLICY, json={"rules": RULES}).status_code == 200
    return me


@pytest.fixture
def anywhere(maintenance: Engine) -> Callable[..., list[str]]:
    """Return a function that names the tables of a tenant in which any of some words stands, as text or as bytes."""
    tables = """
        SELECT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id'
        WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
        ORDER BY c.relname
    """

    def look(tenant_id: UUID, *words: str) -> list[str]:
        forms = [form for word in words for form in (word.lower(), word.encode().hex(), word.lower().encode().hex())]
        with maintenance.connect() as connection:
            return [
                table
                for table in connection.scalars(text(tables))
                if connection.scalar(
                    text(
                        f"SELECT EXISTS (SELECT FROM {table} t WHERE t.tenant_id = :t AND EXISTS "
                        "(SELECT FROM unnest(CAST(:words AS text[])) w WHERE strpos(lower(to_jsonb(t)::text), w) > 0))"
                    ),
                    {"t": tenant_id, "words": forms},
                )
            ]

    return look


VALUES = (MAIL, PHONE, CARD, STAFF, KEY, "ana.moreno", "7946 0958", "1111 1111")


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    with caplog.at_level(logging.DEBUG):
        yield caplog


def test_a_policy_is_put_shown_changed_and_deleted_as_others_are(me: Any, problem: Any) -> None:
    assert me.get(POLICY).json() == {
        "kind": "redaction", "namespace": "default", "id": None, "policy": {"rules": []}, "known_from": None, "known_to": None,
    }  # fmt: skip
    put = me.put(POLICY, json={"rules": RULES})
    assert put.status_code == 200, put.text
    assert put.json()["policy"] == {"rules": RULES}
    tag = put.headers["etag"]
    assert me.get(POLICY).headers["etag"] == tag
    problem(me.put(POLICY, json={"rules": []}, headers={"If-Match": '"other"'}), 412)
    again = me.put(POLICY, json={"rules": [{"find": "iban", "do": "mask"}]}, headers={"If-Match": tag})
    assert again.status_code == 200, again.text
    listed = me.get("/v1/policies?history=true").json()["data"]
    assert [(one["kind"], one["known_to"] is None) for one in listed] == [("redaction", True), ("redaction", False)]
    assert me.delete(POLICY).status_code == 204
    problem(me.delete(POLICY), 404, "policy_not_found")
    events = me.get("/v1/audit").json()["data"]
    kinds = [(one["action"], one["details"]) for one in events if one["action"].startswith("policy.")]
    assert ("policy.change", {"kind": "redaction", "rules": 5}) in kinds
    assert ("policy.delete", {"kind": "redaction"}) in kinds


def test_what_cannot_be_is_refused(me: Any, problem: Any) -> None:
    problem(
        me.put(POLICY, json={"rules": [{"find": "ghost", "do": "mask"}]}),
        422,
        "invalid_policy",
        pointer="/rules/0/find",
    )
    problem(
        me.put(POLICY, json={"rules": [{"pattern": "(?<=a)b", "name": "x", "do": "mask"}]}), 422, "invalid_policy",
        pointer="/rules/0/pattern",
    )  # fmt: skip
    problem(me.put(POLICY, json={"rules": [{"finds": "email"}]}), 422)
    problem(me.put(f"{POLICY}?namespace=nowhere", json={"rules": []}), 404, "namespace_not_found")
    problem(me.patch(POLICY, json={}), 422, "unsupported_policy_kind")
    assert me.get(POLICY).json()["id"] is None


def test_only_administrators_say_so(as_tenant: Any, make_tenant: Any, problem: Any) -> None:
    writer = as_tenant(make_tenant(scopes=(KeyScope.READ, KeyScope.WRITE)))
    problem(writer.put(POLICY, json={"rules": []}), 403)
    problem(writer.delete(POLICY), 403)
    assert writer.get(POLICY).status_code == 200


def test_every_field_of_a_memory_is_redacted_before_it_is_stored(
    redacting: Any, anywhere: Any, work: Work, logged: pytest.LogCaptureFixture
) -> None:
    body = {
        "content": SAID, "title": MAIL, "context": f"by {PHONE}", "keywords": [MAIL], "tags": [STAFF, "tea"],
        "entities": [MAIL], "metadata": {MAIL: {"deep": [CARD]}}, "value": {"phone": PHONE}, "speaker": MAIL,
        "source": {"ref": f"mailto:{MAIL}"},
    }  # fmt: skip
    made = redacting.post("/v1/memories", json=body, headers={"Idempotency-Key": "once"})
    assert made.status_code == 201, made.text
    memory = made.json()
    assert memory["content"].startswith("Write to [email:")
    assert memory["content"].endswith("or ring [phone]; card [card], staff [employee].")
    assert memory["redactions"] == {"card": 2, "email": 7, "employee": 2, "phone": 3}
    assert memory["tags"] == ["[employee]", "tea"]
    assert memory["value"] == {"phone": "[phone]"}
    work(redacting.tenant_id)
    assert anywhere(redacting.tenant_id, *VALUES) == []
    assert not any(value in logged.text for value in VALUES)
    assert redacting.get(f"/v1/memories/{memory['id']}").json()["redactions"] == memory["redactions"]
    # Said again it is the same, judged by what is stored.
    assert redacting.post("/v1/memories", json=body).status_code == 200
    named = redacting.post("/v1/memories", json=body | {"external_id": "x"}).json()
    assert (named["id"], named["external_id"], named["redactions"]) == (memory["id"], "x", memory["redactions"])
    assert redacting.post("/v1/memories", json=body, headers={"Idempotency-Key": "once"}).json() == memory
    events = [one for one in redacting.get("/v1/audit").json()["data"] if one["action"] == "memories.redact"]
    assert [one["details"] for one in events] == [
        {"memories": 1, "values": {"card": 2, "email": 7, "pattern": 2, "phone": 3}}
    ]


def test_nothing_is_found_where_nothing_is(redacting: Any) -> None:
    memory = redacting.post("/v1/memories", json={"content": "Rosa likes trout."}).json()
    assert memory["redactions"] is None
    assert memory["content"] == "Rosa likes trout."


def test_no_writer_goes_around(redacting: Any, anywhere: Any, work: Work, logged: pytest.LogCaptureFixture) -> None:
    me = redacting

    def ok(answer: Any) -> Any:
        assert answer.status_code < 300, answer.text
        return answer.json() if answer.content else None

    plain = ok(me.post("/v1/memories", json={"content": "Rosa likes trout.", "external_id": "rosa"}))["id"]
    ok(me.post("/v1/memories/batch", json={"items": [{"content": SAID}, {"content": f"also {MAIL}"}]}))
    ok(me.post("/v1/messages", json={"session_id": "s", "messages": [{"role": "user", "name": MAIL, "content": SAID}]}))
    changed = ok(me.patch(f"/v1/memories/{plain}", json={"content": SAID, "title": STAFF, "metadata": {"m": MAIL}}))
    assert changed["redactions"] == {"card": 1, "email": 2, "employee": 2, "phone": 1}
    ok(me.post("/v1/memories", json={"content": f"{SAID} anew", "external_id": "rosa", "on_conflict": "update"}))
    ok(me.post(f"/v1/memories/{plain}/supersede", json={"content": f"{SAID} instead"}))
    ok(
        me.put(
            "/v1/blocks/human", json={"value": SAID, "description": MAIL, "metadata": {"x": CARD}, "edited_by": MAIL}
        )
    )
    ok(me.patch("/v1/blocks/human", json={"append": f"and {STAFF}"}))
    task = ok(me.post("/v1/tasks", json={"title": SAID, "input": {"x": MAIL}, "metadata": {"y": [PHONE]}}))["id"]
    ok(me.patch(f"/v1/tasks/{task}", json={"title": f"{SAID} now"}))
    below = ok(me.post("/v1/tasks", json={"title": STAFF, "parent_id": task}))["id"]
    ok(me.post(f"/v1/tasks/{below}/replace", json={"title": f"{STAFF} again"}))
    ok(me.post(f"/v1/tasks/{task}/close", json={"output": {"z": CARD}, "outcome": SAID, "force": True}))
    ok(me.post("/v1/documents", json={"title": MAIL, "content": f"# Staff\n\n{SAID}\n\nana.**moreno**@harbour.example.com\n",
                                      "mime_type": "text/markdown", "metadata": {"a": MAIL}}))  # fmt: skip
    page = f"<!doctype html><html><title>{STAFF}</title><p>{SAID}<p>ana.<b>moreno</b>&#64;harbour.example.com"
    ok(me.post("/v1/documents", json={"file": base64.b64encode(page.encode()).decode(), "mime_type": "text/html"}))
    ok(me.post("/v1/saved-queries", json={"query": f"who is {MAIL}?", "relevant": [plain]}))
    found = ok(me.post("/v1/search", json={"query": f"who is {MAIL}, {KEY}?", "filter": {"metadata.m": MAIL}}))
    ok(me.post("/v1/context", json={"query": SAID}))
    ok(me.post("/compat/mem0/memories", json={"messages": [{"role": "user", "content": SAID}], "user_id": "u"}))
    assert anywhere(me.tenant_id, *VALUES) == []  # before any worker has looked
    work(me.tenant_id)
    assert anywhere(me.tenant_id, *VALUES) == []
    assert not any(value in logged.text for value in VALUES)
    documents = ok(me.get("/v1/documents"))["data"]
    assert len(documents) == 2
    for document in documents:
        read = ok(me.get(f"/v1/documents/{document['id']}"))
        assert "[email:" in read["content"]
        assert "[phone]" in read["content"]
        for span in read["spans"]:
            memory = ok(me.get(f"/v1/memories/{span['memory_id']}"))
            assert read["content"][slice(*span["span"])] == memory["content"]
    trace = ok(me.get(f"/v1/traces/{found['search_id']}"))
    assert "[secret]" in json.dumps(trace)


def test_an_import_is_redacted_before_it_waits(
    me: Any, as_tenant: Any, make_tenant: Any, anywhere: Any, work: Work
) -> None:
    source = as_tenant(make_tenant())
    one = source.post("/v1/memories", json={"content": SAID, "title": MAIL}).json()["id"]
    source.patch(f"/v1/memories/{one}", json={"content": f"{SAID} Changed."})
    refused = source.post("/v1/memories", json={"content": f"The key is {KEY}."}).json()["id"]
    source.put("/v1/blocks/human", json={"value": SAID})
    source.post("/v1/documents", json={"content": f"{SAID}\n\nThe end of it, mentioned by {STAFF} alone."})
    work(source.tenant_id)
    parts = ["archived", "versions", "blocks", "documents", "embeddings", "policies", "settings"]
    bundle = source.post("/v1/exports", json={"include": parts}).content
    assert MAIL.encode() in bundle
    assert me.put(POLICY, json={"rules": RULES}).status_code == 200
    began = me.post("/v1/imports", content=bundle, headers={"Content-Type": "application/x-ndjson"})
    assert began.status_code == 202, began.text
    assert anywhere(me.tenant_id, *VALUES) == []
    work(me.tenant_id)
    outcomes = me.get(f"/v1/imports/{began.json()['job_id']}/outcomes?limit=1000").json()["data"]
    rejected = [(row["id"], row["code"]) for row in outcomes if row["status"] == "rejected"]
    assert rejected == [(refused, "redaction_refused")], outcomes
    assert anywhere(me.tenant_id, *VALUES) == []
    memory = me.get(f"/v1/memories/{one}").json()
    assert memory["content"].startswith("Write to [email:")
    assert memory["redactions"] == {"card": 1, "email": 2, "employee": 1, "phone": 1}
    versions = me.get(f"/v1/memories/{one}/versions").json()["data"]
    assert all("[phone]" in version["content"] for version in versions)
    (document,) = me.get("/v1/documents").json()["data"]
    read = me.get(f"/v1/documents/{document['id']}").json()
    for span in read["spans"]:
        assert read["content"][slice(*span["span"])] == me.get(f"/v1/memories/{span['memory_id']}").json()["content"]
    # What was replaced goes out as what it is, and comes back as that.
    again = me.post("/v1/exports", json={"include": parts}).content
    assert not any(value.encode() in again for value in VALUES)
    third = as_tenant(make_tenant())
    third.post("/v1/imports", content=again, headers={"Content-Type": "application/x-ndjson"})
    work(third.tenant_id)
    assert third.get(f"/v1/memories/{one}").json()["redactions"] == memory["redactions"]
    assert third.get(POLICY).json()["policy"] == {"rules": RULES}


def test_a_policy_of_a_bundle_holds_for_the_rest_of_it(me: Any, as_tenant: Any, make_tenant: Any, work: Work) -> None:
    source = as_tenant(make_tenant())
    one = source.post("/v1/memories", json={"content": SAID}).json()["id"]
    source.put(POLICY, json={"rules": RULES})
    bundle = source.post("/v1/exports", json={"include": ["policies", "settings"]}).content
    assert MAIL.encode() in bundle
    me.post("/v1/imports", content=bundle, headers={"Content-Type": "application/x-ndjson"})
    work(me.tenant_id)
    assert me.get(f"/v1/memories/{one}").json()["content"].startswith("Write to [email:")


def bundle_of(source: Any, *kinds: str, change: Callable[[Any], Any] = lambda record: record) -> bytes:
    """Return a whole bundle of some kinds of the records that a tenant has."""
    parts = ["archived", "versions", "blocks", "documents"]
    lines = [json.loads(one) for one in source.post("/v1/exports", json={"include": parts}).content.splitlines()]
    records = [change(one) for one in lines[1:-1] if one["type"] in kinds]
    body = b"".join(json.dumps(one).encode() + b"\n" for one in [lines[0], *records])
    counts = dict(Counter(one["type"] for one in records))
    end = {"type": "end", "records": len(records), "counts": counts, "sha256": hashlib.sha256(body).hexdigest()}
    return body + json.dumps(end).encode() + b"\n"


def took_in(who: Any, bundle: bytes, work: Work) -> list[Any]:
    began = who.post("/v1/imports", content=bundle, headers={"Content-Type": "application/x-ndjson"})
    assert began.status_code == 202, began.text
    work(who.tenant_id)
    listed: list[Any] = who.get(f"/v1/imports/{began.json()['job_id']}/outcomes?limit=1000").json()["data"]
    return listed


@pytest.mark.parametrize("change", [
    {"content": "half \ud800 of it"}, {"title": "nul \0"}, {"metadata": {"\udfff": 1}}, {"content": f"{MAIL} " * 100_000},
    {MAIL: 1}, {"versions": [{"content": "\ud800"}]}, {"keywords": [MAIL] * 1_000}, {"value": 2**70},
])  # fmt: skip
def test_a_line_that_cannot_be_stored_is_refused_alone(
    me: Any, as_tenant: Any, make_tenant: Any, anywhere: Any, work: Work, change: Any
) -> None:
    source = as_tenant(make_tenant())
    ids = [source.post("/v1/memories", json={"content": f"{n} of {MAIL}"}).json()["id"] for n in range(2)]
    bundle = bundle_of(source, "memory", change=lambda one: {**one, **change} if one["id"] == ids[0] else one)
    assert me.put(POLICY, json={"rules": RULES}).status_code == 200
    told = {one["id"]: one["status"] for one in took_in(me, bundle, work)}
    assert told == {ids[0]: "rejected", ids[1]: "created"}
    assert anywhere(me.tenant_id, *VALUES) == []


def test_a_faulty_line_that_waited_before_the_policy_does_not_hold_up_its_job(
    me: Any, as_tenant: Any, make_tenant: Any, work: Work
) -> None:
    source = as_tenant(make_tenant())
    ids = [source.post("/v1/memories", json={"content": f"{n} of {MAIL}"}).json()["id"] for n in range(2)]
    bundle = bundle_of(
        source, "memory", change=lambda one: {**one, "content": "\ud800"} if one["id"] == ids[0] else one
    )
    began = me.post("/v1/imports", content=bundle, headers={"Content-Type": "application/x-ndjson"}).json()["job_id"]
    me.put(POLICY, json={"rules": RULES})
    work(me.tenant_id)
    assert me.get(f"/v1/jobs/{began}").json()["result"]["counts"] == {"memory": {"created": 1, "rejected": 1}}
    assert me.get(f"/v1/memories/{ids[1]}").json()["content"].startswith("1 of [email:")


def test_a_text_waits_redacted_wherever_its_document_is(
    me: Any, as_tenant: Any, make_tenant: Any, anywhere: Any, work: Work
) -> None:
    source = as_tenant(make_tenant())
    source.post("/v1/documents", json={"content": f"The end of it, mentioned by {STAFF} alone."})
    work(source.tenant_id)
    texts = bundle_of(source, "document_text")
    whole = bundle_of(source, "memory", "document", "document_text")
    elsewhere = bundle_of(source, "document", "document_text", change=lambda one: (
        {**one, "namespace": "other"} if one["type"] == "document" else one))  # fmt: skip
    send = {"headers": {"Content-Type": "application/x-ndjson"}}
    me.put(POLICY, json={"rules": RULES})
    # Of a document that nobody knows, and of one that comes here later.
    assert me.post("/v1/imports", content=texts, **send).status_code == 202
    assert anywhere(me.tenant_id, *VALUES) == []
    assert me.post("/v1/imports", content=whole, **send).status_code == 202
    work(me.tenant_id)
    # Of one that is here, alone and as the bundle says it were elsewhere.
    for bundle in (texts, elsewhere):
        assert me.post("/v1/imports", content=bundle, **send).status_code == 202
        assert anywhere(me.tenant_id, *VALUES) == []
    events = [one["details"] for one in me.get("/v1/audit").json()["data"] if one["action"] == "memories.redact"]
    assert {"records": 2, "values": {"pattern": 2}} in events  # of `whole`: the memory and the text


def test_what_is_refused_is_said_without_the_value(redacting: Any, problem: Any, anywhere: Any) -> None:
    me = redacting
    plain = me.post("/v1/memories", json={"content": "Rosa likes trout."}).json()["id"]
    for answer, pointer in (
        (me.post("/v1/memories", json={"content": f"it is {KEY}"}), "/content"),
        (me.post("/v1/memories", json={"content": "x", "metadata": {"a": {"b": KEY}}}), "/metadata/a/b"),
        (me.patch(f"/v1/memories/{plain}", json={"title": KEY}), "/title"),
        (me.patch(f"/v1/memories/{plain}", json={"content": KEY}), "/content"),
        (me.post(f"/v1/memories/{plain}/supersede", json={"content": KEY}), "/content"),
        (me.put("/v1/blocks/human", json={"value": KEY}), "/value"),
        (me.post("/v1/tasks", json={"title": "t", "input": [KEY]}), "/input/0"),
        (me.post("/v1/documents", json={"content": f"The key is {KEY}."}), "/content"),
    ):
        found = problem(answer, 422, "redaction_refused", pointer=pointer)
        assert "secret" in found["detail"]
        assert KEY not in answer.text
    batch = me.post("/v1/memories/batch", json={"items": [{"content": "Tea."}, {"content": KEY}]}).json()["results"]
    assert [(one["status"], (one["problem"] or {}).get("code")) for one in batch] == [
        ("created", None), ("rejected", "redaction_refused"),
    ]  # fmt: skip
    assert batch[1]["problem"]["errors"][0]["pointer"] == "/items/1/content"
    messages = [{"content": "Coffee."}, {"content": KEY}]
    turns = me.post("/v1/messages", json={"session_id": "s", "messages": messages}).json()
    assert [one["problem"]["code"] for one in turns["rejected"]] == ["redaction_refused"]
    assert anywhere(me.tenant_id, KEY) == []


def test_a_pseudonym_is_found_by_the_value_it_stands_for(redacting: Any, api: Any) -> None:
    wanted = api.remember(f"{MAIL} keeps the harbour.", metadata={"mail": MAIL})["id"]
    api.remember("bob@harbour.example.com keeps the lighthouse.", metadata={"mail": "bob@harbour.example.com"})
    found = api.search(MAIL.upper(), channels={"keyword": 1})
    assert found["results"][0]["memory"]["id"] == wanted
    assert api.found("who?", filter={"metadata.mail": MAIL}) == [wanted]
    assert api.search(MAIL, namespaces=["default"])["results"][0]["memory"]["id"] == wanted
    assert api.search(MAIL, namespace_prefix="default")["results"][0]["memory"]["id"] == wanted


def test_identifiers_stay(redacting: Any) -> None:
    body = {"content": "Tea.", "user_id": MAIL, "session_id": PHONE, "external_id": STAFF}
    memory = redacting.post("/v1/memories", json=body).json()
    assert {name: memory[name] for name in body} == body
    found = redacting.post("/v1/search", json={"query": "tea", "user_id": MAIL, "filter": {"external_id": STAFF}})
    assert found.status_code in {200, 422}, found.text
    listed = redacting.post("/v1/search", json={"query": "tea", "user_id": MAIL}).json()["results"]
    assert [one["memory"]["id"] for one in listed] == [memory["id"]]


def test_a_policy_holds_in_its_namespace_and_its_tenant_alone(redacting: Any, as_tenant: Any, make_tenant: Any) -> None:
    other = redacting.post("/v1/memories", json={"content": SAID, "namespace": "other"}).json()
    assert (other["content"], other["redactions"]) == (SAID, None)
    below = redacting.post("/v1/memories", json={"content": SAID, "namespace": "default/below"}).json()
    assert below["content"] == SAID
    # A successor lives where the old one does, whatever its body leaves out.
    kept = redacting.post(f"/v1/memories/{other['id']}/supersede", json={"content": f"{KEY} {MAIL}"}).json()
    assert kept["content"] == f"{KEY} {MAIL}"
    stranger = as_tenant(make_tenant())
    theirs = stranger.post("/v1/memories", json={"content": SAID}).json()
    assert theirs["content"] == SAID
    assert stranger.get(POLICY).json()["id"] is None
    stranger.put(POLICY, json={"rules": [{"find": "email", "do": "hash"}]})
    mine = redacting.post("/v1/memories", json={"content": f"only {MAIL}"}).json()["content"]
    assert mine != stranger.post("/v1/memories", json={"content": f"only {MAIL}"}).json()["content"]


def test_what_was_there_stays_and_a_trial_says_what_it_holds(me: Any, problem: Any, anywhere: Any) -> None:
    ids = [me.post("/v1/memories", json={"content": f"{n}: {SAID}"}).json()["id"] for n in range(2)]
    assert {"memory", "posting"} <= set(anywhere(me.tenant_id, STAFF, "471108"))
    me.post("/v1/memories", json={"content": "Rosa likes trout."})
    me.patch(f"/v1/memories/{ids[0]}", json={"content": "Nothing of it any more."})
    refusing = me.post("/v1/memories", json={"content": KEY}).json()["id"]
    found = me.post(f"{POLICY}/simulate", json={"policy": {"rules": RULES}})
    assert found.status_code == 200, found.text
    trial = found.json()
    assert (trial["memories"], trial["changed"], trial["in_history"], trial["refused"]) == (4, 3, 1, 1)
    assert trial["by_rule"]["email"] == {"do": "hash", "values": 1, "memories": 2}
    assert set(trial["memory_ids"]) == {*ids, refusing}
    assert trial["complete"] is True
    assert not any(value in found.text for value in (MAIL, PHONE, CARD, KEY))
    assert me.post(f"{POLICY}/simulate", json={}).json()["changed"] == 0  # none is in force
    me.put(POLICY, json={"rules": RULES})
    assert me.post(f"{POLICY}/simulate", json={}).json()["changed"] == 3
    assert me.get(f"/v1/memories/{ids[1]}").json()["content"] == f"1: {SAID}"
    problem(
        me.post(f"{POLICY}/simulate", json={"policy": {"rules": [{"find": "x", "do": "mask"}]}}), 422, "invalid_policy",
        pointer="/policy/rules/0/find",
    )  # fmt: skip


def test_what_is_older_than_the_policy_is_masked_when_it_is_carried_on(me: Any) -> None:
    task = me.post("/v1/tasks", json={"title": f"{KEY} of {MAIL}"}).json()
    me.put("/v1/blocks/human", json={"value": f"{KEY} of {MAIL}"})
    me.put(POLICY, json={"rules": RULES})
    closed = me.post(f"/v1/tasks/{task['id']}/close", json={"status": "succeeded"})
    assert closed.status_code == 200, closed.text
    assert closed.json()["title"].startswith("[secret] of [email:")
    assert me.delete("/v1/blocks/human").status_code == 204


def test_of_an_older_memory_the_fields_that_a_change_names_are_redacted(me: Any) -> None:
    one = me.post("/v1/memories", json={"content": f"by {MAIL}", "title": MAIL, "speaker": KEY}).json()["id"]
    me.put(POLICY, json={"rules": RULES})
    changed = me.patch(f"/v1/memories/{one}", json={"title": STAFF}).json()
    assert (changed["title"], changed["content"], changed["redactions"]) == (
        "[employee]",
        f"by {MAIL}",
        {"employee": 1},
    )
    after = me.post(f"/v1/memories/{one}/supersede", json={"content": "by somebody else"}).json()
    assert after["source"]["speaker"] == "[secret]"


def test_only_what_the_caller_says_is_refused(me: Any, problem: Any) -> None:
    """What a block, a task or the metadata of a memory held before is masked when it is carried on."""
    for label in ("human", "persona", "plan"):
        me.put(f"/v1/blocks/{label}", json={"value": f"{KEY} of {MAIL}", "metadata": {"k": KEY}})
    me.put("/v1/blocks/clean", json={"value": "key:"})
    task = me.post("/v1/tasks", json={"title": f"{KEY} of it", "input": [KEY], "metadata": {"k": KEY}}).json()["id"]
    memory = me.post("/v1/memories", json={"content": "Tea.", "metadata": {"k": KEY}}).json()["id"]
    me.put(POLICY, json={"rules": RULES})

    described = me.patch("/v1/blocks/human", json={"description": "who it is"})
    assert described.status_code == 200, described.text
    assert described.json()["value"].startswith("[secret] of [email:")
    assert described.json()["metadata"] == {"k": "[secret]"}
    added = me.patch("/v1/blocks/persona", json={"append": "more of it"})
    assert added.status_code == 200, added.text
    assert added.json()["value"].startswith("[secret] of [email:")
    assert added.json()["value"].endswith("\nmore of it")
    # Who is rid of it may name it to be so.
    cleared = me.patch("/v1/blocks/plan", json={"replace": {"old": KEY, "new": "nothing"}})
    assert cleared.status_code == 200, cleared.text
    assert cleared.json()["value"].startswith("nothing of [email:")
    for change, pointer in (
        ({"append": KEY}, "/append"),
        ({"replace": {"old": "key:", "new": KEY}}, "/replace/new"),
        ({"value": KEY}, "/value"),
        ({"description": KEY}, "/description"),
        ({"metadata": {"k": KEY}}, "/metadata/k"),
    ):
        problem(me.patch("/v1/blocks/clean", json=change), 422, "redaction_refused", pointer=pointer)
    # In two parts it is the same.
    half = len(KEY) // 2
    assert me.patch("/v1/blocks/clean", json={"value": f"key: {KEY[:half]}-"}).status_code == 200
    whole = me.patch("/v1/blocks/clean", json={"replace": {"old": "-", "new": KEY[half:]}})
    problem(whole, 422, "redaction_refused", pointer="/replace/new")

    instead = me.post(f"/v1/tasks/{task}/replace", json={"title": "another title"})
    assert instead.status_code == 201, instead.text
    assert (instead.json()["input"], instead.json()["metadata"]) == (["[secret]"], {"k": "[secret]"})
    problem(me.post("/v1/tasks", json={"title": KEY}), 422, "redaction_refused", pointer="/title")

    sent = me.put(f"/compat/mem0/v1/memories/{memory}/", json={"metadata": {"mood": "good"}})
    assert sent.status_code == 200, sent.text
    assert me.get(f"/v1/memories/{memory}").json()["metadata"] == {"k": "[secret]", "mood": "good"}
    refused = me.put(f"/compat/mem0/v1/memories/{memory}/", json={"metadata": {"k": KEY}})
    assert refused.status_code == 422
    assert KEY not in refused.text


def test_a_corrected_text_is_encoded_once_and_before_its_transaction(
    redacting: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = redacting.post("/v1/memories", json={"content": "Rosa likes trout."}).json()["id"]
    encoded: list[str] = []
    own = Encoding.chunks

    def watched(encoding: Encoding, contents: Sequence[str], **where: Any) -> Any:
        encoded.extend(contents)
        return own(encoding, contents, **where)

    monkeypatch.setattr(Encoding, "chunks", watched)
    changed = redacting.patch(f"/v1/memories/{one}", json={"content": SAID}).json()
    assert encoded == [changed["content"]]
    redacting.put(f"/compat/mem0/v1/memories/{one}/", json={"text": f"{SAID} again"})
    assert encoded[1:] == [redacting.get(f"/v1/memories/{one}").json()["content"]]


def test_a_state_that_an_import_encoded_before_the_policy_is_stored_as_the_policy_has_it(
    me: Any, as_tenant: Any, make_tenant: Any, work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = as_tenant(make_tenant())
    one = source.post("/v1/memories", json={"content": "Rosa likes trout."}).json()["id"]
    took_in(me, bundle_of(source, "memory"), work)
    source.patch(f"/v1/memories/{one}", json={"content": SAID})
    began = me.post(
        "/v1/imports?on_conflict=new_version", content=bundle_of(source, "memory"),
        headers={"Content-Type": "application/x-ndjson"},
    ).json()["job_id"]  # fmt: skip
    me.put(POLICY, json={"rules": RULES})
    # The worker read its lines a moment before.
    monkeypatch.setattr("consolidation.importing._redacting", lambda *_: None)
    work(me.tenant_id)
    assert me.get(f"/v1/jobs/{began}").json()["result"]["counts"] == {"memory": {"updated": 1}}
    assert me.get(f"/v1/memories/{one}").json()["content"].startswith("Write to [email:")


def test_blocks_tasks_and_documents_are_counted_in_the_audit_chain(redacting: Any, work: Work) -> None:
    redacting.put("/v1/blocks/human", json={"value": f"{MAIL} {STAFF}", "edited_by": MAIL})
    redacting.patch("/v1/blocks/human", json={"append": CARD})
    task = redacting.post("/v1/tasks", json={"title": PHONE, "metadata": {"a": MAIL}}).json()["id"]
    redacting.patch(f"/v1/tasks/{task}", json={"title": STAFF})
    redacting.post(
        "/v1/documents", json={"content": f"# Staff\n\n{SAID}\n", "title": MAIL, "mime_type": "text/markdown"}
    )
    work(redacting.tenant_id)
    events = [one["details"] for one in redacting.get("/v1/audit").json()["data"] if one["action"] == "memories.redact"]
    assert events[::-1] == [
        {"blocks": 1, "values": {"email": 2, "pattern": 1}},
        {"blocks": 1, "values": {"card": 1}},
        {"tasks": 1, "values": {"email": 1, "phone": 1}},
        {"tasks": 1, "values": {"pattern": 1}},
        {"documents": 1, "values": {"card": 1, "email": 2, "pattern": 1, "phone": 1}},
    ]


def test_a_policy_that_is_gone_replaces_nothing_more(redacting: Any) -> None:
    before = redacting.post("/v1/memories", json={"content": SAID}).json()["id"]
    assert redacting.delete(POLICY).status_code == 204
    assert redacting.post("/v1/memories", json={"content": f"{SAID} anew"}).json()["content"] == f"{SAID} anew"
    assert "[phone]" in redacting.get(f"/v1/memories/{before}").json()["content"]


def test_metrics_count_by_kind(redacting: Any, client: Any) -> None:
    def count(kind: str, do: str) -> float:
        line = f'memory_service_redactions_total{{do="{do}",kind="{kind}"}} '
        return sum(float(one[len(line) :]) for one in client.get("/metrics").text.splitlines() if one.startswith(line))

    before = count("pattern", "mask"), count("secret", "refuse")
    redacting.post("/v1/memories", json={"content": SAID})
    redacting.post("/v1/memories", json={"content": KEY})
    assert (count("pattern", "mask") - before[0], count("secret", "refuse") - before[1]) == (1, 1)
    assert "employee" not in client.get("/metrics").text


def test_put_answers_when_every_process_goes_by_it(me: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert FRESH_S == 1.0  # as it is where no test is impatient
    monkeypatch.setattr("memory_service.api.routes.redaction_policies.FRESH_S", 0.4)
    began = time.monotonic()
    assert me.put(POLICY, json={"rules": RULES}).status_code == 200
    assert time.monotonic() - began > 0.4


def test_what_was_prepared_before_the_policy_is_stored_as_the_policy_has_it(
    me: Any, app: Any, database: Database
) -> None:
    """A batch was encoded when somebody put the policy: the one in force when it is stored holds."""
    encoding, now = encoding_of(app.state.services), datetime.now(UTC)
    drafts = [Draft(f"a {MAIL}"), Draft(f"b {KEY}"), Draft("c"), Draft(f"d {MAIL}", namespace="other")]
    prepared = prepare(drafts, encoding=encoding, now=now)
    assert [one.draft.content for one in prepared] == [draft.content for draft in drafts]
    me.put(POLICY, json={"rules": RULES})
    with database.transaction(me.tenant_id) as session:
        outcomes = remember(session, me.tenant_id, prepared, encoding=encoding, now=now)
    assert [one.status for one in outcomes] == ["created", "rejected", "created", "created"]
    texts = [me.get(f"/v1/memories/{outcomes[n].memory_id}").json()["content"] for n in (0, 2, 3)]
    assert texts[0].startswith("a [email:")
    assert texts[1:] == ["c", f"d {MAIL}"]
    # And it is found by what it says now.
    found = me.post("/v1/search", json={"query": MAIL, "channels": {"keyword": 1}}).json()["results"]
    assert [one["memory"]["id"] for one in found] == [str(outcomes[0].memory_id)]


@pytest.mark.parametrize("mend", [lambda me: me.put(POLICY, json={"rules": RULES}), lambda me: me.delete(POLICY)])
def test_a_stored_policy_with_a_fault_lets_nothing_through_and_can_be_mended(
    redacting: Any, maintenance: Engine, problem: Any, mend: Callable[[Any], Any]
) -> None:
    broken = {"rules": [{"find": "email", "do": "mask"}, {"find": "ghost", "do": "mask"}]}
    with maintenance.begin() as connection:
        connection.execute(
            text("UPDATE policy SET body = CAST(:b AS jsonb), id = gen_random_uuid() WHERE tenant_id = :t"),
            {"b": json.dumps(broken), "t": redacting.tenant_id},
        )
    for refused in (
        redacting.post("/v1/memories", json={"content": SAID}),
        redacting.put("/v1/blocks/human", json={"value": SAID}),
        redacting.post(f"{POLICY}/simulate", json={}),
    ):
        found = problem(refused, 503, "redaction_policy_unreadable")
        assert "/rules/1/find" in found["detail"]
    assert redacting.get("/v1/memories").json()["data"] == []
    assert redacting.get(POLICY).json()["policy"] == broken
    assert mend(redacting).is_success
    assert redacting.post("/v1/memories", json={"content": SAID}).status_code == 201


def test_only_administrators_try_policies_of_their_own(me: Any, as_tenant: Any, problem: Any) -> None:
    me.post("/v1/memories", json={"content": SAID})
    key = me.post("/v1/api-keys", json={"name": "reader", "scopes": ["memories:read"]}).json()["key"]
    reader = {"Authorization": f"Bearer {key}"}
    own = {"policy": {"rules": [{"pattern": "471[0-9]+", "name": "guess", "do": "mask"}]}}
    problem(me.post(f"{POLICY}/simulate", json=own, headers=reader), 403)
    assert me.post(f"{POLICY}/simulate", json=own).json()["changed"] == 1
    me.put(POLICY, json={"rules": RULES})
    assert me.post(f"{POLICY}/simulate", json={}, headers=reader).json()["changed"] == 1


def test_a_trial_that_takes_too_long_says_what_it_found_until_then(me: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    me.post("/v1/memories", json={"content": SAID})
    monkeypatch.setattr("memory_service.api.routes.redaction_policies.SIMULATED_S", 0.0)
    trial = me.post(f"{POLICY}/simulate", json={"policy": {"rules": RULES}}).json()
    assert (trial["memories"], trial["complete"]) == (0, False)
