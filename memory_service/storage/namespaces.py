"""Namespaces: paths inside a tenant, made by their first write."""

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping, text
from sqlalchemy.orm import Session

from memory_service.analysis.tokens import TERMS_VERSION
from memory_service.errors import FieldError, InvalidRequest, NamespaceNotFound, TooLarge
from memory_service.storage.ids import new_id
from memory_service.types import DEFAULT_NAMESPACE

MAX_LENGTH = 256
MAX_IN_ONE_SEARCH = 1_000
PATH = re.compile(r"[A-Za-z0-9._@:-]+(?:/[A-Za-z0-9._@:-]+)*\Z")

_COLUMNS = (
    "id, path, settings, encoder_id, also_encoder_id, shelf, created_at, folded_docs, languages, "
    "CAST(retention_policy AS text) AS retention_policy"
)


@dataclass(frozen=True, slots=True)
class Namespace:
    """A namespace as searches and writes need it."""

    id: UUID
    path: str
    settings: dict[str, Any]
    encoder_id: int
    shelf: int
    languages: tuple[str, ...] = ()  # by whose rules its memories are cut into terms
    retention_policy: str | None = None  # as `policy_form.read_policy` takes it; None: the defaults
    also_encoder_id: int | None = (
        None  # the second encoder that texts are written under while the namespace changes its own
    )

    @property
    def encoders(self) -> tuple[int, ...]:
        """Return under which encoders texts are written, the one that searches use first."""
        return (self.encoder_id,) if self.also_encoder_id is None else (self.encoder_id, self.also_encoder_id)


def check_path(path: str, *, pointer: str = "/namespace") -> str:
    """Return the path, or say what is wrong with it.

    Raises:
        InvalidRequest: the path is not 1-256 characters of segments joined by ``/``.
    """
    if not 1 <= len(path) <= MAX_LENGTH or not PATH.match(path):
        detail = (
            "A namespace is 1 to 256 characters: segments of letters, digits and . _ @ : - joined by single slashes, "
            "such as users/42."
        )
        raise InvalidRequest(detail, errors=(FieldError(pointer, detail),), code="invalid_namespace")
    return path


def _namespace(row: RowMapping) -> Namespace:
    return Namespace(
        row["id"],
        row["path"],
        row["settings"],
        row["encoder_id"],
        row["shelf"],
        tuple(row["languages"]),
        row["retention_policy"],
        row["also_encoder_id"],
    )


def find_namespaces(session: Session, tenant_id: UUID, paths: Iterable[str]) -> dict[str, Namespace]:
    """Return those of the namespaces that exist, by path."""
    rows = session.execute(
        text(f"SELECT {_COLUMNS} FROM namespace WHERE tenant_id = :tenant AND path = ANY(CAST(:paths AS text[]))"),
        {"tenant": tenant_id, "paths": list(paths)},
    ).mappings()
    return {row["path"]: _namespace(row) for row in rows}


def ensure_namespaces(
    session: Session, tenant_id: UUID, paths: Iterable[str], *, now: datetime
) -> dict[str, Namespace]:
    """Return the namespaces by path, making those that do not exist; they begin with the default encoder of the database."""
    wanted = sorted(set(paths))
    found = find_namespaces(session, tenant_id, wanted)
    missing = [path for path in wanted if path not in found]
    if missing:
        session.execute(
            text(
                "INSERT INTO namespace (tenant_id, id, path, encoder_id, shelf, created_at, terms_version) "
                "SELECT :tenant, n.id, n.path, c.id, c.shelf, :now, :terms_version FROM encoder c, "
                "unnest(CAST(:ids AS uuid[]), CAST(:paths AS text[])) AS n (id, path) WHERE c.is_default "
                "ON CONFLICT DO NOTHING"
            ),
            {
                "tenant": tenant_id,
                "ids": [new_id() for _ in missing],
                "paths": missing,
                "now": now,
                "terms_version": TERMS_VERSION,
            },
        )
        # Another transaction may have made one of them in between: read again what is there now.
        found |= find_namespaces(session, tenant_id, missing)
    return found


def encoders_of(session: Session, tenant_id: UUID, ids: Collection[UUID]) -> dict[UUID, tuple[int, ...]]:
    """Return under which encoders the texts of namespaces are written, the one that searches use first."""
    rows = session.execute(
        text(f"SELECT {_COLUMNS} FROM namespace WHERE tenant_id = :tenant AND id = ANY(CAST(:ids AS uuid[]))"),
        {"tenant": tenant_id, "ids": list(ids)},
    ).mappings()
    return {row["id"]: _namespace(row).encoders for row in rows}


def namespaces_of_memories(session: Session, tenant_id: UUID, ids: Collection[UUID]) -> dict[UUID, UUID]:
    """Return the namespaces of those of the memories that exist, by the memory."""
    rows = session.execute(
        text(
            "SELECT id, namespace_id FROM memory WHERE tenant_id = :tenant AND id = ANY(CAST(:ids AS uuid[])) ORDER BY id"
        ),
        {"tenant": tenant_id, "ids": list(ids)},
    ).all()
    return {row.id: row.namespace_id for row in rows}


def encoders_of_memories(session: Session, tenant_id: UUID, ids: Collection[UUID]) -> dict[UUID, tuple[int, ...]]:
    """Return under which encoders the texts of memories are written, by the memory."""
    spaces = namespaces_of_memories(session, tenant_id, ids)
    encoders = encoders_of(session, tenant_id, set(spaces.values()))
    return {memory_id: encoders[space] for memory_id, space in spaces.items()}


def namespaces_below(session: Session, tenant_id: UUID, prefix: str) -> list[Namespace]:
    """Return the namespace ``prefix`` and all below it; a prefix matches whole segments."""
    rows = session.execute(
        text(
            # Equality and comparison only: under row level security LIKE could not use the index.
            # '0' is the character after '/': the range holds exactly the paths that begin with "prefix/".
            f"SELECT {_COLUMNS} FROM namespace WHERE tenant_id = :tenant AND (path = :prefix "
            "OR (path >= :low AND path < :high)) ORDER BY path LIMIT :limit"
        ),
        {
            "tenant": tenant_id,
            "prefix": prefix,
            "low": f"{prefix}/",
            "high": f"{prefix}0",
            "limit": MAX_IN_ONE_SEARCH + 1,
        },
    ).mappings()
    return [_namespace(row) for row in rows]


def paths_named(*, namespace: str | None, namespaces: Sequence[str] | None) -> list[str]:
    """Return the paths that one search names."""
    return list(dict.fromkeys(namespaces if namespaces is not None else [namespace or DEFAULT_NAMESPACE]))


def paths_to_search(
    session: Session,
    tenant_id: UUID,
    *,
    namespace: str | None,
    namespaces: Sequence[str] | None,
    prefix: str | None,
) -> list[str]:
    """Return the paths one search is about; only a prefix needs the database.

    Raises:
        NamespaceNotFound: nothing lies below the prefix.
        TooLarge: more than 1,000 namespaces lie below it.
    """
    if prefix is None:
        return paths_named(namespace=namespace, namespaces=namespaces)
    path = check_path(prefix.rstrip("/"), pointer="/namespace_prefix")
    below = namespaces_below(session, tenant_id, path)
    if not below and path == DEFAULT_NAMESPACE:
        return [path]
    if not below:
        raise NamespaceNotFound(f"No namespace lies below {prefix!r}.")
    if len(below) > MAX_IN_ONE_SEARCH:
        raise TooLarge(
            f"More than {MAX_IN_ONE_SEARCH:,} namespaces lie below {prefix!r}; search a deeper prefix.",
            code="too_many_namespaces",
        )
    return [found.path for found in below]


def unknown_namespace(path: str) -> NamespaceNotFound:
    """Return the error for a namespace that is not there."""
    return NamespaceNotFound(f"There is no namespace {path!r}; the first write to it creates it.")


def find_namespace_id(session: Session, tenant_id: UUID, path: str, *, pointer: str) -> UUID | None:
    """Return a namespace's id; None for the default namespace before its first write, which exists in name only.

    Raises:
        InvalidRequest: the path is none; ``pointer`` says where it stood.
        NamespaceNotFound: there is no such namespace.
    """
    found = find_namespaces(session, tenant_id, [check_path(path, pointer=pointer)]).get(path)
    if found is None and path != DEFAULT_NAMESPACE:
        raise unknown_namespace(path)
    return found.id if found else None


def require_all(wanted: Iterable[str], found: Iterable[Namespace]) -> None:
    """Refuse paths that do not exist; the default namespace always does, if only in name.

    Raises:
        NamespaceNotFound: naming the first.
    """
    there = {namespace.path for namespace in found} | {DEFAULT_NAMESPACE}
    for path in wanted:
        if path not in there:
            raise unknown_namespace(path)


def get_namespace(session: Session, tenant_id: UUID, namespace_id: UUID) -> Namespace:
    """Return a namespace that something points at."""
    row = session.execute(
        text(f"SELECT {_COLUMNS} FROM namespace WHERE tenant_id = :tenant AND id = :id"),
        {"tenant": tenant_id, "id": namespace_id},
    ).mappings()
    return _namespace(row.one())
