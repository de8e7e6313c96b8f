"""Options and arguments that several commands share."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from memory_service.cli.completion import complete_namespace


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is no number of JSON")


def json_object(text: str) -> dict[str, Any]:
    """Return the JSON object that an option holds.

    Raises:
        typer.BadParameter: it is no JSON, or no object.
    """
    try:
        value = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise typer.BadParameter(f"is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise typer.BadParameter('is not a JSON object such as {"kind": "note"}')
    return value


UrlOption = Annotated[
    str | None,
    typer.Option(
        "--url", help="Address of the service.", show_default="MEMORY_SERVICE_URL, else http://127.0.0.1:8000"
    ),
]
KeyFileOption = Annotated[
    Path | None,
    typer.Option(
        "--key-file",
        help="File with the API key.",
        show_default="MEMORY_SERVICE_API_KEY, else api-key in the data folder",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the service's answer as JSON.")]
JsonLinesOption = Annotated[bool, typer.Option("--json", help="Print one JSON object per line.")]

NamespaceOption = Annotated[
    str | None,
    typer.Option("--namespace", "-n", help="Path such as users/42.", autocompletion=complete_namespace),
]
NamespacesOption = Annotated[
    list[str] | None,
    typer.Option("--namespace", "-n", help="May be given several times.", autocompletion=complete_namespace),
]
UserOption = Annotated[str | None, typer.Option("--user-id", help="Whose memories.")]
AgentOption = Annotated[str | None, typer.Option("--agent-id", help="Which agent's memories.")]
SessionOption = Annotated[str | None, typer.Option("--session-id", help="Which session's memories.")]
FilterOption = Annotated[
    dict[str, Any] | None,
    typer.Option("--filter", parser=json_object, metavar="JSON", help='Such as {"tags": {"contains": "moving"}}.'),
]
MemoryArgument = Annotated[str, typer.Argument(metavar="ID", help="Id of the memory, as `search` and `list` show it.")]
