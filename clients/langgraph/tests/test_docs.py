"""Every Python snippet of the READMEs and quickstarts of the adapters runs, page by page, as a reader would run it."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

CHECKOUT = Path(__file__).resolve().parents[3]
PAGES = [
    "clients/langgraph/README.md",
    "clients/openai-agents/README.md",
    "clients/llamaindex/README.md",
    "clients/pydantic-ai/README.md",
    "docs/quickstart/langgraph.md",
    "docs/quickstart/frameworks.md",
]
SAID = {
    "clients/langgraph/README.md": ["diet Ana is allergic to peanuts."],
    "clients/openai-agents/README.md": ["My sister Rosa lives in Porto."],
    "clients/llamaindex/README.md": ["Rosa lives in Porto"],
    "clients/pydantic-ai/README.md": ["Remembered as"],
    "docs/quickstart/langgraph.md": [
        "diet ",
        "['home']",
        "('users', 'ana', 'facts')",
        "I know this: Ana lives in Porto.",
    ],
    "docs/quickstart/frameworks.md": ["Rosa lives in Porto", '{"recall":'],
}


@pytest.mark.parametrize("page", PAGES)
def test_the_snippets_of_a_page_run(service: Any, make_tenant: Any, page: str) -> None:
    text = (CHECKOUT / page).read_text(encoding="utf-8")
    snippets = re.findall(r"^```python\n(.*?)^```$", text, re.M | re.S)
    assert snippets
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(snippets)],
        env={**os.environ, "MEMORY_SERVICE_URL": service.url, "MEMORY_SERVICE_API_KEY": make_tenant()},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    for said in SAID[page]:
        assert said in done.stdout
