"""Every call that a page names in passing, in a table or a sentence, exists with that name and signature: mypy says so."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[3]
PACKAGE = CHECKOUT / "clients" / "python"
PAGES = {  # How the client is called there, and how many calls are named at least.
    "docs/howto/coming-from.md": ("client", 20),
    "docs/howto/recipes.md": ("memory", 1),
    "docs/quickstart/python-sdk.md": ("client", 0),
    "clients/python/README.md": ("client", 1),
}
FENCE = re.compile(r"^```.*?^```$", re.M | re.S)
BEGINNING = """
from typing import Any
from memory_client import MemoryClient

def named({client}: MemoryClient, anything: Any) -> None:
"""


def named_calls(text: str, client: str) -> list[str]:
    """Return the calls of our client that the prose of a page names; the first column of a table is that of others."""
    prose = FENCE.sub("", text)
    kept = [line.split("|", 2)[2] if line.startswith("|") else line for line in prose.splitlines()]
    return re.findall(rf"`({client}\.[\w.]+\([^`]*\))`", "\n".join(kept))


class Filled(ast.NodeTransformer):
    """What a page leaves open is any value: names other than the client, and the dots."""

    def __init__(self, client: str) -> None:
        self.client = client

    def visit_Name(self, node: ast.Name) -> ast.Name:
        return node if node.id == self.client else ast.Name("anything", ast.Load())


def statement(named: str, client: str) -> str:
    filled = re.sub(r"\{…\}|…(?=[^,)\s]*[,)}])", "anything", re.sub(r"(?<=[(,])\s*…\s*(?=[,)])", "", named))
    filled = re.sub(r",\s*(?=\))|(?<=\(),\s*", "", filled)
    return ast.unparse(Filled(client).visit(ast.parse(filled, mode="eval")))


def test_how_a_named_call_is_read() -> None:
    text = '| `client.theirs(1)` | `client.search(…, as_of={"known": …}, filter={…})` |\n`client.get(id)`\n```\nno\n```'
    assert [statement(one, "client") for one in named_calls(text, "client")] == [
        "client.search(as_of={'known': anything}, filter=anything)",
        "client.get(anything)",
    ]


def checked(program: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "mypy", "--config-file", PACKAGE / "pyproject.toml", PACKAGE / "src", program],
        cwd=PACKAGE,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("page", PAGES)
def test_calls_named_in_passing_exist(page: str, tmp_path: Path) -> None:
    client, least = PAGES[page]
    named = named_calls((CHECKOUT / page).read_text(encoding="utf-8"), client)
    assert len(named) >= least
    lines = [f"    {statement(one, client)}" for one in named]
    program = tmp_path / "named_calls.py"
    program.write_text(BEGINNING.format(client=client) + "\n".join([*lines, "    return"]) + "\n", encoding="utf-8")
    result = checked(program)
    # What a page leaves out with dots is no mistake of it: the required `query` of `search(…, as_of=…)`.
    wrong = [
        line
        for line in result.stdout.splitlines()
        if ": error: " in line and not (line.endswith("[call-arg]") and re.search("Missing positional|Too few", line))
    ]
    assert wrong == [], "\n".join([*wrong, *lines])


def test_a_call_that_is_not_there_is_noticed(tmp_path: Path) -> None:
    program = tmp_path / "named_calls.py"
    lines = ["    client.users.erase(anything)", "    client.search(anything, top=3)", "    client.get(anything)"]
    program.write_text(BEGINNING.format(client="client") + "\n".join(lines) + "\n", encoding="utf-8")
    assert len(re.findall(": error: ", checked(program).stdout)) == 2
