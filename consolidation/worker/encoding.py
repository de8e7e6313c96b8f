"""Encoders that a worker loads for one piece of work: such work is rare, and no model is to lie idle in every worker."""

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from uuid import UUID

from consolidation.tenancy import EncodeQuery
from consolidation.worker import opened
from consolidation.worker.across_tenants import utc_now
from memory_service.encoder import Encoders, LoadedEncoder, Served
from memory_service.encoding import count_encoders, open_default
from memory_service.encoding import open_encoder as load_encoder
from memory_service.lifecycle.draft import Encoding
from memory_service.lifecycle.voices import Hearing, hearing_at
from memory_service.settings import Settings, get_settings
from memory_service.storage.namespaces import find_namespaces


@contextmanager
def open_encoder(encoder_id: int) -> Iterator[EncodeQuery]:
    """Load an encoder of queries for one piece of work.

    Raises:
        Unavailable: it cannot be loaded here, or is not the model that made the vectors.
    """
    encoder = load_encoder(opened.database(), get_settings(), encoder_id)
    try:
        yield lambda query: encoder.encode([query])[0]
    finally:
        encoder.close()


@contextmanager
def open_encoding(tenant_id: UUID | None = None) -> Iterator[Encoding]:
    """Load the encoder for texts, as the API encodes what it stores, and others when one of them is needed.

    Raises:
        Misconfigured: it is not the model that made the vectors.
    """
    database, settings = opened.database(), get_settings()
    row, encoder = open_default(database, settings, now=utc_now())
    encoders = Encoders(
        row.id,
        _served(encoder, settings),
        load=lambda encoder_id: _served(load_encoder(database, settings, encoder_id), settings),
        count=lambda: count_encoders(database),
    )
    try:
        own = _under(encoders, row.id)
        if tenant_id is not None:
            own = replace(
                own,
                encoders_at=partial(_encoders_at, tenant_id),
                listen=partial(_hearing_at, tenant_id),
                redactors=partial(database.redactions.of, tenant_id),
            )
        yield own
    finally:
        encoders.close()


def _served(encoder: LoadedEncoder, settings: Settings) -> Served:
    # It puts texts of one length together, as padding is what encoding spends its time on.
    return Served.of(encoder, threads=settings.encoder_threads)


def _under(encoders: Encoders, encoder_id: int) -> Encoding:
    served = encoders.get(encoder_id)
    return Encoding(
        encode=served.batching.encode_passages,
        chunk=lambda content: [(span.start, span.end) for span in served.encoder.chunk(content)],
        encoder_id=encoder_id,
        under=lambda other: _under(encoders, other),
    )


def _encoders_at(tenant_id: UUID, paths: Collection[str]) -> Mapping[str, tuple[int, ...]]:
    with opened.database().transaction(tenant_id) as session:
        return {path: one.encoders for path, one in find_namespaces(session, tenant_id, paths).items()}


def _hearing_at(tenant_id: UUID, paths: Collection[str]) -> Mapping[str, Hearing]:
    with opened.database().transaction(tenant_id) as session:
        return hearing_at(session, tenant_id, paths)
