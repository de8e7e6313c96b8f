"""What every writing route needs: the way texts become vectors, and the nudge that follows a commit."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from functools import partial
from uuid import UUID

from sqlalchemy.orm import Session

from memory_service.api.services import Services
from memory_service.jobs import ENRICH, enqueue_after_commit
from memory_service.lifecycle.draft import Encoding
from memory_service.lifecycle.voices import Hearing, hearing_at
from memory_service.redaction.redactor import Redactor
from memory_service.storage.namespaces import encoders_of_memories, find_namespaces, namespaces_of_memories
from memory_service.types import Caller


def encoding_of(services: Services, caller: Caller | None = None) -> Encoding:
    """Return how this process turns passages into vectors.

    Under which encoders a caller's namespaces are written is asked beforehand only where the database knows more than one; what
    must not be stored in them is asked once a second.
    """
    own = _under(services, services.encoder_id)
    if caller is None:
        return own
    tenant_id = caller.tenant_id

    def redactors_for(ids: Collection[UUID]) -> Mapping[UUID, Redactor]:
        redactors = services.database.redactions.of(tenant_id)
        if not redactors:
            return {}
        with services.database.transaction(tenant_id, durable=False) as session:
            spaces = namespaces_of_memories(session, tenant_id, ids)
        return {one: redactors.by_id[space] for one, space in spaces.items() if space in redactors.by_id}

    def listen(paths: Collection[str]) -> Mapping[str, Hearing]:
        with services.database.transaction(tenant_id, durable=False) as session:
            return hearing_at(session, tenant_id, paths)

    own = replace(
        own,
        listen=listen,
        redactors=partial(services.database.redactions.of, tenant_id),
        redactors_for=redactors_for,
    )
    if not services.encoders.several:
        return own

    def encoders_at(paths: Collection[str]) -> Mapping[str, tuple[int, ...]]:
        with services.database.transaction(tenant_id, durable=False) as session:
            return {path: one.encoders for path, one in find_namespaces(session, tenant_id, paths).items()}

    def encoders_for(ids: Collection[UUID]) -> Mapping[UUID, tuple[int, ...]]:
        with services.database.transaction(tenant_id, durable=False) as session:
            return encoders_of_memories(session, tenant_id, ids)

    return replace(own, encoders_at=encoders_at, encoders_for=encoders_for)


def _under(services: Services, encoder_id: int) -> Encoding:
    served = services.encoders.get(encoder_id)
    return Encoding(
        encode=served.batching.encode_passages,
        chunk=lambda text: [(span.start, span.end) for span in served.encoder.chunk(text)],
        encoder_id=encoder_id,
        under=lambda other: _under(services, other),
    )


def nudge_enrichment(session: Session, services: Services, caller: Caller) -> None:
    """Tell the workers after the commit that there is something to enrich; the sweep finds it without us, too."""
    enqueue_after_commit(session, services.nudger, ENRICH, str(caller.tenant_id))
