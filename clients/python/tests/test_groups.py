"""The groups of calls, each against the real service."""

from typing import Any

import pytest
from either_way import every, got

from memory_client import AuthenticationFailed, Conflict, NotFound, PermissionDenied, ValidationFailed

pytestmark = pytest.mark.anyio


async def test_what_consolidation_makes(client: Any, namespace: str) -> None:
    turns = ["Rosa lives in Genoa.", "Rosa studies sea urchins.", "Rosa met Tom in Turin.", "Tom likes Rosa."]
    said = await got(client.add_messages(turns, namespace=namespace, user_id="tom", session_id="s"))
    await got(said.wait())
    planned = await got(client.consolidations.plan(namespace, scope="all"))
    assert planned.counts is not None
    job = await got((await got(client.consolidations.start(namespace, scope="all"))).wait())
    assert job.status == "succeeded"
    names = {one.name for one in await every(client.entities.list(namespace=namespace, limit=1))}
    assert {"Rosa", "Tom"} <= names
    assert "lives_in" in {one.attribute for one in await every(client.facts.list(namespace=namespace))}
    assert await every(client.facts.of(said.memories[0]))
    for group in (client.episodes, client.topics, client.communities, client.reviews, client.fusion_weights):
        assert isinstance(await every(group.list(namespace=namespace)), list)
    graph = await got(client.graph.get(said.memories[0], depth=1))
    assert said.memories[0] in {node.id for node in graph.nodes}
    assert graph.nodes[0].retrievability is not None
    assert all(edge.known_to is None for edge in graph.edges)
    pairs = {(one.source, one.target) for one in graph.edges}
    nodes, first = [node.id for node in graph.nodes], said.memories[0]
    between = await got(client.graph.edges(nodes, namespace=namespace))
    assert {(one.source, one.target) for one in between.edges} == pairs
    beside = await got(client.graph.edges(nodes, of=[first], namespace=namespace))
    assert {(one.source, one.target) for one in beside.edges} == {pair for pair in pairs if first in pair}
    assert [one.name for one in await every(client.entities.list(namespace=namespace, q="ROS", order="mentions"))] == [
        "Rosa"
    ]
    assert [one.name for one in await every(client.entities.list(namespace=namespace, name="rosa"))] == ["Rosa"]
    assert await every(client.entities.list(namespace=namespace, name="ros")) == []
    picture = await got(client.graph.picture(said.memories[0], depth=1))
    assert picture.nodes.id == nodes
    assert set(zip(picture.edges.source, picture.edges.target, strict=True)) == {
        (nodes.index(source), nodes.index(target)) for source, target in pairs
    }
    assert all(one.parent_id is None for one in await every(client.topics.list(namespace=namespace, top=True)))
    plane = await got(client.graph.plane(namespace=namespace, columns=1, rows=1))
    assert (plane.total, [cell.count for cell in plane.cells]) == (4, [4])
    line = await got(client.graph.timeline(namespace=namespace, axis="known", bucket="year", limit=1))
    assert (line.buckets[0].count, line.has_more, line.data[0].id) == (4, True, said.memories[0])
    rest = await got(client.graph.timeline(namespace=namespace, axis="known", cursor=line.next_cursor))
    assert [one.id for one in rest.data] == said.memories[1:]
    report = await got(client.usage.health_report(namespace=namespace))
    assert report.memories["total"] == report.retention["looked_at"] == 4
    for changeset in await every(client.changesets.list(namespace=namespace, limit=1)):
        whole = await got(client.changesets.get(changeset.id))
        assert len(await every(client.changesets.changes(changeset.id))) == len(whole.changes)
    counted = {
        kind: {one.id: one.count for one in await every(getattr(client, kind).list(namespace=namespace))}
        for kind in ("users", "agents", "sessions")
    }
    assert counted == {"users": {"tom": 4}, "agents": {}, "sessions": {"s": 4}}


async def test_entities_are_told_apart(client: Any, namespace: str) -> None:
    added = await got(
        client.add_messages(["Melanie met Mel Brooks.", "Mel Brooks met Rosa Meyer."], namespace=namespace)
    )
    await got(added.wait())
    found = {one.name: one.id for one in await every(client.entities.list(namespace=namespace))}
    mentions = await every(client.entities.mentions(found["Rosa Meyer"], limit=1))
    assert [one.memory.content for one in mentions] == ["Mel Brooks met Rosa Meyer."]
    assert mentions[0].spans == [[15, 25]]
    one, two = sorted(found)[:2]
    merged = await got(client.entities.merge([found[one]], found[two], namespace=namespace))
    assert one in merged.aliases
    apart = await got(client.entities.split(merged.id, [one], namespace=namespace))
    assert apart.name == one
    assert (await got(client.entities.get(apart.id))).namespace == namespace


async def test_how_a_namespace_fades_and_weighs(client: Any, namespace: str) -> None:
    made = await got(client.namespaces.create(namespace, settings={"extract": "none"}))
    assert (made.settings.extract, made.memories) == ("none", 0)
    changed = await got(client.namespaces.update(namespace, {"extract": None, "fusion": {"learn": True}}))
    assert (changed.settings.extract, changed.settings.fusion.learn) == ("rules", True)
    assert [one.path for one in await every(client.namespaces.list(prefix=namespace))] == [namespace]
    assert (await got(client.policies.get(namespace=namespace))).id is None
    policy = await got(client.policies.put(namespace=namespace, archive_below=0.05))
    assert (await got(client.policies.update(namespace=namespace, rank_weight=0.1))).policy["archive_below"] == 0.05
    assert policy.id in {one.id for one in await every(client.policies.list(namespace=namespace, history=True))}
    assert await got(client.policies.simulate(namespace=namespace, policy={"archive_below": 0.4}))
    assert await got(client.policies.delete(namespace=namespace)) is None
    with pytest.raises(NotFound):
        await got(client.policies.delete(namespace=namespace))
    memory = await got(client.add("Rosa likes trout.", namespace=namespace))
    saved = await got(client.saved_queries.create("fish", [memory.id], namespace=namespace))
    assert (await got(client.saved_queries.get(saved.id))).relevant == [memory.id]
    assert [one.id for one in await every(client.saved_queries.list(namespace=namespace))] == [saved.id]
    await got(client.saved_queries.delete(saved.id))
    assert (await got((await got(client.fusion_weights.learn(namespace))).wait())).status == "succeeded"
    with pytest.raises(Conflict):
        await got(client.fusion_weights.revert(namespace))


async def test_who_is_told(client: Any, namespace: str) -> None:
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    hook = await got(
        client.webhooks.create(
            "https://receiver.invalid/hook", events=["memory.created"], namespace=namespace, secret=secret
        )
    )
    assert hook.secret == secret
    assert secret not in repr(hook)
    assert [one.id for one in await every(client.webhooks.list(namespace=namespace))] == [hook.id]
    assert (await got(client.webhooks.get(hook.id))).events == ["memory.created"]
    memory = await got(client.add("Rosa likes trout.", namespace=namespace))
    (delivery,) = await every(client.webhooks.deliveries(hook.id, event="memory.created"))
    assert (delivery.subject_id, delivery.version, delivery.namespace) == (memory.id, 1, namespace)
    pinged = await got(client.webhooks.ping(hook.id))
    assert (await got(client.webhooks.delivery(hook.id, pinged.id))).event == "webhook.ping"
    assert (await got(client.webhooks.retry(hook.id, delivery.id))).status == "pending"
    assert (await got(client.webhooks.rotate(hook.id))).secret not in {secret, None}
    changed = await got(client.webhooks.update(hook.id, namespace=None, active=False))
    assert (changed.namespace, changed.active) == (None, False)
    with pytest.raises(Conflict):
        await got(client.webhooks.ping(hook.id))
    assert await got(client.webhooks.delete(hook.id)) is None
    with pytest.raises(NotFound):
        await got(client.webhooks.get(hook.id))


async def test_links_and_how_a_namespace_is_searched(client: Any, namespace: str) -> None:
    one = await got(client.add("Rosa likes trout.", namespace=namespace))
    other = await got(client.add("Rosa eats no fish.", namespace=namespace))
    link = await got(client.graph.link(one.id, other.id, "contradicts", weight=0.5))
    assert (link.source_id, link.target_id, link.derivation.method) == (one.id, other.id, "caller")
    assert link.id in {each.id for each in await every(client.graph.links(namespace=namespace))}
    assert await got(client.graph.unlink(link.id)) is None
    assert (await got(client.policies.fusion(namespace=namespace))).id is None
    put = await got(client.policies.put_fusion(namespace=namespace, channels={"keyword": 1}))
    assert put.policy == {"preset": None, "channels": {"keyword": 1.0}}
    found = await got(client.search("trout", namespace=namespace, explain=True))
    assert found.explain.policy == put.policy
    assert await got(client.policies.delete_fusion(namespace=namespace)) is None
    assert await every(client.audit.list(action="policy.delete", namespace=namespace))


async def test_what_must_not_be_stored(client: Any, namespace: str) -> None:
    before = await got(client.add("Write to ana@example.com.", namespace=namespace))
    rules = [{"find": "email", "do": "mask"}, {"pattern": "EMP-[0-9]{6}", "name": "employee", "do": "hash"}]
    found = await got(client.policies.simulate_redaction(rules, namespace=namespace))
    assert (found.changed, found.memory_ids) == (1, [before.id])
    put = await got(client.policies.put_redaction(rules, namespace=namespace))
    assert put.policy == {"rules": rules}
    made = await got(client.add("Write to bob@example.com about EMP-123456.", namespace=namespace))
    assert made.content.startswith("Write to [email] about [employee:")
    assert made.redactions == {"email": 1, "employee": 1}
    assert (await got(client.policies.redaction(namespace=namespace))).id == put.id
    assert await got(client.policies.delete_redaction(namespace=namespace)) is None


async def test_keys_and_tenants(client: Any, connect: Any, service: Any, namespace: str) -> None:
    tenant = await got(client.tenants.create(f"tenant of {namespace}"))
    assert tenant.api_key.key not in repr(tenant)
    assert tenant.id in {one.id for one in await every(client.tenants.list())}
    leaver = await got(client.tenants.create(f"leaver of {namespace}"))
    assert (await got(client.tenants.preview(leaver.id))).counts["api_key"] == 1
    with pytest.raises(ValidationFailed):
        await got(client.tenants.delete(leaver.id, "another name"))
    assert (await got(client.tenants.delete(leaver.id, leaver.name))).deleting_at is not None
    assert (await got(client.tenants.get(leaver.id))).deleting_at is not None
    theirs = connect(service.url, tenant.api_key.key)
    reader = await got(theirs.api_keys.create("reader", ["memories:read"]))
    weak = connect(service.url, reader.key)
    with pytest.raises(PermissionDenied) as refused:
        await got(weak.add("x"))
    assert refused.value.code == "forbidden"
    newer = await got(theirs.api_keys.rotate(reader.id))
    assert {one.id for one in await every(theirs.api_keys.list())} >= {reader.id, newer.id}
    assert await got(theirs.api_keys.revoke(newer.id)) is None
    assert (await got(theirs.api_keys.get(newer.id))).revoked_at is not None
    with pytest.raises(AuthenticationFailed):
        await every(weak.list())
    await got(theirs.close())
    await got(weak.close())


async def test_what_is_forgotten_has_a_receipt(client: Any, namespace: str) -> None:
    added = await got(
        client.add(["Rosa has a dog.", "Rosa has a cat.", "Tom has a bird."], namespace=namespace, user_id="tom")
    )
    seen = await got(client.erasures.preview(filter={"content": {"contains": "Rosa"}}, namespace=namespace))
    assert (seen.dry_run, seen.matched, seen.changed) == (True, 2, 0)
    started = await got(client.erasures.start(ids=added.memories[:2], namespace=namespace))
    assert (await got(started.wait())).status == "succeeded"
    receipt = await got(client.erasures.get(started.erasure_id))
    assert (receipt.status, receipt.memories.erased, receipt.verified) == ("succeeded", 2, True)
    erased = await every(client.erasures.items(started.erasure_id, limit=1))
    assert {one.memory_id for one in erased} == set(added.memories[:2])
    assert started.erasure_id in {one.id for one in await every(client.erasures.list(namespace=namespace))}
    archiving = await got(client.users.delete("tom", namespace=namespace))
    assert (await got(archiving.wait())).status == "succeeded"
    assert await every(client.list(namespace=namespace)) == []
    events = await every(client.audit.list(action="erasure.begin", limit=200))
    assert any(event.subject_id == started.erasure_id or event.namespace == namespace for event in events)
    assert (await got(client.audit.verify())).intact
    assert (await got(client.usage.get(namespace=namespace, days=1))).namespace == namespace


async def test_a_bundle_travels(client: Any, connect: Any, service: Any, make_tenant: Any, namespace: str) -> None:
    memory = await got(client.add("Rosa lives in Genoa.", namespace=namespace))
    await got(client.update(memory.id, content="Rosa lives in Rome."))
    bundle = b"".join(await every(client.exports.create(namespace=namespace)))
    there = connect(service.url, make_tenant())
    started = await got(there.imports.create(bundle))
    assert started.records >= 1
    assert (await got(started.wait())).status == "succeeded"
    outcomes = await every(there.imports.outcomes(started.job_id, limit=1))
    assert {one.status for one in outcomes} == {"created"}
    assert (await got(there.get(memory.id))).content == "Rosa lives in Rome."
    assert len(await every(there.history(memory.id))) == 2
    with pytest.raises(ValidationFailed):
        await got(there.imports.create(bundle[:-10]))
    await got(there.close())


async def test_how_the_service_is(client: Any) -> None:
    ready = await got(client.health.ready())
    assert ready.status == "ready"
    assert ready.parts["database"].ok
    assert (await got(client.health.live())).status == "alive"
    assert "# HELP" in await got(client.health.metrics())
