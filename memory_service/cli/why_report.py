"""How a search's trace, and its reason for or against one memory, are printed."""

from typing import Any

from memory_service.cli.ages import minute
from memory_service.cli.console import Column, note, print_table, print_text

CHANNELS = (
    Column("channel"),
    Column("rank", right=True),
    Column("score", right=True),
    Column("weight", right=True),
    Column("contribution", right=True),
)


def print_trace(trace: dict[str, Any]) -> None:
    """Print the question, what was found, and what was nearly found."""
    _print_question(trace)
    columns = [Column("#", right=True), Column("score", right=True), Column("memory"), Column("channels", whole=False)]
    found = [(str(one["rank"]), f"{one['score']:.3f}", one["memory_id"], _ranks(one)) for one in trace["results"]]
    missed = [("-", f"{one['score']:.3f}", one["memory_id"], _ranks(one)) for one in trace["near_misses"]]
    print_table(columns, found + missed)
    note("- marks what was nearly found; `why SEARCH MEMORY` explains one of them")


def print_reason(trace: dict[str, Any], reason: dict[str, Any]) -> None:
    """Print where a memory came out of the search, with the numbers that decided it."""
    _print_question(trace)
    style = "green" if reason["stage"] == "found" else "yellow"
    print_text(f"{reason['stage'].replace('_', ' ')}: {reason['detail']}", style=style)
    for text in _evidence(reason):
        print_text(text)
    if reason["channels"]:
        print_table(CHANNELS, [_channel(name, said) for name, said in reason["channels"].items()])
    for name, value in (reason["signals"] or {}).items():
        print_text(f"{name} {value:+.3f}")


def _evidence(reason: dict[str, Any]) -> list[str]:
    told = []
    if reason["score"] is not None:
        last = reason["last_result"]
        least = f"; the last result has {last['score']:.3f} at rank {last['rank']}" if last else ""
        told.append(f"score {reason['score']:.3f}{least}")
    if reason["missing_score"] is not None:
        dearest = f", most of it in the channel {reason['dearest_channel']}" if reason["dearest_channel"] else ""
        told.append(f"{reason['missing_score']:.3f} were missing{dearest}")
    for condition in reason["excluded_by"]:
        told.append(
            f"excluded by {condition['part']}" + (f": {condition['condition']}" if condition["condition"] else "")
        )
    if reason["budget"]:
        budget = reason["budget"]
        told.append(f"it has {budget['tokens']} tokens; {budget['used']} of {budget['limit']} were taken")
    if reason["cosine"] is not None:
        told.append(f"cosine to the query {reason['cosine']:.3f}")
    if reason["matched_terms"]:
        told.append(f"matches {', '.join(reason['matched_terms'])}")
    if reason["would_bring_it_in"]:
        remedy = reason["would_bring_it_in"]
        weights = ", ".join(f"{name}={weight:g}" for name, weight in (remedy["channels"] or {}).items())
        told.append(f"would bring it in: top_k {remedy['top_k']}" + (f", or channels {weights}" if weights else ""))
    return told


def _print_question(trace: dict[str, Any]) -> None:
    print_text(trace["query"], style="bold")
    print_text(f"asked {minute(trace['created_at'])} in {', '.join(trace['namespaces'])}", style="dim")


def _channel(name: str, said: dict[str, Any]) -> tuple[str, ...]:
    score = "-" if said["score"] is None else f"{said['score']:.3f}"
    return name, str(said["rank"] or "-"), score, f"{said['weight']:g}", f"{said['contribution']:+.3f}"


def _ranks(one: dict[str, Any]) -> str:
    return ", ".join(f"{name} {said['rank']}" for name, said in one["channels"].items() if said["rank"]) or "none"
