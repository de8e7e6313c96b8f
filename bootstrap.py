"""Make the virtual environment `.venv` and install this checkout into it.

Run by `make`; needs nothing but a Python. `python3 bootstrap.py [extra…]` installs the core and the named extras of
pyproject.toml; `python3 bootstrap.py clients` makes `.venv-clients`, in which the clients are tested beside the frameworks
they serve, and `python3 bootstrap.py crewai` makes `.venv-crewai` for the one that needs other versions of the same. A second
run with nothing changed takes a fraction of a second. The syntax is old on purpose: a Python that is too old must get as far
as the sentence that says so.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
STAMP = VENV / "installed.json"
LOG = VENV / "install.log"
# The versions this checkout was tested with.
CONSTRAINTS = ROOT / "constraints.txt"
# The service must not be importable where its clients are tested, and frameworks pin what it needs in other versions.
CLIENTS = ROOT / "clients"
CLIENTS_VENV = ROOT / ".venv-clients"
CLIENTS_REQUIREMENTS = CLIENTS / "requirements-test.txt"
CREWAI_VENV = ROOT / ".venv-crewai"
CREWAI_REQUIREMENTS = CLIENTS / "crewai" / "requirements-test.txt"
MINIMUM = (3, 11)
# Interpreters to look for when the one that runs this is too old, newest well supported first.
OTHER_PYTHONS = ("python3.13", "python3.12", "python3.11", "python3.14")
# One version for everybody, because the choice between builds is made by looking at this one.
TORCH = "torch==2.13.0"
# PyTorch's own index of CPU builds; set TORCH_CPU_INDEX to use a mirror.
TORCH_CPU_INDEX = os.environ.get("TORCH_CPU_INDEX") or "https://download.pytorch.org/whl/cpu"
BIG_DOWNLOAD = ("MB)", "GB)")

# Runs inside the environment, where pip's own parser of requirements is at hand. Prints the CUDA packages that the
# build pip would choose asks for on this machine.
CUDA_NEEDS = """
import json, sys
from pip._vendor.packaging.requirements import Requirement
for item in json.load(sys.stdin)["install"]:
    for text in item["metadata"].get("requires_dist", []):
        need = Requirement(text)
        applies = need.marker is None or need.marker.evaluate({"extra": ""})
        if applies and need.name.startswith(("nvidia", "cuda", "triton")):
            print(need.name)
"""


def say(text):
    """Tell the person what happens."""
    print("  " + text, flush=True)


def fail(text):
    """End with one sentence."""
    sys.exit("error: " + text)


def require_python():
    """Continue with a Python that is new enough, or say that there is none."""
    if sys.version_info >= MINIMUM:
        return
    for name in OTHER_PYTHONS:
        found = shutil.which(name)
        if found:
            os.execv(found, [found, *sys.argv])
    fail(
        "the memory service needs Python {}.{} or newer; {} is {}.{}. Install one, or name it: "
        "`make run PYTHON=/path/to/python3.11`.".format(*MINIMUM, sys.executable, *sys.version_info[:2])
    )


def venv_python():
    """Return the interpreter of the environment."""
    return VENV / "bin" / "python"


def make_environment():
    """Create the environment, unless there is one that works."""
    if venv_python().exists() and run_quietly([venv_python(), "-m", "pip", "--version"]):
        return
    say("Creating {} with Python {}.{}.{}".format(VENV.name, *sys.version_info[:3]))
    done = subprocess.run(
        [sys.executable, "-m", "venv", "--clear", str(VENV)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    if done.returncode != 0 or not run_quietly([venv_python(), "-m", "pip", "--version"]):
        shutil.rmtree(str(VENV), ignore_errors=True)
        fail(
            "this Python cannot make virtual environments. On Debian and Ubuntu run "
            "`apt install python{}.{}-venv`, then start again.".format(*sys.version_info[:2])
        )


def run_quietly(command):
    """Tell whether a command succeeds."""
    done = subprocess.run(
        [str(part) for part in command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False
    )
    return done.returncode == 0


def pip(*arguments):
    """Run pip, showing large downloads only; everything goes to the log. Return whether it succeeded."""
    command = [str(venv_python()), "-m", "pip", "--disable-pip-version-check", *arguments]
    with open(str(LOG), "a", encoding="utf-8") as log:
        log.write("\n$ pip {}\n".format(" ".join(arguments)))
        process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            universal_newlines=True,
            errors="replace",
            cwd=str(ROOT),
        )
        seen = 0
        for line in process.stdout:
            log.write(line)
            text = line.strip()
            if text.startswith("Collecting "):
                seen += 1
                show_live(f"  resolving, {seen} packages so far")
            elif text.startswith("Downloading ") and text.endswith(BIG_DOWNLOAD):
                size = text.rpartition("(")[2].rstrip(")")
                show_live("  downloading {}, {}".format(text.split()[1].rpartition("/")[2].split("-")[0], size))
            elif text.startswith("Installing collected packages"):
                show_live("  installing {} packages".format(text.count(",") + 1))
        process.wait()
        show_live("")
    return process.returncode == 0


def show_live(text):
    """Replace the line that shows what pip is doing; only on a terminal."""
    if sys.stdout.isatty():
        print("\r\x1b[2K" + text[:100], end="", flush=True)


def has_gpu():
    """Tell whether this machine has a working NVIDIA driver."""
    if os.path.exists("/proc/driver/nvidia/version"):
        return True
    return shutil.which("nvidia-smi") is not None and run_quietly(["nvidia-smi", "-L"])


def install_torch():
    """Install torch, without gigabytes of CUDA where no GPU could use them."""
    if run_quietly(
        [venv_python(), "-c", "import importlib.util, sys; sys.exit(not importlib.util.find_spec('torch'))"]
    ):
        return
    if not sys.platform.startswith("linux") or has_gpu():
        return  # The build that pip chooses with the other requirements is the right one.
    needs = cuda_needs()
    if needs == []:
        say("Installing torch (CPU build)")
        pip("install", TORCH)
        return
    say(f"Installing torch (CPU build, from {TORCH_CPU_INDEX})")
    if not pip("install", TORCH, "--index-url", TORCH_CPU_INDEX, "--retries", "2"):
        say("No CPU build of torch could be had there, so pip installs its usual one, which may bring CUDA packages.")


def cuda_needs():
    """Return the CUDA packages the usual build asks for here; None when pip cannot tell."""
    report = subprocess.run(
        [
            str(venv_python()), "-m", "pip", "--disable-pip-version-check", "install", "--quiet",
            "--dry-run", "--no-deps", "--ignore-installed", "--report", "-", TORCH,
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        check=False,
    )  # fmt: skip
    if report.returncode != 0:
        return None
    needs = subprocess.run(
        [str(venv_python()), "-c", CUDA_NEEDS], input=report.stdout, stdout=subprocess.PIPE, check=False
    )
    return needs.stdout.decode().split() if needs.returncode == 0 else None


def state(inputs):
    """Return what the installation depends on. The path counts: installed commands name it."""
    digest = hashlib.sha256()
    for path in inputs:
        digest.update(path.read_bytes())
    digest.update(f"{ROOT} {sysconfig.get_platform()}".encode())
    return digest.hexdigest()


def installed():
    """Return the state and extras of the last finished installation."""
    try:
        stamp = json.loads(STAMP.read_text(encoding="utf-8"))
        return stamp["state"], set(stamp["extras"])
    except (OSError, ValueError, KeyError, TypeError):
        return "", set()


def install(arguments):
    """Let pip install, or end with the last lines of its log."""
    if pip("install", *arguments):
        return
    tail = LOG.read_text(encoding="utf-8", errors="replace").splitlines()[-15:]
    print("\n".join("    " + line for line in tail), file=sys.stderr)
    fail(f"pip could not install the requirements; the whole log is {LOG}.")


def finish(now, extras):
    """Remember what was installed."""
    STAMP.write_text(json.dumps({"state": now, "extras": sorted(extras)}), encoding="utf-8")
    say("Installed.")


def main(extras):
    """Bring `.venv` up to date."""
    require_python()
    now = state([ROOT / "pyproject.toml", ROOT / "bootstrap.py", CONSTRAINTS])
    last_state, last_extras = installed()
    if last_state == now and extras <= last_extras and venv_python().exists():
        return
    # What was asked for once stays: `make run` after `make test` must not leave the test tools behind the times.
    extras = extras | last_extras
    make_environment()
    install_torch()
    target = ".[{}]".format(",".join(sorted(extras))) if extras else "."
    say("Installing the memory service" + (" with " + ", ".join(sorted(extras)) if extras else ""))
    install(["--constraint", CONSTRAINTS.name, "--editable", target])
    finish(now, extras)


def main_clients():
    """Bring `.venv-clients` up to date."""
    main_frameworks(CLIENTS_VENV, CLIENTS_REQUIREMENTS, "the clients with the frameworks they serve")


def main_crewai():
    """Bring `.venv-crewai` up to date."""
    main_frameworks(CREWAI_VENV, CREWAI_REQUIREMENTS, "the storage of CrewAI with CrewAI")


def main_frameworks(venv, requirements, what):
    """Bring an environment of clients up to date."""
    global VENV, STAMP, LOG
    VENV, STAMP, LOG = venv, venv / STAMP.name, venv / LOG.name
    require_python()
    now = state([ROOT / "bootstrap.py", requirements, *sorted(CLIENTS.glob("*/pyproject.toml"))])
    if installed()[0] == now and venv_python().exists():
        return
    make_environment()
    say("Installing " + what)
    install(["--requirement", str(requirements.relative_to(ROOT))])
    finish(now, set())


if __name__ == "__main__":
    if sys.argv[1:] == ["clients"]:
        main_clients()
    elif sys.argv[1:] == ["crewai"]:
        main_crewai()
    else:
        main(set(sys.argv[1:]) - {"run"})
