"""``memory-service export`` and ``import``: memories leave as a bundle, and come in from one or from elsewhere."""

from typing import Annotated

import typer

from memory_service.cli.completion import complete_namespace
from memory_service.cli.options import FilterOption, KeyFileOption, NamespaceOption, NamespacesOption, UrlOption

KINDS = ("bundle", "mem0", "mcp", "langgraph")


def export_memories(
    file: Annotated[str, typer.Argument(metavar="FILE|-", help="Where the bundle goes; - is standard output.")],
    namespace: NamespacesOption = None,
    prefix: Annotated[
        str | None,
        typer.Option("--prefix", help="All namespaces below this path.", autocompletion=complete_namespace),
    ] = None,
    filter: FilterOption = None,
    include: Annotated[
        list[str] | None,
        typer.Option(
            help="archived, versions, retention, links, settings, policies, blocks, documents, embeddings or none; "
            "may be given several times.",
            show_default="all but embeddings",
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Write over a file that is there.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print what the bundle holds as JSON.")] = False,
    url: UrlOption = None,
    key_file: KeyFileOption = None,
) -> None:
    """Write memories with their history into a bundle: all, or those of some namespaces.

    The file takes its name only when the bundle is whole.
    """
    if file == "-" and as_json:
        raise typer.BadParameter("Standard output holds the bundle itself.", param_hint="--json")

    from memory_service.cli.client import ServiceClient
    from memory_service.cli.connection import find_connection
    from memory_service.cli.exporting import write_bundle

    spaces = namespace or []
    asked = {
        "namespace": spaces[0] if len(spaces) == 1 else None,
        "namespaces": spaces if len(spaces) > 1 else None,
        "namespace_prefix": prefix,
        "filter": filter,
        "include": None if not include else [part for part in include if part != "none"],
    }
    body = {name: value for name, value in asked.items() if value is not None}
    with ServiceClient(find_connection(url=url, key_file=key_file)) as client:
        write_bundle(client, body, file, force=force, as_json=as_json)


def import_memories(
    source: Annotated[
        str, typer.Argument(metavar="FILE|-", help="A file, - for a bundle on standard input, or a database's address.")
    ],
    kind: Annotated[
        str | None, typer.Option("--from", help="bundle, mem0, mcp or langgraph.", show_default="what it looks like")
    ] = None,
    on_conflict: Annotated[
        str | None,
        typer.Option(
            help="A memory of a bundle that is here and differs: skip, error, new_version.", show_default="skip"
        ),
    ] = None,
    namespace: NamespaceOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print what became of it as JSON.")] = False,
    url: UrlOption = None,
    key_file: KeyFileOption = None,
) -> None:
    """Bring in a bundle, what mem0 exported, the file of the MCP memory server, or LangGraph's store in Postgres.

    Repeating it changes nothing. --namespace says where memories from elsewhere go; those of a bundle go where they were.
    """
    if kind is not None and kind not in KINDS:
        raise typer.BadParameter(f"Choose one of {', '.join(KINDS)}.", param_hint="--from")

    from memory_service.cli.client import ServiceClient
    from memory_service.cli.connection import find_connection
    from memory_service.cli.importing import bring_in

    with ServiceClient(find_connection(url=url, key_file=key_file)) as client:
        bring_in(client, source, kind=kind, on_conflict=on_conflict, namespace=namespace, as_json=as_json)
