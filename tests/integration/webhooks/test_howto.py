"""The receiver of the how-to page, run as a reader would run it, takes what is signed and nothing else."""

import os
import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

PAGE = Path(__file__).parents[3] / "docs" / "howto" / "webhooks.md"
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture
def page(tmp_path: Path) -> Iterator[tuple[str, Any]]:
    (snippet,) = re.findall(r"^```python receiver\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.M | re.S)
    program = tmp_path / "receiver.py"
    program.write_text(snippet, encoding="utf-8")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-W", "error", program],
        env={**os.environ, "WEBHOOK_SECRET": SECRET, "PORT": str(port)},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    deadline = time.monotonic() + 60
    while not listening(port):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.1)
    yield f"http://127.0.0.1:{port}/", process
    process.kill()
    process.communicate()


def test_it_takes_what_is_signed_once(me: Any, worker: Any, listen: Any, page: tuple[str, Any]) -> None:
    url, process = page
    hook = listen(url=url, secret=SECRET)
    memory = me.post("/v1/memories", json={"content": "Ana drinks tea."}).json()
    assert worker.deliver() == 1
    (delivery,) = me.get(f"/v1/webhooks/{hook['id']}/deliveries").json()["data"]
    assert (delivery["status"], delivery["tries"][0]["status"]) == ("delivered", 204)
    me.post(f"/v1/webhooks/{hook['id']}/deliveries/{delivery['id']}/retry")
    assert worker.deliver() == 1
    me.post(f"/v1/webhooks/{hook['id']}/rotate", json={"secret": "whsec_" + "A" * 32})
    me.post(f"/v1/webhooks/{hook['id']}/ping")
    assert worker.deliver() == 1
    process.kill()
    lines = process.communicate()[0].splitlines()
    assert [line.split(" ", 1)[0] for line in lines] == ["memory.created", "webhook.ping"]
    assert memory["id"] in lines[0]


def test_it_refuses_a_forger(page: tuple[str, Any]) -> None:
    url, _ = page
    headers = {"webhook-id": "1", "webhook-timestamp": str(int(time.time())), "webhook-signature": "v1,AAAA"}
    for given in (headers, {}, {**headers, "webhook-timestamp": "1"}):
        request = urllib.request.Request(url, data=b"{}", headers=given)
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(request, timeout=30)
        assert refused.value.code == 401
        refused.value.close()
