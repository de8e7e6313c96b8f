import pytest

from memory_mcp.cli import parser, read_settings
from memory_mcp.settings import HttpSettings, InvalidSettings, Settings, Transport


def settings(*arguments: str, **environment: str) -> Settings:
    return read_settings(parser().parse_args(arguments), environment)


def test_defaults() -> None:
    assert settings() == Settings()


def test_arguments_come_before_the_environment() -> None:
    told = settings(
        "--namespace",
        "a",
        MEMORY_MCP_NAMESPACE="b",
        MEMORY_MCP_USER_ID="ada",
        MEMORY_MCP_AGENT_ID="coder",
        MEMORY_SERVICE_URL="http://127.0.0.1:1",
        MEMORY_SERVICE_API_KEY="k",
    )
    assert (told.scope.namespace, told.scope.user_id, told.scope.agent_id) == ("a", "ada", "coder")
    assert (told.url, told.api_key) == ("http://127.0.0.1:1", "k")


def test_empty_variables_are_not_set() -> None:
    assert settings(MEMORY_SERVICE_URL="", MEMORY_MCP_NAMESPACE=" ", MEMORY_MCP_USER_ID="") == Settings()


@pytest.mark.parametrize("option", ["--namespace", "--user-id", "--agent-id", "--url"])
@pytest.mark.parametrize("value", ["", " "])
def test_an_empty_argument_does_not_take_the_fence_away(option: str, value: str) -> None:
    # Hosts fill arguments from forms and other variables.
    with pytest.raises(InvalidSettings, match=f"{option} is empty"):
        settings(option, value, MEMORY_MCP_NAMESPACE="a", MEMORY_MCP_USER_ID="b")


@pytest.mark.parametrize("key", ["", " ", "\n"])
@pytest.mark.parametrize("arguments", [[], ["--transport", "http", "--share-key"]])
def test_an_empty_key_does_not_stand_for_the_one_of_this_machine(key: str, arguments: list[str]) -> None:
    with pytest.raises(InvalidSettings, match="MEMORY_SERVICE_API_KEY is set and empty"):
        settings(*arguments, MEMORY_SERVICE_API_KEY=key)


def test_the_key_is_not_shown() -> None:
    assert "secret" not in repr(Settings(api_key="secret"))


def test_http() -> None:
    told = settings("--transport", "http", "--port", "0")
    assert told.transport is Transport.HTTP
    assert told.http.port == 0
    assert not told.http.share_key


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "memory.example.com"])
def test_beyond_this_machine_names_are_needed_and_no_key_is_shared(host: str) -> None:
    with pytest.raises(InvalidSettings, match="--allowed-host"):
        settings("--transport", "http", "--host", host)
    with pytest.raises(InvalidSettings, match="--share-key"):
        settings("--transport", "http", "--host", host, "--allowed-host", "m.example", "--share-key")
    assert settings("--transport", "http", "--host", host, "--allowed-host", "m.example").http.host_headers == [
        "m.example",
        "m.example:*",
    ]


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "::1", "[::1]", "localhost"])
def test_loopback(host: str) -> None:
    assert HttpSettings(host=host).loopback
    assert HttpSettings(host=host, share_key=True).checked().share_key


@pytest.mark.parametrize("wrong", [["--port", "70000"], ["--port", "-1"], ["--timeout", "0"], ["--timeout", "nan"]])
def test_nonsense_is_refused(wrong: list[str]) -> None:
    with pytest.raises(InvalidSettings):
        settings("--transport", "http", *wrong)


def test_a_key_is_no_argument(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parser().parse_args(["--api-key", "secret"])
    capsys.readouterr()
