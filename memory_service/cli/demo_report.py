"""How the demo prints an answer."""

from datetime import datetime
from typing import Any

from rich.markup import escape
from rich.text import Text

from memory_service.cli.console import output
from memory_service.cli.demo_answer import DemoAnswer, DemoSummary
from memory_service.cli.shown_text import block, line


def print_answer(answer: DemoAnswer, *, top: int, depth: int) -> None:
    """Print a question and its evidence, each piece with date, speaker, text, score and why."""
    console = output()
    wide = not console.is_terminal  # A program that reads the lines wants them whole.
    mark = {
        True: f"[green]✓ evidence in the first {depth}[/green]",
        False: f"[red]✗ evidence not in the first {depth}[/red]",
        None: "[yellow]– the conversation does not say[/yellow]",
    }[answer.hit]
    console.print(
        f"\n[bold]{escape(answer.question.question)}[/bold]  [dim]({answer.question.kind})[/dim]  {mark}",
        soft_wrap=wide,
    )
    console.print(f"  [dim]expected: {escape(answer.question.answer)}{_confidence(answer)}[/dim]", soft_wrap=wide)
    for result in answer.results[:top]:
        memory = result["memory"]
        star = "*" if memory.get("external_id") in answer.question.expected else " "
        speaker = (memory.get("source") or {}).get("speaker") or "?"
        shown = Text(f" {star}{result['rank']}. ")
        shown.append(f"[{_day(memory.get('observed_at'))}] {line(speaker)}: ", style="cyan")
        shown.append(block(memory["content"]))
        console.print(shown, soft_wrap=wide)
        console.print(Text(f"     {result['score']:.3f}  {line(reasons(result))}", style="dim"), soft_wrap=wide)


def print_summary(summary: DemoSummary, *, depth: int) -> None:
    """Print the closing line."""
    console = output()
    if summary.new == summary.turns:
        stored = f"{summary.turns} turns stored and findable in {summary.ingest_s:.1f} s"
    elif summary.new:
        stored = f"{summary.new} of {summary.turns} turns stored in {summary.ingest_s:.1f} s, the others were there"
    else:
        stored = f"nothing new stored: all {summary.turns} turns were there"
    console.print(
        f"\n[bold]{summary.hits} of {summary.answerable}[/bold] questions with evidence in the first {depth}"
        f" · {stored} · search p50 {summary.search_p50_ms:.1f} ms",
        soft_wrap=not console.is_terminal,
    )


def reasons(result: dict[str, Any]) -> str:
    """Say what each channel contributed to a score, and why: ranks, matched words, cosine.

    >>> channel = {"rank": 1, "score": 9.1, "weight": 1.0, "contribution": 2.5}
    >>> reasons({"channels": {"keyword": channel}, "why": "keyword rank 1 (matches heron)"})
    'keyword +2.50 · keyword rank 1 (matches heron)'
    >>> reasons({"channels": {"keyword": channel}, "why": ""})
    'keyword +2.50 · keyword rank 1'
    """
    channels = result.get("channels") or {}
    contributions = [f"{name} {channel.get('contribution') or 0.0:+.2f}" for name, channel in channels.items()]
    # Without words of the service, the ranks say it.
    ranks = [f"{name} rank {channel['rank']}" for name, channel in channels.items() if channel.get("rank") is not None]
    return " · ".join(part for part in (", ".join(contributions), result.get("why") or "; ".join(ranks)) if part)


def _confidence(answer: DemoAnswer) -> str:
    """Return the service's own doubt, when it states one."""
    parts = []
    if answer.confidence is not None:
        parts.append(f"confidence {answer.confidence:.2f}")
    if answer.abstain:
        parts.append("the service would abstain")
    return f"; {', '.join(parts)}" if parts else ""


def _day(moment: str | None) -> str:
    """Return the day of an RFC 3339 time in words."""
    if not moment:
        return "undated"
    day = datetime.fromisoformat(moment)
    return f"{day.day} {day:%B %Y}"
