"""Hosted models as a worker runs them, where some are configured."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial

from consolidation.models_here import Compute, ModelsHere
from consolidation.worker import opened
from memory_service.activation.errors import ActivationError
from memory_service.activation.fingerprint import Fingerprint
from memory_service.activation.model_folder import folder_config_digest, weights_digest
from memory_service.chat_model.cache_salt import cache_salt
from memory_service.chat_model.salt_secret import salt_secret
from memory_service.lifecycle.kv_saving import Limits
from memory_service.settings import get_settings


def models_here() -> ModelsHere:
    """Return the models of this process and where what they compute is stored."""
    settings = get_settings()
    secret = salt_secret(settings)
    return ModelsHere(
        models=opened.models(),
        open=_open_model,
        salt_of=lambda tenant_id: cache_salt(secret, tenant_id),
        blobs=opened.blobs(),
        limits=Limits(tenant_bytes=settings.kv_quota_mb << 20, ttl=timedelta(days=settings.kv_ttl_days)),
    )


@contextmanager
def _open_model(name: str, fingerprint: Fingerprint) -> Iterator[Compute]:
    """Open a model for one piece of work, after the fork: idle weights in every worker would take the machine's memory.

    Raises:
        ActivationError: it is not the one that the engine runs, or cannot be run here.
    """
    folder = opened.models().folder(name)
    if folder_config_digest(folder) != fingerprint.config or weights_digest(folder) != fingerprint.weights:
        raise ActivationError(f"the engine runs {name!r} with other weights or another configuration")
    # Here, so that a worker that runs no model never loads torch.
    from memory_service.activation.transformer.computing import compute, open_model

    model = open_model(folder, fingerprint.dtype)
    try:
        yield partial(compute, model)
    finally:
        del model
