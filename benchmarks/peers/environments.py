"""Make the peers' environments: one with the encoder, and on top of it one per peer.

torch alone takes more than a gigabyte. It lies in the environment ``encoder``, and each peer's own environment sees it
through a ``.pth`` file, behind its own packages: a peer that pins another transformers gets that, and hides ours.
An environment is made again when its pinned versions, those of the encoder, or the Python changed.
"""

import hashlib
import importlib.util
import json
import platform
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from benchmarks.peers.contestants import ContestantFailed
from benchmarks.provenance import CHECKOUT

REQUIREMENTS = Path(__file__).parent / "requirements"
BASE = "encoder"
INSTALL_TIMEOUT_S = 3600.0
"""A slow connection may need that for torch."""
LONGEST_REASON = 300


def default_folder(environ: Mapping[str, str]) -> Path:
    """Return the folder for environments: of the user, outside of any checkout."""
    caches = environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(caches).expanduser() / "memory-service" / "peers"


class Environments:
    """The environments in one folder."""

    def __init__(
        self,
        folder: Path,
        *,
        requirements: Path = REQUIREMENTS,
        install_torch: Callable[[Path, Path], None] | None = None,
    ) -> None:
        """Name the folders; nothing happens yet.

        Args:
            folder: where the environments lie.
            requirements: folder with a file of pinned versions for each.
            install_torch: brings torch, told the environment and the log; by default as `make run` does.
        """
        self._folder = folder.absolute()
        self._requirements = requirements
        self._install_torch = install_torch or _install_torch

    def python(self, name: str) -> Path:
        """Return the interpreter of an environment, which is made or brought up to date when it has to be.

        Raises:
            ContestantFailed: it cannot be installed; the reason is pip's, and the log is named.
        """
        if name != BASE:
            self.python(BASE)
        wanted = self._state(name)
        place = self._folder / name
        if _installed(place) != wanted:
            self._make(name, place)
            (place / "installed.json").write_text(json.dumps({"state": wanted}), encoding="utf-8")
        return _python(place)

    def is_ready(self, name: str) -> bool:
        """Tell whether an environment would be used as it is."""
        return _installed(self._folder / name) == self._state(name)

    def _state(self, name: str) -> str:
        """Return a digest of what the environment depends on."""
        digest = hashlib.sha256(f"{self._folder} {platform.python_version()} {sysconfig.get_platform()}".encode())
        for file in dict.fromkeys((BASE, name)):
            digest.update((self._requirements / f"{file}.txt").read_bytes())
        return digest.hexdigest()

    def _make(self, name: str, place: Path) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(place, ignore_errors=True)
        log = self._folder / f"{name}.log"
        log.unlink(missing_ok=True)
        _run([sys.executable, "-m", "venv", str(place)], log=log)
        if name == BASE:
            self._install_torch(place, log)
        else:
            (_packages(place) / "encoder.pth").write_text(f"{_packages(self._folder / BASE)}\n", encoding="utf-8")
        pip = [str(_python(place)), "-m", "pip", "--disable-pip-version-check", "install", "--progress-bar", "off"]
        _run([*pip, "--requirement", str(self._requirements / f"{name}.txt")], log=log)


def _install_torch(place: Path, log: Path) -> None:
    """Install torch as `make run` does: without gigabytes of CUDA where no GPU could use them."""
    spec = importlib.util.spec_from_file_location("bootstrap_of_peers", CHECKOUT / "bootstrap.py")
    assert spec is not None
    assert spec.loader is not None
    installer = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(installer)
    # A module object of our own: nobody else sees these.
    installer.VENV, installer.LOG = place, log  # type: ignore[attr-defined]
    installer.install_torch()


def _installed(place: Path) -> str:
    """Return the state at the last finished installation, empty when there is none."""
    try:
        return str(json.loads((place / "installed.json").read_text(encoding="utf-8"))["state"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def _python(place: Path) -> Path:
    return place / "bin" / "python"


def _packages(place: Path) -> Path:
    """Return the folder of an environment's packages."""
    return Path(sysconfig.get_path("purelib", "venv", vars={"base": str(place), "platbase": str(place)}))


def _run(command: Sequence[str], *, log: Path) -> None:
    """Run a command into the log.

    Raises:
        ContestantFailed: it failed, with its last error.
    """
    with log.open("a", encoding="utf-8") as lines:
        lines.write(f"\n$ {' '.join(command)}\n")
        lines.flush()
        try:
            done = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                stdout=lines,
                stderr=subprocess.STDOUT,
                timeout=INSTALL_TIMEOUT_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise ContestantFailed(f"not installed after {INSTALL_TIMEOUT_S / 60:.0f} minutes; log: {log}") from None
    if done.returncode != 0:
        raise ContestantFailed(
            f"not installed: {reason(log.read_text(encoding='utf-8', errors='replace'))}; log: {log}"
        )


def reason(log: str) -> str:
    """Return the line of a log that says why.

    >>> reason(chr(10).join(["Collecting a", "ERROR: No matching distribution found for a==9", "[notice] A new pip"]))
    'No matching distribution found for a==9'
    """
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    errors = [line.partition("ERROR:")[2].strip() for line in lines if "ERROR:" in line]
    return ([one for one in errors if one] or lines or ["no reason given"])[-1][:LONGEST_REASON]
