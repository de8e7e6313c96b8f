"""How the doctor prints its checks."""

from dataclasses import asdict

from rich.text import Text

from memory_service.cli.console import output, print_json
from memory_service.cli.doctor import Check


def print_checks(checks: list[Check], *, as_json: bool) -> None:
    """Print one line per check, and under a failing one its repair."""
    if as_json:
        print_json({"ok": all(check.ok for check in checks), "checks": [asdict(check) for check in checks]})
        return
    console = output()
    width = max(len(check.name) for check in checks)
    for check in checks:
        line = Text(" ok   " if check.ok else " FAIL ", style="green" if check.ok else "bold red")
        line.append(f"{check.name:<{width}}  {check.detail}", style="default")
        console.print(line, soft_wrap=True)
        if check.fix:
            console.print(Text(f"      {'':<{width}}  → {check.fix}", style="yellow"), soft_wrap=True)
    failed = sum(not check.ok for check in checks)
    console.print(Text(f"\n{len(checks) - failed} of {len(checks)} checks passed"))
