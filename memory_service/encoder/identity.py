"""Tell models apart by their files and by what they compute, never by name alone."""

import hashlib
import json
import logging
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

from memory_service.encoder.durable import write_atomically
from memory_service.encoder.errors import EncoderMismatch, EncoderUnavailable
from memory_service.encoder.protocol import EncoderIdentity

PROBE_SENTENCE = "On 8 May 2023 Maria told her brother that the old lighthouse keeper had finally repaired the lamp."
"""Embedded at every start; two runtimes of one model agree on it to better than `FAITHFUL_COSINE`."""

FAITHFUL_COSINE = 0.999
"""Below this another runtime of a model changes rankings (int8 variants of MiniLM measured .94 to .992)."""

logger = logging.getLogger(__name__)

_CONFIGURATION = (
    "modules.json", "config.json", "sentence_*_config.json", "config_sentence_transformers.json",
    "tokenizer.json", "tokenizer_config.json", "vocab.txt", "vocab.json", "merges.txt", "*.model",
)  # fmt: skip
_WEIGHTS = ("*.safetensors", "*.bin")
_OTHER_RUNTIMES = {"onnx", "openvino", "coreml"}


def model_files(folder: Path) -> list[Path]:
    """Return the files of a sentence-transformers model that decide its vectors, in a stable order.

    Raises:
        EncoderUnavailable: The folder holds no weights.
    """
    files = sorted(_deciding_files(folder), key=lambda path: path.relative_to(folder).as_posix())
    if not any(fnmatch(path.name, pattern) for path in files for pattern in _WEIGHTS):
        raise EncoderUnavailable(
            f"The model folder {folder} holds no weights (*.safetensors or *.bin). Point MEMORY_SERVICE_ENCODER to a "
            "folder written by SentenceTransformer.save(), or to a model name."
        )
    return files


def _deciding_files(folder: Path) -> Iterator[Path]:
    for path in folder.rglob("*"):
        parts = path.relative_to(folder).parts
        if any(part.startswith(".") or part in _OTHER_RUNTIMES for part in parts):
            continue
        if any(fnmatch(path.name, pattern) for pattern in (*_CONFIGURATION, *_WEIGHTS)) and path.is_file():
            yield path


def fingerprint(folder: Path, *, cache: Path | None = None) -> str:
    """Return the SHA-256 (hex) over names and contents of `model_files(folder)`.

    `cache` is a JSON file that remembers the answer for a folder while sizes and modification times stay the same;
    reading 90 MB takes 0.15 s, a model of two gigabytes several seconds. A damaged cache is ignored and rewritten.

    Raises:
        EncoderUnavailable: The folder holds no weights.
    """
    files = model_files(folder)
    signature = [[p.relative_to(folder).as_posix(), (s := p.stat()).st_size, s.st_mtime_ns] for p in files]
    key = str(folder.resolve())
    known = _read_cache(cache) if cache else {}
    entry = known.get(key)
    if isinstance(entry, dict) and entry.get("signature") == signature and isinstance(entry.get("fingerprint"), str):
        remembered: str = entry["fingerprint"]
        return remembered
    total = hashlib.sha256()
    for path in files:
        with path.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        total.update(f"{path.relative_to(folder).as_posix()}\0{digest}\n".encode())
    if cache:
        known[key] = {"signature": signature, "fingerprint": total.hexdigest()}
        write_atomically(cache, json.dumps(known, indent=1))
    return total.hexdigest()


def _read_cache(cache: Path) -> dict[str, object]:
    try:
        known = json.loads(cache.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        logger.warning("The fingerprint cache %s cannot be read (%s); hashing again.", cache, error)
        return {}
    return known if isinstance(known, dict) else {}


def verify_identity(stored: EncoderIdentity, current: EncoderIdentity) -> None:
    """Refuse to go on when the stored embeddings were made by another model than the configured one.

    Names may differ (a renamed folder is the same model); files, dimension and the probe vector may not.

    Raises:
        EncoderMismatch: Says what differs and what to do.
    """
    difference = _difference(stored, current)
    if difference is None:
        return
    raise EncoderMismatch(
        f"The stored embeddings were made by the encoder {stored.name!r}, but the configured encoder {current.name!r} "
        f"{difference}, so their vectors cannot be compared. Set MEMORY_SERVICE_ENCODER back to {stored.name!r} "
        f"(model {stored.fingerprint[:12]}), and register {current.name!r} (model {current.fingerprint[:12]}) with "
        "POST /v1/encoders: docs/howto/encoders.md."
    )


def _difference(stored: EncoderIdentity, current: EncoderIdentity) -> str | None:
    if stored.dimension != current.dimension:
        return f"makes vectors of {current.dimension} dimensions instead of {stored.dimension}"
    if stored.fingerprint != current.fingerprint:
        return "has other model files (their SHA-256 differs)"
    cosine = float(stored.probe @ current.probe)
    # Written so that a NaN in a probe is refused too.
    if not cosine >= FAITHFUL_COSINE:
        return f"embeds the probe sentence differently (cosine {cosine:.4f}, at least {FAITHFUL_COSINE} is needed)"
    return None
