"""How memories and namespaces are printed."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from memory_service.cli.ages import age, minute
from memory_service.cli.console import Column, note, print_table, print_text
from memory_service.cli.search_report import said
from memory_service.cli.shown_text import json_text

LABEL = 11
LINKS = 20
"""More are counted, not listed."""


def print_memories(memories: Iterable[dict[str, Any]], *, now: datetime) -> None:
    """Print a line per memory."""
    columns = [Column("id"), Column("age", right=True), Column("type"), Column("memory", whole=False)]
    rows = [(one["id"], age(one["observed_at"], now=now), one["memory_type"], said(one)) for one in memories]
    print_table(columns, rows)
    if not rows:
        note("no memories")


def print_namespaces(spaces: Iterable[dict[str, Any]]) -> None:
    """Print a line per namespace."""
    columns = [
        Column("path", whole=False),
        Column("extract"),
        Column("consolidation"),
        Column("learns"),
        Column("created"),
    ]
    print_table(
        columns,
        (
            (
                space["path"],
                space["settings"]["extract"],
                space["settings"]["consolidation"],
                "yes" if space["settings"]["fusion"]["learn"] else "no",
                minute(space["created_at"]),
            )
            for space in spaces
        ),
    )


def print_memory(dossier: dict[str, Any], *, now: datetime) -> None:
    """Print a memory and all that hangs on it."""
    memory = dossier["memory"]
    print_text(memory["id"], style="cyan")
    if memory["title"]:
        print_text(memory["title"], style="bold")
    print_text(memory["content"], style="bold")
    for label, text in _facts(memory, now=now):
        if text:
            print_text(f"{label:<{LABEL}}{text}")
    for label, text in (("from", _sources(dossier["provenance"])), ("fades", _retention(dossier["retention"]))):
        print_text(f"{label:<{LABEL}}{text}")
    _print_links(memory["id"], dossier["links"])
    _print_versions(dossier["versions"])


def _facts(memory: dict[str, Any], *, now: datetime) -> list[tuple[str, str]]:
    """Return what the header of a memory says, label by label; empty texts are left out."""
    source = memory["source"]
    ids = [(name, memory[name]) for name in ("user_id", "agent_id", "session_id", "external_id")]
    true = [(word, minute(memory[name])) for word, name in (("from", "valid_from"), ("to", "valid_to"))]
    observed = memory["observed_at"]
    marks = [memory["state"], f"version {memory['version']}", memory["memory_type"], *memory["flags"]]
    return [
        ("is", ", ".join([*marks, "pinned"] if memory["pinned"] else marks)),
        ("in", "  ".join([memory["namespace"], *(f"{name} {value}" for name, value in ids if value)])),
        ("said by", ", ".join(part for part in (source["speaker"], source["role"]) if part)),
        ("observed", f"{minute(observed)} ({age(observed, now=now)})"),
        ("true", " ".join(f"{word} {moment}" for word, moment in true if moment)),
        ("expires", minute(memory["expires_at"])),
        ("superseded", f"by {memory['superseded_by']}" if memory["superseded_by"] else ""),
        ("tags", ", ".join(memory["tags"])),
        ("keywords", ", ".join(memory["keywords"])),
        ("names", ", ".join(memory["entities"])),
        ("language", memory["language"] or ""),
        ("metadata", json_text(memory["metadata"]) if memory["metadata"] else ""),
        ("value", json_text(memory["value"]) if memory["value"] is not None else ""),
        ("worth", f"importance {memory['importance']:.2f}, confidence {memory['confidence']:.2f}"),
    ]


def _sources(provenance: dict[str, Any]) -> str:
    """Return where the memory comes from: its sources, and the memories that it was made of."""
    memory_id = provenance["memory_id"]
    told = []
    for node in provenance["nodes"]:
        if node["kind"] == "memory" and node["id"] == memory_id:
            told.append(node["method"])
        if node["kind"] == "source" and node["id"].startswith(memory_id):
            source = node["source"]
            span = f"characters {source['span'][0]}-{source['span'][1]}" if source["span"] else None
            told.append(" ".join(part for part in (source["kind"], source["ref"], span) if part))
    for edge in provenance["edges"]:
        if edge["from"] == memory_id and edge["type"] != "comes_from":
            told.append(f"{edge['type'].replace('_', ' ')} {edge['to']}")
    return "; ".join(told)


def _retention(retention: dict[str, Any]) -> str:
    if retention["protected"]:
        return f"not (protected), recalled {retention['recall_count']} times"
    later = [
        f"{point['retrievability']:.2f} in {point['days']:g} d" for point in retention["forecast"] if point["days"]
    ]
    falls = [f"{mark['threshold']} from {minute(mark['at'])}" for mark in retention["reaches"] if mark["at"]]
    told = f"{retention['retrievability']:.2f} now, {', '.join(later)}"
    return "; ".join(part for part in (told, ", ".join(falls), f"recalled {retention['recall_count']} times") if part)


def _print_links(memory_id: str, links: list[dict[str, Any]]) -> None:
    if not links:
        return
    print_text("\nlinks", style="bold")
    columns = [Column("link"), Column("weight", right=True), Column("memory")]
    print_table(columns, [_link(memory_id, link) for link in links[:LINKS]])
    if len(links) > LINKS:
        note(f"{len(links) - LINKS} more links with --json")


def _link(memory_id: str, link: dict[str, Any]) -> tuple[str, str, str]:
    outgoing = link["source_id"] == memory_id
    other = link["target_id"] if outgoing else link["source_id"]
    return f"{'→' if outgoing else '←'} {link['type']}", f"{link['weight']:.2f}", other


def _print_versions(versions: list[dict[str, Any]]) -> None:
    if len(versions) < 2:
        return
    print_text("\nversions (`history` shows what changed)", style="bold")
    columns = [Column("version", right=True), Column("known from"), Column("to"), Column("memory", whole=False)]
    print_table(
        columns,
        [(str(v["version"]), minute(v["known_from"]), minute(v["known_to"]) or "now", v["content"]) for v in versions],
    )
