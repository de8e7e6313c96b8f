"""The program ``memory-service``.

Command bodies import what they need when they run, so that ``--help`` answers at once.
"""

import os
import sys
from typing import Annotated, Any, NoReturn, TextIO

import typer
from typer.core import TyperGroup

from memory_service.cli import bench, keys
from memory_service.cli.add import add
from memory_service.cli.admin_link import admin_link
from memory_service.cli.failures import CommandFailure
from memory_service.cli.find import context, search, why
from memory_service.cli.forget import forget, restore
from memory_service.cli.options import KeyFileOption, UrlOption
from memory_service.cli.read import history, list_memories, namespaces, show
from memory_service.cli.streams import OutputRefused, drop_output, open_closed, watch_streams
from memory_service.cli.transfer import export_memories, import_memories

MEMORIES, SERVICE = "Memories", "Service"


class _ReadableFailures(TyperGroup):
    """Print a CommandFailure as two lines instead of a traceback, and exit with its code."""

    def main(self, *args: Any, **extra: Any) -> Any:
        open_closed()
        watch_streams()
        try:
            return super().main(*args, **extra)
        except OutputRefused as refused:
            _end_unwritten(refused)
        except SystemExit as end:
            try:
                sys.stdout.flush()
            except OSError as refused:
                _end_unwritten(refused, end.code)
            raise

    def invoke(self, ctx: Any) -> Any:
        for stream in (sys.stdout, sys.stderr):
            _spell_out(stream)
        try:
            return super().invoke(ctx)
        except OutputRefused:
            raise
        except CommandFailure as failure:
            _say(failure)
            sys.exit(failure.exit_code)


def _end_unwritten(refused: OSError, code: Any = 0) -> NoReturn:
    """Exit, never with success; of a pipe nothing is said, since whoever closed it has read enough."""
    drop_output()
    if isinstance(refused, OutputRefused):
        _say(refused)
    sys.exit(code or 1)


def _say(failure: CommandFailure) -> None:
    from memory_service.cli.shown_text import block

    colour = None if os.environ.get("NO_COLOR") else typer.colors.RED
    typer.secho(block(f"error: {failure}"), err=True, fg=colour)
    if failure.hint:
        typer.echo(block(f"hint: {failure.hint}"), err=True)


def _spell_out(stream: TextIO) -> None:
    """Have a stream spell out the characters that its encoding lacks, instead of failing half-way through a table."""
    reconfigure = getattr(stream, "reconfigure", None)
    if reconfigure is not None:  # Not every stand-in for a stream has it.
        reconfigure(errors="backslashreplace")


app = typer.Typer(
    cls=_ReadableFailures,
    name="memory-service",
    no_args_is_help=True,
    help="Long-term memory for agents.",
    epilog="Exit codes: 1 a check failed, 2 wrong usage, 3 no service at the address, 4 key missing or refused, "
    "5 request refused, 6 unusable input file.",
    pretty_exceptions_show_locals=False,
)
app.command(rich_help_panel=MEMORIES)(add)
app.command(rich_help_panel=MEMORIES)(search)
app.command(rich_help_panel=MEMORIES)(context)
app.command(rich_help_panel=MEMORIES)(why)
app.command("list", rich_help_panel=MEMORIES)(list_memories)
app.command(rich_help_panel=MEMORIES)(show)
app.command(rich_help_panel=MEMORIES)(history)
app.command(rich_help_panel=MEMORIES)(forget)
app.command(rich_help_panel=MEMORIES)(restore)
app.command(rich_help_panel=MEMORIES)(namespaces)
app.command("export", rich_help_panel=MEMORIES)(export_memories)
app.command("import", rich_help_panel=MEMORIES)(import_memories)
app.command("admin-link", rich_help_panel=SERVICE)(admin_link)
app.add_typer(keys.app, name="keys", rich_help_panel=SERVICE)
app.add_typer(bench.app, name="bench", rich_help_panel=SERVICE)


@app.command(rich_help_panel=SERVICE)
def demo(
    url: UrlOption = None,
    key_file: KeyFileOption = None,
    namespace: Annotated[str, typer.Option(help="Namespace that receives the conversation.")] = "demo",
    top: Annotated[int, typer.Option(min=1, max=20, help="Pieces of evidence printed per question.")] = 3,
    as_json: Annotated[bool, typer.Option("--json", help="Print the answers as JSON.")] = False,
) -> None:
    """Send a conversation of eight months, ask ten questions, and show the evidence with why it was found."""
    from memory_service.cli.connection import find_connection
    from memory_service.cli.demo import run_demo

    run_demo(find_connection(url=url, key_file=key_file), namespace=namespace, top=top, as_json=as_json)


@app.command(rich_help_panel=SERVICE)
def doctor(
    url: UrlOption = None,
    key_file: KeyFileOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the checks as JSON.")] = False,
) -> None:
    """Check this machine and the running service; every failing line says how to repair it."""
    from memory_service.cli.connection import data_dir, find_connection
    from memory_service.cli.doctor import examine
    from memory_service.cli.doctor_report import print_checks

    checks = examine(find_connection(url=url, key_file=key_file), data_dir=data_dir())
    print_checks(checks, as_json=as_json)
    if not all(check.ok for check in checks):
        raise typer.Exit(1)


@app.command(rich_help_panel=SERVICE)
def run() -> None:
    """Run database, broker, API, worker and beat on this machine until Ctrl-C; what `make run` does."""
    from memory_service.embedded import supervisor

    raise typer.Exit(supervisor.run())


@app.command(rich_help_panel=SERVICE)
def migrate() -> None:
    """Bring the database of DATABASE_URL up to this version; the embedded one is migrated at every start.

    With DATABASE_URL, an administrator's login, roles and first key are made too. With
    MEMORY_SERVICE_OWNER_DATABASE_URL only the schema is changed.
    """
    from memory_service.cli.migrate import migrate_database

    migrate_database()


@app.command(rich_help_panel=SERVICE)
def version() -> None:
    """Print the version."""
    from importlib.metadata import PackageNotFoundError
    from importlib.metadata import version as installed

    try:
        typer.echo(f"memory-service {installed('memory-service')}")
    except PackageNotFoundError as error:
        raise CommandFailure(
            "memory-service is not installed in this Python", hint="Run `pip install -e .` in the checkout."
        ) from error


if __name__ == "__main__":
    app()
