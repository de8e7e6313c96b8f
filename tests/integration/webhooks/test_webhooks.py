"""The calls: made, listed, changed, deleted; secrets shown once; what may not be said."""

from dataclasses import replace
from typing import Any

import pytest
from fastapi import FastAPI
from sqlalchemy import Engine, text

from memory_service.types import KeyScope
from tests.integration.webhooks.conftest import verified

URL = "https://receiver.example/hook"
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def make(me: Any, **body: Any) -> Any:
    return me.post("/v1/webhooks", json={"url": URL, **body})


def test_made_listed_changed_deleted(me: Any) -> None:
    made = make(me, events=["memory.created", "job.*", "memory.created"], namespace="users/1", description="ours")
    assert made.status_code == 201
    hook = made.json()
    assert made.headers["Location"] == f"/v1/webhooks/{hook['id']}"
    assert hook.pop("secret").startswith("whsec_")
    assert hook == {
        "id": hook["id"], "url": URL, "events": ["memory.created", "job.*"], "namespace": "users/1", "description": "ours",
        "content": False, "active": True, "disabled_reason": None, "failures": 0, "failing_since": None, "retry_at": None,
        "created_at": hook["created_at"], "updated_at": hook["created_at"],
    }  # fmt: skip
    assert me.get(f"/v1/webhooks/{hook['id']}").json() == hook
    other = make(me).json()
    assert other["events"] == ["*"]
    assert [one["id"] for one in me.get("/v1/webhooks").json()["data"]] == [other["id"], hook["id"]]
    assert [one["id"] for one in me.get("/v1/webhooks?namespace=users/1").json()["data"]] == [hook["id"]]
    first = me.get("/v1/webhooks?limit=1").json()
    assert first["has_more"]
    assert me.get(f"/v1/webhooks?limit=1&cursor={first['next_cursor']}").json()["data"][0]["id"] == hook["id"]
    changed = me.patch(f"/v1/webhooks/{hook['id']}", json={"namespace": None, "events": ["*"], "url": None}).json()
    assert (changed["namespace"], changed["events"], changed["url"]) == (None, ["*"], URL)
    assert me.delete(f"/v1/webhooks/{hook['id']}").status_code == 204
    gone = me.get(f"/v1/webhooks/{hook['id']}")
    assert (gone.status_code, gone.json()["code"]) == (404, "webhook_not_found")


def test_a_list_of_a_namespace_that_is_nowhere_is_refused(me: Any) -> None:
    hook = make(me, namespace="users/later").json()
    me.post("/v1/memories", json={"content": "Ana drinks tea.", "namespace": "users/1"})
    refused = me.get("/v1/webhooks?namespace=users/11")
    assert (refused.status_code, refused.json()["code"]) == (404, "namespace_not_found")
    assert me.get("/v1/webhooks?namespace=users//1").json()["code"] == "invalid_namespace"
    for there in ("users/1", "default"):
        assert me.get(f"/v1/webhooks?namespace={there}").json()["data"] == []
    found = me.get("/v1/webhooks?namespace=users/later").json()["data"]
    assert [one["id"] for one in found] == [hook["id"]], "named before anything was written to it"


def test_a_secret_is_shown_once(me: Any, maintenance: Engine) -> None:
    headers = {"Idempotency-Key": "one-hook"}
    made = me.post("/v1/webhooks", json={"url": URL, "secret": SECRET}, headers=headers)
    assert made.json()["secret"] == SECRET
    replayed = me.post("/v1/webhooks", json={"url": URL, "secret": SECRET}, headers=headers)
    assert replayed.headers["Idempotent-Replayed"] == "true"
    assert replayed.json() == {**made.json(), "secret": None}
    path = f"/v1/webhooks/{made.json()['id']}"
    shown = (me.get(path), me.get("/v1/webhooks"), me.patch(path, json={"description": "x"}), me.post(f"{path}/ping"))
    assert not [answer for answer in shown if SECRET in answer.text or "secret" in answer.text]
    rotated = me.post(f"{path}/rotate", json={}, headers={"Idempotency-Key": "turn"})
    again = me.post(f"{path}/rotate", json={}, headers={"Idempotency-Key": "turn"})
    assert rotated.json()["secret"] != SECRET
    assert again.json()["secret"] is None
    with maintenance.connect() as connection:
        kept = "SELECT count(*) FROM idempotency_key WHERE tenant_id = :t AND encode(body, 'escape') LIKE '%whsec_%'"
        assert connection.scalar(text(kept), {"t": me.tenant_id}) == 0


def test_a_given_secret_signs(me: Any, receiver: Any, worker: Any, listen: Any) -> None:
    hook = listen(secret=SECRET)
    me.post(f"/v1/webhooks/{hook['id']}/ping")
    worker.deliver()
    assert verified(SECRET, receiver.received[0])


@pytest.mark.parametrize(
    "url",
    [
        "ftp://a.example/", "a.example", "https://", "https:///path", "https://user:pass@a.example/", "https://a.example/#x",
        "https://a.example:0/", "https://a.example:99999/", "https://[::1", "https://a b.example/", "https://ä.example/",
        "http://10.0.0.1/", "http://192.168.1.1:8080/", "http://169.254.169.254/latest/meta-data", "https://[::1]/",
        "https://[fe80::1]/", "https://[fd00::1]/", "https://[::ffff:10.0.0.1]/", "https://[64:ff9b::a00:1]/", "https://0.0.0.0/",
        "https://224.0.0.1/", "https://100.64.0.1/", "https://[2002:a00:1::]/", "https://a.example/" + "a" * 2048, "",
        "http://167772161/", "http://0x0a000001/", "http://10.1/", "http://012.0.0.1/", "https://10.1:8443/",
        "http://a..b/", "https://.a.example/", "https://a.example../", "https://./", f"https://{'a' * 70}.example/",
        "https://" + "abc." * 64 + "example/", "https://[fec0::2]/", "https://[::7f00:1]/", "https://[4000::1]/",
    ],
)  # fmt: skip
def test_urls_that_nothing_is_sent_to(me: Any, url: str) -> None:
    answer = me.post("/v1/webhooks", json={"url": url})
    assert answer.status_code == 422, answer.text
    assert answer.json()["errors"][0]["pointer"] == "/url"
    hook = make(me).json()
    assert me.patch(f"/v1/webhooks/{hook['id']}", json={"url": url}).status_code == 422
    assert me.get(f"/v1/webhooks/{hook['id']}").json()["url"] == URL


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"events": []}, "/events"),
        ({"events": ["memory.exploded"]}, "/events/0"),
        ({"events": ["webhook.ping"]}, "/events/0"),
        ({"events": "memory.created"}, "/events"),
        ({"namespace": "a//b"}, "/namespace"),
        ({"namespace": ""}, "/namespace"),
        ({"secret": "short"}, "/secret"),
        ({"secret": "whsec_AAAA"}, "/secret"),
        ({"secret": "whsec_" + "!" * 40}, "/secret"),
        ({"secret": "A" * 44}, "/secret"),
        ({"content": "yes"}, "/content"),
        ({"active": 1}, "/active"),
        ({"description": "\u0000"}, "/description"),
        ({"unknown": 1}, "/unknown"),
        ({"url": "http://receiver.example/", "content": True}, "/url"),
    ],
)
def test_what_may_not_be_said(me: Any, body: dict[str, Any], pointer: str) -> None:
    answer = make(me, **body)
    assert answer.status_code == 422, answer.text
    assert answer.json()["errors"][0]["pointer"] == pointer
    assert me.get("/v1/webhooks").json()["data"] == []


def test_contents_do_not_travel_in_the_clear_later_either(me: Any) -> None:
    hook = make(me, url="http://receiver.example/").json()
    assert me.patch(f"/v1/webhooks/{hook['id']}", json={"content": True}).json()["code"] == "webhook_url_refused"
    other = make(me, content=True).json()
    refused = me.patch(f"/v1/webhooks/{other['id']}", json={"url": "http://receiver.example/"})
    assert refused.json()["code"] == "webhook_url_refused"


def test_a_url_that_is_not_let_in_any_more_can_still_be_switched_off(me: Any, app: FastAPI) -> None:
    hook = make(me, url="http://127.0.0.1:9/", content=True).json()
    path, let_in = f"/v1/webhooks/{hook['id']}", app.state.services
    app.state.services = replace(let_in, settings=let_in.settings.model_copy(update={"webhook_networks": ""}))
    try:
        off = me.patch(path, json={"active": False, "description": "of the network that was", "content": False})
        assert (off.status_code, off.json()["active"], off.json()["content"]) == (200, False, False)
        for body in ({"active": True}, {"content": True}, {"url": hook["url"]}, {"url": hook["url"], "active": False}):
            assert me.patch(path, json=body).json()["code"] == "webhook_url_refused", body
    finally:
        app.state.services = let_in


def test_only_administrators(as_tenant: Any, make_tenant: Any) -> None:
    weak = as_tenant(make_tenant(scopes=(KeyScope.READ, KeyScope.WRITE, KeyScope.ERASE)))
    assert make(weak).status_code == 403
    assert weak.get("/v1/webhooks").status_code == 403


def test_not_more_than_a_hundred(me: Any) -> None:
    for _ in range(100):
        assert make(me, active=False).status_code == 201
    refused = make(me)
    assert (refused.status_code, refused.json()["code"]) == (409, "too_many_webhooks")


def test_changes_are_in_the_audit_chain_without_the_url(me: Any) -> None:
    hook = make(me).json()
    me.patch(f"/v1/webhooks/{hook['id']}", json={"active": False})
    me.post(f"/v1/webhooks/{hook['id']}/rotate", json={})
    me.delete(f"/v1/webhooks/{hook['id']}")
    found = me.get("/v1/audit").json()["data"]
    assert [one["action"] for one in found] == [
        "webhook.delete", "webhook.rotate", "webhook.change", "webhook.create",
    ]  # fmt: skip
    assert {one["subject_id"] for one in found} == {hook["id"]}
    assert "receiver.example" not in str(found)


def test_what_is_not_there(me: Any) -> None:
    nowhere = "/v1/webhooks/01a21aa3-2c60-7558-b46a-1a2b3c01d0db"
    hook = make(me, active=False).json()
    for method, path, body in (
        ("GET", nowhere, None), ("PATCH", nowhere, {}), ("DELETE", nowhere, None), ("POST", f"{nowhere}/ping", None),
        ("POST", f"{nowhere}/rotate", {}), ("GET", f"{nowhere}/deliveries", None),
    ):  # fmt: skip
        assert (
            me.request(method, path, **({} if body is None else {"json": body})).json()["code"] == "webhook_not_found"
        )
    inside = f"/v1/webhooks/{hook['id']}/deliveries/01a21aa3-2c60-7558-b46a-1a2b3c01d0db"
    assert me.get(inside).json()["code"] == "delivery_not_found"
    assert me.post(f"{inside}/retry").json()["code"] == "webhook_inactive"
    me.patch(f"/v1/webhooks/{hook['id']}", json={"active": True})
    assert me.post(f"{inside}/retry").json()["code"] == "delivery_not_found"
    assert me.get(f"/v1/webhooks/{hook['id']}/deliveries?status=lost").status_code == 422


def test_bundles_leave_webhooks_out(me: Any) -> None:
    me.post("/v1/memories", json={"content": "Ana drinks tea."})
    make(me, secret=SECRET)
    bundle = me.post("/v1/exports", json={}).text
    assert "Ana drinks tea." in bundle
    assert "receiver.example" not in bundle
    assert "whsec_" not in bundle
