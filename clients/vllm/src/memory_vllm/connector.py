"""What vLLM loads: `{"kv_connector": "MemoryConnector", "kv_connector_module_path": "memory_vllm.connector"}`.

Requests that carry no grant of the service in `kv_transfer_params` pass by untouched.
"""

import logging
from typing import Any

from vllm.distributed.kv_transfer.kv_connector.v1.base import KVConnectorBase_V1, KVConnectorRole

from memory_vllm.announcing import announce
from memory_vllm.counting import Counts
from memory_vllm.metadata import MemoryConnectorMetadata
from memory_vllm.running import running_engine
from memory_vllm.scheduler_side import SchedulerSide
from memory_vllm.settings import api_keys, read_settings
from memory_vllm.statistics import MemoryKVMetrics, MemoryKVStats
from memory_vllm.worker_side import WorkerSide

log = logging.getLogger("vllm.memory_service")


class MemoryConnector(KVConnectorBase_V1):
    """Blocks of memories out of the memory service, and into it. vLLM makes one for its scheduler and one for its worker.

    Raises:
        Unsupported: the engine runs in a way whose blocks are not kept, or a setting makes no sense.
    """

    def __init__(self, vllm_config: Any, role: KVConnectorRole, kv_cache_config: Any) -> None:
        """Make the half that the role names."""
        super().__init__(vllm_config, role, kv_cache_config)
        settings = read_settings(vllm_config.kv_transfer_config.kv_connector_extra_config)
        engine = running_engine(vllm_config, kv_cache_config)
        self._counts = Counts()
        self._store = settings.store()
        self._scheduler: SchedulerSide | None = None
        self._worker: WorkerSide | None = None
        # What a request's last look-up said it had computed; vLLM does not say it again.
        self._computed: dict[str, int] = {}
        if role is KVConnectorRole.WORKER:
            self._worker = WorkerSide(
                engine,
                self._store,
                self._counts,
                threads=settings.threads,
                pending_bytes=settings.pending_mb << 20,
                drain_s=settings.drain_s,
            )
            return
        self._scheduler = SchedulerSide(engine, self._store, self._counts, threads=settings.threads, save=settings.save)
        log.info("This engine's blocks are kept as %s, laid out as %s", engine.digest, engine.layout)
        keys = api_keys() if settings.url is not None else []
        for key in keys:
            announce(str(settings.url), key, engine, prefill_tokens_per_s=settings.prefill_tokens_per_s)
        if settings.url is not None and not keys:
            log.warning("Without MEMORY_SERVICE_API_KEY the memory service has to be told about this engine by hand")

    # The scheduler's half.

    @property
    def _of_scheduler(self) -> SchedulerSide:
        assert self._scheduler is not None
        return self._scheduler

    def on_new_request(self, request: Any) -> None:
        """Begin to look up a request's blocks."""
        self._of_scheduler.new_request(request)

    def get_num_new_matched_tokens(self, request: Any, num_computed_tokens: int) -> tuple[int | None, bool]:
        """Return how many tokens can be loaded beyond those computed; None: ask again."""
        self._computed[request.request_id] = num_computed_tokens
        return self._of_scheduler.matched(request, num_computed_tokens)

    def update_state_after_alloc(self, request: Any, blocks: Any, num_external_tokens: int) -> None:
        """Take down where a request's blocks lie."""
        computed = self._computed.pop(request.request_id, 0)
        self._of_scheduler.allocated(request, blocks.get_block_ids()[0], num_external_tokens, computed)

    def build_connector_meta(self, scheduler_output: Any) -> MemoryConnectorMetadata:
        """Return what is loaded and saved around a step."""
        return self._of_scheduler.step(scheduler_output)

    def update_connector_output(self, connector_output: Any) -> None:
        """Learn which loads are over, and which blocks did not come."""
        self._of_scheduler.loaded(
            set(connector_output.finished_recving or ()), set(connector_output.invalid_block_ids or ())
        )

    def request_finished(self, request: Any, block_ids: list[int]) -> tuple[bool, dict[str, Any] | None]:
        """Forget a request; its blocks are free, because what is saved was copied."""
        self._computed.pop(request.request_id, None)
        self._of_scheduler.finished(request.request_id)
        return False, None

    # The worker's half.

    @property
    def _of_worker(self) -> WorkerSide:
        assert self._worker is not None
        return self._worker

    @property
    def _told(self) -> MemoryConnectorMetadata:
        told = self._get_connector_metadata()
        assert isinstance(told, MemoryConnectorMetadata)
        return told

    def register_kv_caches(self, kv_caches: dict[str, Any]) -> None:
        """Take the engine's tensors."""
        self._of_worker.register(kv_caches)

    def start_load_kv(self, forward_context: Any, **kwargs: Any) -> None:
        """Begin to fetch; requests wait outside the batch until their blocks are there."""
        self._of_worker.start(self._told)

    def wait_for_layer_load(self, layer_name: str) -> None:
        """Do nothing: no request is in the batch before all its layers are loaded."""

    def save_kv_layer(self, layer_name: str, kv_layer: Any, attn_metadata: Any, **kwargs: Any) -> None:
        """Do nothing: all layers are copied together after the step."""

    def wait_for_save(self) -> None:
        """Copy the blocks that this step completed; they are sent later."""
        self._of_worker.save(self._told)

    def get_finished(self, finished_req_ids: set[str]) -> tuple[set[str] | None, set[str] | None]:
        """Move what has come into the engine, and say whose loads are over."""
        return None, self._of_worker.arrived() or None

    def get_block_ids_with_load_errors(self) -> set[int]:
        """Return blocks that could not be loaded; vLLM computes them."""
        return self._of_worker.failed()

    # Both.

    def get_kv_connector_stats(self) -> MemoryKVStats | None:
        """Return what happened since the last step."""
        numbers = self._counts.take()
        return MemoryKVStats(data=numbers) if numbers else None

    @classmethod
    def build_kv_connector_stats(cls, data: dict[str, Any] | None = None) -> MemoryKVStats:
        """Return numbers that came from another process."""
        return MemoryKVStats(data=dict(data or {}))

    @classmethod
    def build_prom_metrics(
        cls,
        vllm_config: Any,
        metric_types: Any,
        labelnames: list[str],
        per_engine_labelvalues: dict[int, list[object]],
    ) -> MemoryKVMetrics:
        """Register our numbers at `/metrics`."""
        return MemoryKVMetrics(vllm_config, metric_types, labelnames, per_engine_labelvalues)

    def shutdown(self) -> None:
        """Send what is left, and stop."""
        if self._worker is not None:
            self._worker.close()
        if self._scheduler is not None:
            self._scheduler.close()
        self._store.close()
