"""How answers of search and context are printed."""

import sys
from datetime import UTC, datetime
from typing import Any

from rich.table import Table
from rich.text import Text

from memory_service.analysis.attribution import begins_with
from memory_service.cli.ages import age
from memory_service.cli.console import Column, note, output, print_table, print_text
from memory_service.cli.demo_report import reasons
from memory_service.cli.shown_text import block, line

SHORT = ("#", "score", "age")


def print_results(answer: dict[str, Any], *, explain: bool) -> None:
    """Print what was found, then how sure the service is, and the id of the search."""
    now = datetime.now(UTC)
    console = output()
    if console.is_terminal:
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
        for name in SHORT:
            table.add_column(name, justify="right", no_wrap=True)
        table.add_column("memory", overflow="fold")
        for result in answer["results"]:
            cell = _cell(result, explain=explain)
            table.add_row(*_numbers(result, now=now), cell if result is answer["results"][-1] else cell.append("\n"))
        if table.row_count:
            console.print(table)
    else:
        columns = [Column(name) for name in (*SHORT, "id", "memory", "why")]
        print_table(columns, (_row(result, explain=explain, now=now) for result in answer["results"]))
    found = len(answer["results"])
    sure = f"confidence {answer['confidence']:.2f}"
    doubt = "; the service would abstain: probably nothing here answers it" if answer["abstain"] else ""
    note(f"{found} found, {sure}{doubt}; search {answer['search_id']}")


def print_context(answer: dict[str, Any], *, citations: bool) -> None:
    """Print the packed text: to a terminal harmlessly, into a pipe as it is."""
    if output().is_terminal:
        print_text(answer["text"])
    else:
        sys.stdout.write(answer["text"] + "\n")
    if citations:
        sys.stdout.write("\n")
        columns = [Column("marker"), Column("memory"), Column("span", right=True)]
        rows = [(c["marker"], c["memory_id"], f"{c['span'][0]}-{c['span'][1]}") for c in answer["citations"]]
        print_table(columns, rows)
    note(f"{answer['tokens']} tokens, {len(answer['citations'])} memories; search {answer['search_id']}")


def said(memory: dict[str, Any]) -> str:
    """Return a memory's text behind who said it."""
    speaker = (memory.get("source") or {}).get("speaker")
    named = speaker and not begins_with(memory["content"], speaker)
    return f"{speaker}: {memory['content']}" if named else str(memory["content"])


def _numbers(result: dict[str, Any], *, now: datetime) -> tuple[str, str, str]:
    return str(result["rank"]), f"{result['score']:.3f}", age(result["memory"]["observed_at"], now=now)


def _why(result: dict[str, Any], *, explain: bool) -> str:
    return reasons(result) if explain else str(result["why"])


def _row(result: dict[str, Any], *, explain: bool, now: datetime) -> tuple[str, ...]:
    memory = result["memory"]
    return (*_numbers(result, now=now), memory["id"], said(memory), _why(result, explain=explain))


def _cell(result: dict[str, Any], *, explain: bool) -> Text:
    memory = result["memory"]
    text = Text(block(said(memory)))
    text.append(f"\n{line(_why(result, explain=explain))}", style="dim")
    if result.get("superseded_by"):
        text.append(f"\nsuperseded by {result['superseded_by']}", style="yellow")
    text.append(f"\n{memory['id']}", style="cyan")
    return text
