"""Have a model exported once, in a process of its own, into a folder that is either whole or not there."""

import json
import logging
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from memory_service.encoder.durable import exclusive, sync_folder
from memory_service.encoder.errors import EncoderUnavailable
from memory_service.encoder.exported_model import Manifest, read_manifest
from memory_service.encoder.openvino_runtime import installed

logger = logging.getLogger(__name__)

_TEMPORARY = ".exporting-"
_PACKAGE_ROOT = Path(__file__).resolve().parents[2]


def export_folder(models: Path, name: str, fingerprint: str) -> Path:
    """Return where the export of a model lies: its name made safe for a file system, and what it is."""
    safe = re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-.")[-60:] or "model"
    return models / f"{safe}-{fingerprint[:12]}"


def existing_export(folder: Path, *, fingerprint: str) -> Manifest | None:
    """Return the manifest in `folder` if it is of this model and still holds."""
    manifest = read_manifest(folder)
    if manifest is None or manifest.fingerprint != fingerprint:
        return None
    if manifest.outcome == "torch" and not _same_versions(manifest.versions):
        return None  # Another library version may succeed where this one failed.
    if manifest.outcome == "exported" and installed() not in {"", manifest.bfloat16_by}:
        return None  # Another version of OpenVINO, or the first one on a processor made for it: how faithful it is, is not known.
    return manifest


def _same_versions(versions: tuple[str, ...]) -> bool:
    try:
        return all(version(library) == number for library, _, number in (v.partition(" ") for v in versions))
    except PackageNotFoundError:
        return False


def ensure_export(
    model_folder: Path,
    folder: Path,
    *,
    fingerprint: str,
    progress: Callable[[str], None],
    distrust: bool = False,
) -> Manifest:
    """Return the manifest in `folder`, exporting first when there is none; concurrent callers wait for one export.

    `distrust` replaces an export that turned out to be damaged. Never leaves a half-written `folder`: the export is
    made beside it, synced and renamed.

    Raises:
        EncoderUnavailable: sentence-transformers cannot load the model, or the export was killed or ran out of disk.
    """
    models = folder.parent
    models.mkdir(parents=True, exist_ok=True)
    with exclusive(models / ".lock"):
        manifest = existing_export(folder, fingerprint=fingerprint)
        if manifest is not None and not distrust:
            return manifest
        for leftover in models.glob(f"{_TEMPORARY}*"):
            shutil.rmtree(leftover, ignore_errors=True)
        temporary = Path(tempfile.mkdtemp(dir=models, prefix=_TEMPORARY))
        try:
            _run_export(model_folder, temporary, fingerprint=fingerprint, progress=progress)
            manifest = existing_export(temporary, fingerprint=fingerprint)
            if manifest is None:
                raise EncoderUnavailable(
                    f"The export of the model in {model_folder} left no usable files; start again."
                )
            sync_folder(temporary)
            if folder.exists():
                shutil.rmtree(folder)
            temporary.rename(folder)
            sync_folder(models)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    logger.info("Exported the model in %s: %s (cosine %.6f)", model_folder, manifest.outcome, manifest.faithfulness)
    return manifest


def _run_export(model_folder: Path, output: Path, *, fingerprint: str, progress: Callable[[str], None]) -> None:
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join(filter(None, [str(_PACKAGE_ROOT), os.environ.get("PYTHONPATH", "")])),
        "OMP_NUM_THREADS": "1",
        "TOKENIZERS_PARALLELISM": "false",
        "HF_HUB_OFFLINE": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "TRANSFORMERS_VERBOSITY": "error",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    }
    command = [
        sys.executable,
        "-m",
        "memory_service.encoder.export_process",
        str(model_folder),
        str(output),
        fingerprint,
    ]
    with (
        tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as errors,
        subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=errors, text=True) as process,
    ):
        try:
            for line in process.stdout or ():
                progress(json.loads(line)["progress"])
        except BaseException:
            process.kill()
            raise
        if process.wait() != 0:
            errors.seek(0)
            last = (errors.read().strip() or f"exit status {process.returncode}").splitlines()[-1]
            raise EncoderUnavailable(f"The model in {model_folder} could not be exported: {last[:300]}")
