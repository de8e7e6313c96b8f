"""Work that tests wait for, begun before the first of them: what needs no vLLM runs while that is installed."""

import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import pytest

CHECKOUT: Final = Path(__file__).parents[2]


@dataclass(slots=True)
class Work:
    """One command that runs beside the tests, its output in a file; begun once, whoever asks first."""

    command: Sequence[str]
    log: Path
    _process: "subprocess.Popen[bytes] | None" = field(default=None, init=False)

    def begin(self) -> None:
        """Start it, unless it is started."""
        if self._process is None:
            with self.log.open("wb") as lines:
                self._process = subprocess.Popen(self.command, cwd=CHECKOUT, stdout=lines, stderr=subprocess.STDOUT)

    def result(self, seconds: float) -> str:
        """Wait until it ends and return the last line of what it said."""
        self.begin()
        assert self._process is not None
        status = self._process.wait(timeout=seconds)
        said = self.log.read_text(errors="replace").strip()
        if status != 0:
            pytest.fail(f"{' '.join(self.command)} ended with {status}:\n{said[-3000:]}", pytrace=False)
        return said.rpartition("\n")[2]

    def end(self) -> None:
        """Stop it where it still runs: nobody waits for it any more."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            self._process.wait(timeout=60)


class Beforehand:
    """What is begun beforehand: vLLM's environment, and a small model that learns to recall.

    Attributes:
        installing: says the environment's interpreter last
        training: leaves a file behind
        trained: that file
    """

    def __init__(self, folder: Path) -> None:
        """Begin nothing yet."""
        self._folder, self.trained = folder, folder / "codec.json"
        environment = [sys.executable, str(Path(__file__).with_name("environment.py"))]
        learning = [sys.executable, "-m", "benchmarks.kv_codec", "--texts", "12", "--out", str(self.trained)]
        self.installing = Work(environment, folder / "installing.log")
        self.training = Work(learning, folder / "training.log")

    def end(self) -> None:
        """Stop what still runs."""
        self.installing.end()
        self.training.end()
        shutil.rmtree(self._folder, ignore_errors=True)
