"""Blocks computed ahead: the numbers that the model computes itself, stored under the plan's hashes, voided with a memory."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import pytest
import torch
from sqlalchemy import Engine, text
from starlette.testclient import TestClient
from tiny_chat import make_model, make_tokenizer

from consolidation import consolidate
from consolidation.models_here import Compute, ModelsHere
from consolidation.tenancy import Tenancy
from memory_service.activation import int8
from memory_service.activation.engine_layout import layout_of
from memory_service.activation.errors import ActivationError
from memory_service.activation.exactness import Exactness
from memory_service.activation.fingerprint import Fingerprint
from memory_service.activation.key_values import KeyValues
from memory_service.activation.model_folder import weights_digest
from memory_service.activation.reusing import Piece, reuse
from memory_service.activation.rope import rope_of
from memory_service.activation.run_file import INT8, BlockRun, pack_run, unpack_run
from memory_service.activation.transformer.caches import to_dynamic
from memory_service.activation.transformer.computing import compute, fingerprint_of_folder, open_model
from memory_service.api.app import create_app
from memory_service.api.services import utc_now
from memory_service.blobs.opening import open_blobs
from memory_service.blobs.protocol import blob_name
from memory_service.chat_model.cache_salt import cache_salt
from memory_service.errors import Unavailable
from memory_service.lifecycle.kv_saving import Limits
from memory_service.model_text.models import Models
from memory_service.settings import Settings
from memory_service.storage.database import Database

SECRET = b"a secret of tests"
SYSTEM = "You are a helpful assistant of a household."


@pytest.fixture(scope="module")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole") / "llama"
    make_tokenizer(folder)
    make_model(folder)
    return folder


@pytest.fixture(scope="module")
def ahead_settings(kv_settings: Settings, model_folder: Path) -> Settings:
    return kv_settings.model_copy(update={"kv_models": f"llama={model_folder}"})


@pytest.fixture(scope="module")
def kv_client(ahead_settings: Settings) -> Iterator[TestClient]:
    app = create_app(ahead_settings)
    with TestClient(app, base_url="http://127.0.0.1:8000", raise_server_exceptions=False) as running:
        yield running


@pytest.fixture(scope="module")
def own(model_folder: Path) -> Fingerprint:
    """Return what the model is when transformers runs it here, in blocks of eight tokens."""
    return fingerprint_of_folder(model_folder, dtype="float32", block_size=8)


def announce(client: Any, fingerprint: Fingerprint) -> None:
    body = {**asdict(fingerprint), "model": "llama", "bytes_per_token": 512, "prefill_tokens_per_s": 100.0}
    assert client.put(f"/v1/kv/engines/{fingerprint.digest()}", json=body).status_code in {200, 201}


@pytest.fixture
def tenancy(me: Any, database: Database, ahead_settings: Settings) -> Tenancy:
    """Return the tenant as a worker with the model sees it."""
    models = Models(ahead_settings.model_places)

    @contextmanager
    def opened(name: str, fingerprint: Fingerprint) -> Iterator[Compute]:
        if weights_digest(models.folder(name)) != fingerprint.weights:
            raise ActivationError("other weights")
        model = open_model(models.folder(name), fingerprint.dtype)
        yield lambda ids: compute(model, ids)

    here = ModelsHere(
        models=models, open=opened, salt_of=lambda tenant_id: cache_salt(SECRET, tenant_id),
        blobs=open_blobs(ahead_settings), limits=Limits(1 << 30, timedelta(days=1)),
    )  # fmt: skip
    return Tenancy(me.tenant_id, lambda: database.transaction(me.tenant_id), utc_now, models_here=lambda: here)


@pytest.fixture
def household(me: Any, remember: Callable[..., str], own: Fingerprint) -> list[str]:
    announce(me, own)
    return [
        remember(me, "The house rule is known.", memory_type="core"),
        remember(me, "Runa repairs boats every Tuesday."),
        remember(me, "Ana lives in Lyon and keeps a cat.", user_id="ana"),
    ]


def begin(client: Any, ids: list[str], **body: Any) -> Any:
    wanted = {"model": "llama", "system": SYSTEM, "memory_ids": ids, "hot_from": 0, **body}
    answer = client.post("/v1/kv/precompute", json=wanted)
    assert answer.status_code == 202, answer.text
    assert answer.headers["Location"] == f"/v1/jobs/{answer.json()['job_id']}"
    return answer.json()


def job_of(client: Any, begun: Any) -> Any:
    return client.get(f"/v1/jobs/{begun['job_id']}").json()


def plan(client: Any, ids: list[str], **body: Any) -> Any:
    wanted = {"model": "llama", "system": SYSTEM, "memory_ids": ids, "hot_from": 0, **body}
    answer = client.post("/v1/kv/plan", json=wanted)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_the_model_goes_on_from_stored_blocks_as_from_its_own(
    me: Any, tenancy: Tenancy, household: list[str], model_folder: Path, own: Fingerprint
) -> None:
    begun = begin(me, household)
    assert job_of(me, begun)["status"] == "queued"
    assert consolidate.run_job(tenancy, UUID(begun["job_id"]))
    job = job_of(me, begun)
    assert job["status"] == "succeeded", job
    (item,) = job["items"]
    assert item["status"] == "stored"
    turns = [{"role": "user", "content": "What does she like?"}]
    made = plan(me, household, messages=turns)
    assert made["expected_hit_tokens"] == item["blocks"] * 8 > 40
    record = me.get(f"/v1/kv/memories/{item['kv_memory_id']}").json()
    assert (record["exactness"], record["codec"], record["blocks"]) == ("exact", "raw", item["blocks"])
    assert {one["memory_id"] for one in record["sources"]} == set(household)
    blob = me.get(f"/v1/kv/memories/{item['kv_memory_id']}/blob").content
    hashes = [one["hash"] for one in made["blocks"] if one["stored"]]
    cache = unpack_run(blob, layout_of(own.layout, block_size=8), engine=own.digest(), hashes=hashes)
    model = open_model(model_folder, "float32")
    ids = torch.tensor([made["token_ids"]])
    ahead = cache.tokens
    with torch.inference_mode():
        whole = model(input_ids=ids).logits[0, ahead:]
        loaded = model(input_ids=ids[:, ahead:], past_key_values=to_dynamic(cache)).logits[0]
    assert torch.equal(whole.argmax(dim=1), loaded.argmax(dim=1))
    assert float((whole.log_softmax(1) - loaded.log_softmax(1)).abs().max()) < 1e-4


def test_in_eight_bits_they_are_compressed_and_found_by_those_who_ask(
    me: Any, tenancy: Tenancy, household: list[str], model_folder: Path, own: Fingerprint
) -> None:
    begun = begin(me, household, codec=INT8)
    assert consolidate.run_job(tenancy, UUID(begun["job_id"]))
    job = job_of(me, begun)
    assert job["status"] == "succeeded", job
    (item,) = job["items"]
    record = me.get(f"/v1/kv/memories/{item['kv_memory_id']}").json()
    assert (record["codec"], record["exactness"]) == (INT8, "compressed")
    assert record["bytes"] < 0.4 * record["n_tokens"] * 512, "beside float32"
    # Nobody gets them who has not asked: neither a plan nor an engine's look-up.
    assert plan(me, household)["expected_hit_tokens"] == 0
    hashes = record["block_hashes"]
    look = {"engine": own.digest(), "block_hashes": hashes}
    assert me.post("/v1/kv/blocks/lookup", json=look).json()["stored"] == 0
    for half in ({"codecs": ["raw", INT8]}, {"exactness": ["exact", "compressed"]}):
        assert me.post("/v1/kv/blocks/lookup", json={**look, **half}).json()["stored"] == 0
        assert plan(me, household, **half)["expected_hit_tokens"] == 0
    opted = {"codecs": ["raw", INT8], "exactness": ["exact", "compressed"]}
    assert me.post("/v1/kv/blocks/lookup", json={**look, **opted}).json()["stored"] == len(hashes)
    turns = [{"role": "user", "content": "What does she like?"}]
    made = plan(me, household, messages=turns, **opted)
    assert made["expected_hit_tokens"] == len(hashes) * 8
    blob = me.get(f"/v1/kv/memories/{item['kv_memory_id']}/blob").content
    layout = layout_of(own.layout, block_size=8)
    cache = unpack_run(blob, layout, engine=own.digest(), hashes=hashes)
    model = open_model(model_folder, "float32")
    direct = compute(model, made["token_ids"][: cache.tokens])
    # The codec is all that is lost: how much that matters, random weights cannot tell.
    coded = int8.decode(int8.encode(direct))
    assert np.abs(cache.keys - coded.keys).max() < 1e-3 * np.abs(direct.keys).max()
    assert np.abs(cache.values - coded.values).max() < 1e-3 * np.abs(direct.values).max()
    assert 0 < np.abs(cache.keys - direct.keys).max() < 0.02 * np.abs(direct.keys).max()
    with torch.inference_mode():
        ids = torch.tensor([made["token_ids"]])
        loaded, said = (
            model(input_ids=ids[:, cache.tokens :], past_key_values=to_dynamic(one)).logits[0] for one in (cache, coded)
        )
    assert torch.equal(loaded.argmax(dim=1), said.argmax(dim=1))
    # Exact blocks stand beside them, and who does not ask gets those.
    exact = begin(me, household)
    assert consolidate.run_job(tenancy, UUID(exact["job_id"]))
    assert [one["status"] for one in job_of(me, exact)["items"]] == ["stored"]
    assert plan(me, household)["expected_hit_tokens"] == len(hashes) * 8
    again = begin(me, household, codec=INT8)
    assert consolidate.run_job(tenancy, UUID(again["job_id"]))
    assert [one["status"] for one in job_of(me, again)["items"]] == ["present"]
    # A memory that changes takes both.
    assert me.patch(f"/v1/memories/{household[0]}", json={"content": "Otherwise."}).status_code == 200
    assert me.post("/v1/kv/blocks/lookup", json={**look, **opted}).json()["stored"] == 0


def test_a_codec_that_does_not_exist(me: Any, household: list[str]) -> None:
    answer = me.post("/v1/kv/precompute", json={"model": "llama", "memory_ids": household, "codec": "int2"})
    assert answer.status_code == 422


def test_a_memory_computed_alone_is_moved_behind_another_beginning(
    me: Any, tenancy: Tenancy, household: list[str], model_folder: Path, own: Fingerprint
) -> None:
    """Stored under one plan, reused at another place: turned there, called shifted, kept as such, and found by who opts in."""
    layout = layout_of(own.layout, block_size=8)

    def stored(ids: list[str], **body: Any) -> tuple[Any, KeyValues]:
        begun = begin(me, ids, **body)
        assert consolidate.run_job(tenancy, UUID(begun["job_id"]))
        (item,) = job_of(me, begun)["items"]
        record = me.get(f"/v1/kv/memories/{item['kv_memory_id']}").json()
        data = me.get(f"/v1/kv/memories/{item['kv_memory_id']}/blob").content
        return record, unpack_run(data, layout, engine=own.digest(), hashes=record["block_hashes"])

    _, alone = stored([household[2]], system="")
    front, before = stored([household[0]])
    rope = rope_of(json.loads((model_folder / "config.json").read_text()))
    made = reuse([Piece(before), Piece(alone)], rope)
    assert made.exactness is Exactness.SHIFTED
    assert made.cache.positions.tolist() == list(range(before.tokens + alone.tokens))
    model = open_model(model_folder, "float32")
    asked = (
        plan(me, [household[0]])["token_ids"][: before.tokens]
        + plan(me, [household[2]], system="")["token_ids"][: alone.tokens]
    )
    direct = compute(model, asked)
    assert np.abs(made.cache.keys[0] - direct.keys[0]).max() < 1e-4, "the first layer sees token and place alone"
    with torch.inference_mode():
        assert model(input_ids=torch.tensor([[9]]), past_key_values=to_dynamic(made.cache)).logits.isfinite().all()
    # As a file it says so, and nobody finds it who has not asked for it.
    whole = plan(me, household)
    hashes = tuple(one["hash"] for one in whole["blocks"][: front["blocks"] + 1])
    tokens = KeyValues(made.cache.keys, made.cache.values, made.cache.positions)
    run = BlockRun(own.digest(), front["blocks"], hashes[front["blocks"] :], "0" * 64)
    data = pack_run(run, layout, tokens, exactness=Exactness.SHIFTED)
    saved = me.post(
        "/v1/kv/memories",
        params={
            "plan_id": whole["plan_id"], "engine": own.digest(), "first_block": front["blocks"], "count": 1,
            "checksum": sha256(data).hexdigest(), "exactness": "shifted",
        },
        content=data,
        headers={"Content-Type": "application/octet-stream"},
    )  # fmt: skip
    assert (saved.status_code, saved.json()["exactness"]) == (201, "shifted")
    look = {"engine": own.digest(), "block_hashes": list(run.hashes)}
    assert me.post("/v1/kv/blocks/lookup", json=look).json()["stored"] == 0
    opted = {**look, "exactness": ["exact", "shifted"]}
    assert me.post("/v1/kv/blocks/lookup", json=opted).json()["stored"] == 1


@pytest.mark.parametrize("harmed", ["cut off", "deleted"])
def test_what_is_damaged_is_computed_again(
    me: Any, tenancy: Tenancy, household: list[str], ahead_settings: Settings, harmed: str
) -> None:
    begun = begin(me, household)
    assert consolidate.run_job(tenancy, UUID(begun["job_id"]))
    (item,) = job_of(me, begun)["items"]
    path = ahead_settings.kv_folder / blob_name(me.tenant_id, UUID(item["kv_memory_id"]))
    if harmed == "deleted":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:-1])
    again = begin(me, household)
    assert consolidate.run_job(tenancy, UUID(again["job_id"]))
    (new,) = job_of(me, again)["items"]
    assert (new["status"], new["blocks"]) == ("stored", item["blocks"])
    assert me.get(f"/v1/kv/memories/{new['kv_memory_id']}/blob").status_code == 200


def test_a_memory_that_was_tagged_meanwhile_does_not_end_the_job(
    me: Any, tenancy: Tenancy, household: list[str]
) -> None:
    begun = begin(me, household)
    assert me.patch(f"/v1/memories/{household[2]}", json={"tags": ["family"]}).status_code == 200
    assert consolidate.run_job(tenancy, UUID(begun["job_id"]))
    assert job_of(me, begun)["status"] == "succeeded"
    assert plan(me, household)["expected_hit_tokens"] > 0


def test_what_is_stored_is_not_computed_again(
    me: Any, tenancy: Tenancy, household: list[str], remember: Callable[..., str]
) -> None:
    for status in ("stored", "present"):
        begun = begin(me, household)
        assert consolidate.run_job(tenancy, UUID(begun["job_id"]))
        assert [one["status"] for one in job_of(me, begun)["items"]] == [status]
    longer = begin(me, [*household, remember(me, "Runa keeps the blue book of the house.", user_id="runa")])
    assert consolidate.run_job(tenancy, UUID(longer["job_id"]))
    assert [one["status"] for one in job_of(me, longer)["items"]] == ["present", "stored"], "only what is behind"


def test_a_memory_that_changed_meanwhile_ends_the_job(me: Any, tenancy: Tenancy, household: list[str]) -> None:
    begun = begin(me, household)
    assert me.patch(f"/v1/memories/{household[2]}", json={"content": "Ana lives in Porto."}).status_code == 200
    assert consolidate.run_job(tenancy, UUID(begun["job_id"]))
    job = job_of(me, begun)
    assert job["status"] == "failed"
    assert "has changed since" in job["error"]
    assert plan(me, household)["expected_hit_tokens"] == 0


def test_a_change_afterwards_makes_blocks_unloadable(me: Any, tenancy: Tenancy, household: list[str]) -> None:
    begun = begin(me, household)
    assert consolidate.run_job(tenancy, UUID(begun["job_id"]))
    (item,) = job_of(me, begun)["items"]
    assert me.delete(f"/v1/memories/{household[0]}").status_code == 204
    assert me.get(f"/v1/kv/memories/{item['kv_memory_id']}/blob").status_code == 410
    assert plan(me, household[1:])["expected_hit_tokens"] == 0


def test_blocks_are_those_of_the_model_that_the_engine_runs(
    me: Any, tenancy: Tenancy, household: list[str], own: Fingerprint
) -> None:
    announce(me, replace(own, weights="9" * 64))
    begun = begin(me, household)
    assert consolidate.run_job(tenancy, UUID(begun["job_id"]))
    job = job_of(me, begun)
    assert (job["status"], job["error"]) == ("failed", "The blocks cannot be computed: other weights.")
    for changed in ({"layout": "vllm-cpu-amx/odd"}, {"lora": "9" * 64}):
        announce(me, replace(own, **changed))
        answer = me.post("/v1/kv/precompute", json={"model": "llama", "memory_ids": household})
        assert (answer.status_code, answer.json()["code"]) == (409, "engine_not_packed")


def test_another_engine_gets_the_same_numbers_in_its_layout(
    me: Any, tenancy: Tenancy, household: list[str], own: Fingerprint, model_folder: Path
) -> None:
    layout = own.layout.replace("transformers-plain", "vllm-cpu-vec").replace("float32", "bfloat16")
    engine = replace(own, engine="vllm", layout=layout, dtype="float32", kv_dtype="bfloat16")
    announce(me, engine)
    begun = begin(me, household)
    assert consolidate.run_job(tenancy, UUID(begun["job_id"]))
    (item,) = job_of(me, begun)["items"]
    made = plan(me, household)
    hashes = [one["hash"] for one in made["blocks"] if one["stored"]]
    blob = me.get(f"/v1/kv/memories/{item['kv_memory_id']}/blob").content
    cache = unpack_run(blob, layout_of(layout, block_size=8), engine=engine.digest(), hashes=hashes)
    direct = compute(open_model(model_folder, "float32"), made["token_ids"][: cache.tokens])
    assert np.allclose(cache.keys, direct.keys, rtol=2**-7)
    assert np.allclose(cache.values, direct.values, rtol=2**-7, atol=1e-6)


def test_pieces_are_computed_as_the_whole_is(model_folder: Path) -> None:
    model = open_model(model_folder, "float32")
    ids = np.random.default_rng(0).integers(4, 400, 1200).tolist()
    in_pieces = compute(model, ids)
    with torch.inference_mode():
        whole = model(input_ids=torch.tensor([ids]), use_cache=True).past_key_values
    assert np.allclose(in_pieces.keys[1], whole.layers[1].keys[0].numpy(), atol=1e-4)


def test_the_words_of_a_job_go_when_it_has_succeeded(
    me: Any, tenancy: Tenancy, household: list[str], database: Database
) -> None:
    from memory_service.storage import jobs

    begun = begin(me, household)
    with database.transaction(me.tenant_id) as session:
        payload = jobs.get_payload(session, me.tenant_id, UUID(begun["job_id"]))
    assert payload is not None
    assert "Lyon" not in str(payload)
    assert consolidate.run_job(tenancy, UUID(begun["job_id"]))
    with database.transaction(me.tenant_id) as session:
        assert jobs.get_payload(session, me.tenant_id, UUID(begun["job_id"])) == {}


@pytest.mark.parametrize("how", ["failed", "cancelled", "given up"])
def test_the_words_of_a_job_go_however_it_ends(
    me: Any, tenancy: Tenancy, household: list[str], database: Database, how: str
) -> None:
    from memory_service.storage import jobs

    begun = begin(me, household)
    job_id = UUID(begun["job_id"])

    def payload() -> Any:
        with database.transaction(me.tenant_id) as session:
            return jobs.get_payload(session, me.tenant_id, job_id)

    assert SYSTEM in str(payload())
    if how == "failed":
        assert me.patch(f"/v1/memories/{household[2]}", json={"content": "Ana lives in Porto."}).status_code == 200
        assert consolidate.run_job(tenancy, job_id)
    elif how == "cancelled":
        assert me.post(f"/v1/jobs/{job_id}/cancel").status_code == 200
    else:
        down = replace(tenancy, models_here=_down)
        for attempt in range(1, consolidate.MAX_ATTEMPTS + 1):
            assert payload() != {}, "it is tried again"
            later = replace(down, clock=partial(_hence, timedelta(hours=attempt)))
            with pytest.raises(Unavailable):
                consolidate.run_job(later, job_id)
    assert job_of(me, begun)["status"] == ("cancelled" if how == "cancelled" else "failed")
    assert payload() == {}
    assert me.post(f"/v1/jobs/{job_id}/retry").status_code == 200
    assert consolidate.run_job(tenancy, job_id)
    assert "ask again" in job_of(me, begun)["error"]


def _hence(wait: timedelta) -> datetime:
    return utc_now() + wait


def _down() -> ModelsHere:
    raise Unavailable("The disk with the models is away.")


def test_what_no_engine_asks_for_is_computed_anew(
    me: Any, tenancy: Tenancy, household: list[str], maintenance: Engine
) -> None:
    for _ in range(2):
        begun = begin(me, household)
        assert consolidate.run_job(tenancy, UUID(begun["job_id"]))
        assert [one["status"] for one in job_of(me, begun)["items"]] == ["stored"]
        with maintenance.begin() as connection:
            connection.execute(
                text("UPDATE kv_memory SET exactness = 'shifted' WHERE tenant_id = :tenant"), {"tenant": me.tenant_id}
            )


def test_the_same_key_begins_one_job(me: Any, household: list[str]) -> None:
    body = {"model": "llama", "memory_ids": household, "hot_from": 0}
    first, again = (me.post("/v1/kv/precompute", json=body, headers={"Idempotency-Key": "once"}) for _ in range(2))
    assert first.json() == again.json()
    assert again.headers["Idempotent-Replayed"] == "true"


def test_a_stranger_cannot_have_them_computed(stranger: Any, household: list[str], own: Fingerprint) -> None:
    announce(stranger, own)
    answer = stranger.post("/v1/kv/precompute", json={"model": "llama", "memory_ids": household})
    assert answer.status_code == 404
