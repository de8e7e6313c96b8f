"""Load the configured encoder with the runtime that serves it best."""

import logging
import os
from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from memory_service.encoder.chunking import chunk
from memory_service.encoder.errors import EncoderUnavailable
from memory_service.encoder.export import ensure_export, existing_export, export_folder
from memory_service.encoder.exported_model import GRAPH_FILE, TOKENIZER_FILE, Manifest
from memory_service.encoder.graph_inputs import GraphUnusable
from memory_service.encoder.identity import FAITHFUL_COSINE, PROBE_SENTENCE, fingerprint
from memory_service.encoder.model_source import PACKAGED, ModelSource, fetch_model, find_model
from memory_service.encoder.protocol import Encoder, EncoderIdentity, TextSpan, Tokenized
from memory_service.encoder.tokens import Tokenization
from memory_service.settings import Settings

logger = logging.getLogger(__name__)


@runtime_checkable
class _EncodesIds(Protocol):
    """A runtime that takes what the tokenizer gives."""

    def encode_ids(self, rows: Sequence[Sequence[int]]) -> NDArray[np.float32]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedEncoder:
    """The configured model, ready to serve; safe to share between threads.

    Attributes:
        identity: Which model this is.
        runtime: What computes the vectors.
        reason: Why the runtime is not the configured one, or an empty string.
    """

    identity: EncoderIdentity
    runtime: Literal["openvino", "onnx", "torch"]
    reason: str
    encoder: Encoder
    tokenization: Tokenization

    @property
    def runs_side_by_side(self) -> bool:
        """Say whether several threads may encode at a time, each in its own; otherwise they wait for each other."""
        return self.runtime == "onnx"

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return an (n, d) float32 array of L2-normalised rows; text beyond the window is cut.

        Raises:
            UnencodableText: A text holds a lone surrogate.
        """
        return self.encoder.encode(texts)

    def tokenize(self, texts: Sequence[str]) -> list[Tokenized]:
        """Return each text with what `encode` reads of it: token ids, special tokens included, cut at the window.

        Raises:
            UnencodableText: A text holds a lone surrogate.
        """
        # As numbers of the machine, a ninth of Python's: a request keeps them until its last text is encoded.
        return [Tokenized(text, array("i", ids)) for text, ids in zip(texts, self.tokenization.ids(texts), strict=True)]

    def encode_tokenized(self, texts: Sequence[Tokenized]) -> NDArray[np.float32]:
        """Return an (n, d) float32 array as `encode` returns it of the same texts; torch tokenises them itself once more."""
        if isinstance(self.encoder, _EncodesIds):
            return self.encoder.encode_ids([one.ids for one in texts])
        return self.encoder.encode([one.text for one in texts])

    def chunk(self, text: str) -> list[TextSpan]:
        """Return spans of characters that cover `text`, each within the model's window.

        Raises:
            UnencodableText: The text holds a lone surrogate.
        """
        return chunk(text, self.tokenization)

    def close(self) -> None:
        """Release the model. Memory is freed with the last reference; there is nothing else to stop."""


MODEL_FILES = ("modules.json", "config.json")


def load_encoder(settings: Settings, *, progress: Callable[[str], None] = logger.info) -> LoadedEncoder:
    """Load the encoder of `settings`, exporting it first when needed; torch stays out of memory once that is done.

    Raises:
        EncoderUnavailable: The model cannot be had or loaded; the detail says what to do.
    """
    # One thread: parallel tokenisation would take the second core from the web server, and breaks after a fork.
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    _keep_offline(settings)
    source = fetch_model(settings.encoder, progress=progress)
    # Before every file below it is read: the name of a folder may be that of a whole disk.
    if not any((source.folder / name).is_file() for name in MODEL_FILES):
        raise EncoderUnavailable(f"{settings.encoder} is no model: its folder has neither of {', '.join(MODEL_FILES)}.")
    model = fingerprint(source.folder, cache=_fingerprint_cache(settings))
    if settings.encoder_runtime == "torch":
        return _load_torch(source, model, reason="")
    folder = export_folder(_models(settings), source.name, model)
    for distrust in (False, True):
        manifest = ensure_export(source.folder, folder, fingerprint=model, progress=progress, distrust=distrust)
        if manifest.outcome == "torch":
            logger.warning("The encoder runs in torch, which is slower and larger. %s", manifest.reason)
            return _load_torch(source, model, reason=manifest.reason)
        for runtime in _runtimes(settings, manifest):
            loaded = _load_exported(source, folder, manifest, runtime)
            if loaded is not None:
                logger.info("The encoder %s runs in %s.", source.name, runtime)
                return loaded
        logger.warning("The exported model in %s is damaged; exporting it again.", folder)
    raise EncoderUnavailable(
        f"The exported model in {folder} gives wrong vectors on this machine even after a new export. "
        "Set MEMORY_SERVICE_ENCODER_RUNTIME=torch."
    )


def export_needed(settings: Settings) -> bool:
    """Say whether `load_encoder` would first have to download or export the model, which takes long.

    Raises:
        EncoderUnavailable: The packaged model is not installed, or the configured name cannot be one.
    """
    _keep_offline(settings)
    source = find_model(settings.encoder)
    if source is None:
        return True
    if settings.encoder_runtime == "torch":
        return False
    model = fingerprint(source.folder, cache=_fingerprint_cache(settings))
    return existing_export(export_folder(_models(settings), source.name, model), fingerprint=model) is None


def ensure_exported(settings: Settings, progress: Callable[[str], None]) -> None:
    """Download and export the model of `settings` if that was not done yet, reporting each step to `progress`.

    Raises:
        EncoderUnavailable: The model cannot be had or loaded; the detail says what to do.
    """
    _keep_offline(settings)
    source = fetch_model(settings.encoder, progress=progress)
    model = fingerprint(source.folder, cache=_fingerprint_cache(settings))
    if settings.encoder_runtime != "torch":
        folder = export_folder(_models(settings), source.name, model)
        ensure_export(source.folder, folder, fingerprint=model, progress=progress)


def _keep_offline(settings: Settings) -> None:
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    # The hub's client reads this once, so a reranker that is to be downloaded later needs it unset as well.
    reranker_here = not settings.reranker or Path(settings.reranker).expanduser().is_dir()
    if reranker_here and (settings.encoder == PACKAGED or Path(settings.encoder).expanduser().is_dir()):
        os.environ.setdefault("HF_HUB_OFFLINE", "1")


def _models(settings: Settings) -> Path:
    return settings.data_dir / "models"


def _fingerprint_cache(settings: Settings) -> Path:
    return _models(settings) / "fingerprints.json"


def _runtimes(settings: Settings, manifest: Manifest) -> Iterator[Literal["openvino", "onnx"]]:
    """Yield what may serve an exported model here, the fastest first."""
    from memory_service.encoder.openvino_runtime import is_offered

    if settings.encoder_runtime == "auto" and manifest.bfloat16 >= FAITHFUL_COSINE and is_offered():
        yield "openvino"
    yield "onnx"


def _load_exported(
    source: ModelSource, folder: Path, manifest: Manifest, runtime: Literal["openvino", "onnx"]
) -> LoadedEncoder | None:
    """Return the exported encoder, or None when its files are damaged: the probe vector tells."""
    try:
        tokenization = Tokenization.from_file(folder / TOKENIZER_FILE, window=manifest.max_tokens)
        encoder = _open(runtime, folder / GRAPH_FILE, tokenization, manifest)
        probe = encoder.encode([PROBE_SENTENCE])[0]
    except (GraphUnusable, OSError, ValueError) as error:
        logger.warning("The exported model in %s cannot be opened by %s: %s", folder, runtime, error)
        return None
    cosine = float(probe @ np.asarray(manifest.probe, dtype=np.float32))
    if not cosine >= FAITHFUL_COSINE:
        logger.warning(
            "The exported model in %s embeds the probe sentence with cosine %.4f in %s.", folder, cosine, runtime
        )
        return None
    identity = EncoderIdentity(
        name=source.name,
        dimension=manifest.dimension,
        max_tokens=manifest.max_tokens,
        fingerprint=manifest.fingerprint,
        probe=probe,
    )
    return LoadedEncoder(identity=identity, runtime=runtime, reason="", encoder=encoder, tokenization=tokenization)


def _open(runtime: Literal["openvino", "onnx"], graph: Path, tokenization: Tokenization, manifest: Manifest) -> Encoder:
    if runtime == "openvino":
        from memory_service.encoder.openvino_runtime import OpenVinoEncoder

        return OpenVinoEncoder(graph, tokenization, dimension=manifest.dimension, pad_id=manifest.pad_id)
    from memory_service.encoder.onnx_runtime import OnnxEncoder

    return OnnxEncoder(graph, tokenization, dimension=manifest.dimension, pad_id=manifest.pad_id)


def _load_torch(source: ModelSource, model_fingerprint: str, *, reason: str) -> LoadedEncoder:
    from memory_service.encoder.torch_runtime import TorchEncoder, open_model, tokenization_of

    model = open_model(source.folder)
    encoder, tokenization = TorchEncoder(model), tokenization_of(model)
    probe = encoder.encode([PROBE_SENTENCE])[0]
    identity = EncoderIdentity(
        name=source.name,
        dimension=len(probe),
        max_tokens=tokenization.window,
        fingerprint=model_fingerprint,
        probe=probe,
    )
    return LoadedEncoder(identity=identity, runtime="torch", reason=reason, encoder=encoder, tokenization=tokenization)
