"""Install packages into an environment of their own with uv, which takes a quarter of the time that pip takes.

uv reads no configuration of pip's, so what stands there is handed on: mirrors, folders with wheels, constraints.
"""

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path

UV = "uv==0.13.8"
TIMEOUT_S = 1500
# PyTorch's own index of CPU builds, which PyPI has none of; TORCH_CPU_INDEX names a mirror, as in `make run`.
TORCH_CPU_INDEX = os.environ.get("TORCH_CPU_INDEX") or "https://download.pytorch.org/whl/cpu"
HANDED_ON = {
    "index-url": "--default-index",
    "extra-index-url": "--extra-index-url",
    "find-links": "--find-links",
    "constraint": "--constraint",
    "trusted-host": "--allow-insecure-host",
}
"""Settings of pip's, and the options of uv that say the same."""


class Failed(Exception):
    """Something cannot be installed; the text is the end of what was said about it."""


def install(place: Path, requirements: Path, excluded: Path, log: Path) -> None:
    """Make an environment and install what a file lists, and all that needs except what another file lists.

    Raises:
        Failed: it cannot be installed.
    """
    log.unlink(missing_ok=True)
    _run([sys.executable, "-m", "venv", str(place)], log)
    pip = [str(place / "bin" / "python"), "-m", "pip", "--disable-pip-version-check"]
    uv = shutil.which("uv")
    if uv is None:
        _run([*pip, "install", "--no-compile", "--progress-bar", "off", UV], log)
        uv = str(place / "bin" / "uv")
    command = [uv, "pip", "install", "--python", str(place / "bin" / "python"), "--no-progress"]
    command += ["--requirement", str(requirements), "--excludes", str(excluded), *sources(pip)]
    try:
        _run(command, log)  # Where a mirror or a folder has the build of torch, nothing else is asked.
    except Failed:
        _run([*command, "--extra-index-url", TORCH_CPU_INDEX], log)


def sources(pip: list[str]) -> list[str]:
    """Return options for uv that say where pip would look.

    Raises:
        Failed: pip does not tell.
    """
    told = subprocess.run([*pip, "config", "list"], stdout=subprocess.PIPE, text=True, check=False, timeout=60)
    if told.returncode != 0:
        raise Failed("pip does not say what its configuration is")
    # As pip does, the newest wherever it is; and the name of a place twice is no error.
    return ["--index-strategy", "unsafe-best-match", *dict.fromkeys(options_of(told.stdout))]


def options_of(configuration: str) -> list[str]:
    """Return options for uv out of what `pip config list` prints.

    >>> options_of("global.find-links='/wheels'\\n:env:.extra-index-url='https://a/ https://b/'\\nglobal.cert='/c.pem'")
    ['--find-links=/wheels', '--extra-index-url=https://a/', '--extra-index-url=https://b/']
    """
    found = []
    for line in configuration.splitlines():
        name, _, value = line.partition("=")
        option = HANDED_ON.get(name.rpartition(".")[2])
        if option is not None:
            found += [f"{option}={one}" for one in str(ast.literal_eval(value)).split()]
    return found


def _run(command: list[str], log: Path) -> None:
    with log.open("a", encoding="utf-8") as lines:
        lines.write(f"\n$ {' '.join(command)}\n")
        lines.flush()
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=lines, stderr=subprocess.STDOUT, timeout=TIMEOUT_S, check=False
        )
    if done.returncode != 0:
        tail = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-3:]
        raise Failed("\n".join(tail))
