"""The page and its files: headers, caching, compression, and paths that lead out of the folder."""

import gzip
import os
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.testclient import TestClient

from memory_service.api.middleware import AnswerHead
from memory_service.api.web_view import STATIC, takes_gzip, web_view_routes

SCRIPT = "export const answer = 42;\n" * 100


@pytest.fixture
def build(tmp_path: Path) -> Path:
    """Return the folder of a build, with a secret beside it."""
    folder = tmp_path / "static"
    (folder / "assets").mkdir(parents=True)
    (folder / "index.html").write_text("<!doctype html><title>Memories</title>" + " " * 2000)
    (folder / "assets" / "index-ab12.js").write_text(SCRIPT)
    (folder / "assets" / "packed-cd34.css").write_text("a { color: red }" * 200)
    (folder / "assets" / "packed-cd34.css.gz").write_bytes(gzip.compress(b"a { color: red }" * 200, 9))
    (folder / "assets" / "tiny.json").write_text("{}")
    (folder / "favicon.svg").write_text("<svg/>")
    (tmp_path / "secret.txt").write_text("secret")
    (folder / "assets" / "out.txt").symlink_to(tmp_path / "secret.txt")
    return folder


@pytest.fixture
def view(build: Path) -> TestClient:
    app = AnswerHead(Starlette(routes=web_view_routes(build)))
    return TestClient(app, base_url="http://127.0.0.1:8000", follow_redirects=False)


@pytest.mark.parametrize(
    "path", ["/admin/", "/admin/memories/0199", "/admin/graph?seed=1", "/admin/index.html", "/admin/a/b/c"]
)
def test_every_deep_link_answers_the_page(view: TestClient, path: str) -> None:
    answer = view.get(path)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["cache-control"] == "no-cache"
    assert "<title>Memories" in answer.text


@pytest.mark.parametrize("path", ["/admin/", "/admin/assets/index-ab12.js", "/admin/favicon.svg"])
def test_headers_are_strict(view: TestClient, path: str) -> None:
    headers = view.get(path).headers
    policy = dict(part.strip().partition(" ")[::2] for part in headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert {
        policy[name] for name in ("script-src", "style-src", "connect-src", "worker-src", "font-src", "manifest-src")
    } == {"'self'"}
    assert policy["img-src"] == "'self' data: blob:"
    assert policy["base-uri"] == policy["frame-ancestors"] == "'none'"
    assert policy["form-action"] == "'self'"
    assert policy["require-trusted-types-for"] == "'script'"
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cross-origin-opener-policy"] == "same-origin"
    assert "camera=()" in headers["permissions-policy"]


def test_a_path_without_its_slash_leads_to_the_page(view: TestClient) -> None:
    answer = view.get("/admin")
    assert answer.status_code == 308
    assert answer.headers["location"] == "/admin/"


def test_assets_are_kept_for_good_and_other_files_are_not(view: TestClient) -> None:
    script = view.get("/admin/assets/index-ab12.js")
    assert script.text == SCRIPT
    assert script.headers["content-type"].startswith("text/javascript")
    assert script.headers["cache-control"] == "public, max-age=31536000, immutable"
    icon = view.get("/admin/favicon.svg")
    assert icon.headers["content-type"] == "image/svg+xml"
    assert icon.headers["cache-control"] == "no-cache"


@pytest.mark.parametrize("name", ["index-ab12.js", "packed-cd34.css"])
def test_texts_travel_packed_where_that_is_understood(view: TestClient, build: Path, name: str) -> None:
    plain = view.get(f"/admin/assets/{name}", headers={"Accept-Encoding": "identity"})
    packed = view.get(f"/admin/assets/{name}", headers={"Accept-Encoding": "br, gzip"})
    assert "content-encoding" not in plain.headers
    assert packed.headers["content-encoding"] == "gzip"
    assert plain.text == packed.text == (build / "assets" / name).read_text()
    assert int(packed.headers["content-length"]) < int(plain.headers["content-length"]) / 2
    assert plain.headers["vary"] == packed.headers["vary"] == "Accept-Encoding"
    assert plain.headers["etag"] != packed.headers["etag"]


def test_what_is_short_is_not_packed(view: TestClient) -> None:
    answer = view.get("/admin/assets/tiny.json", headers={"Accept-Encoding": "gzip"})
    assert "content-encoding" not in answer.headers
    assert answer.json() == {}


@pytest.mark.parametrize(
    ("header", "expected"),
    [("gzip", True), ("GZIP", True), ("br;q=1, gzip;q=0.1", True), ("gzip;q=0", False), ("*", True), ("*;q=0", False),
     ("", False), ("identity", False), ("gzip;q=0, *", False), ("xgzip", False), (";;,,", False)],
)  # fmt: skip
def test_gzip_is_sent_to_those_who_take_it(header: str, expected: bool) -> None:
    assert takes_gzip(header) is expected


def test_what_a_browser_has_is_not_sent_again(view: TestClient) -> None:
    for path in ("/admin/", "/admin/assets/index-ab12.js"):
        tag = view.get(path).headers["etag"]
        for sent in (tag, f"W/{tag}", f'"other", {tag}', "*"):
            answer = view.get(path, headers={"If-None-Match": sent})
            assert (answer.status_code, answer.content) == (304, b"")
            assert answer.headers["etag"] == tag
        assert view.get(path, headers={"If-None-Match": '"other"'}).status_code == 200


def test_head_answers_without_a_body(view: TestClient) -> None:
    answer = view.head("/admin/")
    assert (answer.status_code, answer.content) == (200, b"")


def test_a_new_build_is_seen_without_a_new_start(view: TestClient, build: Path) -> None:
    assert view.get("/admin/assets/new-ef56.js").status_code == 404
    (build / "assets" / "new-ef56.js").write_text("1")
    (build / "index.html").write_text("<title>New</title>")
    os.utime(build / "index.html", ns=(time.time_ns(), time.time_ns() + 10**9))
    assert view.get("/admin/assets/new-ef56.js").text == "1"
    assert "New" in view.get("/admin/").text


def test_without_a_build_there_is_no_view(tmp_path: Path) -> None:
    view = TestClient(Starlette(routes=web_view_routes(tmp_path / "none")))
    assert view.get("/admin/").status_code == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_the_page_is_only_read(client: TestClient, method: str) -> None:
    answer = client.request(method, "/admin/graph")
    assert answer.status_code == 405
    assert answer.json()["code"] == "method_not_allowed"
    assert "GET" in answer.headers["allow"]


def test_the_calls_of_sessions_go_before_the_page(client: TestClient) -> None:
    assert client.get("/admin/session").json()["code"] == "unauthenticated"
    assert STATIC.is_relative_to(Path.cwd())


@pytest.fixture
def port(build: Path) -> Iterator[int]:
    """Return the port of a real server: a test client would tidy a path up before it is sent."""
    config = uvicorn.Config(FastAPI(routes=web_view_routes(build)), port=0, log_level="error", lifespan="off")
    server = uvicorn.Server(config)
    listening = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield listening.getsockname()[1]
    server.should_exit = True
    thread.join()
    listening.close()


def sent_raw(port: int, path: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(b"GET " + path + b" HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
        parts = []
        while part := connection.recv(65536):
            parts.append(part)
    return b"".join(parts)


def test_no_path_leads_out_of_the_folder(port: int) -> None:
    ups: list[Any] = [
        b"/admin/../secret.txt", b"/admin/assets/../../secret.txt", b"/admin/assets/%2e%2e/%2e%2e/secret.txt",
        b"/admin/assets/..%2f..%2fsecret.txt", b"/admin/assets/..%5c..%5csecret.txt", b"/admin/..%2fsecret.txt",
        b"/admin/assets/....//....//secret.txt", b"/admin/%252e%252e%252fsecret.txt", b"/admin//etc/passwd",
        b"/admin/assets//etc/passwd", b"/admin/assets/%00", b"/admin/assets/index-ab12.js%00.png",
        b"/admin/%c0%ae%c0%ae/secret.txt",
        b"/admin/assets/out.txt", b"/admin/assets", b"/admin/assets/", b"/admin/file:///etc/passwd",
        b"/admin/assets/C:%5csecret.txt",
        b"/admin/assets/" + b"a" * 5000, b"/admin/assets/packed-cd34.css.gz", b"/admin/%ff%fe", b"/admin/.",
    ]  # fmt: skip
    for path in ups:
        answer = sent_raw(port, path)
        head, _, body = answer.partition(b"\r\n\r\n")
        status = int(head.split(b" ")[1])
        assert status in {200, 404}, path
        assert b"secret" not in body.replace(b"secret.txt", b""), path
        assert b"root:" not in body, path
        # Either nothing, or the page itself.
        assert status == 404 or b"<title>Memories" in body, path
