"""What the person in front of the terminal sees."""

import contextlib
import os
import shlex
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol, TextIO


class Waiting(Protocol):
    """Show how long a step has taken so far."""

    def __call__(self, seconds: float, doing: str = "") -> None:
        """Show the seconds and what goes on at present."""


class Console:
    """Short lines for steps; on a terminal a running step shows its seconds."""

    def __init__(self, out: TextIO | None = None) -> None:
        self._out = out or sys.stdout
        self._terminal = self._out.isatty()
        self._live = False

    def line(self, text: str = "") -> None:
        """Print one line."""
        self._clear()
        with contextlib.suppress(OSError):  # A file on a full disk: nobody reads it, and the service goes on.
            print(text, file=self._out, flush=True)

    def problem(self, text: str) -> None:
        """Print why something did not work, to the error stream."""
        self._clear()
        with contextlib.suppress(OSError):
            print(f"{self._paint('31;1', 'error:')} {text}", file=sys.stderr, flush=True)

    def strong(self, text: str) -> str:
        """Return the text in bold where the terminal can."""
        return self._paint("1", text)

    @contextmanager
    def step(self, title: str) -> Iterator["Waiting"]:
        """Announce a step that may take long; yields what to call with the seconds waited so far and what goes on."""
        started = time.monotonic()
        shown = 0

        def waited(seconds: float, doing: str = "") -> None:
            nonlocal shown
            if self._terminal:
                text = f"{title}  {seconds:.0f} s  {doing}"[: shutil.get_terminal_size().columns - 5]
                self._clear()
                print(f"  {self._paint('2', '·')} {text}", end="", file=self._out, flush=True)
                self._live = True
            elif seconds >= shown + 15:  # A log file wants signs of life, not an animation.
                shown = int(seconds)
                self.line(f"    {title}: {shown} s  {doing}")

        waited(0)
        yield waited
        self.line(f"  {self._paint('32', '✓')} {title}  {self._paint('2', f'{time.monotonic() - started:.1f} s')}")

    def _clear(self) -> None:
        if self._live:
            print("\r\x1b[2K", end="", file=self._out)
            self._live = False

    def _paint(self, code: str, text: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self._terminal and "NO_COLOR" not in os.environ else text


def shown_path(path: Path) -> str:
    """Return a path the way one would type it here."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)


def banner(
    console: Console, *, url: str, data_dir: Path, key_file: Path, admin_path: str | None, seconds: float
) -> None:
    """Print where everything is, once everything is up; ``admin_path`` leads to the web view, None when there is none."""
    key = shown_path(key_file)
    rows = [
        ("API", f"{url}/v1"),
        ("Docs", f"{url}/docs"),
        *([("Admin", f"{url}{admin_path}")] if admin_path else []),
        ("Key", key),
        ("Data", shown_path(data_dir)),
        ("Logs", f"{shown_path(data_dir / 'logs')}/"),
        ("Try", f'curl -H "Authorization: Bearer $(cat {shlex.quote(key)})" {shlex.quote(url + "/v1/memories")}'),
    ]
    console.line()
    console.line(f"  {console.strong('Memory service is ready')} ({seconds:.1f} s). Ctrl-C stops all of it.")
    console.line()
    for name, value in rows:
        console.line(f"  {name:<6} {value}")
    if admin_path and "#" in admin_path:
        console.line("         logs a browser in once, within 15 minutes; `memory-service admin-link` makes another")
    console.line()
