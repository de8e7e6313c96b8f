"""Where commands print: results to standard output, progress and failures to standard error."""

import json
import sys
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn


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
    sys.stdout.write(json.dumps(value, ensure_ascii=False, indent=2) + "\n")
