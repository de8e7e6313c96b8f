"""``memory-service bench``: measure a running service on files that you have."""

from pathlib import Path
from typing import Annotated

import typer

from memory_service.cli.options import KeyFileOption, UrlOption

app = typer.Typer(
    no_args_is_help=True,
    help="Measure a running service. The timing benchmarks are scripts: `python -m benchmarks.search --help`.",
)


@app.callback()
def _group() -> None:
    """Keep ``retrieval`` a subcommand even while it is the only one."""


@app.command()
def retrieval(
    file: Annotated[Path, typer.Argument(help="Conversations as jsonl, locomo10.json, or a LongMemEval file.")],
    limit_conversations: Annotated[int | None, typer.Option(min=1, help="Read only the first N.")] = None,
    top_k: Annotated[int, typer.Option(min=1, max=200, help="Results asked for per question.")] = 50,
    preset: Annotated[str | None, typer.Option(help="fast, balanced or thorough.")] = None,
    channels: Annotated[str | None, typer.Option(help="Channel weights such as vector=1,keyword=1.")] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="JSON file for the raw results.", show_default="bench-NAME-TIME.json; see below"),
    ] = None,
    name: Annotated[str | None, typer.Option(help="Name of the run in the results.", show_default="the file's")] = None,
    batch_size: Annotated[int, typer.Option(min=1, max=1000, help="Memories per request while ingesting.")] = 200,
    cleanup: Annotated[bool, typer.Option("--cleanup", help="Archive the run's memories afterwards.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
    url: UrlOption = None,
    key_file: KeyFileOption = None,
) -> None:
    """Measure how often the evidence of a question is among the first results.

    Every conversation goes into a fresh namespace, every turn is one memory, every question one search. Questions
    without evidence are asked too; they do not count for recall, but their confidence is reported. Raw results are
    written to the present folder, inside the checkout to its benchmarks/results, unless --out names a file.
    """
    from benchmarks.retrieval import Plan, parse_channels, run_retrieval
    from memory_service.cli.connection import find_connection

    plan = Plan(
        file=file,
        name=name or file.stem,
        limit_conversations=limit_conversations,
        top_k=top_k,
        preset=preset,
        channels=parse_channels(channels) if channels else None,
        batch_size=batch_size,
        cleanup=cleanup,
    )
    run_retrieval(find_connection(url=url, key_file=key_file), plan, out=out, as_json=as_json)
