"""What a batch of operations does, as generators that ask for calls of the client and are given their answers.

Everything with logic in it is written once. `carried_out` and `carried_out_async` only make the calls, one by blocking and one by
awaiting. Reads come before writes, so that a batch sees what was there before it, and of several writes to one key the last
one counts: as in LangGraph's own stores.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from langgraph.store.base import (
    GetOp,
    InvalidNamespaceError,
    ListNamespacesOp,
    Op,
    PutOp,
    Result,
    SearchItem,
    SearchOp,
    validate_op_namespace,
)
from memory_client import Gone, MemoryClientError, NamespaceNotFound, NotFound, PermissionDenied, VersionConflict
from memory_client.batches import batches

from memory_langgraph import calls, filters
from memory_langgraph.errors import ItemRejected
from memory_langgraph.items import INDEXED, OURS, Layout, body_of, found_item, item_of, refreshed_end, value_of
from memory_langgraph.namespaces import common_prefix, selected
from memory_langgraph.places import external_id_of, key_of, namespace_of, path_of
from memory_langgraph.texts import shows

if TYPE_CHECKING:
    from memory_client import AsyncMemoryClient, Memory, MemoryClient

T = TypeVar("T")

Flow: TypeAlias = "Generator[calls.Call, Any, T]"

MOST_FOUND = 200  # results of one search by meaning
MOST_LISTED = 1_000  # memories in one page
MOST_QUERY_BYTES = 16 * 1024
# Why an item that was read gets no later end: it was put anew or deleted since, which counts for more, or the key may only read.
NOT_REFRESHED = (VersionConflict, NotFound, Gone, PermissionDenied)


def now() -> datetime:
    """Return the present moment."""
    return datetime.now(timezone.utc)


def carried_out(flow: Flow[T], client: MemoryClient) -> T:
    """Make the calls of a flow, one after the other, and return what it returns."""
    try:
        call = next(flow)
        while True:
            try:
                answer = call(client)
            except MemoryClientError as error:
                call = flow.throw(error)
            else:
                call = flow.send(answer)
    except StopIteration as done:
        return done.value  # type: ignore[no-any-return]  # The value of a Flow[T].


async def carried_out_async(flow: Flow[T], client: AsyncMemoryClient) -> T:
    """Await the calls of a flow, one after the other, and return what it returns."""
    try:
        call = next(flow)
        while True:
            try:
                answer = await call(client)
            except MemoryClientError as error:
                call = flow.throw(error)
            else:
                call = flow.send(answer)
    except StopIteration as done:
        return done.value  # type: ignore[no-any-return]  # The value of a Flow[T].


def reads(ops: Sequence[Op], layout: Layout, results: list[Result]) -> list[Flow[None]]:
    """Return the flows that read; each writes its results to their places. They do not depend on each other.

    Raises:
        InvalidNamespaceError, ValueError: an operation cannot be carried out; nothing has been yet.
    """
    for op in ops:
        validate_op_namespace(op)
    gets: dict[tuple[str, ...], list[int]] = {}
    flows: list[Flow[None]] = []
    for at, op in enumerate(ops):
        if isinstance(op, GetOp):
            gets.setdefault(tuple(op.namespace), []).append(at)
        elif isinstance(op, SearchOp):
            filters.check(op.filter or {})
            flows.append(_kept(results, at, search(op, layout)))
        elif isinstance(op, ListNamespacesOp):
            flows.append(_kept(results, at, list_namespaces(op, layout)))
        elif not isinstance(op, PutOp):
            raise ValueError(f"Unknown operation type: {type(op)}")
    for namespace, places in gets.items():
        for start in range(0, len(places), MOST_LISTED):
            some = places[start : start + MOST_LISTED]
            flows.append(_get(namespace, [(at, ops[at]) for at in some], layout, results))  # type: ignore[misc]  # GetOps.
    return flows


def _kept(results: list[Result], at: int, flow: Flow[Any]) -> Flow[None]:
    results[at] = yield from flow


def _get(
    namespace: tuple[str, ...], ops: Sequence[tuple[int, GetOp]], layout: Layout, results: list[Result]
) -> Flow[None]:
    ids = sorted({external_id_of(op.key) for _, op in ops})
    asked = {"AND": [{"external_id": {"in": ids}}, OURS]}
    try:
        page = yield calls.query(asked, namespace=path_of(layout.root, namespace), limit=len(ids))
    except NamespaceNotFound:
        return
    found = {memory.external_id: memory for memory in page.data}
    for at, op in ops:
        memory = found.get(external_id_of(op.key))
        results[at] = None if memory is None else item_of(memory, layout)
    touched = {external_id_of(op.key) for _, op in ops if op.refresh_ttl}
    yield from _refresh([memory for key, memory in found.items() if key in touched])


def _refresh(memories: Iterable[Memory]) -> Flow[None]:
    for memory in memories:
        end = refreshed_end(memory, now=now())
        if end is not None:
            with suppress(*NOT_REFRESHED):
                yield calls.extend(memory, end)


def search(op: SearchOp, layout: Layout) -> Flow[list[SearchItem]]:
    """Return the items a search finds: by meaning, best first, where there is a query, else the newest first."""
    if op.limit <= 0 or op.offset < 0:
        return []
    question = _question(op.query)
    found = yield from (_by_meaning(question, op, layout) if shows(question) else _listed(op, layout))
    if op.refresh_ttl:
        yield from _refresh([memory for memory, _ in found])
    return [found_item(memory, layout, score=score) for memory, score in found]


def _question(query: str | None) -> str:
    """Return a query as the service takes it: clean, and no longer than is looked at."""
    clean = (query or "").replace("\x00", " ").encode("utf-8", "replace")
    return clean[:MOST_QUERY_BYTES].decode("utf-8", "ignore")


def _by_meaning(question: str, op: SearchOp, layout: Layout) -> Flow[list[tuple[Memory, float | None]]]:
    wanted = op.filter or {}
    asked = {"AND": [INDEXED, *filters.narrowing(wanted)]}
    prefix = path_of(layout.root, op.namespace_prefix)
    enough = min(op.offset + op.limit, MOST_FOUND)
    for most in (enough, MOST_FOUND):
        try:
            found = yield calls.search(question, prefix=prefix, filter=asked, top_k=most)
        except NamespaceNotFound:  # Nothing was put there yet.
            return []
        kept = [(one.memory, one.score) for one in found.results if filters.matches(value_of(one.memory), wanted)]
        if len(kept) >= enough or len(found.results) < most:
            break  # Else the service let more through than the filter does: look further down.
    return kept[op.offset : op.offset + op.limit]


def _listed(op: SearchOp, layout: Layout) -> Flow[list[tuple[Memory, float | None]]]:
    path = path_of(layout.root, op.namespace_prefix)
    wanted = op.filter or {}
    # '0' is the character after '/': the range holds exactly the paths that begin with "path/".
    below = {"OR": [{"namespace": path}, {"namespace": {"gte": f"{path}/", "lt": f"{path}0"}}]}
    asked = {"AND": [below, OURS, *filters.narrowing(wanted)]}
    found: list[tuple[Memory, float | None]] = []
    cursor: str | None = None
    while len(found) < op.offset + op.limit:
        limit = min(op.offset + op.limit, MOST_LISTED)
        page = yield calls.query(asked, limit=limit, cursor=cursor)
        found += [(memory, None) for memory in page.data if filters.matches(value_of(memory), wanted)]
        cursor = page.next_cursor
        if cursor is None:
            break
    return found[op.offset : op.offset + op.limit]


def list_namespaces(op: ListNamespacesOp, layout: Layout) -> Flow[list[tuple[str, ...]]]:
    """Return the namespaces that hold items."""
    prefix = path_of(layout.root, common_prefix(op.match_conditions or ()))
    paths: list[str] = []
    cursor: str | None = None
    while True:
        page = yield calls.occupied(prefix, cursor=cursor)
        paths += [one.path for one in page.data]
        cursor = page.next_cursor
        if cursor is None:
            break
    found = (namespace_of(layout.root, path) for path in paths)
    return selected((one for one in found if one), op)


def writes(ops: Sequence[Op], layout: Layout) -> Flow[None] | None:
    """Return the flow that puts and deletes, the last operation on each key only; None where there is nothing to write.

    Everything that can be judged here is, before anything is sent.

    Raises:
        InvalidNamespaceError, InvalidKey, TypeError, ValueError: an item cannot be stored.
    """
    last: dict[tuple[tuple[str, ...], str], PutOp] = {}
    for op in ops:
        if isinstance(op, PutOp):
            if not op.namespace:
                raise InvalidNamespaceError("Namespace cannot be empty.")
            last[tuple(op.namespace), op.key] = op
    if not last:
        return None
    moment = now()
    bodies = [body_of(op, layout, now=moment) for op in last.values() if op.value is not None]
    gone: dict[str, list[str]] = {}
    for op in last.values():
        if op.value is None:
            gone.setdefault(path_of(layout.root, op.namespace), []).append(external_id_of(op.key))
    return _write(bodies, gone, layout)


def _write(bodies: Sequence[dict[str, Any]], gone: Mapping[str, Sequence[str]], layout: Layout) -> Flow[None]:
    """Carry out prepared writes.

    Raises:
        ItemRejected: the service refused some; the others are stored.
    """
    for path, ids in gone.items():
        yield from _delete(path, ids)
    refused: list[tuple[tuple[str, ...], str, str]] = []
    for some in batches(bodies):
        answer = yield calls.write(some)
        for result in answer.results:
            if result.status == "rejected":
                body = some[result.index]
                place = namespace_of(layout.root, body["namespace"])
                refused.append((place, key_of(body["external_id"]), str(_detail(result.problem))))
    if refused:
        raise ItemRejected(refused)


def _detail(problem: Any) -> Any:
    return problem.get("detail") if isinstance(problem, Mapping) else getattr(problem, "detail", problem)


def _delete(path: str, ids: Sequence[str]) -> Flow[None]:
    for start in range(0, len(ids), MOST_LISTED):
        chosen = {"AND": [{"external_id": {"in": list(ids[start : start + MOST_LISTED])}}, OURS]}
        try:
            yield calls.archive(chosen, namespace=path)
        except NamespaceNotFound:
            return
