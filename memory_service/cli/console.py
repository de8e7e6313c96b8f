"""Where commands print: results to standard output, progress and failures to standard error."""

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from memory_service.cli.shown_text import block, json_text, line


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table: its heading, whether its numbers stand at the right, whether its cells stay on one line."""

    name: str
    right: bool = False
    whole: bool = True


def output(*, width: int | None = None) -> Console:
    """Return the console for results."""
    return Console(highlight=False, width=width)


def progress_bar() -> Progress:
    """Return a progress bar on standard error; in a pipe it stays silent."""
    console = Console(stderr=True)
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal,
    )


def print_json(value: Any) -> None:
    """Print a value as JSON for other programs."""
    sys.stdout.write(json_text(value, indent=2, encoding=sys.stdout.encoding) + "\n")


def print_ndjson(values: Iterable[Any]) -> None:
    """Print each value as JSON on a line of its own, as they come."""
    for value in values:
        sys.stdout.write(json_text(value, encoding=sys.stdout.encoding) + "\n")


def print_table(columns: Sequence[Column], rows: Iterable[Sequence[str]]) -> None:
    """Print a table on a terminal; in a pipe a line per row with tabs between, and no headings."""
    console = output()
    if not console.is_terminal:
        for row in rows:
            sys.stdout.write("\t".join(map(line, row)) + "\n")
        return
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for column in columns:
        table.add_column(
            column.name, justify="right" if column.right else "left", no_wrap=column.whole, overflow="fold"
        )
    for row in rows:
        table.add_row(*(Text(block(cell)) for cell in row))
    if table.row_count:
        console.print(table)


def print_text(text: str, *, style: str = "") -> None:
    """Print words of others: harmless on a terminal, whole lines in a pipe."""
    console = output()
    console.print(Text(block(text), style=style), soft_wrap=not console.is_terminal)


def note(text: str) -> None:
    """Say something beside the result, on standard error."""
    sys.stderr.write(block(text) + "\n")
