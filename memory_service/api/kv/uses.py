"""How KV memories are used, counted in memory and written down behind the requests: a load costs a dictionary look-up."""

import threading
from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from typing import Final
from uuid import UUID

import structlog

from memory_service.activation.eviction import HALF_LIFE
from memory_service.errors import MemoryServiceError
from memory_service.storage import kv_room, kv_upkeep
from memory_service.storage.database import Database
from memory_service.storage.kv_room import Loads, Lookups

log = structlog.get_logger(__name__)

EVERY_S: Final = 1.0
UPKEEP_EVERY: Final = 15  # times of writing; the sums change with sweeps, which come every quarter of an hour or so
MOST_WAITING: Final = 100_000  # Beyond it counts are dropped: the database has been away for long.
# Somebody else works on the same rows, such as another process that counts them in another order: the next turn may pass.
IN_THE_WAY = frozenset({"busy", "timeout"})


class KvUses:
    """Counts loads and look-ups, and writes them once a second from a thread of its own.

    A process that is killed loses the counts of its last second: they steer eviction, and nothing depends on them. The same
    thread reads now and then what the upkeep of the store found, so that whoever reads metrics never waits for the database.
    """

    def __init__(self, database: Database, *, clock: Callable[[], datetime]) -> None:
        """Prepare; ``start`` starts the thread."""
        self._database = database
        self._clock = clock
        self._loads: dict[tuple[UUID, UUID], int] = {}
        self._lookups: dict[tuple[UUID, str], tuple[int, int, int]] = {}
        self._upkeep: Mapping[str, int] | None = None
        self._lock = threading.Lock()
        self._writing = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="kv-uses", daemon=True)

    def loaded(self, tenant_id: UUID, kv_memory_id: UUID) -> None:
        """Count a load."""
        with self._lock:
            if len(self._loads) < MOST_WAITING:
                key = (tenant_id, kv_memory_id)
                self._loads[key] = self._loads.get(key, 0) + 1

    def looked_up(self, tenant_id: UUID, engine: str, *, asked: int, found: int) -> None:
        """Count a look-up."""
        with self._lock:
            if len(self._lookups) < MOST_WAITING:
                count, before, hit = self._lookups.get((tenant_id, engine), (0, 0, 0))
                self._lookups[tenant_id, engine] = (count + 1, before + asked, hit + found)

    @property
    def upkeep(self) -> Mapping[str, int] | None:
        """Return what the upkeep of the store found for all tenants, None while that is not known."""
        return self._upkeep

    def start(self) -> None:
        """Start writing."""
        self._thread.start()

    def close(self) -> None:
        """Write what is left and end the thread."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(timeout=5)

    def _run(self) -> None:
        turn = 0
        while not self._stop.wait(EVERY_S):
            self.flush()
            if turn % UPKEEP_EVERY == 0:
                self.read_upkeep()
            turn += 1
        self.flush()

    def read_upkeep(self) -> None:
        """Read what upkeep found; a database that is down leaves what was known."""
        try:
            with self._database.untenanted() as connection:
                self._upkeep = kv_upkeep.totals(connection)
        except MemoryServiceError as error:
            log.warning("kv_upkeep_not_read", reason=error.detail)

    def flush(self) -> None:
        """Write what waits. What the database does not take goes on waiting, as far as there is room.

        Else what was counted before the call is written when it returns, also when the thread is just writing it.
        """
        with self._writing:
            self._write()

    def _write(self) -> None:
        with self._lock:
            loads, self._loads = self._loads, {}
            lookups, self._lookups = self._lookups, {}
        now = self._clock()
        waiting = sorted({tenant for tenant, _ in (*loads, *lookups)})
        for tenant_id in list(waiting):
            mine = [Loads(one, n, now) for (tenant, one), n in loads.items() if tenant == tenant_id]
            asked = [Lookups(engine, *n, now) for (tenant, engine), n in lookups.items() if tenant == tenant_id]
            try:
                with self._database.transaction(tenant_id, durable=False) as session:
                    if mine:
                        kv_room.add_loads(session, tenant_id, mine, half_life=HALF_LIFE)
                    if asked:
                        kv_room.add_lookups(session, tenant_id, asked)
            except MemoryServiceError as error:
                log.warning("kv_uses_not_written", reason=error.detail)
                if error.specific_code in IN_THE_WAY:
                    self._take_back(loads, lookups, tenants=[tenant_id])
                else:
                    # What may have been stored is not counted twice.
                    self._take_back(loads, lookups, tenants=waiting[error.specific_code == "outcome_unknown" :])
                    return
            waiting.remove(tenant_id)

    def _take_back(
        self,
        loads: Mapping[tuple[UUID, UUID], int],
        lookups: Mapping[tuple[UUID, str], tuple[int, int, int]],
        *,
        tenants: Collection[UUID],
    ) -> None:
        """Count again what could not be written, as far as there is room."""
        with self._lock:
            for load, count in loads.items():
                if load[0] in tenants and (load in self._loads or len(self._loads) < MOST_WAITING):
                    self._loads[load] = self._loads.get(load, 0) + count
            for lookup, (times, asked, found) in lookups.items():
                if lookup[0] in tenants and (lookup in self._lookups or len(self._lookups) < MOST_WAITING):
                    more = self._lookups.get(lookup, (0, 0, 0))
                    self._lookups[lookup] = (more[0] + times, more[1] + asked, more[2] + found)
