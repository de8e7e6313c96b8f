"""Export one model to ONNX: the program that export.py starts, the only part of the encoder that must import torch.

`python -m memory_service.encoder.export_process MODEL_FOLDER OUTPUT_FOLDER FINGERPRINT` writes the graph, the tokenizer
and the manifest, and prints one JSON object per line on standard output: {"progress": "..."}.

Ways to export, best first: attention written out as matrix products (ONNX Runtime fuses it into a smaller graph than
torch's scaled_dot_product_attention, 5% faster on MiniLM), then attention as the model configures it. When neither
gives a faithful graph the manifest says that the model runs in torch, and why.
"""

import contextlib
import json
import os
import sys
import warnings
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import numpy as np

from memory_service.encoder.exported_model import GRAPH_FILE, TOKENIZER_FILE, Manifest
from memory_service.encoder.graph_inputs import INPUTS, OUTPUT, GraphUnusable
from memory_service.encoder.identity import FAITHFUL_COSINE, PROBE_SENTENCE
from memory_service.encoder.onnx_runtime import OnnxEncoder
from memory_service.encoder.openvino_runtime import OpenVinoEncoder, installed, is_offered
from memory_service.encoder.torch_runtime import TorchEncoder, open_model, tokenization_of
from memory_service.encoder.varied_texts import VARIED_TEXTS

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray
    from sentence_transformers import SentenceTransformer

    from memory_service.encoder.tokens import Tokenization

LIBRARIES = ("torch", "transformers", "sentence-transformers", "onnxscript", "onnxruntime")


class NotExportable(Exception):
    """The model is not a transformer with mean or cls pooling, so its graph would compute something else."""


def pooling_of(model: "SentenceTransformer") -> str:
    """Return "mean" or "cls", the pooling of a model that is Transformer + Pooling (+ Normalize).

    Raises:
        NotExportable: The model has another shape; the message names it.
    """
    names = [type(module).__name__ for module in model]
    if names not in (["Transformer", "Pooling"], ["Transformer", "Pooling", "Normalize"]):
        raise NotExportable(f"its modules are {' + '.join(names)}")
    if model.default_prompt_name is not None:
        raise NotExportable("it puts a prompt before every text")
    if model.truncate_dim is not None:
        raise NotExportable("it truncates its vectors")
    module: Any = model[1]
    config = module.get_config_dict()
    # Before version 5.3 every mode was a flag of its own.
    flags = [key.removeprefix("pooling_mode_") for key, on in config.items() if key.startswith("pooling_mode_") and on]
    mode = config.get("pooling_mode", "+".join(flags))
    pooling = {"mean": "mean", "mean_tokens": "mean", "cls": "cls", "cls_token": "cls"}.get(
        mode if isinstance(mode, str) else ""
    )
    if pooling is None:
        raise NotExportable(f"its pooling is {mode}")
    return pooling


def _graph_of(transformer: Any, pooling: str) -> "torch.nn.Module":
    import torch

    class Graph(torch.nn.Module):
        """The transformer with pooling and normalisation, so that serving computes nothing in numpy."""

        def __init__(self) -> None:
            super().__init__()
            self.transformer = transformer

        def forward(self, input_ids: "torch.Tensor", attention_mask: "torch.Tensor") -> "torch.Tensor":
            hidden = self.transformer(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
            if pooling == "cls":
                pooled = hidden[:, 0]
            else:
                weights = attention_mask.unsqueeze(-1).to(hidden.dtype)
                pooled = (hidden * weights).sum(1) / weights.sum(1).clamp(min=1e-9)
            return torch.nn.functional.normalize(pooled, p=2.0, dim=1)

    return Graph().eval()


def _write_graph(transformer: Any, pooling: str, *, attention: str | None, path: Path) -> None:
    import torch

    if attention is not None:
        transformer.set_attn_implementation(attention)
    ids = torch.ones((3, 7), dtype=torch.int64)
    mask = torch.ones_like(ids)
    mask[1, 4:] = 0
    axes = {0: torch.export.Dim.DYNAMIC, 1: torch.export.Dim.DYNAMIC}
    program = torch.onnx.export(
        _graph_of(transformer, pooling),
        (ids, mask),
        dynamo=True,
        input_names=list(INPUTS),
        output_names=[OUTPUT],
        dynamic_shapes={"input_ids": axes, "attention_mask": dict(axes)},
        verbose=False,
    )
    if program is None:
        raise RuntimeError("torch.onnx.export returned no program")
    # Weights in a file of their own are mapped, not parsed: opening takes a third of the time and 50 MB less memory.
    program.save(str(path), external_data=True)


def export(model_folder: Path, output: Path, *, fingerprint: str, progress: Callable[[str], None]) -> Manifest:
    """Export the model in `model_folder` into the empty folder `output` and return what came of it.

    Raises:
        EncoderUnavailable: sentence-transformers cannot load the model at all.
    """
    versions = tuple(f"{library} {version(library)}" for library in LIBRARIES)
    progress("Loading the model with sentence-transformers")
    model = open_model(model_folder)
    try:
        pooling = pooling_of(model)
    except NotExportable as error:
        return Manifest(
            outcome="torch",
            fingerprint=fingerprint,
            versions=versions,
            reason=f"The model has no ONNX form here: {error}.",
        )
    tokenization = tokenization_of(model)
    (output / TOKENIZER_FILE).write_text(model.tokenizer.backend_tokenizer.to_str(), encoding="utf-8")
    pad_id = model.tokenizer.pad_token_id or 0
    progress("Encoding reference texts")
    reference_encoder = TorchEncoder(model)
    reference = reference_encoder.encode(VARIED_TEXTS)
    probe = reference_encoder.encode([PROBE_SENTENCE])[0]
    failures: list[str] = []
    for attention in ("eager", None):
        path = output / GRAPH_FILE
        for stale in output.glob(f"{GRAPH_FILE}*"):
            stale.unlink()
        progress("Exporting the graph (once per model, some ten seconds)")
        try:
            _write_graph(model[0].auto_model, pooling, attention=attention, path=path)
            progress("Comparing the exported graph with the model")
            encoder = OnnxEncoder(path, tokenization, dimension=reference.shape[1], pad_id=pad_id)
            cosines = np.sum(encoder.encode(VARIED_TEXTS) * reference, axis=1)
        except Exception as error:  # Exporters raise whatever the model's code raises; the next way may do.
            failures.append(f"{type(error).__name__}: {(str(error).strip() or '?').splitlines()[0][:200]}")
            continue
        if np.min(cosines) >= FAITHFUL_COSINE:
            return Manifest(
                outcome="exported",
                fingerprint=fingerprint,
                versions=versions,
                dimension=reference.shape[1],
                max_tokens=tokenization.window,
                pad_id=pad_id,
                faithfulness=float(np.min(cosines)),
                bfloat16_by=installed(),
                bfloat16=_faithfulness_in_bfloat16(path, tokenization, reference, pad_id=pad_id, progress=progress),
                probe=tuple(float(x) for x in probe),
            )
        failures.append(f"cosine {float(np.min(cosines)):.5f} to the model, {FAITHFUL_COSINE} is needed")
    return Manifest(
        outcome="torch",
        fingerprint=fingerprint,
        versions=versions,
        reason="The exported graph is not usable: " + "; ".join(failures),
    )


def _faithfulness_in_bfloat16(
    path: Path,
    tokenization: "Tokenization",
    reference: "NDArray[np.float32]",
    *,
    pad_id: int,
    progress: Callable[[str], None],
) -> float:
    """Return the lowest cosine to the (n, d) reference in bfloat16, 0 where it is not offered or cannot be computed."""
    if not is_offered():
        return 0.0
    progress("Comparing the graph in bfloat16 with the model")
    try:
        encoder = OpenVinoEncoder(path, tokenization, dimension=reference.shape[1], pad_id=pad_id)
        vectors = encoder.encode(VARIED_TEXTS)
    except GraphUnusable as error:
        progress(f"OpenVINO cannot serve the graph, ONNX Runtime does: {error}")
        return 0.0
    return float(np.nan_to_num(np.min(np.sum(vectors * reference, axis=1)), nan=0.0))


@contextlib.contextmanager
def _own_standard_output() -> Iterator[TextIO]:
    """Keep standard output for our lines; what libraries print goes to standard error."""
    with os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1) as lines:
        os.dup2(2, 1)
        yield lines


def main(arguments: list[str]) -> None:
    """Run one export as a program; exit status 0 means that the manifest is written."""
    warnings.simplefilter("ignore")  # Deprecations inside the exporter are not the operator's business.
    model_folder, output, fingerprint = Path(arguments[0]), Path(arguments[1]), arguments[2]
    with _own_standard_output() as lines:
        manifest = export(
            model_folder,
            output,
            fingerprint=fingerprint,
            progress=lambda text: print(json.dumps({"progress": text}), file=lines),
        )
        manifest.write(output)


if __name__ == "__main__":
    main(sys.argv[1:])
