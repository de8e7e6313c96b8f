"""LangGraph's store in Postgres: the table `store`, read over a connection that may not write.

What comes of it lies where our own `BaseStore` for LangGraph looks for it: the namespace as a path below a root, the key as the
external id, the value as it is.
"""

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final

import psycopg

from memory_service.importers.report import Item, Report, Unreadable

KEY: Final = "langgraph"  # in the metadata: what belongs to the store
ROOT: Final = "langgraph"
MAX_PATH, MAX_KEY, MAX_BYTES = 256, 256, 64 * 1024
PAGE: Final = 500
CONNECT_S: Final = 10
SCHEMES: Final = ("postgres://", "postgresql://", "postgresql+psycopg://")
_PLAIN: Final = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_@:-")


def is_langgraph(source: str) -> bool:
    """Say whether a source is the address of a Postgres database.

    >>> is_langgraph("postgresql://ana@db/agents"), is_langgraph("memories.json")
    (True, False)
    """
    return source.startswith(SCHEMES)


def items(url: str, report: Report, *, namespace: str = ROOT) -> Iterator[Item]:
    """Yield the items of a store, all from one moment; `namespace` is the root below which they are to lie.

    Raises:
        Unreadable: the database does not answer, or has no table `store` as LangGraph makes it.
    """
    try:
        with psycopg.connect(url.replace("+psycopg", "", 1), connect_timeout=CONNECT_S) as connection:
            connection.read_only = True
            connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            ends = "expires_at, ttl_minutes" if _has_ends(connection) else "NULL, NULL"
            # Of the server's own cursor a page at a time lies in memory.
            with connection.cursor(name="items") as cursor:
                cursor.itersize = PAGE
                cursor.execute(
                    f"SELECT prefix, key, value, created_at, updated_at, {ends} FROM store ORDER BY prefix, key"
                )
                for row in cursor:
                    report.read += 1
                    item = _item(*row, report=report, root=namespace)
                    if item is not None:
                        report.items += 1
                        yield item
    except psycopg.errors.UndefinedTable as error:
        raise Unreadable(
            "This database has no table `store`; name the one in which LangGraph keeps its store."
        ) from error
    except psycopg.Error as error:
        # The message of the driver may name the password.
        raise Unreadable(f"The database cannot be read ({type(error).__name__}).") from error


def _has_ends(connection: "psycopg.Connection[Any]") -> bool:
    """Say whether the store is of a release that lets items expire."""
    found = connection.execute(
        "SELECT count(*) FROM pg_attribute WHERE attrelid = to_regclass('store') "
        "AND attname IN ('expires_at', 'ttl_minutes') AND NOT attisdropped"
    ).fetchone()
    return found == (2,)


def _item(
    prefix: str, key: str, value: Any, created_at: datetime | None, updated_at: datetime | None,
    expires_at: datetime | None, ttl_minutes: int | None, *, report: Report, root: str,
) -> Item | None:  # fmt: skip
    labels = prefix.split(".") if prefix else []
    path = "/".join([root, *map(escaped, labels)])
    place = f"{prefix}/{key}"
    if not isinstance(value, Mapping):
        report.leave_out("value_is_no_object", place)
        return None
    if len(path) > MAX_PATH or len(external_id_of(key)) > MAX_KEY:
        report.leave_out("name_too_long", place)
        return None
    # The order of fields is lost in jsonb anyway; so is which of them were indexed.
    text = cut("\n".join(lines_of(value)))
    report.kept_as_metadata["created_at"] += created_at is not None
    report.kept_as_metadata["ttl_minutes"] += ttl_minutes is not None
    return {
        "namespace": path,
        "external_id": external_id_of(key),
        "on_conflict": "update",
        "content": text if text.strip() else json.dumps([*labels, key], ensure_ascii=False),
        "value": dict(value),
        "metadata": {
            KEY: {
                "indexed": bool(text.strip()),
                "ttl_minutes": ttl_minutes,
                "created_at": created_at.astimezone(UTC).isoformat() if created_at else None,
            }
        },
        # An item is data of a program: it neither fades nor is it read for facts.
        "pinned": True,
        "extract": "none",
        "observed_at": (updated_at or created_at or datetime.now(UTC)).astimezone(UTC).isoformat(),
        **({"expires_at": expires_at.astimezone(UTC).isoformat()} if expires_at else {}),
    }


def escaped(label: str) -> str:
    """Write a label as a segment of a path; a label of LangGraph holds no period, so that one can begin an escape.

    >>> escaped("ana maria"), escaped("users")
    ('ana.20maria', 'users')
    """
    return "".join(chr(byte) if byte in _PLAIN else f".{byte:02X}" for byte in label.encode())


def external_id_of(key: str) -> str:
    """Return the external id of a key: the key itself, but for the empty one, which an external id may not be.

    >>> external_id_of("report"), external_id_of("100%"), external_id_of("")
    ('report', '100%25', '%')
    """
    return key.replace("%", "%25") or "%"


def lines_of(value: Mapping[str, Any]) -> Iterator[str]:
    """Yield what a value says, one line for each thing, its place in front unless it is alone.

    >>> list(lines_of({"likes": "tea"})), list(lines_of({"likes": ["tea", "jam"], "since": {"year": 2020}}))
    (['tea'], ['likes: tea', 'likes: jam', 'since year: 2020'])
    """
    leaves = list(_leaves(value, ()))
    for place, leaf in leaves:
        said = leaf if isinstance(leaf, str) else json.dumps(leaf)
        yield said if len(leaves) == 1 or not place else f"{' '.join(place)}: {said}"


def _leaves(value: Any, place: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    if isinstance(value, Mapping):
        for name, one in value.items():
            yield from _leaves(one, (*place, str(name)))
    elif isinstance(value, list):
        for one in value:
            yield from _leaves(one, place)
    elif value is not None:
        yield place, value


def cut(text: str) -> str:
    """Return as much of a text as a content may hold; the value keeps all of it.

    >>> cut("tea")
    'tea'
    """
    return text.encode()[:MAX_BYTES].decode("utf-8", "ignore")
