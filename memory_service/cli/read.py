"""``memory-service list``, ``show``, ``history`` and ``namespaces``: look at what is there."""

from itertools import islice
from typing import Annotated, Any

import typer

from memory_service.cli.completion import complete_namespace
from memory_service.cli.options import (
    AgentOption,
    FilterOption,
    JsonLinesOption,
    KeyFileOption,
    MemoryArgument,
    NamespaceOption,
    SessionOption,
    UrlOption,
    UserOption,
)


def list_memories(
    namespace: NamespaceOption = None,
    user_id: UserOption = None,
    agent_id: AgentOption = None,
    session_id: SessionOption = None,
    tag: Annotated[str | None, typer.Option(help="Only those with this tag.")] = None,
    filter: FilterOption = None,
    archived: Annotated[bool, typer.Option("--archived", help="Archived ones instead.")] = False,
    limit: Annotated[int, typer.Option("--limit", "-l", min=1, help="As many at most.")] = 20,
    everything: Annotated[bool, typer.Option("--all", help="All there are.")] = False,
    as_json: JsonLinesOption = False,
    url: UrlOption = None,
    key_file: KeyFileOption = None,
) -> None:
    """List memories, newest first: age, type, text, id."""
    from datetime import UTC, datetime

    from memory_service.cli.client import ServiceClient
    from memory_service.cli.connection import find_connection
    from memory_service.cli.console import print_ndjson
    from memory_service.cli.memory_report import print_memories

    conditions: list[dict[str, Any]] = [
        {name: value}
        for name, value in (("user_id", user_id), ("agent_id", agent_id), ("session_id", session_id))
        if value is not None
    ]
    conditions += [{"tags": {"contains": tag}}] if tag is not None else []
    conditions += [{"state": "archived"}] if archived else []
    conditions += [filter] if filter else []
    body: dict[str, Any] = {"filter": {"AND": conditions} if conditions else {}}
    body |= {"namespace": namespace} if namespace is not None else {}
    with ServiceClient(find_connection(url=url, key_file=key_file)) as client:
        found = client.queried("/v1/memories/query", body, limit=1000 if everything else min(limit, 1000))
        chosen = found if everything else islice(found, limit)
        if as_json:
            print_ndjson(chosen)
        else:
            print_memories(chosen, now=datetime.now(UTC))


def show(
    memory_id: MemoryArgument,
    as_of: Annotated[str | None, typer.Option(help="As it was known at this RFC 3339 time.")] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print memory, provenance, versions, links and retention as one JSON object.")
    ] = False,
    url: UrlOption = None,
    key_file: KeyFileOption = None,
) -> None:
    """Show a memory with its sources, versions, links and how it fades."""
    from datetime import UTC, datetime

    from memory_service.cli.client import ServiceClient
    from memory_service.cli.connection import find_connection
    from memory_service.cli.console import print_json
    from memory_service.cli.memory_report import print_memory
    from memory_service.cli.paths import item_path

    path = item_path("memories", memory_id)
    with ServiceClient(find_connection(url=url, key_file=key_file)) as client:
        dossier: dict[str, Any] = {
            "memory": client.get(path, **({"as_of": as_of} if as_of is not None else {})),
            "provenance": client.get(f"{path}/provenance"),
            "versions": list(client.pages(f"{path}/versions")),
            "links": list(client.pages(f"{path}/links")),
            "retention": client.get(f"{path}/retention"),
        }
    if as_json:
        print_json(dossier)
    else:
        print_memory(dossier, now=datetime.now(UTC))


def history(
    memory_id: MemoryArgument,
    limit: Annotated[int, typer.Option("--limit", "-l", min=1, help="The latest so many versions.")] = 20,
    as_json: JsonLinesOption = False,
    url: UrlOption = None,
    key_file: KeyFileOption = None,
) -> None:
    """Show the versions of a memory, oldest first, and what changed in each."""
    from memory_service.cli.client import ServiceClient
    from memory_service.cli.connection import find_connection
    from memory_service.cli.console import print_ndjson
    from memory_service.cli.history_report import print_version
    from memory_service.cli.paths import item_path

    path = item_path("memories", memory_id)
    with ServiceClient(find_connection(url=url, key_file=key_file)) as client:
        latest = list(islice(client.pages(f"{path}/versions", limit=min(limit + 1, 200)), limit + 1))[::-1]
        shown = latest[-limit:]
        if as_json:
            print_ndjson(shown)
            return
        before = latest[-limit - 1]["version"] if len(latest) > limit else None
        for version in shown:
            number = version["version"]
            diff = client.get(f"{path}/diff", **{"from": before, "to": number}) if before is not None else None
            print_version(version, diff)
            before = number


def namespaces(
    prefix: Annotated[
        str | None, typer.Option("--prefix", help="Only those below this path.", autocompletion=complete_namespace)
    ] = None,
    as_json: JsonLinesOption = False,
    url: UrlOption = None,
    key_file: KeyFileOption = None,
) -> None:
    """List namespaces with their settings."""
    from memory_service.cli.client import ServiceClient
    from memory_service.cli.connection import find_connection
    from memory_service.cli.console import print_ndjson
    from memory_service.cli.memory_report import print_namespaces

    with ServiceClient(find_connection(url=url, key_file=key_file)) as client:
        found = client.pages("/v1/namespaces", {"prefix": prefix} if prefix is not None else None)
        if as_json:
            print_ndjson(found)
        else:
            print_namespaces(found)
