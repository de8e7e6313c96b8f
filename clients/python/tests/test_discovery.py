import logging
from collections.abc import Callable
from pathlib import Path

import pytest

from memory_client import AsyncMemoryClient, MemoryClient, NotConfigured
from memory_client.discovery import find_endpoint

KEY = "ms_secret-0123456789"


def put(folder: Path, key: str = KEY) -> Path:
    folder.mkdir(parents=True)
    (folder / "api-key").write_text(key + "\n")
    return folder


def test_arguments_come_first(tmp_path: Path) -> None:
    environ = {"MEMORY_SERVICE_URL": "http://other:1", "MEMORY_SERVICE_API_KEY": "other"}
    found = find_endpoint("https://memory.example/base/", KEY, environ=environ, start=tmp_path)
    assert (found.url, found.api_key, found.is_local) == ("https://memory.example/base", KEY, False)


def test_then_the_environment(tmp_path: Path) -> None:
    environ = {"MEMORY_SERVICE_URL": "http://other:1", "MEMORY_SERVICE_API_KEY": KEY}
    found = find_endpoint(environ=environ, start=tmp_path)
    assert (found.url, found.api_key) == ("http://other:1", KEY)


def test_then_the_data_of_the_service_of_this_machine(tmp_path: Path) -> None:
    data_dir = put(tmp_path / "data")
    environ = {"MEMORY_SERVICE_DATA_DIR": str(data_dir), "MEMORY_SERVICE_PORT": "8123"}
    found = find_endpoint(environ=environ, start=tmp_path)
    assert (found.url, found.api_key, found.is_local) == ("http://127.0.0.1:8123", KEY, True)


def test_then_the_folders_above(tmp_path: Path) -> None:
    put(tmp_path / "var", "of the checkout".replace(" ", "-"))
    deep = tmp_path / "a" / "b"
    deep.mkdir(parents=True)
    found = find_endpoint(environ={}, start=deep)
    if not (Path(__file__).parents[3] / "var" / "api-key").exists():
        assert found.api_key == "of-the-checkout"
    assert found.url == "http://127.0.0.1:8000"


def test_what_is_said_is_not_guessed_around(tmp_path: Path) -> None:
    put(tmp_path / "var")
    with pytest.raises(NotConfigured, match="nowhere"):
        find_endpoint(environ={"MEMORY_SERVICE_DATA_DIR": str(tmp_path / "nowhere")}, start=tmp_path)


def test_a_key_of_this_machine_stays_here(tmp_path: Path) -> None:
    data_dir = put(tmp_path / "data")
    with pytest.raises(NotConfigured, match=r"no key for https://memory\.example"):
        find_endpoint("https://memory.example", environ={"MEMORY_SERVICE_DATA_DIR": str(data_dir)}, start=tmp_path)


@pytest.mark.parametrize(
    "url",
    [
        "memory.example",
        "ftp://memory.example",
        "http://",
        "http://a:b@c",
        "http://a:99999",
        "http://a?b",
        "http://[::1",
    ],
)
def test_broken_urls_are_refused(url: str) -> None:
    with pytest.raises(NotConfigured):
        find_endpoint(url, KEY)


@pytest.mark.parametrize("key", ["two words", "ü", "a\nb", " ", "\ud800"])
def test_broken_keys_are_refused_and_not_shown(key: str) -> None:
    with pytest.raises(NotConfigured) as caught:
        find_endpoint("http://127.0.0.1", key)
    assert not key.strip() or key not in str(caught.value)


@pytest.mark.parametrize("key", ["", "  ", "\n"])
def test_an_empty_key_is_not_looked_for_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, connect: Callable[..., object], key: str
) -> None:
    monkeypatch.setenv("MEMORY_SERVICE_DATA_DIR", str(put(tmp_path / "data")))
    with pytest.raises(NotConfigured, match="api_key that is given is empty"):
        connect("http://127.0.0.1:8000", key)
    monkeypatch.setenv("MEMORY_SERVICE_API_KEY", KEY)
    with pytest.raises(NotConfigured, match="api_key that is given is empty"):
        connect("http://127.0.0.1:8000", key)
    assert find_endpoint("http://127.0.0.1:8000", None).api_key == KEY


@pytest.mark.parametrize("key", ["", "  ", "\n"])
def test_an_empty_variable_is_not_looked_past(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, connect: Callable[..., object], key: str
) -> None:
    monkeypatch.setenv("MEMORY_SERVICE_DATA_DIR", str(put(tmp_path / "data")))
    monkeypatch.setenv("MEMORY_SERVICE_API_KEY", key)
    with pytest.raises(NotConfigured, match="MEMORY_SERVICE_API_KEY is set and empty"):
        connect("http://127.0.0.1:8000")
    assert find_endpoint("http://127.0.0.1:8000", KEY).api_key == KEY, "an argument comes first"
    monkeypatch.delenv("MEMORY_SERVICE_API_KEY")
    assert find_endpoint("http://127.0.0.1:8000").api_key == KEY


@pytest.mark.parametrize("port", ["0", "65536", "http", "-1", "²"])
def test_broken_ports_are_refused(port: str) -> None:
    with pytest.raises(NotConfigured, match="MEMORY_SERVICE_PORT"):
        find_endpoint(api_key=KEY, environ={"MEMORY_SERVICE_PORT": port})


def test_an_unreadable_key_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "api-key").mkdir()
    with pytest.raises(NotConfigured, match="cannot be read"):
        find_endpoint(environ={"MEMORY_SERVICE_DATA_DIR": str(tmp_path)})


def test_no_representation_shows_the_key(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    client = MemoryClient("http://127.0.0.1:9", KEY, timeout=0.1)
    with client, pytest.raises(Exception) as caught:  # noqa: PT011
        client.get("00000000-0000-7000-8000-000000000000")
    shown = [repr(client), repr(client.jobs), repr(client._executor.endpoint), repr(caught.value), caplog.text]
    assert KEY not in "".join(shown)
    assert KEY not in repr(AsyncMemoryClient("http://127.0.0.1:9", KEY))


def test_no_arguments_are_needed(service: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MEMORY_SERVICE_API_KEY", raising=False)
    monkeypatch.setenv("MEMORY_SERVICE_URL", service.url)  # type: ignore[attr-defined]
    monkeypatch.setenv("MEMORY_SERVICE_DATA_DIR", str(service.data_dir))  # type: ignore[attr-defined]
    with MemoryClient() as client:
        assert client.health.ready().status == "ready"
        assert client.list(limit=1).page() is not None
