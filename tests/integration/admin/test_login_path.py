"""The link that `run` prints: made with the key in the data folder, by a real server, and good for one login."""

import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from fastapi import FastAPI
from starlette.testclient import TestClient

from memory_service.embedded.login import login_path


@pytest.fixture
def port(app: FastAPI, client: TestClient) -> Iterator[int]:
    """Return the port on which the running application listens as well."""
    assert client.get("/healthz").status_code == 200
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="off"))
    listening = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield listening.getsockname()[1]
    server.should_exit = True
    thread.join()
    listening.close()


def test_the_key_in_the_folder_makes_a_link(client: TestClient, port: int, me: Any, tmp_path: Path) -> None:
    (tmp_path / "api-key").write_text(me.key + "\n")
    path = login_path("127.0.0.1", port, tmp_path / "api-key")
    assert path is not None
    assert path.startswith("/admin/#login=msl_")
    token = path.partition("=")[2]
    assert client.post("/admin/session", json={"token": token}).status_code == 201
    assert client.post("/admin/session", json={"token": token}).status_code == 401
    client.cookies.clear()


@pytest.mark.parametrize("content", ["ms_revoked", "", "two words", "schlüssel", "a\nb: c"])
def test_without_a_good_key_there_is_none(port: int, tmp_path: Path, content: str) -> None:
    (tmp_path / "api-key").write_text(content)
    assert login_path("127.0.0.1", port, tmp_path / "api-key") is None


def test_without_a_file_or_a_service_there_is_none(tmp_path: Path) -> None:
    assert login_path("127.0.0.1", 9, tmp_path / "api-key") is None
    (tmp_path / "api-key").write_text("ms_x")
    assert login_path("127.0.0.1", 9, tmp_path / "api-key", timeout_s=1) is None
