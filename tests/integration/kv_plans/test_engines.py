"""Engines: announced under the digest of what they are, seen by their own tenant only."""

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from memory_service.activation.fingerprint import Fingerprint


def test_an_engine_is_announced_and_announced_again(me: Any, announce: Callable[..., Any], fingerprint: Any) -> None:
    first = announce(me)
    assert first.status_code == 201, first.text
    said = first.json()
    assert said["digest"] == fingerprint.digest()
    assert said["fingerprint"] == asdict(fingerprint)
    again = announce(me, bytes_per_token=2048)
    assert again.status_code == 200
    assert again.json()["bytes_per_token"] == 2048
    assert again.json()["created_at"] == said["created_at"]
    assert again.json()["announced_at"] > said["announced_at"]


def test_the_digest_has_to_be_that_of_the_fields(me: Any, fingerprint: Fingerprint) -> None:
    body = {**asdict(fingerprint), "model": "tiny", "bytes_per_token": 1, "dtype": "bfloat16"}
    answer = me.put(f"/v1/kv/engines/{fingerprint.digest()}", json=body)
    assert answer.status_code == 422
    assert "is not the digest of these fields" in answer.json()["errors"][0]["detail"]
    assert me.get("/v1/kv/engines").json()["data"] == []


def test_nonsense_is_refused_by_its_place(me: Any, fingerprint: Fingerprint) -> None:
    whole = {**asdict(fingerprint), "model": "tiny", "bytes_per_token": 1}
    path = f"/v1/kv/engines/{fingerprint.digest()}"
    for change, pointer in [
        ({"weights": "short"}, "/weights"), ({"block_size": 0}, "/block_size"), ({"bytes_per_token": 0}, "/bytes_per_token"),
        ({"prefill_tokens_per_s": 0}, "/prefill_tokens_per_s"), ({"more": 1}, "/more"), ({"lora": "x"}, "/lora"),
        ({"parallelism": {"tensor": 0}}, "/parallelism/tensor"), ({"isa": "a\nb"}, ""),
    ]:  # fmt: skip
        answer = me.put(path, json={**whole, **change})
        assert answer.status_code == 422, change
        assert answer.json()["errors"][0]["pointer"] == pointer
    assert me.put("/v1/kv/engines/none", json=whole).status_code == 422
    assert me.get("/v1/kv/engines").json()["data"] == []


def test_engines_are_listed_by_model_page_by_page(me: Any, announce: Callable[..., Any]) -> None:
    digests = [announce(me, model=f"m{at % 2}", isa=f"isa{at}").json()["digest"] for at in range(5)]
    assert [one["digest"] for one in me.get("/v1/kv/engines").json()["data"]] == sorted(digests)
    found, cursor = [], ""
    while True:
        page = me.get(f"/v1/kv/engines?model=m0&limit=2{cursor}").json()
        found += [one["digest"] for one in page["data"]]
        if not page["has_more"]:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert found == sorted(digests[::2])
    assert me.get("/v1/kv/engines?cursor=zzzz").json()["code"] == "invalid_cursor"


def test_engines_belong_to_their_tenant(me: Any, stranger: Any, announce: Callable[..., Any]) -> None:
    announce(me)
    assert stranger.get("/v1/kv/engines").json()["data"] == []
    assert announce(stranger, bytes_per_token=7).status_code == 201
    assert me.get("/v1/kv/engines").json()["data"][0]["bytes_per_token"] == 1024


def test_a_key_without_the_scope_is_refused(
    kv_client: Any, make_tenant: Any, tenant_client: Any, announce: Any
) -> None:
    from memory_service.types import KeyScope

    reader = tenant_client(kv_client, *make_tenant(scopes=(KeyScope.READ, KeyScope.WRITE)))
    assert announce(reader).json()["code"] == "forbidden"
    assert reader.get("/v1/kv/engines").status_code == 403
    assert reader.post("/v1/kv/plan", json={"model": "tiny"}).status_code == 403
