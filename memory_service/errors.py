"""Everything that can go wrong, as values a caller can act on.

    MemoryServiceError
    ├── InvalidRequest            422  the request cannot be understood
    │   └── InvalidFilter         422
    │       └── FilterTooLarge    413
    ├── Unauthenticated           401  no key, or none that is valid
    ├── Forbidden                 403  the key lacks a scope
    ├── HostRefused               421  a Host header this service does not answer to
    ├── NotFound                  404
    │   └── NamespaceNotFound     404
    ├── Gone                      410  erased inside this tenant
    ├── Conflict                  409
    │   ├── StillRunning          409  the same idempotency key is in flight
    │   └── SourceChanged         409  a memory changed while something was made of it; make it again
    ├── PreconditionFailed        412  If-Match names another version
    ├── TooLarge                  413  names the way out
    ├── HeadTooLarge              431  the headers are
    ├── OverQuota                 507  there is no room for a KV memory that is worth more than what is kept
    ├── UnsupportedMediaType      415
    ├── IdempotencyKeyReused      422  same key, other body
    ├── RateLimited               429
    ├── Unavailable               503  a part we need is down; try again
    ├── UpstreamFailed            502  the server of a model does not answer a chat
    │   └── UpstreamTimeout       504
    └── Misconfigured                  refuses to start, and says what to do
        └── DatabaseTooNew

The `detail` of an error is a sentence for the person who reads it; `code` is stable for programs.
"""

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class FieldError:
    """One offending place in a request: an RFC 6901 pointer and what is wrong there."""

    pointer: str
    detail: str


class MemoryServiceError(Exception):
    """The service could not do what was asked."""

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal_error"
    title: ClassVar[str] = "Internal error"
    retryable: ClassVar[bool] = False

    def __init__(
        self,
        detail: str,
        *,
        errors: tuple[FieldError, ...] = (),
        code: str | None = None,
        retry_after_s: int | None = None,
    ) -> None:
        """Keep a sentence, the offending fields, and a more specific code where there is one."""
        super().__init__(detail)
        self.detail = detail
        self.errors = errors
        self.specific_code = code or self.code
        self.retry_after_s = retry_after_s


class InvalidRequest(MemoryServiceError):
    """The request cannot be understood."""

    status = 422
    code = "invalid_request"
    title = "Invalid request"


class InvalidFilter(InvalidRequest):
    """The filter is not of the grammar."""

    code = "invalid_filter"
    title = "Invalid filter"


class FilterTooLarge(InvalidFilter):
    """The filter is of the grammar, and larger than one request may carry; the detail names the way out."""

    status = 413
    code = "filter_too_large"
    title = "Filter too large"


class Unauthenticated(MemoryServiceError):
    """No key was sent, or the key is unknown, revoked or expired."""

    status = 401
    code = "unauthenticated"
    title = "Unauthenticated"


class Forbidden(MemoryServiceError):
    """The key lacks the scope this call needs."""

    status = 403
    code = "forbidden"
    title = "Forbidden"


class HostRefused(MemoryServiceError):
    """The Host header names a host this service does not answer to."""

    status = 421
    code = "host_refused"
    title = "Misdirected request"


class NotFound(MemoryServiceError):
    """There is no such thing in this tenant."""

    status = 404
    code = "not_found"
    title = "Not found"


class NamespaceNotFound(NotFound):
    """There is no such namespace in this tenant."""

    code = "namespace_not_found"
    title = "Namespace not found"


class Gone(MemoryServiceError):
    """The memory was erased; only a tombstone is left."""

    status = 410
    code = "erased"
    title = "Gone"


class Conflict(MemoryServiceError):
    """The request does not fit the present state of the record."""

    status = 409
    code = "conflict"
    title = "Conflict"


class StillRunning(Conflict):
    """A request with the same idempotency key is still running."""

    code = "idempotency_in_progress"
    title = "Still running"
    retryable = True


class SourceChanged(Conflict):
    """A memory changed, or was erased, while something was being made of it; made again, it is of what is there now."""

    code = "source_changed"
    title = "Source changed"
    retryable = True


class PreconditionFailed(MemoryServiceError):
    """If-Match names another version than the current one."""

    status = 412
    code = "version_mismatch"
    title = "Precondition failed"


class TooLarge(MemoryServiceError):
    """The request is larger than the limit; the detail names the way out."""

    status = 413
    code = "too_large"
    title = "Content too large"


class HeadTooLarge(MemoryServiceError):
    """The request line and the headers are larger than the limit."""

    status = 431
    code = "head_too_large"
    title = "Request header fields too large"


class OverQuota(MemoryServiceError):
    """The quota of KV memories is used up by what is worth more than the newcomer."""

    status = 507
    code = "kv_over_quota"
    title = "Insufficient storage"


class UnsupportedMediaType(MemoryServiceError):
    """The body is not of a media type this call reads."""

    status = 415
    code = "unsupported_media_type"
    title = "Unsupported media type"


class IdempotencyKeyReused(MemoryServiceError):
    """The idempotency key was used before with another body."""

    status = 422
    code = "idempotency_key_reused"
    title = "Idempotency key reused"


class RateLimited(MemoryServiceError):
    """The key has used up its rate; Retry-After says when to come back."""

    status = 429
    code = "rate_limited"
    title = "Too many requests"
    retryable = True


class Unavailable(MemoryServiceError):
    """A part this call needs is down; the detail says so when a change may have been made."""

    status = 503
    code = "unavailable"
    title = "Service unavailable"
    retryable = True


class UpstreamFailed(MemoryServiceError):
    """The server of a model, to which a chat was to be passed on, cannot be reached or does not answer as one."""

    status = 502
    code = "upstream_failed"
    title = "Bad gateway"
    retryable = True


class UpstreamTimeout(UpstreamFailed):
    """The server of a model did not answer in time."""

    status = 504
    code = "upstream_timeout"
    title = "Gateway timeout"


class Misconfigured(MemoryServiceError):
    """The service refuses to start; the detail says what to do."""

    code = "misconfigured"
    title = "Misconfigured"


class DatabaseTooNew(Misconfigured):
    """The database was migrated by a newer version of this software."""

    code = "database_too_new"
    title = "Database too new"
