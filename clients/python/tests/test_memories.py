from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from either_way import every, got

from memory_client import (
    Conflict,
    Gone,
    JobFailed,
    Memory,
    MemoryNotFound,
    NamespaceNotFound,
    NotFound,
    RouteNotFound,
    TooLarge,
    ValidationFailed,
    VersionConflict,
)
from memory_client.models import AddedMany, AddedMessages

pytestmark = pytest.mark.anyio

NOWHERE = "00000000-0000-7000-8000-000000000000"


async def test_a_text_is_remembered_and_found(client: Any, namespace: str) -> None:
    memory = await got(client.add("Rosa is a marine biologist.", namespace=namespace, user_id="tom", run_id="r1"))
    assert isinstance(memory, Memory)
    assert (memory.content, memory.user_id, memory.session_id, memory.run_id) == (
        "Rosa is a marine biologist.",
        "tom",
        "r1",
        "r1",
    )
    answer = await got(client.search("What does Rosa do?", namespace=namespace, run_id="r1", user_id="tom"))
    assert answer.results[0].memory.content == memory.content
    assert answer.results[0].rank == 1
    assert answer.results[0].why
    assert not (await got(client.search("What does Rosa do?", namespace=namespace, run_id="r2"))).results
    packed = await got(client.context("What does Rosa do?", namespace=namespace, token_budget=200))
    assert "marine biologist" in packed.text
    assert packed.citations[0].memory_id == memory.id
    assert packed.tokens <= 200


@pytest.mark.parametrize("single", ["Hello", b"Hello", {"role": "user", "content": "Hello"}])
@pytest.mark.parametrize("call", ["add_messages", "add_many"])
async def test_a_single_one_is_not_taken_for_a_list(client: Any, call: str, single: Any) -> None:
    with pytest.raises(ValidationFailed, match="put it into a list"):  # Its letters were five memories.
        await got(getattr(client, call)(single))


@pytest.mark.parametrize("wrong", [5, None, ["x"], b"x"])
@pytest.mark.parametrize(
    ("call", "pointer"), [("add", "/items/1"), ("add_many", "/items/1"), ("add_messages", "/messages/1")]
)
async def test_an_item_that_is_neither_text_nor_dict_is_named(client: Any, call: str, pointer: str, wrong: Any) -> None:
    with pytest.raises(ValidationFailed, match="a text or a dict") as caught:  # It was a TypeError.
        await got(getattr(client, call)(["Hello", wrong]))
    assert [one.pointer for one in caught.value.errors] == [pointer]


async def test_ids_with_a_slash_are_reached(client: Any, namespace: str) -> None:
    await got(client.add("I love tea.", namespace=namespace, user_id="team/tom", session_id="chat/1"))
    assert [one.content for one in await every(client.sessions.messages("chat/1", namespace=namespace))] == [
        "I love tea."
    ]
    with pytest.raises(NotFound) as caught:  # Of its own, not that there is no such call.
        await got(client.profiles.get("team/tom", namespace=namespace))
    assert not isinstance(caught.value, RouteNotFound)
    archiving = await got(client.users.delete("team/tom", namespace=namespace))
    assert (await got(archiving.wait())).status == "succeeded"
    assert not await every(client.list(namespace=namespace))


async def test_times_are_aware(client: Any, namespace: str) -> None:
    seen = datetime(2024, 5, 1, 9, 30, tzinfo=timezone(timedelta(hours=2)))
    memory = await got(client.add("Rosa moved.", namespace=namespace, observed_at=seen, valid_from=seen))
    assert memory.observed_at == memory.valid_from == seen
    assert memory.created_at.tzinfo is not None
    (version,) = await every(client.history(memory.id))
    assert version.observed_at == seen
    with pytest.raises(ValidationFailed) as caught:
        await got(client.add("Rosa moved.", namespace=namespace, observed_at=datetime(2024, 5, 1)))
    assert caught.value.errors[0].pointer == "/observed_at"


async def test_add_takes_what_there_is(client: Any, namespace: str) -> None:
    one = await got(client.add({"content": "A dict.", "tags": ["x"]}, namespace=namespace, user_id="tom"))
    assert (one.content, one.tags, one.user_id) == ("A dict.", ["x"], "tom")
    turns = [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": "Hello, Tom"}]
    talk = await got(client.add(turns, namespace=namespace, session_id="s"))
    assert isinstance(talk, AddedMessages)
    said = await every(client.sessions.messages("s", namespace=namespace))
    assert [(m.id, m.source.role, m.content) for m in said] == [
        (talk.memories[0], "user", "Hello"),
        (talk.memories[1], "assistant", "Hello, Tom"),
    ]
    batch = await got(client.add(["A text.", {"content": "Another.", "tags": ["y"]}], namespace=namespace, tags=["z"]))
    assert isinstance(batch, AddedMany)
    stored = [await got(client.get(memory_id)) for memory_id in batch.memories]
    assert [(m.content, m.tags) for m in stored] == [("A text.", ["z"]), ("Another.", ["y"])]
    with pytest.raises(ValidationFailed, match="add takes a text"):
        await got(client.add(5, namespace=namespace))


@pytest.mark.parametrize("field", ["tags", "metadata"])
async def test_a_conversation_has_no_tags_and_turns_of_a_batch_have(client: Any, namespace: str, field: str) -> None:
    value = {"tags": ["x"], "metadata": {"a": 1}}[field]
    turns = [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": "Hello, Tom"}]
    with pytest.raises(ValidationFailed) as caught:
        await got(client.add(turns, namespace=namespace, session_id="s", **{field: value}))
    assert caught.value.errors[0].pointer == f"/{field}"
    assert "without ``tags`` and ``metadata``, and is refused" in " ".join(client.add.__doc__.split())
    batch = await got(client.add([{**turn, field: value} for turn in turns], namespace=namespace, session_id="s"))
    said = [await got(client.get(memory_id)) for memory_id in batch.memories]
    assert [(m.source.role, m.session_id, getattr(m, field)) for m in said] == [
        ("user", "s", value), ("assistant", "s", value),
    ]  # fmt: skip


async def test_a_bad_item_never_fails_its_neighbours(client: Any, namespace: str) -> None:
    outcome = await got(client.add_many([{"content": "Good.", "namespace": namespace}, {"content": " "}]))
    assert [one.status for one in outcome.results] == ["created", "rejected"]
    assert outcome.memories == [outcome.results[0].id]
    assert outcome.rejected[0].problem["code"] == "invalid_request"


async def test_what_is_added_can_be_waited_for(client: Any, namespace: str) -> None:
    added = await got(client.add("Rosa lives in Genoa.", namespace=namespace))
    memory = await got(added.wait(timeout=60))
    assert type(memory) is Memory
    assert (memory.id, added.keywords) == (added.id, [])
    assert "genoa" in memory.keywords
    turns = await got(client.add_messages(["Rosa studies sea urchins.", "She likes them."], namespace=namespace))
    assert [m.id for m in await got(turns.wait())] == turns.memories
    batch = await got(client.add(["Rosa has a boat.", "The boat is blue."], namespace=namespace))
    assert [bool(m.keywords) for m in await got(batch.wait())] == [True, True]


async def test_a_memory_is_corrected(client: Any, namespace: str) -> None:
    old = await got(client.add("Rosa lives in Turin.", namespace=namespace, title="Home"))
    new = await got(client.update(old.id, content="Rosa lives in Genoa.", title=None, if_match=old.version))
    assert (new.id, new.version, new.title) == (old.id, 2, None)
    with pytest.raises(VersionConflict) as caught:
        await got(client.update(old.id, importance=0.9, if_match=old.version))
    assert (caught.value.status, caught.value.code, caught.value.retryable) == (412, "version_mismatch", False)
    assert caught.value.request_id
    assert [one.version for one in await every(client.history(old.id))] == [2, 1]
    assert (await got(client.get(old.id, as_of=old.created_at))).content == "Rosa lives in Turin."
    diff = await got(client.diff(old.id, 1, 2))
    assert {change.field: (change.from_, change.to) for change in diff.changes}["title"] == ("Home", None)
    next_one = await got(client.supersede(old.id, "Rosa lives in Rome."))
    assert (await got(client.get(old.id))).superseded_by == next_one.id
    assert (await got(client.provenance(next_one.id))).edges[0].to == old.id
    with pytest.raises(Conflict) as again:
        await got(client.supersede(old.id, "Rosa lives in Pisa."))
    assert again.value.code == "already_superseded"


async def test_a_memory_goes_and_comes_back(client: Any, namespace: str) -> None:
    memory = await got(client.add("Rosa has a dog.", namespace=namespace))
    assert (await got(client.pin(memory.id))).pinned
    assert not (await got(client.unpin(memory.id))).pinned
    assert await got(client.delete(memory.id)) is None
    assert await every(client.list(namespace=namespace)) == []
    assert (await got(client.restore(memory.id))).state == "activated"
    assert (await got(client.archive(memory.id))).state == "archived"
    counted = await got(client.restore_many(ids=[memory.id], dry_run=True))
    assert (counted.matched, counted.changed, counted.dry_run) == (1, 0, True)
    assert (await got(client.restore_many(filter={"content": {"contains": "dog"}}, namespace=namespace))).changed == 1
    assert (await got(client.archive_many(ids=[memory.id]))).changed == 1
    erasing = await got(client.delete(memory.id, erase=True))
    assert (await got(erasing.wait())).status == "succeeded"
    with pytest.raises(Gone):
        await got(client.get(memory.id))


async def test_lists_page_by_themselves(client: Any, namespace: str) -> None:
    texts = [f"Rosa counted {count} urchins." for count in range(7)]
    await got(client.add_many([{"content": text, "namespace": namespace} for text in texts]))
    listed = client.list(namespace=namespace, limit=3)
    assert [m.content for m in await every(listed)] == list(reversed(texts))
    assert [len(page) for page in await every(listed.pages())] == [3, 3, 1]
    first = await got(listed.page())
    assert first.has_more
    assert (await got(listed.page(first.next_cursor))).data[0].content == texts[3]
    chosen = client.query({"content": {"contains": "3"}}, namespace=namespace, limit=2)
    assert [m.content for m in await every(chosen)] == [texts[3]]
    everything = client.query({"content": {"contains": "Rosa"}}, namespace=namespace, limit=2)
    assert len(await every(everything)) == 7


async def test_a_search_is_explained_and_judged(client: Any, namespace: str) -> None:
    await got(client.add("Rosa studies sea urchins.", namespace=namespace))
    far = await got(client.add("The kettle is blue.", namespace=namespace))
    answer = await got(client.search("sea urchins", namespace=namespace, top_k=1, explain=True))
    assert answer.explain is not None
    trace = await got(client.trace(answer.search_id, replay=True))
    assert trace.query == "sea urchins"
    assert trace.replay.same
    why = await got(client.why_not(answer.search_id, far.id))
    assert why.stage == "below_top_k"
    await got(client.feedback(answer.search_id, answer.results[0].memory.id, useful=True, cited=True))
    (recall,) = await every(client.recalls(answer.results[0].memory.id))
    assert (recall.useful, recall.cited, recall.search_id) == (True, True, answer.search_id)
    course = await got(client.retention(answer.results[0].memory.id))
    assert course.recall_count == 1
    taken = await got(client.take_back_feedback(answer.search_id, answer.results[0].memory.id))
    assert taken.useful is None
    assert await every(client.recalls(answer.results[0].memory.id)) == []
    assert await every(client.links(far.id)) == []


async def test_a_supersede_is_taken_back(client: Any, namespace: str) -> None:
    old = await got(client.add("Rosa lives in Faro.", namespace=namespace, importance=0.9))
    new = await got(client.supersede(old.id, "Rosa lives in Porto.", importance=0.1))
    ordered = await every(client.query(namespace=namespace, order="most_important", limit=1))
    assert [one.id for one in ordered] == [old.id, new.id]
    assert (await got(client.reinstate(old.id))).superseded_by is None
    assert [one.id for one in await every(client.list(namespace=namespace, order="oldest"))] == [old.id]


async def test_errors_say_what_happened(client: Any, namespace: str) -> None:
    with pytest.raises(NamespaceNotFound) as missing:
        await got(client.search("anything", namespace=namespace))
    assert (missing.value.status, missing.value.code, missing.value.attempts) == (404, "namespace_not_found", 1)
    with pytest.raises(MemoryNotFound):
        await got(client.get(NOWHERE))
    with pytest.raises(TooLarge, match="document"):
        await got(client.add("x" * 70_000, namespace=namespace))
    with pytest.raises(ValidationFailed) as unknown:
        await got(client.add("Rosa", namespace=namespace, colour="blue"))
    assert unknown.value.errors[0].pointer == "/colour"


@pytest.mark.parametrize(
    ("arguments", "pointer"),
    [
        ({"content": "half \ud83d of it"}, "/content"),
        ({"content": "a\0b"}, "/content"),
        ({"content": ""}, "/content"),
        ({"content": "x", "importance": float("nan")}, "/importance"),
        ({"content": "x", "metadata": {"deep": [{"/~": float("inf")}]}}, "/metadata/deep/0/~1~0"),
        ({"content": "x", "metadata": {"\ud800": 1}}, "/metadata/\\ud800"),
        ({"content": "x", "tags": ["a", "\ud800"]}, "/tags/1"),
        ({"content": "x", "run_id": "a", "session_id": "b"}, "/run_id"),
        ({"content": "x", "metadata": {"what": object()}}, "/metadata/what"),
    ],
)
async def test_bad_arguments_are_named(client: Any, namespace: str, arguments: dict[str, Any], pointer: str) -> None:
    with pytest.raises(ValidationFailed) as caught:
        await got(client.add(arguments, namespace=namespace))
    assert caught.value.errors[0].pointer == pointer
    with pytest.raises(NamespaceNotFound):
        await got(client.namespaces.get(namespace))


async def test_odd_ids_stay_ids(client: Any) -> None:
    for odd in ("", "..", ".", "a/b", "a?b", "a#b", "%2e", "\0", "\ud800", "x" * 2000, f"{NOWHERE}/versions"):
        # The service reads no ids: one that no record can have is as unknown as any other.
        with pytest.raises((ValidationFailed, MemoryNotFound)):
            await got(client.get(odd))
    for header in ("", "ü", "a\nb"):
        with pytest.raises(ValidationFailed, match="If-Match"):
            await got(client.delete(NOWHERE, if_match=header))


async def test_namespaces_may_be_called_anything(client: Any) -> None:
    for path in ("tests/../up", "..", "tests/a:b@c"):
        assert (await got(client.namespaces.create(path))).path == path
        assert (await got(client.namespaces.get(path))).path == path


async def test_a_key_of_ones_own_makes_a_call_happen_once(client: Any, namespace: str) -> None:
    first = await got(client.add("Said once.", namespace=namespace, idempotency_key=f"once-{namespace}"))
    again = await got(client.add("Said once.", namespace=namespace, idempotency_key=f"once-{namespace}"))
    assert again.id == first.id
    with pytest.raises(ValidationFailed) as reused:
        await got(client.add("Another.", namespace=namespace, idempotency_key=f"once-{namespace}"))
    assert reused.value.code == "idempotency_key_reused"
    with pytest.raises(ValidationFailed) as bad:
        await got(client.add("Said once.", namespace=namespace, idempotency_key="ü"))
    assert bad.value.code == "invalid_idempotency_key"


async def test_documents(client: Any, namespace: str) -> None:
    text = "Urchins have spines. " * 200
    started = await got(client.documents.add(text, namespace=namespace, title="Urchins"))
    job = await got(started.wait())
    assert job.items[0]["document_id"] == started.document_id
    document = await got(client.documents.get(started.document_id))
    assert document.content == text
    parts = await every(client.documents.memories(started.document_id, limit=2))
    assert len(parts) == document.chunks
    assert (await got(client.documents.add(text, namespace=namespace, title="Urchins"))).unchanged
    broken = await got(client.documents.add(b"%PDF-1.4 nothing", namespace=namespace, mime_type="application/pdf"))
    with pytest.raises(JobFailed) as failed:
        await got(broken.wait())
    assert "broken_document" in failed.value.job.error
    assert await got(client.documents.delete(started.document_id)) is None
