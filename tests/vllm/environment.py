"""Make an environment with vLLM and print its interpreter: `python tests/vllm/environment.py`.

It takes 2 GB and half a minute once, so it lies in the user's cache and serves every checkout. It is made again when its pinned
versions or the Python change. With a second word it makes another one: `lmcache` has LMCache beside vLLM, `kvpress` has kvpress.
"""

import fcntl
import hashlib
import json
import os
import platform
import shutil
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
CHECKOUT = HERE.parents[1]
sys.path.insert(0, str(CHECKOUT))  # This is a script, too.

from tests.vllm.installing import Failed, install  # noqa: E402


@dataclass(frozen=True)
class Environment:
    """What one environment holds.

    Attributes:
        name: of its folder
        requirements: file with what is installed
        excluded: file with what is left out though something asks for it
        gigabytes: that it takes while it is installed
    """

    name: str
    requirements: Path
    excluded: Path
    gigabytes: float

    @property
    def folder(self) -> Path:
        """Return where it lies."""
        caches = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
        return Path(caches).expanduser().absolute() / "memory-service" / self.name

    @property
    def python(self) -> Path:
        """Return its interpreter."""
        return self.folder / "bin" / "python"

    def state(self) -> str:
        """Return a digest of what it depends on."""
        digest = hashlib.sha256(f"{self.folder} {platform.python_version()} {sysconfig.get_platform()}".encode())
        for file in (self.requirements, self.excluded):
            digest.update(file.read_bytes())
        return digest.hexdigest()

    def is_installed(self) -> bool:
        """Return whether it is there as it would be made now."""
        try:
            said = json.loads((self.folder / "installed.json").read_text(encoding="utf-8"))
            return bool(said["state"] == self.state())
        except (OSError, ValueError, KeyError, TypeError):
            return False


VLLM = Environment("vllm", HERE / "requirements.txt", HERE / "excluded.txt", 5)
LMCACHE = Environment("lmcache", HERE / "requirements-lmcache.txt", HERE / "excluded-lmcache.txt", 5)
PRESSES = CHECKOUT / "benchmarks" / "kvpress"
KVPRESS = Environment("kvpress", PRESSES / "requirements.txt", PRESSES / "excluded.txt", 3)


def interpreter(wanted: Environment) -> Path:
    """Return an environment's Python; the environment is made or brought up to date when it has to be.

    Raises:
        SystemExit: it cannot be; the sentence says why.
    """
    place = wanted.folder
    place.parent.mkdir(parents=True, exist_ok=True)
    with (place.parent / f"{wanted.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # Two checkouts may ask at the same time.
        if not wanted.is_installed():
            _make(wanted)
            (place / "installed.json").write_text(json.dumps({"state": wanted.state()}), encoding="utf-8")
    return wanted.python


def _make(wanted: Environment) -> None:
    place = wanted.folder
    shutil.rmtree(place, ignore_errors=True)
    free = shutil.disk_usage(place.parent).free / 1e9
    if free < wanted.gigabytes:
        sys.exit(f"error: {wanted.name} needs {wanted.gigabytes} GB in {place.parent}, and {free:.1f} GB are free.")
    print(f"  Installing {wanted.name} into {place}", file=sys.stderr, flush=True)
    log = place.parent / f"{wanted.name}.log"
    try:
        install(place, wanted.requirements, wanted.excluded, log)
    except Failed as error:
        sys.exit(f"error: {wanted.name} cannot be installed; the whole log is {log}.\n{error}")


if __name__ == "__main__":
    names = {one.name: one for one in (VLLM, LMCACHE, KVPRESS)}
    asked = sys.argv[1] if sys.argv[1:] else VLLM.name
    if asked not in names:
        sys.exit(f"error: there is no environment {asked!r}, only {', '.join(names)}")
    print(interpreter(names[asked]))
