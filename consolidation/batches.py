"""What a run reads of a namespace, batch by batch: new memories, what is near them, and what they state; each once."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final
from uuid import UUID

from consolidation.loading import asks_database, load_considered, load_neighbourhood, near_some
from consolidation.neighbourhood import Neighbourhood
from consolidation.planning import Change, leaves_results
from consolidation.records import Considered, Record, Ref
from consolidation.tenancy import Tenancy
from memory_service.analysis.facts import Fact
from memory_service.storage import considered
from memory_service.storage.facts import facts_of
from memory_service.storage.namespaces import Namespace
from retrieval.feed import vectors_of

REMEMBERED: Final = 30_000  # records that a run keeps to read them but once


@dataclass(frozen=True, slots=True)
class Batch:
    """New memories with what is near them and what all of these state."""

    fresh: Sequence[Considered] = ()
    facts: Mapping[UUID, tuple[Fact, ...]] = field(default_factory=dict)
    bare: tuple[Ref, ...] = ()  # no vector leads to these: nothing is near them, and they are done


class Batches:
    """Reads the batches of one run and remembers what it read, until a memory is said to have changed.

    Not for use by several threads.
    """

    def __init__(self, tenancy: Tenancy, namespace: Namespace, *, live: int, total: int) -> None:
        """Read from a namespace with so many `live` memories, of which `total` are to be considered."""
        self._tenancy = tenancy
        self._namespace = namespace
        self._live = live
        self._total = total
        self._whole: Neighbourhood | None = None
        self._records: dict[UUID, Record] = {}
        self._facts: dict[tuple[UUID, int], tuple[Fact, ...]] = {}
        self.gone: set[UUID] = set()  # merged or archived in plans that were not applied (dry run)

    def near(self, ids: Sequence[UUID]) -> Neighbourhood | None:
        """Return what is near some memories: the whole namespace, read once in a run, or what the database finds for these."""
        if not ids:
            return None
        open_transaction, tenant_id, now = self._tenancy.open, self._tenancy.tenant_id, self._tenancy.clock()
        if asks_database(self._namespace, live=self._live, new=self._total):
            return near_some(open_transaction, tenant_id, self._namespace, ids, now=now)
        if self._whole is None:
            read = load_neighbourhood if self._tenancy.kept is None else self._tenancy.kept.neighbourhood
            self._whole = read(open_transaction, tenant_id, self._namespace, now=now)
        return self._whole

    def read(self, ids: Sequence[UUID], near: Neighbourhood | None) -> Batch:
        """Read some new memories as they are now, those that are gone left out."""
        if not ids or near is None:
            return Batch()
        tenant_id, now = self._tenancy.tenant_id, self._tenancy.clock()
        with self._tenancy.open() as session:
            rows = considered.live_records(session, tenant_id, ids, now=now)
            loaded = load_considered(
                session,
                tenant_id,
                self._namespace.id,
                sorted(rows, key=lambda row: row["id"]),
                near,
                cache=self._records,
                now=now,
            )
            strangers = [row for row in rows if row["id"] not in near.place]
            # Those that came while this run is at it have vectors: they are left to the next.
            vectors = vectors_of(
                session, tenant_id, [self._namespace.id], shelf=self._namespace.shelf,
                encoder_id=self._namespace.encoder_id, ids=[row["id"] for row in strangers],
            ) if strangers else {}  # fmt: skip
        bare = tuple(
            Ref(row["id"], row["version"]) for row in strangers if (row["id"], row["content_version"]) not in vectors
        )
        fresh = [self._without_gone(one) for one in loaded if one.record.id not in self.gone]
        return Batch(fresh, self._facts_of(fresh), bare)

    def forget(self, ids: Collection[UUID]) -> None:
        """Read these anew the next time: they have changed."""
        for memory_id in ids:
            self._records.pop(memory_id, None)

    def bound(self) -> None:
        """Forget everything once it has become much."""
        if len(self._records) > REMEMBERED:
            self._records.clear()
            self._facts.clear()

    def leave(self, changes: Sequence[Change]) -> None:
        """Take what planned changes merge or archive for gone, though nobody applied them."""
        self.gone |= leaves_results(changes)

    def _without_gone(self, one: Considered) -> Considered:
        return replace(
            one,
            neighbours=tuple(near for near in one.neighbours if near.record.id not in self.gone),
            kin=tuple(near for near in one.kin if near.record.id not in self.gone),
        )

    def _facts_of(self, fresh: Sequence[Considered]) -> dict[UUID, tuple[Fact, ...]]:
        """Read what memories and those near them state, as the enrichment kept it."""
        records: dict[UUID, Record] = {
            record.id: record
            for one in fresh
            for record in (one.record, *(near.record for near in (*one.neighbours, *one.kin)))
        }
        missing = [i for i, record in records.items() if (i, record.content_version) not in self._facts]
        with self._tenancy.open() as session:
            found = facts_of(session, self._tenancy.tenant_id, missing)
        self._facts |= {(i, records[i].content_version): tuple(found.get(i, ())) for i in missing}
        return {i: self._facts[i, record.content_version] for i, record in records.items()}
