"""Every CrewAI snippet of the docs runs as a reader would run it, but for the model: a server on this machine stands in."""

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from crewai.memory.storage.lancedb_storage import LanceDBStorage
from crewai.memory.types import MemoryRecord
from memory_client import MemoryClient

CHECKOUT = Path(__file__).resolve().parents[3]


class Model(ThreadingHTTPServer):
    """Answers `POST /v1/chat/completions` as OpenAI does; `prompts` is what it was asked."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answering)
        self.prompts: list[str] = []


class Answering(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        asked = self.rfile.read(int(self.headers["Content-Length"])).decode()
        assert isinstance(self.server, Model)
        self.server.prompts.append(asked)
        wants_json = "response_format" in json.loads(asked)
        text = '{"memories": []}' if wants_json else "Thought: I know.\nFinal Answer: The answer of the model."
        answer = {
            "id": "1", "object": "chat.completion", "created": 1, "model": "m",
            "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}],
            "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
        }  # fmt: skip
        body = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@pytest.fixture
def model() -> Iterator[Model]:
    with Model() as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def read_aloud(service: Any, tmp_path: Path, model: Model) -> Callable[[str, str], str]:
    """Return a function that runs a snippet and returns what it printed."""

    def run(snippet: str, key: str) -> str:
        told = {
            "MEMORY_SERVICE_URL": service.url, "MEMORY_SERVICE_API_KEY": key, "XDG_DATA_HOME": str(tmp_path / "data"),
            "CREWAI_STORAGE_DIR": str(tmp_path / "own"), "OPENAI_API_KEY": "none", "OPENAI_BASE_URL": f"http://127.0.0.1:{model.server_port}/v1",
            "https_proxy": "http://127.0.0.1:9",  # Whoever wants to leave the machine finds a closed door.
        }  # fmt: skip
        done = subprocess.run(
            [sys.executable, "-c", snippet],
            env=os.environ | told, capture_output=True, text=True, timeout=240, check=False, cwd=tmp_path,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def snippets(page: str) -> list[str]:
    found = re.findall(r"^```python crewai\n(.*?)^```$", (CHECKOUT / page).read_text(encoding="utf-8"), re.M | re.S)
    assert found
    return found


def test_the_first_snippet_of_the_readme_recalls(read_aloud: Any, make_tenant: Any, model: Model) -> None:
    said = read_aloud(snippets("clients/crewai/README.md")[0], make_tenant())
    assert "/team/ana My sister Rosa lives in Porto." in said
    assert model.prompts == []  # It asks no model, as the page says.


def test_records_are_brought_along(read_aloud: Any, make_tenant: Any, tmp_path: Path, service: Any) -> None:
    record = MemoryRecord(content="Rosa has a dog.", scope="/team/ana", categories=["kin"], embedding=[1.0] * 8)
    LanceDBStorage(path=str(tmp_path / "own" / "memory")).save([record])
    key = make_tenant()
    for _ in range(2):
        assert "1 records brought along" in read_aloud(snippets("clients/crewai/README.md")[1], key)
    with MemoryClient(service.url, key) as client:
        (memory,) = list(client.query())
        assert (memory.external_id, memory.namespace, memory.version) == (record.id, "crews/team/ana", 1)


def test_the_crew_of_the_quickstart_is_told_what_is_known(read_aloud: Any, make_tenant: Any, model: Model) -> None:
    (snippet,) = snippets("docs/quickstart/frameworks.md")
    assert "The answer of the model." in read_aloud(snippet, make_tenant())
    assert any("Where does Rosa live?" in asked and "Rosa lives in Porto." in asked for asked in model.prompts)
