"""What a result must say about how it was made: command, revision, versions, machine. No paths, no host names."""

import os
import platform
import shlex
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import psutil

CHECKOUT = Path(__file__).resolve().parent.parent
RESULTS = CHECKOUT / "benchmarks" / "results"
PACKAGES = ("memory-service", "httpx", "numpy", "onnxruntime", "openvino", "sentence-transformers", "torch")


def provenance(argv: Sequence[str] | None = None) -> dict[str, Any]:
    """Return the facts that stand at the head of every result."""
    return {
        "command": command_line(sys.argv if argv is None else argv),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "revision": revision(),
        "versions": versions(),
        "machine": machine(),
    }


def command_line(argv: Sequence[str]) -> str:
    """Return the command with every path cut to its last part.

    >>> command_line(["/home/me/venv/bin/memory-service", "bench", "retrieval", "../data/dev.jsonl"])
    'memory-service bench retrieval dev.jsonl'
    >>> command_line(["/home/me/checkout/benchmarks/peers/__main__.py", "../data/dev.jsonl"])
    'python -m benchmarks.peers dev.jsonl'
    """
    program, *rest = argv
    if Path(program).name == "__main__.py":  # A package that is run.
        program = f"{Path(program).parent}.py"
    name = Path(program).name
    if program.endswith(".py") and Path(program).parent.name == "benchmarks":
        name = f"python -m benchmarks.{Path(program).stem}"
    elif name == "main.py":
        name = "memory-service"
    return shlex.join([*shlex.split(name), *(_without_folder(word) for word in rest)])


def _without_folder(word: str) -> str:
    """Return a word without the folders of a path; options and addresses stay as they are."""
    option, sign, value = word.partition("=") if word.startswith("--") else ("", "", word)
    return word if "://" in value or os.sep not in value else f"{option}{sign}{Path(value).name}"


def revision() -> str:
    """Return the commit of the checkout, with ``-dirty`` when files differ from it; "unknown" outside of git."""
    try:
        done = subprocess.run(
            ["git", "describe", "--always", "--abbrev=12", "--dirty", "--exclude=*"],
            cwd=CHECKOUT,
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return done.stdout.strip()


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that shape the numbers."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def machine() -> dict[str, Any]:
    """Return what the numbers depend on: processor, cores, memory, system."""
    return {
        "cpu": _processor(),
        "cpu_count": os.cpu_count(),
        "cpu_usable": len(psutil.Process().cpu_affinity()) if hasattr(psutil.Process, "cpu_affinity") else None,
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "system": f"{platform.system()} {platform.machine()}",
    }


def _processor() -> str:
    """Return the processor's name, where the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())
