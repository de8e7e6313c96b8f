"""What the docs tell a person to paste works when it is pasted."""

import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client

from memory_mcp.cli import parser

CHECKOUT = Path(__file__).resolve().parents[3]
QUICKSTART = CHECKOUT / "docs" / "quickstart" / "mcp.md"
README = CHECKOUT / "clients" / "mcp" / "README.md"
DOCUMENTED = "http://127.0.0.1:8000"

pytestmark = pytest.mark.anyio


def snippets(language: str) -> list[str]:
    blocks = re.findall(r"^```(\w*)\n(.*?)^```$", QUICKSTART.read_text(encoding="utf-8"), re.M | re.S)
    return [text for named, text in blocks if named == language]


def hosts() -> list[dict[str, Any]]:
    configurations = [json.loads(snippet) for snippet in snippets("json")]
    return [host for one in configurations for servers in one.values() for host in servers.values()]


def filled(text: str, service: Any) -> str:
    return text.replace(DOCUMENTED, service.url).replace("<the key>", service.api_key)


@pytest.mark.parametrize(
    "host", [host for host in hosts() if "command" in host], ids=lambda host: " ".join(host["args"])
)
async def test_hosts_can_start_it(service: Any, host: dict[str, Any], tmp_path: Path) -> None:
    assert host["command"] == "memory-mcp"
    assert host.get("type", "stdio") == "stdio"
    variables = {name: filled(value, service) for name, value in host["env"].items()}
    # The program as it is installed is this module's `main`; here the environment of the tests runs it.
    path = {"PYTHONPATH": ":".join(sys.path)}
    parameters = StdioServerParameters(
        command=sys.executable, args=["-m", "memory_mcp", *host["args"]], env=variables | path
    )
    with (tmp_path / "err").open("w") as errlog:
        async with Client(stdio_client(parameters, errlog=errlog)) as client:
            tools = (await client.list_tools()).tools
            assert len(tools) == (14 if "--reference-tools" in host["args"] else 5)
            assert not (await client.call_tool("recall", {"query": "anything"})).is_error


async def test_hosts_can_reach_it(run_http: Any, service: Any) -> None:
    (host,) = [host for host in hosts() if "url" in host]
    (command,) = [line for text in snippets("bash") for line in text.splitlines() if line.startswith("memory-mcp ")]
    told = parser().parse_args(command.split()[1:])
    assert host["url"] == f"http://{told.host}:{told.port}/mcp"
    server = run_http(MEMORY_SERVICE_URL=service.url)
    async with server.client(None, **{n: filled(v, service) for n, v in host["headers"].items()}) as client:
        assert not (await client.call_tool("recall", {"query": "anything"})).is_error


def test_the_script_runs(service: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    (script,) = snippets("python")
    module = f'command={sys.executable!r},\n    args=["-m", "memory_mcp", "--namespace", "assistants/ana"],'
    text = filled(script, service).replace('command="memory-mcp",\n    args=["--namespace", "assistants/ana"],', module)
    assert text.count("memory_mcp") == 1
    text = text.replace("env={", f"env={{'PYTHONPATH': {':'.join(sys.path)!r}, ")
    exec(compile(text, str(QUICKSTART), "exec"), {"__name__": "__main__"})
    printed = capsys.readouterr().out
    (shown,) = [block for block in snippets("") if "Recalled memories" in block]

    def without_what_differs(said: str) -> str:
        said = re.sub(r"id [0-9a-f-]{36} · \d{4}-\d\d-\d\d", "id", said)
        return re.sub(r"confidence [\d.]+", "confidence", said)

    assert without_what_differs(printed).startswith(without_what_differs(shown).rstrip())


def test_the_readme_lists_every_option_and_tool() -> None:
    text = README.read_text(encoding="utf-8")
    options = {o for action in parser()._actions for o in action.option_strings if o.startswith("--")}
    assert options - {"--help", "--version"} == set(
        re.findall(r"`(--[a-z-]+)", text.split("## Options")[1].split("## HTTP")[0])
    )
    from memory_mcp.pinned import PINNED
    from memory_mcp.reference.tools import REFERENCE

    assert re.findall(r"^\| `(\w+)` \|", text, re.M) == [tool.name for tool in PINNED]
    assert all(f"`{tool.name}`" in text for tool in REFERENCE)


def test_the_program_is_this_module() -> None:
    text = (CHECKOUT / "clients" / "mcp" / "pyproject.toml").read_text(encoding="utf-8")
    assert 'memory-mcp = "memory_mcp.cli:main"' in text
