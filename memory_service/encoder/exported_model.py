"""The folder that holds one exported model, and the sentence in it that says what it is."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

GRAPH_FILE = "model.onnx"
TOKENIZER_FILE = "tokenizer.json"
MANIFEST_FILE = "export.json"

FORMAT = 2
"""Raise it when the graph or the manifest changes; older exports are then made anew."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What an export found out.

    Attributes:
        outcome: "exported" when the graph may be served, "torch" when the model must run in torch.
        reason: For "torch", a sentence for the log.
        fingerprint: Of the model files, see identity.fingerprint.
        dimension: Length of a vector.
        max_tokens: Window, special tokens included.
        pad_id: Token that fills rows.
        faithfulness: Lowest cosine to fp32 sentence-transformers over the varied texts.
        bfloat16: The same with OpenVINO in bfloat16; 0 where the machine that exported does not multiply that itself.
        bfloat16_by: The library that was asked, with its version; empty where there was none.
        probe: Embedding of the probe sentence by fp32 sentence-transformers.
        versions: Of the libraries that decided; a "torch" outcome is tried again when they change.
        format: See `FORMAT`.
    """

    outcome: Literal["exported", "torch"]
    fingerprint: str
    reason: str = ""
    dimension: int = 0
    max_tokens: int = 0
    pad_id: int = 0
    faithfulness: float = 0.0
    bfloat16: float = 0.0
    bfloat16_by: str = ""
    probe: tuple[float, ...] = ()
    versions: tuple[str, ...] = ()
    format: int = FORMAT

    def write(self, folder: Path) -> None:
        """Write the manifest into `folder`."""
        (folder / MANIFEST_FILE).write_text(json.dumps(asdict(self), indent=1), encoding="utf-8")


def read_manifest(folder: Path) -> Manifest | None:
    """Return the manifest in `folder`, or None when there is none that this version wrote whole."""
    try:
        fields = json.loads((folder / MANIFEST_FILE).read_text(encoding="utf-8"))
        if fields["format"] != FORMAT:
            return None
        fields["probe"] = tuple(fields["probe"])
        fields["versions"] = tuple(fields["versions"])
        manifest = Manifest(**fields)
    except (FileNotFoundError, NotADirectoryError, ValueError, TypeError, KeyError):
        return None
    if manifest.outcome == "exported" and not (
        (folder / GRAPH_FILE).is_file() and (folder / TOKENIZER_FILE).is_file() and manifest.probe
    ):
        return None
    return manifest
