"""The application with a tiny model configured, and an engine that runs it."""

import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from starlette.testclient import TestClient

from memory_service.activation.fingerprint import Fingerprint, Parallelism
from memory_service.activation.model_folder import text_digests
from memory_service.api.app import create_app
from memory_service.settings import Settings

sys.path.insert(0, str(Path(__file__).parent))

from tiny_chat import TEMPLATE, make_tokenizer

SECRET = b"a secret of tests"


@pytest.fixture(scope="session")
def chat_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model") / "tiny"
    make_tokenizer(folder)
    return folder


@pytest.fixture(scope="session")
def plain_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model") / "plain"
    make_tokenizer(folder, template=None)
    return folder


@pytest.fixture(scope="session")
def thinking_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a model whose template leaves out what an assistant thought, as those of reasoning models do."""
    folder = tmp_path_factory.mktemp("model") / "thinking"
    make_tokenizer(folder, template=TEMPLATE.replace("message.content", "(message.content.split('</think>') | last)"))
    return folder


@pytest.fixture(scope="session")
def kv_settings(settings: Settings, chat_folder: Path, plain_folder: Path, thinking_folder: Path) -> Settings:
    places = f"tiny={chat_folder},plain={plain_folder},thinking={thinking_folder},gone={chat_folder}-gone"
    return settings.model_copy(
        update={"kv_models": places, "upstream_salt_secret": SecretStr(SECRET.decode()), "upstream_kind": "vllm"}
    )


@pytest.fixture(scope="session")
def kv_client(kv_settings: Settings) -> Iterator[TestClient]:
    app = create_app(kv_settings)
    with TestClient(app, base_url="http://127.0.0.1:8000", raise_server_exceptions=False) as running:
        yield running


@pytest.fixture
def me(kv_client: TestClient, make_tenant: Any, tenant_client: Any) -> Any:
    return tenant_client(kv_client, *make_tenant())


@pytest.fixture
def stranger(kv_client: TestClient, make_tenant: Any, tenant_client: Any) -> Any:
    return tenant_client(kv_client, *make_tenant())


@pytest.fixture(scope="session")
def fingerprint(chat_folder: Path) -> Fingerprint:
    """Return an engine of the tiny model with blocks of eight tokens."""
    digests = text_digests(chat_folder)
    return Fingerprint(
        weights="0" * 64, config="1" * 64, tokenizer=digests.tokenizer, chat_template=digests.chat_template,
        dtype="float32", kv_dtype="float32", block_size=8, parallelism=Parallelism(), isa="x86_64", layout="test",
        engine="test", engine_version="1",
    )  # fmt: skip


def announced(client: Any, fingerprint: Fingerprint, *, model: str = "tiny", **fields: Any) -> Any:
    body = {**asdict(fingerprint), "model": model, "bytes_per_token": 1024, **fields}
    return client.put(f"/v1/kv/engines/{fingerprint.digest()}", json=body)


@pytest.fixture
def announce(fingerprint: Fingerprint) -> Callable[..., Any]:
    """Return a function that announces the engine, with other fields where they are given."""

    def call(client: Any, *, model: str = "tiny", bytes_per_token: int = 1024, **changed: Any) -> Any:
        return announced(
            client, replace(fingerprint, **changed) if changed else fingerprint, model=model,
            bytes_per_token=bytes_per_token,
        )  # fmt: skip

    return call


@pytest.fixture
def remember() -> Callable[..., str]:
    def call(client: Any, content: str, **fields: Any) -> str:
        answer = client.post("/v1/memories", json={"content": content, "extract": "none", **fields})
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    return call
