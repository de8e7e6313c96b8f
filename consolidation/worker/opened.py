"""What a worker process opens once, after the fork, and keeps."""

from functools import lru_cache, partial

from consolidation.kept import Kept
from memory_service.blobs.opening import open_blobs
from memory_service.blobs.protocol import BlobStore
from memory_service.chat_model.guarded import GuardedChat
from memory_service.chat_model.loading import open_chat_model
from memory_service.chat_model.salt_secret import salt_secret
from memory_service.model_text.models import Models
from memory_service.settings import get_settings
from memory_service.storage.bootstrap import role_urls
from memory_service.storage.database import Database


@lru_cache(maxsize=1)
def database() -> Database:
    """Open the database."""
    settings = get_settings()
    made = Database(
        role_urls(settings).service,
        pool_size=3,  # a job, its lease, and what it gives way to or does beside it
        application_name="memory-service-worker",
        secret=partial(salt_secret, settings),
    )
    made.check_role()
    return made


@lru_cache(maxsize=1)
def chat() -> GuardedChat | None:
    """Open the model that runs may ask, where there is one: its circuit breaker lives there."""
    return open_chat_model(get_settings())


@lru_cache(maxsize=1)
def kept() -> Kept:
    """Open what is kept of namespaces between the turns of a run."""
    return Kept()


@lru_cache(maxsize=1)
def blobs() -> BlobStore:
    """Open the store of KV memories."""
    return open_blobs(get_settings())


@lru_cache(maxsize=1)
def models() -> Models:
    """Open the folders of hosted models."""
    return Models(get_settings().model_places)


def forget() -> None:
    """Have everything opened anew: a connection is of the process that opened it."""
    for one in (database, blobs, chat, kept):
        one.cache_clear()


def close() -> None:
    """Close what is open."""
    if database.cache_info().currsize:
        database().dispose()
    if chat.cache_info().currsize and (model := chat()) is not None:
        model.close()
