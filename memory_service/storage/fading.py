"""What sweeps and simulations of retention read: memories that are due, and whole histories; and what a sweep leaves."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from consolidation.records import Ref
from consolidation.retention.forgetting import Due, Fading
from consolidation.retention.holding import Holding, holding_of, retrievability_of
from consolidation.retention.policy import RetentionPolicy
from consolidation.retention.policy_form import read_policy
from consolidation.retention.simulation import History
from consolidation.retention.taking_back import Use, held_then
from memory_service.storage.memories import AS_KNOWN
from memory_service.types import PrecisionTier, State

_PAGE = 5_000

# Three ranges of one index: due under the policy in force, or looked at under another, which is an earlier or a later id.
_DUE = """
    SELECT memory_id FROM retention WHERE tenant_id = :tenant AND namespace_id = :namespace AND policy_id = :policy
        AND due_at <= :now AND memory_id > :after
    UNION ALL
    SELECT memory_id FROM retention WHERE tenant_id = :tenant AND namespace_id = :namespace AND policy_id < :policy
        AND memory_id > :after
    UNION ALL
    SELECT memory_id FROM retention WHERE tenant_id = :tenant AND namespace_id = :namespace AND policy_id > :policy
        AND memory_id > :after
"""
_FADING = text(
    f"""
    SELECT m.id, m.version, m.memory_type, m.created_at, m.importance, m.pinned, m.surprise,
        m.state, m.archived_at,
        s.kind AS source_kind, r.stability_days, r.difficulty, r.recall_count, r.last_recalled_at, r.refreshed_at,
        r.spaced_uses, r.traces, r.traced_at, r.forgotten_at, m.precision_tier
    FROM (SELECT memory_id FROM ({_DUE}) d ORDER BY memory_id LIMIT :limit) d
    JOIN retention r ON r.tenant_id = :tenant AND r.memory_id = d.memory_id
    JOIN memory m ON m.tenant_id = :tenant AND m.id = d.memory_id
    LEFT JOIN source s ON s.tenant_id = :tenant AND s.memory_id = d.memory_id AND s.ordinal = 0
    ORDER BY m.id
    """
)


def policy_of(session: Session, tenant_id: UUID, namespace_id: UUID) -> RetentionPolicy:
    """Return the retention policy in force in a namespace."""
    stored = session.scalar(
        text("SELECT CAST(retention_policy AS text) FROM namespace WHERE tenant_id = :tenant AND id = :namespace"),
        {"tenant": tenant_id, "namespace": namespace_id},
    )
    return read_policy(stored)


def load_fading(
    session: Session,
    tenant_id: UUID,
    namespace_id: UUID,
    *,
    now: datetime,
    after: UUID | None = None,
    limit: int = _PAGE,
) -> list[Fading]:
    """Return memories that may have crossed a threshold, in order of id, beginning after one; nothing else is read.

    Due is what has reached the moment worked out for it, was recalled, was made, changed its type, importance or state, or
    was last looked at under another policy than the one in force.
    """
    policy = policy_of(session, tenant_id, namespace_id)
    rows = session.execute(
        _FADING,
        {
            "tenant": tenant_id,
            "namespace": namespace_id,
            "policy": policy.id,
            "now": now,
            "after": after or UUID(int=0),
            "limit": limit,
        },
    ).mappings()
    return [
        Fading(
            ref=Ref(row["id"], row["version"]),
            holding=holding_of(row),
            tier=PrecisionTier(row["precision_tier"]).label,
            archived=row["archived_at"] is not None or row["state"] == State.MERGED,
            forgotten_at=row["forgotten_at"],
        )
        for row in rows
    ]


def keep_due(session: Session, tenant_id: UUID, left: Sequence[Due], *, policy_id: UUID) -> None:
    """Store what a sweep leaves: what it archived, and when each memory is to be looked at again."""
    if not left:
        return
    session.execute(
        text(
            """
            UPDATE retention r SET due_at = coalesce(k.due_at, 'infinity'), policy_id = :policy,
                stability_days = coalesce(k.stability, r.stability_days), forgotten_at = k.forgotten_at,
                difficulty = CASE WHEN k.stability IS NULL THEN r.difficulty ELSE coalesce(r.difficulty, 5) END
            FROM unnest(CAST(:ids AS uuid[]), CAST(:dues AS timestamptz[]), CAST(:stabilities AS float8[]),
                CAST(:forgotten AS timestamptz[])) AS k (memory_id, due_at, stability, forgotten_at)
            WHERE r.tenant_id = :tenant AND r.memory_id = k.memory_id
            """
        ),
        {
            "tenant": tenant_id,
            "policy": policy_id,
            "ids": [one.memory_id for one in left],
            "dues": [one.due_at for one in left],
            "stabilities": [one.stability_days for one in left],
            "forgotten": [one.forgotten_at for one in left],
        },
    )


_NEXT = text(
    """
    SELECT CASE WHEN EXISTS (SELECT FROM retention WHERE tenant_id = :tenant AND namespace_id = :namespace AND policy_id < :policy)
            OR EXISTS (SELECT FROM retention WHERE tenant_id = :tenant AND namespace_id = :namespace AND policy_id > :policy)
        THEN CAST(:now AS timestamptz) ELSE (
            SELECT greatest(min(due_at), :now) FROM retention
            WHERE tenant_id = :tenant AND namespace_id = :namespace AND policy_id = :policy AND due_at < 'infinity')
        END
    """
)


def next_due(
    session: Session, tenant_id: UUID, namespace_id: UUID, *, policy_id: UUID, now: datetime
) -> datetime | None:
    """Return when a namespace has to be swept again, now at the earliest; None where nothing in it will ever be due."""
    params = {"tenant": tenant_id, "namespace": namespace_id, "policy": policy_id, "now": now}
    due: datetime | None = session.scalar(_NEXT, params)
    return due


_HELD = text(
    """
    SELECT m.id, m.memory_type, m.created_at, m.importance, m.pinned, m.surprise,
        s.kind AS source_kind, r.stability_days, r.difficulty,
        r.recall_count, r.last_recalled_at, r.refreshed_at, r.spaced_uses, CAST(n.retention_policy AS text) AS policy
    FROM unnest(CAST(:ids AS uuid[])) AS k (id)
    JOIN memory m ON m.tenant_id = :tenant AND m.id = k.id
    JOIN namespace n ON n.tenant_id = :tenant AND n.id = m.namespace_id
    JOIN retention r ON r.tenant_id = :tenant AND r.memory_id = k.id
    LEFT JOIN source s ON s.tenant_id = :tenant AND s.memory_id = k.id AND s.ordinal = 0
    """
)


def losses_of(session: Session, tenant_id: UUID, ids: Sequence[UUID], *, now: datetime) -> dict[UUID, float]:
    """Return what each memory loses in a ranking, by id: the weight of its policy times how far it has faded."""
    rows = session.execute(_HELD, {"tenant": tenant_id, "ids": list(ids)}).mappings()
    losses = {}
    for row in rows:
        policy = read_policy(row["policy"])
        losses[row["id"]] = policy.rank_weight * (1 - retrievability_of(holding_of(row), policy, now))
    return losses


_POLICIES_THEN = text(
    """
    SELECT namespace_id, CAST(jsonb_build_object('id', id, 'policy', body) AS text) AS policy FROM policy
    WHERE tenant_id = :tenant AND namespace_id = ANY(CAST(:namespaces AS uuid[])) AND kind = 'retention'
        AND known_from <= :known AND known_to > :known
    """
)
_HELD_THEN = text(
    f"""
    SELECT m.id, m.namespace_id, t.memory_type, m.created_at, t.importance, t.pinned, m.surprise, s.kind AS source_kind,
        r.stability_days, r.difficulty, r.recall_count, r.last_recalled_at, r.refreshed_at, r.spaced_uses, r.traces, r.traced_at
    FROM unnest(CAST(:ids AS uuid[])) AS k (id)
    JOIN memory m ON m.tenant_id = :tenant AND m.id = k.id
    JOIN {AS_KNOWN} t ON t.tenant_id = :tenant AND t.id = k.id
    JOIN retention r ON r.tenant_id = :tenant AND r.memory_id = k.id
    LEFT JOIN source s ON s.tenant_id = :tenant AND s.memory_id = k.id AND s.ordinal = 0
    """
)
_USES = text(
    """
    SELECT memory_id, recalled_at, useful, held_before FROM recall
    WHERE tenant_id = :tenant AND memory_id = ANY(CAST(:ids AS uuid[])) ORDER BY memory_id, recalled_at, id
    """
)


def losses_then(
    session: Session, tenant_id: UUID, namespace_ids: Sequence[UUID], ids: Sequence[UUID], *, known: datetime
) -> dict[UUID, float]:
    """Return what `losses_of` did at an earlier moment: by the policies in force then, and by no later recall.

    Args:
        session: a transaction of the tenant.
        tenant_id: whose memories.
        namespace_ids: where they lie; where no policy weighed fading then, nothing else is read.
        ids: the memories.
        known: the moment.
    """
    of = {"tenant": tenant_id, "namespaces": list(namespace_ids), "ids": list(ids), "known": known}
    policies = {row.namespace_id: read_policy(row.policy) for row in session.execute(_POLICIES_THEN, of)}
    if not any(policy.rank_weight for policy in policies.values()):
        return {}
    uses: dict[UUID, list[Use]] = {}
    for use in session.execute(_USES, of):
        uses.setdefault(use.memory_id, []).append(Use(use.recalled_at, use.useful, use.held_before))
    losses = {}
    for row in session.execute(_HELD_THEN, of).mappings():
        policy = policies.get(row["namespace_id"])
        if policy is not None:
            held = held_then(holding_of(row), uses.get(row["id"], ()), policy, at=known)
            losses[row["id"]] = policy.rank_weight * (1 - retrievability_of(held, policy, known))
    return losses


_HISTORIES = text(
    """
    SELECT m.id, coalesce(v.memory_type, m.memory_type) AS memory_type, m.created_at,
        coalesce(v.importance, m.importance) AS importance, m.pinned, m.surprise, s.kind AS source_kind
    FROM memory m
    LEFT JOIN source s ON s.tenant_id = :tenant AND s.memory_id = m.id AND s.ordinal = 0
    LEFT JOIN memory_version v ON v.tenant_id = :tenant AND v.id = m.id AND v.version = 1
    WHERE m.tenant_id = :tenant AND m.namespace_id = :namespace AND m.id > :after ORDER BY m.id LIMIT :limit
    """
)
_RECALLS = text(
    """
    SELECT memory_id, recalled_at, useful FROM recall
    WHERE tenant_id = :tenant AND memory_id = ANY(CAST(:ids AS uuid[])) ORDER BY memory_id, recalled_at, id
    """
)
_VECTORS = text(
    """
    SELECT v.memory_id, count(*) AS vectors FROM (
        SELECT e.memory_id FROM embedding e
        WHERE e.tenant_id = :tenant AND e.namespace_id = :namespace AND e.memory_id = ANY(CAST(:ids AS uuid[]))
        UNION ALL
        SELECT c.memory_id FROM embedding_coarse c
        WHERE c.tenant_id = :tenant AND c.namespace_id = :namespace AND c.memory_id = ANY(CAST(:ids AS uuid[]))
    ) v GROUP BY v.memory_id
    """
)


def load_histories(session: Session, tenant_id: UUID, namespace_id: UUID, *, limit: int) -> Iterator[History]:
    """Yield the memories of a namespace as they were made, with their recalls, oldest first, at most so many."""
    dimension = session.scalar(
        text(
            "SELECT e.dimension FROM namespace n JOIN encoder e ON e.id = n.encoder_id "
            "WHERE n.tenant_id = :tenant AND n.id = :namespace"
        ),
        {"tenant": tenant_id, "namespace": namespace_id},
    )
    after, remaining = UUID(int=0), limit
    while remaining > 0:
        of = {"tenant": tenant_id, "namespace": namespace_id, "after": after, "limit": min(_PAGE, remaining)}
        rows = session.execute(_HISTORIES, of).mappings().all()
        if not rows:
            return
        among = {"tenant": tenant_id, "namespace": namespace_id, "ids": [row["id"] for row in rows]}
        recalls: dict[UUID, list[tuple[datetime, bool]]] = {}
        for recall in session.execute(_RECALLS, among):
            # Nothing said is a recall that somebody asked to be counted.
            recalls.setdefault(recall.memory_id, []).append((recall.recalled_at, recall.useful is not False))
        vectors: dict[UUID, int] = {row.memory_id: row.vectors for row in session.execute(_VECTORS, among)}
        for row in rows:
            yield History(
                id=row["id"],
                holding=_as_made(holding_of(row)),
                recalls=tuple(recalls.get(row["id"], ())),
                vectors=vectors.get(row["id"], 0),
                dimension=dimension,
            )
        after, remaining = rows[-1]["id"], remaining - len(rows)


def _as_made(holding: Holding) -> Holding:
    """Return the state of a memory at its beginning."""
    return Holding(
        memory_type=holding.memory_type,
        created_at=holding.created_at,
        importance=holding.importance,
        pinned=holding.pinned,
        source_kind=holding.source_kind,
        surprise=holding.surprise,
    )
