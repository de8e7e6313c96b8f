"""The redaction policies of tenants as a process knows them: at most a second old, so that asking costs nothing."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from threading import Lock
from time import monotonic
from types import MappingProxyType
from typing import Any, Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from memory_service.errors import Misconfigured, Unavailable
from memory_service.redaction.policy import Do, RedactionPolicy, Rule, read_redaction
from memory_service.redaction.pseudonyms import tenant_key
from memory_service.redaction.redactor import Redactor
from memory_service.storage.sql import Row

FRESH_S: Final = 1.0  # for so long what was read is taken to be so; who puts a policy in force waits it out
MOST_KEPT: Final = 10_000  # tenants in memory, and policies: then all are read again

_IN_FORCE: Final = text(
    "SELECT n.path, n.id AS namespace_id, p.id, p.body FROM policy p "
    "JOIN namespace n ON n.tenant_id = :tenant AND n.id = p.namespace_id "
    "WHERE p.tenant_id = :tenant AND p.kind = 'redaction' AND p.known_to = 'infinity'"
)


@dataclass(frozen=True, slots=True)
class Redactors:
    """What holds in the namespaces of one tenant, by path and by id; where there is nothing, everything may be stored."""

    by_path: Mapping[str, Redactor] = field(default_factory=dict)
    by_id: Mapping[UUID, Redactor] = field(default_factory=dict)

    def __bool__(self) -> bool:
        """Say whether the tenant has any policy."""
        return bool(self.by_path)

    def among(self, paths: tuple[str, ...] | None, *, prefix: str | None = None) -> list[Redactor]:
        """Return those of some namespaces, or of all at and below a prefix; in the order of paths."""
        if prefix is None:
            return [self.by_path[path] for path in sorted(paths or ()) if path in self.by_path]
        base = prefix.rstrip("/")
        return [one for path, one in sorted(self.by_path.items()) if path == base or path.startswith(f"{base}/")]


NOTHING: Final = Redactors(MappingProxyType({}), MappingProxyType({}))


def no_secret() -> bytes:
    """Say that this process has no secret to make pseudonyms with.

    Raises:
        Misconfigured: always.
    """
    raise Misconfigured(
        "This process opened the database without the secret of salts, and a namespace redacts what it holds."
    )


def stored_policy(path: str, body: Mapping[str, Any]) -> RedactionPolicy:
    """Return a policy as it is stored, whole or not at all: without one of its rules it would let through what it forbids.

    Raises:
        Unavailable: a part of it cannot be read (code `redaction_policy_unreadable`); nothing is stored until it is put anew.
    """
    policy, wrong = read_redaction(body)
    if wrong:
        pointer, what = wrong[0]
        raise Unavailable(
            f"The redaction policy of the namespace {path!r} cannot be read: {pointer or '/'} {what}. Nothing is stored or "
            "searched until an administrator puts it anew or deletes it at /v1/policies/redaction.",
            code="redaction_policy_unreadable",
        )
    return policy


class Redactions:
    """The policies in force of every tenant that was asked about lately.

    A look is dated when it begins: what was committed before that is in it. So a policy that was committed a second ago is known
    everywhere.
    """

    def __init__(
        self,
        open_transaction: Callable[[UUID], AbstractContextManager[Session]],
        secret: Callable[[], bytes] = no_secret,
        *,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        """Keep how to ask; nothing is asked yet."""
        self._open, self._secret, self._clock = open_transaction, secret, clock
        self._known: dict[UUID, tuple[float, Redactors]] = {}
        self._made: dict[UUID, Redactor] = {}  # by policy, whose body never changes
        self._lock = Lock()
        self.observe: Callable[[Rule, int], None] = lambda _rule, _values: None  # is told what is replaced or refused

    def of(self, tenant_id: UUID, session: Session | None = None) -> Redactors:
        """Return what holds in a tenant; a session that is open is asked rather than a second connection taken.

        Raises:
            Unavailable: the database does not answer, or a policy cannot be read whole; then nothing is stored either.
            Misconfigured: a policy makes pseudonyms, and this process has no secret for them.
        """
        known = self._known.get(tenant_id)
        begun = self._clock()
        if known is not None and begun - known[0] < FRESH_S:
            return known[1]
        if session is not None:
            found = self._read(session, tenant_id)
        else:
            with self._open(tenant_id) as own:
                found = self._read(own, tenant_id)
        with self._lock:
            if len(self._known) >= MOST_KEPT:
                self._known.clear()
            self._known[tenant_id] = (begun, found)
        return found

    def check(self, tenant_id: UUID, policy: RedactionPolicy) -> None:
        """Make sure that this process can go by a policy before it is in force.

        Raises:
            Misconfigured: it makes pseudonyms, and there is no secret for them.
        """
        self._redactor_of(tenant_id, policy)

    def forget(self, tenant_id: UUID) -> None:
        """Have a tenant's policies read anew by the next who asks."""
        with self._lock:
            self._known.pop(tenant_id, None)

    def _read(self, session: Session, tenant_id: UUID) -> Redactors:
        rows = session.execute(_IN_FORCE, {"tenant": tenant_id}).mappings().all()
        every = [(row["path"], row["namespace_id"], self._redactor(tenant_id, row)) for row in rows]
        made = [(path, space, one) for path, space, one in every if one.policy.rules]
        if not made:
            return NOTHING
        return Redactors({path: one for path, _, one in made}, {space: one for _, space, one in made})

    def _redactor(self, tenant_id: UUID, row: Row) -> Redactor:
        redactor = self._made.get(row["id"])
        if redactor is None:
            redactor = self._redactor_of(tenant_id, stored_policy(row["path"], row["body"]))
            with self._lock:
                if len(self._made) >= MOST_KEPT:
                    self._made.clear()
                self._made[row["id"]] = redactor
        return redactor

    def _redactor_of(self, tenant_id: UUID, policy: RedactionPolicy) -> Redactor:
        hashes = any(rule.do is Do.HASH for rule in policy.rules)
        return Redactor(
            policy, tenant_key(self._secret(), tenant_id) if hashes else b"", lambda *seen: self.observe(*seen)
        )


def redactions_of(session: Session) -> Redactions:
    """Return what the process that opened a session knows of redaction policies."""
    redactions: Redactions = session.info["redactions"]
    return redactions


def redactors_in(session: Session) -> Redactors:
    """Return what holds in the tenant of a session."""
    return redactions_of(session).of(session.info["tenant_id"], session)
