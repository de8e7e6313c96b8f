"""``memory-service keys``: make, list and revoke API keys of one's own tenant."""

from datetime import UTC, datetime
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
    if expires_at is not None:  # An empty one is refused: it would be a key that never ends.
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
    from memory_service.cli.console import Column, output, print_ndjson, print_table

    with ServiceClient(find_connection(url=url, key_file=key_file)) as client:
        found = client.pages("/v1/api-keys", limit=100)
        if as_json:
            print_ndjson(found)
            return
        now = datetime.now(UTC)
        columns = [Column(name) for name in ("id", "made", "used", "ends")]
        rows = (_row(key, now=now) for key in found)
        if output().is_terminal:  # Ids are long: beside one, name and scopes find room in one column only.
            columns.append(Column("name and scopes", whole=False))
            rows = ([*row[:-2], "\n".join(row[-2:])] for row in rows)
        else:
            columns += [Column("name"), Column("scopes")]
        print_table(columns, rows)


def _row(key: dict[str, Any], *, now: datetime) -> list[str]:
    """Return a key as a row; the id stands whole, since revoking needs it."""
    from memory_service.cli.ages import age

    times = [age(key.get(field), now=now) for field in ("created_at", "last_used_at", "expires_at")]
    if key.get("revoked_at"):
        times[-1] = "REVOKED"
    return [key["id"], *times, key["name"], ", ".join(key["scopes"])]


@app.command()
def revoke(
    key_id: Annotated[str, typer.Argument(help="The id that `keys list` shows.")],
    url: UrlOption = None,
    key_file: KeyFileOption = None,
) -> None:
    """Revoke a key; requests with it are refused from then on."""
    from memory_service.cli.client import ServiceClient
    from memory_service.cli.connection import find_connection
    from memory_service.cli.paths import item_path

    path = item_path("api-keys", key_id)
    with ServiceClient(find_connection(url=url, key_file=key_file)) as client:
        client.delete(path)
    typer.echo(f"revoked {key_id}")
