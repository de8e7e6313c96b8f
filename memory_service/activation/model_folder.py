"""What a model's folder says a fingerprint is to hold: digests of its weights, configuration, tokenizer and chat template.

An engine announces these of the model that it runs, the service takes them of the folder that it was given under the same
name. Only where they are the same do both cut a text into the same tokens and compute the same numbers.
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from memory_service.activation.errors import ActivationError
from memory_service.activation.fingerprint import canonical, config_digest

TOKENIZER: Final = "tokenizer.json"
TOKENIZER_CONFIG: Final = "tokenizer_config.json"
CHAT_TEMPLATE: Final = "chat_template.jinja"
CONFIG: Final = "config.json"
WEIGHTS: Final = "*.safetensors"
_PIECE: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class TextDigests:
    """What decides into which tokens a text is cut; no template is None."""

    tokenizer: str
    chat_template: str | None


def read_object(file: Path) -> dict[str, Any]:
    """Return the JSON object of a file, an empty one where there is no file.

    Raises:
        ActivationError: the file is not readable as a JSON object.
    """
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError) as error:
        raise ActivationError(f"{file.name} cannot be read as JSON ({type(error).__name__})") from error
    if not isinstance(found, dict):
        raise ActivationError(f"{file.name} is no JSON object")
    return found


def chat_template(folder: Path) -> str | None:
    """Return the chat template of a model: a file of its own goes before what the tokenizer's configuration says.

    Of several templates by name the default counts.

    Raises:
        ActivationError: a file cannot be read.
    """
    file = folder / CHAT_TEMPLATE
    try:
        return file.read_text(encoding="utf-8")
    except FileNotFoundError:
        pass
    except (OSError, ValueError) as error:
        raise ActivationError(f"{file.name} cannot be read ({type(error).__name__})") from error
    said = read_object(folder / TOKENIZER_CONFIG).get("chat_template")
    if isinstance(said, list):
        named = {one.get("name"): one.get("template") for one in said if isinstance(one, dict)}
        said = named.get("default")
    return said if isinstance(said, str) else None


def text_digests(folder: Path) -> TextDigests:
    """Return the digests of a model's tokenizer and chat template.

    Raises:
        ActivationError: there is no tokenizer.json, or a file cannot be read.
    """
    template = chat_template(folder)
    return TextDigests(
        tokenizer=_file_digest(folder / TOKENIZER),
        chat_template=None if template is None else hashlib.sha256(template.encode()).hexdigest(),
    )


def folder_config_digest(folder: Path) -> str:
    """Return the digest of a model's configuration.

    Raises:
        ActivationError: there is none, or it cannot be read.
    """
    config = read_object(folder / CONFIG)
    if not config:
        raise ActivationError(f"the folder has no {CONFIG}")
    return config_digest(config)


def weights_digest(folder: Path) -> str:
    """Return the digest of a model's weights: names, sizes and contents of its safetensors files. Reads all of them.

    Raises:
        ActivationError: there are none, or one cannot be read.
    """
    files = sorted(folder.glob(WEIGHTS), key=lambda file: file.name)
    if not files:
        raise ActivationError(f"the folder has no weights in {WEIGHTS}")
    try:
        said = [[file.name, file.stat().st_size, _file_digest(file)] for file in files]
    except OSError as error:
        raise ActivationError(f"the weights cannot be read ({type(error).__name__})") from error
    return hashlib.sha256(canonical(said)).hexdigest()


def _file_digest(file: Path) -> str:
    digest = hashlib.sha256()
    try:
        with file.open("rb") as handle:
            while piece := handle.read(_PIECE):
                digest.update(piece)
    except OSError as error:
        raise ActivationError(f"{file.name} cannot be read ({type(error).__name__})") from error
    return digest.hexdigest()
