"""``memory-service admin-link``: a link that logs a browser in to the web view, once."""

import typer

from memory_service.cli.failures import CommandFailure
from memory_service.cli.options import JsonOption, KeyFileOption, UrlOption


def admin_link(url: UrlOption = None, key_file: KeyFileOption = None, as_json: JsonOption = False) -> None:
    """Print a link that logs a browser in to the web view, once, within fifteen minutes."""
    from memory_service.cli.client import ServiceClient
    from memory_service.cli.connection import find_connection
    from memory_service.cli.console import print_json

    connection = find_connection(url=url, key_file=key_file)
    with ServiceClient(connection) as client:
        made = client.post("/admin/links", {})
    if not made["path"]:
        # The answer was lost on the way and given again; the service keeps no token to give again.
        raise CommandFailure("the connection broke before the link arrived", hint="Ask for another.")
    if as_json:
        print_json({**made, "url": connection.url + made["path"]})
        return
    typer.echo(connection.url + made["path"])
    typer.echo("good once, for fifteen minutes, with what the key may do", err=True)
