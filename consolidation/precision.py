"""Give memories the precision back that they lost while they faded.

Which memories fall and rise, and when, is decided elsewhere: a useful recall, a sweep of retention or the reverting of a run leaves
a note on the record. What fell keeps neither half precision nor anything to make it from but its text, so rising means
encoding: outside of any transaction, a batch at a time. A text that changes meanwhile is left alone; its correction came with
vectors in half precision.
"""

from collections.abc import Callable, Sequence
from uuid import UUID

import numpy as np
import structlog
from numpy.typing import NDArray
from sqlalchemy import RowMapping

from consolidation.tenancy import Tenancy
from memory_service.lifecycle.draft import Encoding
from memory_service.storage import precision
from memory_service.storage.namespaces import get_namespace
from memory_service.types import PrecisionTier

BATCH = 64  # texts encoded at once: about a second of the packaged model

log = structlog.get_logger(__name__)


def raise_waiting(
    tenancy: Tenancy, namespace_id: UUID, *, encoding: Encoding, go_on: Callable[[], bool] = lambda: True
) -> int:
    """Raise memories that wait for it; return how many rose.

    Args:
        tenancy: whose namespace.
        namespace_id: which one.
        encoding: how texts become vectors; asked for the encoder of the namespace.
        go_on: asked between batches; False leaves the rest to a later call.
    """
    with tenancy.open() as session:
        space = get_namespace(session, tenancy.tenant_id, namespace_id)
    encoding = encoding.of(space.encoder_id)
    risen = 0
    last: UUID | None = None
    while True:
        with tenancy.open() as session:
            rows = precision.rising(
                session, tenancy.tenant_id, namespace_id, encoder_id=encoding.encoder_id, after=last, limit=BATCH
            )
        if not rows:
            return risen
        vectors = _encoded(rows, encoding)
        with tenancy.open() as session:
            done = precision.move_tiers(
                session, tenancy.tenant_id, [(row["id"], PrecisionTier(row["precision_wanted"])) for row in rows],
                now=tenancy.clock(), vectors=vectors,
            )  # fmt: skip
        if done.unencoded:
            log.warning("precision_not_raised", memories=[str(one) for one in done.unencoded])
        risen += len(done.moved)
        last = rows[-1]["id"]
        if len(rows) < BATCH or not go_on():
            return risen


def _encoded(rows: Sequence[RowMapping], encoding: Encoding) -> dict[tuple[UUID, int], NDArray[np.float32]]:
    encoded = encoding.chunks([row["content"] for row in rows], starts=[row["start"] for row in rows])
    return {
        (row["id"], row["content_version"]): np.stack([chunk.vector for chunk in chunks])
        for row, chunks in zip(rows, encoded, strict=True)
        if chunks
    }
