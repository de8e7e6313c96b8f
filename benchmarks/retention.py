"""A thousand days of forgetting: does what is asked for stay findable, and what becomes of the size of the vectors?

    python -m benchmarks.retention --data shared/data/locomo_dev.jsonl          # some minutes
    python -m benchmarks.retention --data … --days 100 --out /tmp/retention.json

Conversations with questions go into a database of its own, one namespace each, on day 0. Every day some questions are asked,
by Zipf; the results that answer a question are useful recalls, the others are ignored. Every week a sweep of retention is
planned and applied. At the end every question that was ever asked is asked once more, and compared with what the same
namespaces answered on day 0, which is what never forgetting would answer. Sizes are those of the tables and indexes of
vectors, rewritten (VACUUM FULL) before both measurements, so that only live rows count; the size as it is after a plain VACUUM
is stated beside it. The clock is simulated: every call of the service is given the day.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import create_engine, text
from sqlalchemy.orm import Session
from sqlalchemy.pool import NullPool

from benchmarks.ablation import open_encoder
from benchmarks.ablation_encoding import CachedEncoder
from benchmarks.datasets import Conversation, read_conversations
from benchmarks.loading import LoadReport, memories
from benchmarks.readable import readable_failures
from benchmarks.retention_days import Asked, Life, live
from benchmarks.targets import Target, publish
from consolidation.retention.policy_form import merged, to_json
from memory_service.cli.console import progress_bar
from memory_service.embedded.postgres import EmbeddedPostgres
from memory_service.lifecycle.draft import Draft, Encoding, prepare
from memory_service.lifecycle.remember import remember
from memory_service.storage.bootstrap import bootstrap
from memory_service.storage.database import Database
from memory_service.storage.ids import new_id
from memory_service.storage.migrate import migrate
from memory_service.storage.namespaces import find_namespaces
from memory_service.types import Extract, PrecisionTier
from retrieval.resident import Residents
from retrieval.tools import Tools

ENCODER = 1
START = datetime(2023, 1, 1, tzinfo=UTC)
WITHIN_POINTS, OF_BEFORE = 1.0, 60.0
TABLES = "^embedding_(shelf_[0-9]+|coarse)$"


def main() -> None:
    """Load, live, measure, publish."""
    options = _options()
    conversations = read_conversations(options.data, limit=options.conversations)
    encoder = open_encoder(options.cache)
    policy, wrong = merged({})
    assert not wrong
    with (
        tempfile.TemporaryDirectory() as folder,
        _service(Path(folder) / "var", encoder) as (life, superuser, encoding),
    ):
        questions = _store(life, encoding, conversations)
        before = _sizes(superuser, full=True)
        fresh = life.shares(questions, now=START)
        with progress_bar() as bar:
            task = bar.add_task("living", total=options.days)
            asked = live(
                life, questions, days=options.days, per_day=options.per_day, exponent=options.exponent, start=START,
                seed=options.seed, done=lambda: bar.advance(task),
            )  # fmt: skip
        plain = _sizes(superuser, full=False)
        after = _sizes(superuser, full=True)
        faded = life.shares(questions, now=START + timedelta(days=options.days))
        states = _states(life)
    never, now = _percent(fresh, asked), _percent(faded, asked)
    share = 100 * sum(after.values()) / sum(before.values())
    publish(
        "retention",
        targets=[
            Target("recall@10 of what was asked, below never forgetting", never - now, WITHIN_POINTS, unit="points"),
            Target("tables and indexes of vectors, of before", share, OF_BEFORE, unit="%"),
        ],
        settings={
            "file": options.data.name,
            "policy": to_json(policy),
            **{name: getattr(options, name) for name in ("days", "per_day", "exponent", "seed")},
        },
        measured={
            "memories": sum(states.values()),
            "questions": len(questions),
            "asked": len(asked),
            "recall_at_10": {
                "asked": {"never_forgetting": never, "after": now},
                "all": {
                    "never_forgetting": _percent(fresh, range(len(questions))),
                    "after": _percent(faded, range(len(questions))),
                },
            },
            "states": states,
            "events": life.counts,
            "bytes": {"before": before, "after": after, "after_plain_vacuum": plain},
        },
        out=options.out,
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="a file of conversations with questions")
    parser.add_argument("--conversations", type=int, help="at most so many of them")
    parser.add_argument("--days", type=int, default=1_000)
    parser.add_argument("--per-day", type=int, default=3, help="questions a day, over all namespaces")
    parser.add_argument("--exponent", type=float, default=1.0, help="of Zipf's law")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--cache", type=Path, help="folder for vectors, so that texts are encoded once")
    parser.add_argument("--out", type=Path, help="where to write the result")
    return parser.parse_args()


@contextmanager
def _service(folder: Path, encoder: CachedEncoder) -> Iterator[tuple[Life, str, Encoding]]:
    """Open an empty database with one tenant in it."""
    folder.mkdir(mode=0o700)
    tenant_id = new_id()
    encoding = Encoding(encode=encoder.encode, chunk=encoder.spans, encoder_id=ENCODER)
    with EmbeddedPostgres(folder) as postgres:
        roles = bootstrap(postgres.url, data_dir=folder)
        migrate(roles.owner)
        maintenance, service = Database(roles.maintenance, pool_size=1), Database(roles.service, pool_size=2)
        with maintenance.transaction(tenant_id) as session:
            session.execute(
                text("INSERT INTO tenant (id, name, created_at) VALUES (:id, 'retention', now())"), {"id": tenant_id}
            )
            session.execute(
                text(
                    "INSERT INTO encoder (id, name, dimension, max_tokens, fingerprint, probe, shelf, is_default, created_at) "
                    "VALUES (:id, 'benchmark', :dimension, 256, 'none', '{}', 0, true, now()) ON CONFLICT DO NOTHING"
                ),
                {"id": ENCODER, "dimension": encoder.dimension},
            )

        def vectors_of(session: Session, ids: Sequence[UUID]) -> Mapping[tuple[UUID, int], NDArray[np.float32]]:
            return _vectors(session, tenant_id, encoding, ids)

        tools = Tools(
            residents=Residents(limit_bytes=512 << 20, largest=50_000),
            encode=lambda query: encoder.encode([query])[0],
            count_tokens=lambda texts: [len(one) // 4 for one in texts],
        )
        try:
            yield Life(service, tenant_id, tools, vectors_of, {}), postgres.url, encoding
        finally:
            maintenance.dispose()
            service.dispose()


def _store(life: Life, encoding: Encoding, conversations: Sequence[Conversation]) -> list[Asked]:
    """Remember every conversation on day 0; return the questions that have an answer there."""
    questions: list[Asked] = []
    spaces: dict[str, UUID] = {}
    for conversation in conversations:
        namespace = f"retention/{conversation.id}"
        items = memories(conversation.documents, conversation=conversation.id, report=LoadReport())
        drafts = [
            Draft(
                item["content"],
                namespace=namespace,
                session_id=item["session_id"],
                external_id=item["external_id"],
                speaker=item.get("speaker"),
                role=item.get("role"),
                observed_at=datetime.fromisoformat(item["observed_at"]) if "observed_at" in item else None,
                extract=Extract.NONE,
            )
            for item in items
        ]
        prepared = prepare(drafts, encoding=encoding, now=START)
        with life.database.transaction(life.tenant_id, durable=False) as session:
            outcomes = remember(session, life.tenant_id, prepared, encoding=encoding, now=START)
            spaces[namespace] = find_namespaces(session, life.tenant_id, [namespace])[namespace].id
        ids = {draft.external_id: outcome.memory_id for draft, outcome in zip(drafts, outcomes, strict=True)}
        for question in conversation.questions:
            gold = frozenset(ids[one] for one in question.gold if one in ids)
            if gold:
                questions.append(Asked(namespace, question.text, gold))
    life.spaces = spaces
    return questions


def _vectors(
    session: Session, tenant_id: UUID, encoding: Encoding, ids: Sequence[UUID]
) -> dict[tuple[UUID, int], NDArray[np.float32]]:
    """Encode the present texts of memories again."""
    rows = session.execute(
        text("SELECT id, content, content_version FROM memory WHERE tenant_id = :t AND id = ANY(CAST(:ids AS uuid[]))"),
        {"t": tenant_id, "ids": list(ids)},
    ).all()
    chunks = encoding.chunks([row.content for row in rows])
    return {
        (row.id, row.content_version): np.stack([chunk.vector for chunk in parts])
        for row, parts in zip(rows, chunks, strict=True)
    }


def _sizes(superuser: str, *, full: bool) -> dict[str, int]:
    """Return pg_total_relation_size of every table of vectors, its indexes included, after a VACUUM."""
    engine = create_engine(superuser, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql("VACUUM (FULL, ANALYZE)" if full else "VACUUM (ANALYZE)")
        rows = connection.execute(
            text(
                "SELECT relname, pg_total_relation_size(oid) AS bytes FROM pg_class "
                "WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND relname ~ :tables ORDER BY relname"
            ),
            {"tables": TABLES},
        ).all()
    engine.dispose()
    return {row.relname: row.bytes for row in rows}


def _states(life: Life) -> dict[str, int]:
    """Count memories by tier, the archived ones apart."""
    with life.database.transaction(life.tenant_id) as session:
        rows = session.execute(
            text(
                "SELECT CASE WHEN archived_at IS NULL THEN precision_tier ELSE 9 END AS state, count(*) AS n FROM memory "
                "WHERE tenant_id = :t GROUP BY 1 ORDER BY 1"
            ),
            {"t": life.tenant_id},
        ).all()
    return {"archived" if row.state == 9 else PrecisionTier(row.state).label: row.n for row in rows}


def _percent(shares: Sequence[float], of: Sequence[int] | range) -> float:
    return round(100 * float(np.mean([shares[number] for number in of])), 2)


if __name__ == "__main__":
    sys.exit(readable_failures(main))
