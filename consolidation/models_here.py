"""The models that a worker can run, and where what they compute goes."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from uuid import UUID

from memory_service.activation.fingerprint import Fingerprint
from memory_service.activation.key_values import KeyValues
from memory_service.blobs.protocol import BlobStore
from memory_service.errors import Misconfigured
from memory_service.lifecycle.kv_looks import Looks
from memory_service.lifecycle.kv_saving import Limits
from memory_service.model_text.models import Models

Compute = Callable[[Sequence[int]], KeyValues]


@dataclass(frozen=True, slots=True)
class ModelsHere:
    """What computing blocks ahead takes.

    Attributes:
        models: tokenizers and templates, by name
        open: opens the model of a name to run as an engine runs it; raises ActivationError where that cannot be
        salt_of: the salt of a tenant
        blobs: the store
        limits: what the operator allows
        looks: who may read a whole blob, and which were found sound
    """

    models: Models
    open: Callable[[str, Fingerprint], AbstractContextManager[Compute]]
    salt_of: Callable[[UUID], str]
    blobs: BlobStore
    limits: Limits
    looks: Looks = field(default_factory=Looks)


def no_models() -> ModelsHere:
    """Say that this process runs no models.

    Raises:
        Misconfigured: always.
    """
    raise Misconfigured("This worker runs no models.")
