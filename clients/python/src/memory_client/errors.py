"""Everything that can go wrong, as a tree.

MemoryClientError
├── NotConfigured                 no service or key to talk to
├── ConnectionFailed              no answer came
│   └── TimedOut                  not within the time allowed
├── UnexpectedAnswer              the answer is not one of the memory service
├── JobFailed                     a job that was waited for failed or was cancelled
└── ServiceError                  the service answered with a problem (or would have, had it been sent)
    ├── ValidationFailed          400, 415, 421, 422
    ├── AuthenticationFailed      401
    ├── PermissionDenied          403
    ├── NotFound                  404
    │   ├── NamespaceNotFound
    │   ├── MemoryNotFound
    │   └── RouteNotFound         this service is older or newer than the call
    ├── Conflict                  409
    │   └── StillRunning          the first request with this Idempotency-Key has not ended
    ├── Gone                      410: erased
    ├── VersionConflict           412: If-Match names another version
    ├── TooLarge                  413
    ├── RateLimited               429
    ├── InternalError             500
    └── ServiceUnavailable        502, 503, 504
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from memory_client.models.jobs import Job


@dataclass(frozen=True)
class FieldError:
    """One place that is wrong: an RFC 6901 pointer into the body, ``?name`` for a query parameter, and why."""

    pointer: str
    detail: str


class MemoryClientError(Exception):
    """Something went wrong between this program and the memory service."""

    retryable: bool = False
    attempts: int = 1  # How often the call was tried before this was raised.

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail

    def __str__(self) -> str:
        return self.detail


class NotConfigured(MemoryClientError):
    """There is no service or key to talk to."""


class ConnectionFailed(MemoryClientError):
    """No answer came; ``sent`` says whether the service may have carried out the call."""

    retryable = True

    def __init__(self, detail: str, *, sent: bool) -> None:
        super().__init__(detail)
        self.sent = sent


class TimedOut(ConnectionFailed):
    """No answer came within the time allowed."""


class UnexpectedAnswer(MemoryClientError):
    """What answered is not the memory service, or one that speaks differently."""

    def __init__(self, detail: str, *, status: int) -> None:
        super().__init__(detail)
        self.status = status


class JobFailed(MemoryClientError):
    """A job that was waited for failed or was cancelled."""

    def __init__(self, job: Job) -> None:
        super().__init__(f"The {job.kind} job {job.id} has {job.status}" + (f": {job.error}" if job.error else "."))
        self.job = job


class ServiceError(MemoryClientError):
    """The service refused the call; ``code`` says why, for programs, and ``detail`` for people.

    ``status`` is None when the refusal is foreseen here and nothing was sent.
    """

    def __init__(
        self,
        detail: str,
        *,
        code: str,
        status: int | None = None,
        errors: Sequence[FieldError] = (),
        request_id: str | None = None,
        retryable: bool = False,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(detail)
        self.code = code
        self.status = status
        self.errors = tuple(errors)
        self.request_id = request_id
        self.retryable = retryable
        self.retry_after_s = retry_after_s

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.detail!r}, code={self.code!r}, status={self.status!r})"


class ValidationFailed(ServiceError):
    """The request is wrong in itself; ``errors`` says where."""


class AuthenticationFailed(ServiceError):
    """The key is missing, unknown, revoked or expired."""


class PermissionDenied(ServiceError):
    """The key lacks a scope that the call needs."""


class NotFound(ServiceError):
    """There is no such thing in this tenant."""


class NamespaceNotFound(NotFound):
    """Nothing was written to this namespace yet."""


class MemoryNotFound(NotFound):
    """There is no such memory in this tenant."""


class RouteNotFound(NotFound):
    """The service has no such call."""


class Conflict(ServiceError):
    """The call does not fit the present state."""


class StillRunning(Conflict):
    """The first request with this Idempotency-Key has not ended."""


class Gone(ServiceError):
    """The memory was erased."""


class VersionConflict(ServiceError):
    """Somebody else changed it first."""


class TooLarge(ServiceError):
    """More than one call may hold; the detail names the limit and the way out."""


class RateLimited(ServiceError):
    """The key has used up its rate."""


class InternalError(ServiceError):
    """The service failed; its log names the cause under ``request_id``."""


class ServiceUnavailable(ServiceError):
    """The service cannot answer now."""


# Where one status has several meanings that programs tell apart.
OF_CODE: dict[str, type[ServiceError]] = {
    "namespace_not_found": NamespaceNotFound,
    "memory_not_found": MemoryNotFound,
    "route_not_found": RouteNotFound,
    "idempotency_in_progress": StillRunning,
    "version_mismatch": VersionConflict,
    "erased": Gone,
    "unauthenticated": AuthenticationFailed,
    "forbidden": PermissionDenied,
    "rate_limited": RateLimited,
    "internal_error": InternalError,
}
OF_STATUS: dict[int, type[ServiceError]] = {
    400: ValidationFailed,
    401: AuthenticationFailed,
    403: PermissionDenied,
    404: NotFound,
    409: Conflict,
    410: Gone,
    412: VersionConflict,
    413: TooLarge,
    415: ValidationFailed,
    421: ValidationFailed,
    422: ValidationFailed,
    429: RateLimited,
    500: InternalError,
    502: ServiceUnavailable,
    503: ServiceUnavailable,
    504: ServiceUnavailable,
}


def error_of(
    problem: Mapping[str, Any], *, status: int, request_id: str | None = None, retry_after_s: float | None = None
) -> ServiceError:
    """Return the error of a problem document.

    A code that is not known here falls back to its status, and an unknown status to ``ServiceError``.
    """
    code = str(problem.get("code") or f"http_{status}")
    kind = OF_CODE.get(code) or OF_STATUS.get(status, ServiceError)
    places = problem.get("errors")
    return kind(
        str(problem.get("detail") or problem.get("title") or f"The service answered {status}."),
        code=code,
        status=status,
        errors=[
            FieldError(str(one.get("pointer", "")), str(one.get("detail", "")))
            for one in (places if isinstance(places, list) else [])
            if isinstance(one, dict)
        ],
        request_id=problem.get("request_id") or request_id,
        retryable=bool(problem.get("retryable", status in {429, 502, 503, 504})),
        retry_after_s=retry_after_s,
    )
