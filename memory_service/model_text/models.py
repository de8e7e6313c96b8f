"""The models whose texts this process can cut, by the names that prompts use; each is read once, when it is asked for."""

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from memory_service.activation.errors import ActivationError
from memory_service.errors import NotFound, Unavailable
from memory_service.model_text.model import ModelText

_TEXT_FILES: Final = ["*.json", "*.jinja"]


class Models:
    """Names, where the models lie, and what was read of them."""

    def __init__(self, places: Mapping[str, str]) -> None:
        """Read nothing yet.

        Args:
            places: for each name a folder, or the id of a model in the local cache of the Hugging Face hub.
        """
        self._places = dict(places)
        self._read: dict[str, ModelText] = {}
        self._lock = threading.Lock()

    @property
    def names(self) -> tuple[str, ...]:
        """Return the names of the models that are configured."""
        return tuple(sorted(self._places))

    def folder(self, name: str) -> Path:
        """Return where a model lies.

        Raises:
            NotFound: no model of that name is configured.
            Unavailable: it is configured and not there. Nothing is downloaded on the way of a request.
        """
        place = self._places.get(name)
        if place is None:
            known = ", ".join(self.names) or "none"
            raise NotFound(
                f"There is no model {name[:100]!r} here; MEMORY_SERVICE_KV_MODELS names {known}.",
                code="model_not_configured",
            )
        folder = Path(place).expanduser()
        if folder.is_dir():
            return folder
        return _cached(name, place)

    def text_of(self, name: str) -> ModelText:
        """Return a model's tokenizer and chat template.

        Raises:
            NotFound: no model of that name is configured.
            Unavailable: it is not there, or cannot be read.
        """
        found = self._read.get(name)
        if found is not None:
            return found
        folder = self.folder(name)
        with self._lock:
            found = self._read.get(name)
            if found is None:
                try:
                    found = ModelText(folder)
                except ActivationError as error:
                    raise Unavailable(f"Model {name!r} cannot be read: {error}.", code="model_unreadable") from error
                self._read[name] = found
        return found


def _cached(name: str, place: str) -> Path:
    # Only where a name of the hub is configured: the library takes a quarter of a second to import.
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(place, local_files_only=True, allow_patterns=_TEXT_FILES))
    except (HFValidationError, LocalEntryNotFoundError, OSError):
        raise Unavailable(
            f"Model {name!r} is configured and not there: MEMORY_SERVICE_KV_MODELS names neither a folder nor a model in the local "
            "cache of the hub. Download it first; nothing is downloaded on the way of a request.",
            code="model_unreadable",
        ) from None
