"""Keep what a benchmark of the client measured, with what has to be known to read it."""

import json
import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).resolve().parents[3]


def target(name: str, value: float, limit: float, unit: str) -> dict[str, Any]:
    """Return a number beside what it may be at most."""
    return {
        "name": name,
        "value": round(value, 3),
        "limit": limit,
        "at_most": True,
        "unit": unit,
        "met": value <= limit,
    }


def record(
    out: Path | None, kind: str, *, settings: dict[str, Any], targets: list[dict[str, Any]], measured: dict[str, Any]
) -> None:
    """Write a result as JSON, if a file was named."""
    if out is None:
        return
    script = Path(sys.argv[0]).resolve().relative_to(CHECKOUT)
    result = {
        "kind": kind,
        "command": " ".join(["python", str(script), *sys.argv[1:]]),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "revision": _revision(),
        "versions": {"python": platform.python_version(), **{one: version(one) for one in ("httpx", "pydantic")}},
        "machine": {
            "cpu_count": os.cpu_count(),
            "load_1_5_15_min": [round(one, 1) for one in os.getloadavg()],
            "system": f"{platform.system()} {platform.machine()}",
        },
        "settings": settings,
        "targets": targets,
        "measured": measured,
    }
    draft = out.with_name(f".{out.name}.draft")
    draft.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    draft.replace(out)


def _revision() -> str | None:
    found = subprocess.run(
        ["git", "rev-parse", "--short=12", "HEAD"], cwd=CHECKOUT, capture_output=True, text=True, check=False
    )
    return found.stdout.strip() or None
