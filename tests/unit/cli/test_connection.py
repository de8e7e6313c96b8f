from pathlib import Path

import pytest

from memory_service.cli.connection import find_connection
from memory_service.cli.failures import CommandFailure, KeyRefused


def test_environment_wins_over_the_key_file(tmp_path: Path) -> None:
    (tmp_path / "api-key").write_text("from-file\n")
    environ = {"MEMORY_SERVICE_DATA_DIR": str(tmp_path), "MEMORY_SERVICE_API_KEY": " from-env "}
    assert find_connection(environ=environ).key == "from-env"


def test_key_file_of_the_data_folder_is_found(tmp_path: Path) -> None:
    (tmp_path / "api-key").write_text("from-file\n")
    found = find_connection(environ={"MEMORY_SERVICE_DATA_DIR": str(tmp_path)})
    assert found.key == "from-file"
    assert found.key_origin == str(tmp_path / "api-key")


@pytest.mark.parametrize("url", ["https://memory.example", "http://10.0.0.7:8000", "http://[bad", "nonsense"])
def test_the_key_of_this_machines_service_goes_to_no_other(tmp_path: Path, url: str) -> None:
    (tmp_path / "api-key").write_text("from-file\n")
    environ = {"MEMORY_SERVICE_DATA_DIR": str(tmp_path)}
    with pytest.raises(KeyRefused, match="not this machine"):
        find_connection(url=url, environ=environ).require_key()
    assert find_connection(url=url, environ={**environ, "MEMORY_SERVICE_API_KEY": "named"}).key == "named"
    assert find_connection(url=url, key_file=tmp_path / "api-key", environ=environ).key == "from-file"
    assert find_connection(url="http://[::1]:8000", environ=environ).key == "from-file"


def test_a_named_key_file_wins_over_the_environment(tmp_path: Path) -> None:
    (tmp_path / "other").write_text("named")
    found = find_connection(key_file=tmp_path / "other", environ={"MEMORY_SERVICE_API_KEY": "from-env"})
    assert found.key == "named"


@pytest.mark.parametrize(
    ("environ", "url"),
    [
        ({}, "http://127.0.0.1:8000"),
        ({"MEMORY_SERVICE_PORT": "9001"}, "http://127.0.0.1:9001"),
        ({"MEMORY_SERVICE_URL": "https://memory.example/", "MEMORY_SERVICE_PORT": "9001"}, "https://memory.example"),
    ],
)
def test_address(environ: dict[str, str], url: str) -> None:
    assert find_connection(environ=environ).url == url


@pytest.mark.parametrize("content", [None, ""])
def test_a_missing_key_says_where_it_was_looked_for(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "api-key").write_text(content)
    connection = find_connection(environ={"MEMORY_SERVICE_DATA_DIR": str(tmp_path)})
    with pytest.raises(KeyRefused, match="api-key") as refused:
        connection.require_key()
    assert "make run" in refused.value.hint


@pytest.mark.parametrize("content", [b"\xff\xfe\x00key", "schlüssel".encode(), b"two\nlines", b"nul\0"])
def test_a_file_that_holds_no_key_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "api-key").write_bytes(content)
    connection = find_connection(key_file=tmp_path / "api-key", environ={})
    with pytest.raises(KeyRefused, match="holds no key"):
        connection.require_key()


def test_a_variable_that_holds_no_key_is_refused() -> None:
    connection = find_connection(environ={"MEMORY_SERVICE_API_KEY": "schlüssel"})
    with pytest.raises(KeyRefused, match="MEMORY_SERVICE_API_KEY holds is no key"):
        connection.require_key()


@pytest.mark.parametrize("empty", ["", " ", "\n"])
def test_an_empty_variable_does_not_stand_for_the_key_of_this_machine(tmp_path: Path, empty: str) -> None:
    (tmp_path / "api-key").write_text("from-file\n")
    environ = {"MEMORY_SERVICE_DATA_DIR": str(tmp_path), "MEMORY_SERVICE_API_KEY": empty}
    with pytest.raises(KeyRefused, match="MEMORY_SERVICE_API_KEY is set and empty"):
        find_connection(environ=environ).require_key()
    assert find_connection(key_file=tmp_path / "api-key", environ=environ).key == "from-file"


@pytest.mark.parametrize("port", ["abc", "0", "70000", "８０"])
def test_a_port_that_is_none_is_refused(port: str) -> None:
    with pytest.raises(CommandFailure, match="MEMORY_SERVICE_PORT"):
        find_connection(environ={"MEMORY_SERVICE_PORT": port})


def test_the_key_is_not_in_the_representation(tmp_path: Path) -> None:
    (tmp_path / "api-key").write_text("secret-value")
    assert "secret-value" not in repr(find_connection(environ={"MEMORY_SERVICE_DATA_DIR": str(tmp_path)}))
