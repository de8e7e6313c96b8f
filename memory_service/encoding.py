"""Which model is which row of the database: load encoders and make sure that they are the ones that made the vectors."""

from datetime import datetime

from memory_service.encoder import EncoderIdentity, LoadedEncoder, load_encoder, verify_identity
from memory_service.errors import Misconfigured, Unavailable
from memory_service.settings import Settings
from memory_service.storage.bootstrap import role_urls
from memory_service.storage.database import Database
from memory_service.storage.encoders import (
    EncoderRow,
    default_encoder,
    find_encoder,
    fingerprint_known,
    list_encoders,
    register_encoder,
)


def open_default(database: Database, settings: Settings, *, now: datetime) -> tuple[EncoderRow, LoadedEncoder]:
    """Load the encoder that new namespaces begin with: the configured one in a new database, then what the database says.

    Where the configured one is registered without being the default, the default is loaded by the name it was registered by.

    Raises:
        Misconfigured: the configured encoder is not registered here, or the default cannot be loaded.
    """
    configured = load_encoder(settings)
    with database.untenanted() as connection:
        stored = default_encoder(connection)
        known = fingerprint_known(connection, configured.identity.fingerprint)
    if stored is None:
        stored = register_encoder(role_urls(settings).maintenance, identity=configured.identity, now=now)
    if known is None or known.id == stored.id:
        verify_identity(_identity(stored), configured.identity)
        return stored, configured
    configured.close()
    return stored, _load(stored, settings)


def open_encoder(database: Database, settings: Settings, encoder_id: int) -> LoadedEncoder:
    """Load any encoder of the database for a request or a piece of work.

    Raises:
        Unavailable: it cannot be loaded on this machine, or is another model by now; the log says more.
    """
    with database.untenanted() as connection:
        row = find_encoder(connection, encoder_id)
    if row is None:
        raise Unavailable(f"There is no encoder {encoder_id}.", code="encoder_unavailable", retry_after_s=5)
    try:
        return _load(row, settings)
    except Misconfigured as error:
        raise Unavailable(
            f"The encoder {row.name!r} cannot be loaded here: {error.detail}",
            code="encoder_unavailable",
            retry_after_s=5,
        ) from error


def load_named(settings: Settings, name: str) -> LoadedEncoder:
    """Load a model that is not registered yet, exporting it first where that is needed.

    Raises:
        EncoderUnavailable: it cannot be had or loaded.
    """
    return load_encoder(settings.model_copy(update={"encoder": name}))


def count_encoders(database: Database) -> int:
    """Return how many encoders the database knows."""
    with database.untenanted() as connection:
        return len(list_encoders(connection))


def _load(row: EncoderRow, settings: Settings) -> LoadedEncoder:
    loaded = load_named(settings, row.name)
    try:
        verify_identity(_identity(row), loaded.identity)
    except Misconfigured:
        loaded.close()
        raise
    return loaded


def _identity(row: EncoderRow) -> EncoderIdentity:
    return EncoderIdentity(row.name, row.dimension, row.max_tokens, row.fingerprint, row.probe)
