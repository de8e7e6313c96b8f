"""``memory-service forget`` and ``restore``: archive, bring back, erase."""

from typing import Annotated

import typer

from memory_service.cli.options import KeyFileOption, UrlOption

IdsArgument = Annotated[list[str], typer.Argument(metavar="ID...", help="Ids of memories.")]


def forget(
    ids: IdsArgument,
    erase: Annotated[bool, typer.Option("--erase", help="Remove for good, with versions, vectors and words.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before erasing.")] = False,
    url: UrlOption = None,
    key_file: KeyFileOption = None,
) -> None:
    """Archive memories: they leave every search, and `restore` brings them back. With --erase nothing does."""
    from memory_service.cli.client import ServiceClient
    from memory_service.cli.connection import find_connection
    from memory_service.cli.console import note
    from memory_service.cli.erasing import erase_all
    from memory_service.cli.paths import item_path

    if erase and not yes:
        typer.confirm(f"Erase {len(ids)} memories for good?", abort=True, err=True)
    paths = {memory_id: item_path("memories", memory_id) for memory_id in ids}
    with ServiceClient(find_connection(url=url, key_file=key_file)) as client:
        if erase:
            erase_all(client, paths)
            return
        for memory_id, path in paths.items():
            client.delete(path)
            note(f"archived {memory_id}")


def restore(ids: IdsArgument, url: UrlOption = None, key_file: KeyFileOption = None) -> None:
    """Bring archived memories back."""
    from memory_service.cli.client import ServiceClient
    from memory_service.cli.connection import find_connection
    from memory_service.cli.console import note
    from memory_service.cli.paths import item_path

    with ServiceClient(find_connection(url=url, key_file=key_file)) as client:
        for memory_id in ids:
            client.call("POST", f"{item_path('memories', memory_id)}/restore")
            note(f"restored {memory_id}")
