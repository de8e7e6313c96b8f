"""A promise with a number: what was wanted, what was measured, whether it holds."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.table import Table

from benchmarks.provenance import RESULTS, provenance
from benchmarks.results import write_result
from memory_service.cli.console import output


@dataclass(frozen=True, slots=True)
class Target:
    """One promise; ``value`` is None when this run could not measure it."""

    name: str
    value: float | None
    limit: float
    at_most: bool = True
    unit: str = ""

    @property
    def met(self) -> bool | None:
        """Whether the promise holds, None when it was not measured."""
        if self.value is None:
            return None
        return self.value <= self.limit if self.at_most else self.value >= self.limit


def publish(
    kind: str, *, targets: Sequence[Target], settings: dict[str, Any], measured: dict[str, Any], out: Path | None
) -> None:
    """Print the targets, and write everything to ``out``, else to ``benchmarks/results/<kind>.json``."""
    path = out or RESULTS / f"{kind}.json"
    stated = [{**asdict(target), "met": target.met} for target in targets]
    result = {"kind": kind, **provenance(), "settings": settings, "targets": stated, "measured": measured}
    write_result(path, result)
    print_targets(targets, title=kind, path=path)


def print_targets(targets: Sequence[Target], *, title: str, path: Path) -> None:
    """Print one row per promise."""
    table = Table("promise", "measured", "wanted", "holds", title=title)
    for target in targets:
        value = "not measured" if target.value is None else f"{target.value:.3g} {target.unit}"
        sign = "≤" if target.at_most else "≥"
        verdict = {True: "[green]yes[/green]", False: "[red]NO[/red]", None: "–"}[target.met]
        table.add_row(target.name, value, f"{sign} {target.limit:g} {target.unit}", verdict)
    console = output()
    console.print(table)
    console.print(f"written: {path}", style="dim", soft_wrap=True)
