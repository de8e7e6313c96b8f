"""Print one table for everybody and every file."""

import math
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from benchmarks.peers.catalogue import SERVICE
from benchmarks.peers.comparison import DEPTHS, HEADLINE_DEPTH, Beside, beside, numbers
from benchmarks.peers.outcome import Course, Outcome
from memory_service.cli.console import output

PIPE_WIDTH = 175
"""Where there is no terminal to ask."""


def print_table(outcomes: Sequence[Outcome], *, console: Console | None = None) -> None:
    """Print the rows, a section per file, then what did not run, then what a reader has to know."""
    console = console or output()
    if not console.is_terminal:
        console.width = PIPE_WIDTH
    table = Table(title="the same texts, questions and encoder for everybody, in turn on one machine")
    for column in ("", "version", *(f"R@{depth}" for depth in DEPTHS), "p50 ms", "p95 ms"):
        table.add_column(column, justify="left" if column in ("", "version") else "right", no_wrap=True)
    for column in ("stored/s", "kB each", "MiB", f"our R@{HEADLINE_DEPTH} (95 %)", "our p50"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("encodes")
    names = list(dict.fromkeys(course.name for one in outcomes for course in one.courses))
    for name in names:
        table.add_section()
        table.add_row(f"[bold]{name}[/bold]")
        for one in outcomes:
            course = course_of(one, name)
            if one.finished and course is not None:
                table.add_row(*_cells(one, course, ours=_course_of_service(outcomes, name)))
    console.print(table)
    for one in outcomes:
        if not one.finished:
            console.print(f"[yellow]{one.name} has no row: {one.reason}[/yellow]", soft_wrap=True)
    for one in outcomes:
        if one.finished:
            console.print(f"{one.name}: {one.note}{_encoder(one)}", style="dim", soft_wrap=True)


def course_of(outcome: Outcome, name: str) -> Course | None:
    """Return how it went with a file, None when it never came to that."""
    return next((course for course in outcome.courses if course.name == name), None)


def _course_of_service(outcomes: Sequence[Outcome], name: str) -> Course | None:
    service = next((one for one in outcomes if one.name == SERVICE and one.finished), None)
    return course_of(service, name) if service else None


def _cells(one: Outcome, course: Course, *, ours: Course | None) -> list[str]:
    found = numbers(course)
    compared = beside(ours, course) if ours is not None and ours is not course else None
    each = one.disk_bytes / one.stored / 1000 if one.disk_bytes is not None and one.stored else math.nan
    held = math.nan if one.memory is None else one.memory.pss_mib
    if math.isnan(held) and one.memory is not None:
        held = one.memory.rss_mib
    return [
        one.name,
        one.version,
        *(_number(100 * found.headline[str(depth)], 1) for depth in DEPTHS),
        _number(found.search_p50_ms, 1),
        _number(found.search_p95_ms, 1),
        _number(found.stored_per_second, 0 if found.stored_per_second >= 10 else 1),
        _number(each, 1),
        _number(held, 0),
        *_verdicts(compared),
        one.encodes,
    ]


def _verdicts(compared: Beside | None) -> tuple[str, str]:
    """Return what the service gains in recall with its bounds, and its time as a multiple; red where it is behind."""
    if compared is None:
        return "", ""
    gain = f"{100 * compared.recall_gain:+.1f} ({100 * compared.recall_gain_low:+.1f} … {100 * compared.recall_gain_high:+.1f})"
    return _coloured(gain, ahead=compared.recall_gain > 0), _coloured(
        f"× {compared.time_ratio:.2f}", ahead=compared.time_ratio < 1
    )


def _coloured(text: str, *, ahead: bool) -> str:
    colour = "green" if ahead else "red"
    return f"[{colour}]{text}[/{colour}]"


def _encoder(one: Outcome) -> str:
    return "" if one.encoder_cosine is None else f"; its vector's cosine with the floor's {one.encoder_cosine:.5f}"


def _number(value: float, digits: int) -> str:
    return "–" if math.isnan(value) else f"{value:,.{digits}f}"
