"""What a request works with, made once per process."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from anyio import CapacityLimiter

from memory_service.api.auth import Authenticator
from memory_service.api.keeping import Kept
from memory_service.api.kv.parts import KvParts
from memory_service.api.kv_planner import KvPlanner
from memory_service.api.metrics import Metrics
from memory_service.api.rate_limit import RateLimiter
from memory_service.api.sharing import Mark
from memory_service.jobs import Nudger
from memory_service.reranker.bounded import BoundedReranker
from memory_service.settings import Settings
from memory_service.storage.database import Database
from memory_service.storage.reservations import Reservations
from retrieval.helper import Helper
from retrieval.resident import Residents

if TYPE_CHECKING:
    from memory_service.encoder import BatchingEncoder, Encoders, LoadedEncoder


def utc_now() -> datetime:
    """Return the time of day, with its zone."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Services:
    """The parts of the running service; hangs on ``app.state.services``."""

    settings: Settings
    database: Database
    reservations: Reservations  # keys of requests that encode before their transaction
    encoder: "LoadedEncoder"
    batching: "BatchingEncoder"
    encoder_id: int
    encoders: "Encoders"  # these and, once they are needed, others
    nudger: Nudger
    authenticator: Authenticator
    rate_limiter: RateLimiter
    login_limiter: RateLimiter  # by address
    metrics: Metrics
    residents: Residents
    measured: Kept  # answers on a tenant and a namespace that take long to count
    deleted: Mark  # changes when a tenant is deleted
    reranker: BoundedReranker | None  # None: none is configured
    kv: KvParts
    failing: Path | None  # where the supervisor writes which parts fail; None: this process has none
    helper: Helper  # of searches: what they do beside the encoder
    planner: KvPlanner
    # Commits have threads of their own: were they to queue behind requests that wait for a connection, the
    # connections those requests wait for would never be given back.
    commit_threads: CapacityLimiter
    clock: Callable[[], datetime] = utc_now
