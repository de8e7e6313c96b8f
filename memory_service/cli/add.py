"""``memory-service add``: remember a text, many lines, or a document."""

from pathlib import Path
from typing import Annotated, Any

import typer

from memory_service.cli.options import (
    AgentOption,
    JsonOption,
    KeyFileOption,
    NamespaceOption,
    SessionOption,
    UrlOption,
    UserOption,
    json_object,
)


def add(
    text: Annotated[
        str | None, typer.Argument(metavar="[TEXT|-]", help="What to remember; - reads standard input.")
    ] = None,
    file: Annotated[Path | None, typer.Option("--file", "-f", help="Read this file instead; - is allowed.")] = None,
    lines: Annotated[bool, typer.Option("--lines", help="Every line is a memory.")] = False,
    ndjson: Annotated[
        bool, typer.Option("--ndjson", help="Every line is a JSON object with the fields of POST /v1/memories.")
    ] = False,
    document: Annotated[
        bool, typer.Option("--document", help="Cut it into memories: text, Markdown, HTML or PDF of any length.")
    ] = False,
    namespace: NamespaceOption = None,
    user_id: UserOption = None,
    agent_id: AgentOption = None,
    session_id: SessionOption = None,
    speaker: Annotated[str | None, typer.Option(help="Who said it.")] = None,
    role: Annotated[str | None, typer.Option(help="Such as user, assistant, tool.")] = None,
    memory_type: Annotated[
        str | None, typer.Option(help="working, episodic, semantic, procedural or core.", show_default="episodic")
    ] = None,
    tag: Annotated[list[str] | None, typer.Option(help="May be given several times.")] = None,
    metadata: Annotated[
        dict[str, Any] | None, typer.Option(parser=json_object, metavar="JSON", help="Any JSON object.")
    ] = None,
    importance: Annotated[float | None, typer.Option(min=0, max=1, help="0 to 1; worked out without it.")] = None,
    observed_at: Annotated[str | None, typer.Option(help="RFC 3339 time with a zone.", show_default="now")] = None,
    expires_at: Annotated[str | None, typer.Option(help="When it leaves every search.")] = None,
    external_id: Annotated[str | None, typer.Option(help="Your id of it.")] = None,
    on_conflict: Annotated[
        str | None, typer.Option(help="When the external id is held: skip, supersede or error.", show_default="skip")
    ] = None,
    pinned: Annotated[bool, typer.Option("--pinned", help="It does not fade.")] = False,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until it is consolidated, at most 30 s.")] = False,
    as_json: JsonOption = False,
    url: UrlOption = None,
    key_file: KeyFileOption = None,
) -> None:
    """Remember a text; it is durable and findable when this returns.

    Repeating the command stores nothing twice. With --lines or --ndjson, a line that the service refuses is reported
    and does not stop the others.
    """
    if (text is None) == (file is None):
        raise typer.BadParameter("Give either a text (or -), or --file.", param_hint="TEXT")
    if lines + ndjson + document > 1:
        raise typer.BadParameter("Choose one.", param_hint="--lines / --ndjson / --document")
    if text is not None and text != "-" and (lines or ndjson or document):
        raise typer.BadParameter("These read a file or standard input: give - or --file.", param_hint="TEXT")

    from memory_service.cli.client import ServiceClient
    from memory_service.cli.connection import find_connection
    from memory_service.cli.remembering import remember_document, remember_many, remember_text

    fields: dict[str, Any] = {
        "namespace": namespace,
        "user_id": user_id,
        "agent_id": agent_id,
        "session_id": session_id,
        "speaker": speaker,
        "role": role,
        "memory_type": memory_type,
        "tags": tag or None,
        "metadata": metadata,
        "importance": importance,
        "observed_at": observed_at,
        "expires_at": expires_at,
        "external_id": external_id,
        "on_conflict": on_conflict,
        "pinned": pinned or None,
        "wait": "consolidated" if wait else None,
        "timeout_s": 30 if wait else None,
    }
    given = {name: value for name, value in fields.items() if value is not None}
    name = str(file) if file is not None else "-"
    with ServiceClient(find_connection(url=url, key_file=key_file)) as client:
        if document:
            remember_document(client, name, given, as_json=as_json)
        elif lines or ndjson:
            remember_many(client, name, given, ndjson=ndjson, as_json=as_json)
        else:
            remember_text(client, name if text in (None, "-") else None, text, given, as_json=as_json)
