"""What every writing route needs: the way texts become vectors, and the nudge that follows a commit."""

from sqlalchemy.orm import Session

from memory_service.api.services import Services
from memory_service.jobs import ENRICH, enqueue_after_commit
from memory_service.lifecycle.draft import Encoding
from memory_service.types import Caller


def encoding_of(services: Services) -> Encoding:
    """Return how this process turns passages into vectors."""
    return Encoding(
        encode=services.batching.encode_passages,
        chunk=lambda text: [(span.start, span.end) for span in services.encoder.chunk(text)],
        encoder_id=services.encoder_id,
        shelf=services.shelf,
    )


def nudge_enrichment(session: Session, services: Services, caller: Caller) -> None:
    """Tell the workers after the commit that there is something to enrich; the sweep finds it without us, too."""
    enqueue_after_commit(session, services.nudger, ENRICH, str(caller.tenant_id))
