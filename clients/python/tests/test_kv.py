"""Engines are announced and listed; what is missing for a plan is said by name."""

import hashlib
import json
from typing import Any

import pytest
from either_way import every, got

from memory_client import NotFound
from memory_client.models import Engine

pytestmark = pytest.mark.anyio

FIELDS: dict[str, Any] = {
    "weights": "0" * 64, "config": "1" * 64, "tokenizer": "2" * 64, "chat_template": None, "dtype": "bfloat16",
    "kv_dtype": "bfloat16", "block_size": 16, "parallelism": {"tensor": 1, "pipeline": 1, "context": 1}, "isa": "any",
    "layout": "a layout", "engine": "tests", "engine_version": "1", "lora": None,
}  # fmt: skip


def digest_of(fields: dict[str, Any]) -> str:
    said = json.dumps(fields, sort_keys=True, separators=(",", ":")).encode()
    return hashlib.sha256(b"memory-service kv fingerprint 1\n" + said).hexdigest()


async def test_engines_are_announced_and_listed(client: Any) -> None:
    digest = digest_of(FIELDS)
    engine = await got(client.kv.announce(digest, model="tests/tiny", bytes_per_token=1024, **FIELDS))
    assert isinstance(engine, Engine)
    assert (engine.digest, engine.fingerprint) == (digest, FIELDS)
    assert [one.digest for one in await every(client.kv.engines(model="tests/tiny"))] == [digest]


async def test_a_model_that_is_not_configured_is_named(client: Any) -> None:
    for call in (client.kv.plan, client.kv.precompute):
        with pytest.raises(NotFound, match="tests/tiny") as refused:
            await got(call("tests/tiny", system="Be brief."))
        assert refused.value.code == "model_not_configured"
