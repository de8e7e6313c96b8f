"""``memory-service search``, ``context`` and ``why``: ask, and ask why."""

from typing import Annotated, Any

import typer

from memory_service.cli.completion import complete_namespace
from memory_service.cli.options import (
    AgentOption,
    FilterOption,
    JsonOption,
    KeyFileOption,
    NamespacesOption,
    SessionOption,
    UrlOption,
    UserOption,
)

QueryArgument = Annotated[str, typer.Argument(metavar="QUERY", help="A question, or words.")]
PrefixOption = Annotated[
    str | None,
    typer.Option("--prefix", help="All namespaces below this path.", autocompletion=complete_namespace),
]
PresetOption = Annotated[str | None, typer.Option(help="fast, balanced or thorough.", show_default="balanced")]
KnownOption = Annotated[str | None, typer.Option("--known-at", help="Search what was known at this RFC 3339 time.")]
ValidOption = Annotated[str | None, typer.Option("--valid-at", help="Search what was true at this RFC 3339 time.")]
ArchivedOption = Annotated[bool, typer.Option("--archived", help="Look among archived memories too.")]


def search(
    query: QueryArgument,
    namespace: NamespacesOption = None,
    prefix: PrefixOption = None,
    user_id: UserOption = None,
    agent_id: AgentOption = None,
    session_id: SessionOption = None,
    filter: FilterOption = None,
    top_k: Annotated[int | None, typer.Option("--top-k", "-k", min=1, max=200, show_default="10")] = None,
    preset: PresetOption = None,
    known_at: KnownOption = None,
    valid_at: ValidOption = None,
    archived: ArchivedOption = False,
    explain: Annotated[bool, typer.Option("--explain", help="Show what each channel contributed.")] = False,
    as_json: JsonOption = False,
    url: UrlOption = None,
    key_file: KeyFileOption = None,
) -> None:
    """Find memories: rank, score, age, text, why it was found, id.

    The last line says how sure the service is that the answer is among them, and the id of the search for `why`.
    """
    from memory_service.cli.client import ServiceClient
    from memory_service.cli.connection import find_connection
    from memory_service.cli.console import print_json
    from memory_service.cli.search_report import print_results

    body = _body(
        query, namespace, prefix, user_id, agent_id, session_id, filter, top_k, preset, known_at, valid_at, archived
    )
    with ServiceClient(find_connection(url=url, key_file=key_file)) as client:
        answer = client.post("/v1/search", body | ({"explain": True} if explain else {}))
    if as_json:
        print_json(answer)
    else:
        print_results(answer, explain=explain)


def context(
    query: QueryArgument,
    namespace: NamespacesOption = None,
    prefix: PrefixOption = None,
    user_id: UserOption = None,
    agent_id: AgentOption = None,
    session_id: SessionOption = None,
    filter: FilterOption = None,
    top_k: Annotated[int | None, typer.Option("--top-k", "-k", min=1, max=200, show_default="30")] = None,
    token_budget: Annotated[int | None, typer.Option(min=1, show_default="1200", help="It is never exceeded.")] = None,
    order: Annotated[str | None, typer.Option(help="relevance, time or stable.", show_default="relevance")] = None,
    preset: PresetOption = None,
    known_at: KnownOption = None,
    valid_at: ValidOption = None,
    archived: ArchivedOption = False,
    citations: Annotated[bool, typer.Option("--citations", help="Say below the text what each marker cites.")] = False,
    as_json: JsonOption = False,
    url: UrlOption = None,
    key_file: KeyFileOption = None,
) -> None:
    """Print memories packed for a prompt; in a pipe the text is exactly what the service packed."""
    from memory_service.cli.client import ServiceClient
    from memory_service.cli.connection import find_connection
    from memory_service.cli.console import print_json
    from memory_service.cli.search_report import print_context

    body = _body(
        query, namespace, prefix, user_id, agent_id, session_id, filter, top_k, preset, known_at, valid_at, archived
    )
    body |= {"token_budget": token_budget} if token_budget else {}
    body |= {"order": order} if order is not None else {}
    with ServiceClient(find_connection(url=url, key_file=key_file)) as client:
        answer = client.post("/v1/context", body)
    if as_json:
        print_json(answer)
    else:
        print_context(answer, citations=citations)


def why(
    search_id: Annotated[str, typer.Argument(metavar="SEARCH", help="Id of the search; its last line shows it.")],
    memory_id: Annotated[
        str | None, typer.Argument(metavar="[MEMORY]", help="Id of a memory, found or missed.")
    ] = None,
    as_json: JsonOption = False,
    url: UrlOption = None,
    key_file: KeyFileOption = None,
) -> None:
    """Explain why a search found a memory or did not; without a memory, show what it found and nearly found."""
    from memory_service.cli.client import ServiceClient
    from memory_service.cli.connection import find_connection
    from memory_service.cli.console import print_json
    from memory_service.cli.paths import item_path
    from memory_service.cli.why_report import print_reason, print_trace

    path = item_path("traces", search_id)
    with ServiceClient(find_connection(url=url, key_file=key_file)) as client:
        trace = client.get(path)
        reason = client.post(f"{path}/why-not", {"memory_id": memory_id}) if memory_id is not None else None
    if as_json:
        print_json({"trace": trace, "why_not": reason})
    elif reason is None:
        print_trace(trace)
    else:
        print_reason(trace, reason)


def _body(
    query: str,
    namespaces: list[str] | None,
    prefix: str | None,
    user_id: str | None,
    agent_id: str | None,
    session_id: str | None,
    filter: dict[str, Any] | None,
    top_k: int | None,
    preset: str | None,
    known_at: str | None,
    valid_at: str | None,
    archived: bool,
) -> dict[str, Any]:
    """Return what search and context are asked alike; what was not said is left to the service."""
    spaces = namespaces or []
    as_of = {name: moment for name, moment in (("known", known_at), ("valid", valid_at)) if moment is not None}
    asked = {
        "namespace": spaces[0] if len(spaces) == 1 else None,
        "namespaces": spaces if len(spaces) > 1 else None,
        "namespace_prefix": prefix,
        "user_id": user_id,
        "agent_id": agent_id,
        "session_id": session_id,
        "filter": filter,
        "top_k": top_k,
        "preset": preset,
        "as_of": as_of or None,
        "include": ["archived"] if archived else None,
    }
    return {"query": query} | {name: value for name, value in asked.items() if value is not None}
