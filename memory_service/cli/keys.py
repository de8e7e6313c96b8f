"""``memory-service keys``: make, list and revoke API keys of one's own tenant."""

from typing import Annotated, Any

import typer

from memory_service.cli.failures import CommandFailure
from memory_service.cli.options import JsonLinesOption, JsonOption, KeyFileOption, UrlOption

app = typer.Typer(no_args_is_help=True, help="Make, list and revoke API keys.")


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="What the key is for, such as `notebook`.")],
    scope: Annotated[
        list[str] | None,
        typer.Option(help="May be given several times.", show_default="memories:read, memories:write"),
    ] = None,
    expires_at: Annotated[str | None, typer.Option(help="RFC 3339 time with a zone; without it, never.")] = None,
    url: UrlOption = None,
    key_file: KeyFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a key; its secret is shown once and never again."""
    from memory_service.cli.client import ServiceClient
    from memory_service.cli.connection import find_connection
    from memory_service.cli.console import print_json

    body: dict[str, object] = {"name": name, "scopes": scope or ["memories:read", "memories:write"]}
    if expires_at:
        body["expires_at"] = expires_at
    with ServiceClient(find_connection(url=url, key_file=key_file)) as client:
        made = client.post("/v1/api-keys", body)
    if not made["key"]:
        # The answer was lost on the way and given again; the service keeps no secret to give again.
        raise CommandFailure(
            f"the key {made['id']} was made, but the connection broke before its secret arrived",
            hint=f"Revoke it with `memory-service keys revoke {made['id']}` and make another.",
        )
    if as_json:
        print_json(made)
        return
    typer.echo(made["key"])
    typer.echo(f"id {made['id']}; this is the only time the key is shown", err=True)


@app.command(name="list")
def list_keys(url: UrlOption = None, key_file: KeyFileOption = None, as_json: JsonLinesOption = False) -> None:
    """List the keys of the tenant; secrets are not stored and cannot be shown."""
    from memory_service.cli.client import ServiceClient
    from memory_service.cli.connection import find_connection
    from memory_service.cli.console import print_ndjson, print_text

    with ServiceClient(find_connection(url=url, key_file=key_file)) as client:
        found = client.pages("/v1/api-keys", limit=100)
        if as_json:
            print_ndjson(found)
            return
        for key in found:
            print_text(_line(key))


def _line(key: dict[str, Any]) -> str:
    """Return a key on one line; the id stands whole, since revoking needs it."""
    times = (("expires_at", "expires"), ("last_used_at", "last used"), ("revoked_at", "REVOKED"))
    told = [f"{word} {str(key[field])[:16]}" for field, word in times if key.get(field)]
    return "  ".join([key["id"], key["name"], ",".join(key["scopes"]), f"created {key['created_at'][:16]}", *told])


@app.command()
def revoke(
    key_id: Annotated[str, typer.Argument(help="The id that `keys list` shows.")],
    url: UrlOption = None,
    key_file: KeyFileOption = None,
) -> None:
    """Revoke a key; requests with it are refused from then on."""
    from urllib.parse import quote

    from memory_service.cli.client import ServiceClient
    from memory_service.cli.connection import find_connection

    with ServiceClient(find_connection(url=url, key_file=key_file)) as client:
        client.delete(f"/v1/api-keys/{quote(key_id, safe='')}")
    typer.echo(f"revoked {key_id}")
