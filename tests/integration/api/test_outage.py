"""The database goes away under the running service, and comes back."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from memory_service.api.app import create_app
from memory_service.embedded.postgres import EmbeddedPostgres
from memory_service.settings import Settings
from memory_service.storage.bootstrap import bootstrap
from memory_service.storage.keys import ensure_first_key
from memory_service.storage.migrate import migrate


@pytest.fixture
def postgres(tmp_path: Path, data_dir: Path) -> Iterator[EmbeddedPostgres]:
    folder = tmp_path / "var"
    folder.mkdir(mode=0o700)
    (folder / "models").symlink_to((data_dir / "models").resolve())
    with EmbeddedPostgres(folder) as running:
        yield running


def test_an_outage_is_a_503_and_passes_by_itself(postgres: EmbeddedPostgres, tmp_path: Path) -> None:
    folder = tmp_path / "var"
    roles = bootstrap(postgres.url, data_dir=folder)
    migrate(roles.owner)
    key = ensure_first_key(roles.maintenance, folder).read_text().strip()
    settings = Settings(
        data_dir=folder,
        maintenance_database_url=roles.maintenance,
        service_database_url=roles.service,
        log_level="error",
        **{"DATABASE_URL": "", "BROKER_URL": ""},
    )
    headers = {"X-API-Key": key}
    app = create_app(settings)
    with TestClient(app, base_url="http://127.0.0.1", raise_server_exceptions=False) as client:
        assert client.get("/v1/jobs", headers=headers).status_code == 200
        assert client.post("/v1/memories", headers=headers, json={"content": "Ada keeps bees."}).status_code == 201
        for _ in range(2):  # the second knows its namespace already
            assert client.post("/v1/search", headers=headers, json={"query": "bees"}).json()["results"]

        postgres.child.stop()
        answer = client.post("/v1/search", headers=headers, json={"query": "bees"})
        assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
        for remembered in (True, False):
            if not remembered:
                app.state.services.authenticator.forget()
            answer = client.get("/v1/jobs", headers=headers)
            assert answer.status_code == 503, answer.text
            assert answer.json()["code"] == "unavailable"
            assert answer.json()["retryable"] is True
            assert answer.headers["retry-after"] == "2"
        ready = client.get("/readyz")
        assert ready.status_code == 503
        assert not ready.json()["parts"]["database"]["ok"]
        assert client.get("/healthz").status_code == 200
        assert client.get("/v1/jobs", headers={"X-API-Key": "unknown"}).status_code == 503

        postgres.launch()
        deadline = time.monotonic() + 30
        while client.get("/readyz").status_code != 200 and time.monotonic() < deadline:
            time.sleep(0.05)
        assert client.get("/v1/jobs", headers=headers).status_code == 200
        assert client.get("/v1/jobs", headers={"X-API-Key": "unknown"}).status_code == 401
