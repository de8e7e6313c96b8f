"""Digests of a model's folder: the same as the service's `memory_service/activation/model_folder.py` takes, held to it by a test.

Weights are read once: their digests are kept beside the user's other caches, by name, size and time of change.
"""

import hashlib
import json
import os
import secrets
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from memory_vllm.chain import canonical, is_digest
from memory_vllm.errors import Unsupported

_PIECE: Final = 1 << 20


def read_object(file: Path) -> dict[str, Any]:
    """Return the JSON object of a file, an empty one where there is no file.

    Raises:
        Unsupported: the file is not readable as a JSON object.
    """
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError) as error:
        raise Unsupported(f"{file.name} cannot be read as JSON ({type(error).__name__})") from error
    if not isinstance(found, dict):
        raise Unsupported(f"{file.name} is no JSON object")
    return found


def chat_template_digest(folder: Path) -> str | None:
    """Return the digest of the folder's chat template, None where there is none."""
    try:
        said: Any = (folder / "chat_template.jinja").read_text(encoding="utf-8")
    except FileNotFoundError:
        said = read_object(folder / "tokenizer_config.json").get("chat_template")
    except (OSError, ValueError) as error:
        raise Unsupported(f"the chat template cannot be read ({type(error).__name__})") from error
    if isinstance(said, list):
        said = {one.get("name"): one.get("template") for one in said if isinstance(one, dict)}.get("default")
    return hashlib.sha256(said.encode()).hexdigest() if isinstance(said, str) else None


def file_digest(file: Path) -> str:
    """Return the SHA-256 of a file.

    Raises:
        Unsupported: it cannot be read.
    """
    digest = hashlib.sha256()
    try:
        with file.open("rb") as handle:
            while piece := handle.read(_PIECE):
                digest.update(piece)
    except OSError as error:
        raise Unsupported(f"{file.name} cannot be read ({type(error).__name__})") from error
    return digest.hexdigest()


def weights_digest(folder: Path, *, kept: Path | None = None) -> str:
    """Return the digest of a model's safetensors files: names, sizes, contents.

    `kept` is a file in which digests of files stand from one start to the next.

    Raises:
        Unsupported: there are none, or one cannot be read.
    """
    files = sorted(folder.glob("*.safetensors"), key=lambda file: file.name)
    if not files:
        raise Unsupported("the model's folder has no weights in *.safetensors")
    before = _read_kept(kept)
    now: dict[str, str] = {}
    said = []
    for file in files:
        state = file.stat()
        key = f"{file.resolve()} {state.st_size} {state.st_mtime_ns}"
        now[key] = before.get(key) or file_digest(file)
        said.append([file.name, state.st_size, now[key]])
    if kept is not None and not now.items() <= before.items():
        _write_kept(kept, before | now)
    return hashlib.sha256(canonical(said)).hexdigest()


def cache_file() -> Path:
    """Return where digests of weights are kept."""
    caches = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(caches).expanduser() / "memory-service" / "weights.json"


def _read_kept(kept: Path | None) -> dict[str, str]:
    if kept is None:
        return {}
    try:
        found = json.loads(kept.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}  # Read anew: it is only a shortcut.
    return {key: one for key, one in found.items() if is_digest(one)} if isinstance(found, dict) else {}


def _write_kept(kept: Path, digests: dict[str, str]) -> None:
    drawn = kept.with_name(f"{kept.name}.{secrets.token_hex(8)}")
    with suppress(OSError):  # The next start reads the weights again.
        kept.parent.mkdir(parents=True, exist_ok=True)
        drawn.write_text(json.dumps(digests), encoding="utf-8")
        drawn.replace(kept)
