"""Print a retrieval run."""

from pathlib import Path
from typing import Any

from rich.table import Table

from benchmarks.retrieval_summary import ALL, ALL_BUT_ADVERSARIAL, DEPTHS, NDCG_DEPTH, Summary
from memory_service.cli.console import output


def print_retrieval(summary: Summary, result: dict[str, Any], *, out: Path) -> None:
    """Print the metrics per category, then rates, oddities of the data, and the machine."""
    console = output()
    columns = ["category", "questions", *(f"R@{depth}" for depth in DEPTHS), "MRR", f"nDCG@{NDCG_DEPTH}"]
    table = Table(title=f"{result['name']}: recall of evidence, percent")
    for column in columns:
        table.add_column(column, justify="left" if column == "category" else "right")
    for name, group in summary.groups.items():
        numbers = [*(group.recall[str(depth)] for depth in DEPTHS), group.mrr, group.ndcg10]
        if name == ALL_BUT_ADVERSARIAL or (name == ALL and ALL_BUT_ADVERSARIAL not in summary.groups):
            table.add_section()
        table.add_row(name, str(group.questions), *(f"{100 * number:.1f}" for number in numbers))
    console.print(table)
    latency, loading = summary.latency, result["loading"]
    console.print(
        f"stored {loading['created']} of {loading['sent']} memories, {summary.memories_per_second:.0f}/s · search "
        f"p50 {latency.p50_ms:.1f} ms, p95 {latency.p95_ms:.1f} ms (encoding p50 {latency.encode_p50_ms:.1f} ms)"
    )
    for line in _oddities(summary, loading):
        console.print(line, style="yellow", soft_wrap=True)
    machine = result["machine"]
    console.print(
        f"{machine['cpu']}, {machine['cpu_count']} cores, {machine['memory_gib']} GiB · revision {result['revision']}",
        style="dim",
    )
    console.print(f"raw results: {out}", style="dim", soft_wrap=True)


def _oddities(summary: Summary, loading: dict[str, Any]) -> list[str]:
    """Return a line for everything that was not stored, or asked, exactly as the file has it."""
    lines = []
    if loading["cut"]:
        lines.append(f"{len(loading['cut'])} texts longer than a memory were cut to 64 KiB: {_some(loading['cut'])}")
    if loading["empty"]:
        lines.append(f"{len(loading['empty'])} empty texts were left out: {_some(loading['empty'])}")
    if loading["undated"]:
        lines.append(f"{loading['undated']} texts without a time follow the text before them by a second")
    if loading["repaired"]:
        lines.append(f"{loading['repaired']} texts had lone surrogates, replaced by a question mark")
    if loading["skipped"]:
        lines.append(f"{loading['skipped']} memories were skipped as duplicates")
    if loading["rejected"]:
        lines.append(f"{loading['rejected']} memories were REJECTED, the first: {loading['first_rejection']}")
    without = summary.unanswerable
    if without.questions:
        lines.append(
            f"{without.questions} questions without evidence: mean confidence {without.mean_confidence:.2f} "
            f"(with evidence {without.mean_confidence_answerable:.2f}, AUROC {without.confidence_auroc:.2f}), "
            f"abstained {100 * without.abstain_share:.0f} % "
            f"(with evidence {100 * without.abstain_share_answerable:.0f} %)"
        )
    return lines


def _some(names: list[str]) -> str:
    return ", ".join(names[:5]) + (", …" if len(names) > 5 else "")
