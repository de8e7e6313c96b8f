"""The program ``memory-service``.

Command bodies import what they need when they run, so that ``--help`` answers at once.
"""

import sys
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from memory_service.cli import bench, keys
from memory_service.cli.failures import CommandFailure
from memory_service.cli.options import KeyFileOption, UrlOption


class _ReadableFailures(TyperGroup):
    """Print a CommandFailure as two lines instead of a traceback, and exit with its code."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except CommandFailure as failure:
            typer.secho(f"error: {failure}", err=True, fg=typer.colors.RED)
            if failure.hint:
                typer.echo(f"hint: {failure.hint}", err=True)
            sys.exit(failure.exit_code)


app = typer.Typer(
    cls=_ReadableFailures,
    name="memory-service",
    no_args_is_help=True,
    help="Long-term memory for agents.",
    epilog="Exit codes: 1 a check failed, 2 wrong usage, 3 no service at the address, 4 key missing or refused, "
    "5 request refused, 6 unusable input file.",
    pretty_exceptions_show_locals=False,
)
app.add_typer(bench.app, name="bench")
app.add_typer(keys.app, name="keys")


@app.command()
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


@app.command()
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


@app.command()
def run() -> None:
    """Run database, broker, API, worker and beat on this machine until Ctrl-C; what `make run` does."""
    from memory_service.embedded import supervisor

    raise typer.Exit(supervisor.run())


@app.command()
def migrate() -> None:
    """Bring the database of DATABASE_URL up to this version; the embedded one is migrated at every start.

    With DATABASE_URL, an administrator's login, roles and first key are made too. With
    MEMORY_SERVICE_OWNER_DATABASE_URL only the schema is changed.
    """
    from memory_service.cli.migrate import migrate_database

    migrate_database()


@app.command()
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
