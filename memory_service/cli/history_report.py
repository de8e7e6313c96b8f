"""How a version of a memory, and what changed in it, are printed."""

from typing import Any

from memory_service.cli.ages import minute
from memory_service.cli.console import print_text
from memory_service.cli.shown_text import json_text

STYLES = {"+": "green", "-": "red"}


def print_version(version: dict[str, Any], diff: dict[str, Any] | None) -> None:
    """Print a version's heading, then its content, or how it differs from the version before."""
    until = minute(version["known_to"]) or "now"
    print_text(f"version {version['version']}  known from {minute(version['known_from'])} to {until}", style="bold")
    if diff is None:
        print_text(f"  {version['content']}")
        return
    for change in diff["changes"]:
        if change["field"] != "content":
            print_text(f"  {change['field']}: {json_text(change['from'])} → {json_text(change['to'])}")
    for line in (diff["content_diff"] or "").split("\n")[2:]:  # Two lines name the files, which have no names here.
        if line:
            print_text(f"  {line}", style=STYLES.get(line[0], "dim"))
