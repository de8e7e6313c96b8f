"""Make an environment with vLLM and print its interpreter: `python tests/vllm/environment.py`.

It takes 3.5 GB and some minutes once, so it lies in the user's cache and serves every checkout. It is made again when its
pinned version or the Python changes.
"""

import fcntl
import hashlib
import importlib.util
import json
import os
import platform
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

HERE = Path(__file__).resolve().parent
CHECKOUT = HERE.parent.parent
REQUIREMENTS = HERE / "requirements.txt"
NEEDED_GB = 6  # while it is installed
TIMEOUT_S = 1500
# Left in, they keep transformers from importing the configurations of text models.
UNWANTED = ("torchvision", "torchaudio", "torchcodec")


def folder() -> Path:
    """Return where the environment lies."""
    caches = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(caches).expanduser().absolute() / "memory-service" / "vllm"


def interpreter() -> Path:
    """Return the environment's Python; the environment is made or brought up to date when it has to be.

    Raises:
        SystemExit: it cannot be; the sentence says why.
    """
    place = folder()
    place.parent.mkdir(parents=True, exist_ok=True)
    python = place / "bin" / "python"
    with (place.parent / "vllm.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # Two checkouts may ask at the same time.
        if _installed(place) != _state(place):
            _make(place, python)
            (place / "installed.json").write_text(json.dumps({"state": _state(place)}), encoding="utf-8")
    return python


def _state(place: Path) -> str:
    """Return a digest of what the environment depends on."""
    parts = f"{place} {platform.python_version()} {sysconfig.get_platform()} {UNWANTED}".encode()
    return hashlib.sha256(parts + REQUIREMENTS.read_bytes()).hexdigest()


def _installed(place: Path) -> str:
    """Return the state at the last finished installation, empty when there is none."""
    try:
        return str(json.loads((place / "installed.json").read_text(encoding="utf-8"))["state"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def _make(place: Path, python: Path) -> None:
    shutil.rmtree(place, ignore_errors=True)
    free = shutil.disk_usage(place.parent).free / 1e9
    if free < NEEDED_GB:
        sys.exit(f"error: vLLM needs {NEEDED_GB} GB in {place.parent}, and {free:.1f} GB are free.")
    print(f"  Installing vLLM into {place} (3.5 GB, some minutes)", file=sys.stderr, flush=True)
    log = place.parent / "vllm.log"
    log.unlink(missing_ok=True)
    _run([sys.executable, "-m", "venv", str(place)], log)
    _install_torch(place, log)
    pip = [str(python), "-m", "pip", "--disable-pip-version-check"]
    _run([*pip, "install", "--no-compile", "--progress-bar", "off", "--requirement", str(REQUIREMENTS)], log)
    _run([*pip, "uninstall", "--yes", *UNWANTED], log)


def _install_torch(place: Path, log: Path) -> None:
    """Install torch as `make run` does: without gigabytes of CUDA where no GPU could use them."""
    spec = importlib.util.spec_from_file_location("bootstrap_of_vllm", CHECKOUT / "bootstrap.py")
    assert spec is not None
    assert spec.loader is not None
    installer = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(installer)
    installer.VENV, installer.LOG = place, log  # A module object of our own: nobody else sees these.
    installer.say = lambda text: print("  " + text, file=sys.stderr, flush=True)
    installer.install_torch()


def _run(command: list[str], log: Path) -> None:
    with log.open("a", encoding="utf-8") as lines:
        lines.write(f"\n$ {' '.join(command)}\n")
        lines.flush()
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=lines, stderr=subprocess.STDOUT, timeout=TIMEOUT_S, check=False
        )
    if done.returncode != 0:
        tail = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-3:]
        sys.exit(f"error: vLLM cannot be installed; the whole log is {log}.\n" + "\n".join(tail))


if __name__ == "__main__":
    print(interpreter())
