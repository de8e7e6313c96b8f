"""Every snippet of the pages about this client is run against the real service, page by page, in order."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from memory_client import MemoryClient
from memory_client.calls import Call, Lister, Procedure, Stream
from memory_client.resources.base import Resource

CHECKOUT = Path(__file__).resolve().parents[3]
QUICKSTART = CHECKOUT / "docs" / "quickstart" / "python-sdk.md"
PAGES = [
    CHECKOUT / "README.md",
    CHECKOUT / "clients" / "python" / "README.md",
    QUICKSTART,
    CHECKOUT / "docs" / "howto" / "recipes.md",
    CHECKOUT / "docs" / "howto" / "coming-from.md",
]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(CHECKOUT)))
def test_snippets_run(page: Path, service: Any, make_tenant: Any, tmp_path: Path) -> None:
    snippets = re.findall(r"^```python\n(.*?)^```$", page.read_text(encoding="utf-8"), re.M | re.S)
    assert snippets
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MEMORY_SERVICE_")}
    environment |= {"MEMORY_SERVICE_URL": service.url, "MEMORY_SERVICE_API_KEY": make_tenant()}
    program = tmp_path / "page.py"
    program.write_text("\n".join(snippets), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-W", "error", program],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


def test_the_page_names_every_call_and_group() -> None:
    page = QUICKSTART.read_text(encoding="utf-8")
    offered = {name for name in dir(MemoryClient) if not name.startswith("_")} - {"close"}
    assert {name for name in offered if f"`{name}`" not in page} == set()


def test_the_page_lists_the_calls_of_every_group(service: Any) -> None:
    page = QUICKSTART.read_text(encoding="utf-8")
    listed = {group: calls.split("` `") for group, calls in re.findall(r"^\| `(\w+)` \| `([\w` ]+)` \|", page, re.M)}
    with MemoryClient(service.url, service.api_key) as client:
        groups = {name: getattr(client, name) for name in dir(client) if not name.startswith("_")}
    had = {
        name: {call for call, kind in vars(type(group)).items() if isinstance(kind, Call | Lister | Procedure | Stream)}
        for name, group in groups.items()
        if isinstance(group, Resource)
    }
    assert {name: set(calls) for name, calls in listed.items()} == had
