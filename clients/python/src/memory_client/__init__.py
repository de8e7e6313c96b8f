"""Long-term memory for agents: the Python client of the memory service."""

from typing import TYPE_CHECKING, Any

from memory_client import models
from memory_client.clients import AsyncMemoryClient, MemoryClient
from memory_client.errors import (
    AuthenticationFailed,
    Conflict,
    ConnectionFailed,
    FieldError,
    Gone,
    InternalError,
    JobFailed,
    MemoryClientError,
    MemoryNotFound,
    NamespaceNotFound,
    NotConfigured,
    NotFound,
    PermissionDenied,
    RateLimited,
    RouteNotFound,
    ServiceError,
    ServiceUnavailable,
    StillRunning,
    TimedOut,
    TooLarge,
    UnexpectedAnswer,
    ValidationFailed,
    VersionConflict,
)
from memory_client.retries import NO_RETRIES, Retries
from memory_client.timeouts import Timeout
from memory_client.version import VERSION as __version__

if TYPE_CHECKING:
    from memory_client.models import Job as Job
    from memory_client.models import Memory as Memory

__all__ = [
    "NO_RETRIES",
    "AsyncMemoryClient",
    "AuthenticationFailed",
    "Conflict",
    "ConnectionFailed",
    "FieldError",
    "Gone",
    "InternalError",
    "Job",
    "JobFailed",
    "Memory",
    "MemoryClient",
    "MemoryClientError",
    "MemoryNotFound",
    "NamespaceNotFound",
    "NotConfigured",
    "NotFound",
    "PermissionDenied",
    "RateLimited",
    "Retries",
    "RouteNotFound",
    "ServiceError",
    "ServiceUnavailable",
    "StillRunning",
    "TimedOut",
    "Timeout",
    "TooLarge",
    "UnexpectedAnswer",
    "ValidationFailed",
    "VersionConflict",
    "__version__",
]


def __getattr__(name: str) -> Any:
    if name in {"Job", "Memory"}:  # Loaded when asked for, as all answers are.
        return getattr(models, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
