"""Our numbers in vLLM's log and at its `/metrics`."""

from typing import Any, Final

from vllm.distributed.kv_transfer.kv_connector.v1.metrics import KVConnectorPromMetrics, KVConnectorStats

from memory_vllm.counting import MEANINGS

PREFIX: Final = "vllm:memory_service_kv_"


class MemoryKVStats(KVConnectorStats):
    """What happened since the last step."""

    def reset(self) -> None:
        """Begin anew."""
        self.data: dict[str, Any] = {}

    def aggregate(self, other: KVConnectorStats) -> KVConnectorStats:
        """Add another's numbers."""
        for name, number in other.data.items():
            self.data[name] = self.data.get(name, 0) + number
        return self

    def reduce(self) -> dict[str, int | float]:
        """Return the numbers for a line of the log."""
        return dict(self.data)

    def is_empty(self) -> bool:
        """Return whether nothing happened."""
        return not self.data


class MemoryKVMetrics(KVConnectorPromMetrics):
    """A counter for every number."""

    def __init__(
        self,
        vllm_config: Any,
        metric_types: Any,
        labelnames: list[str],
        per_engine_labelvalues: dict[int, list[object]],
    ) -> None:
        """Register the counters."""
        super().__init__(vllm_config, metric_types, labelnames, per_engine_labelvalues)
        made = {
            name: self._counter_cls(name=PREFIX + name, documentation=meaning, labelnames=labelnames)
            for name, meaning in MEANINGS.items()
        }
        self._counters = {
            (name, engine): counter.labels(*values)
            for name, counter in made.items()
            for engine, values in per_engine_labelvalues.items()
        }

    def observe(self, transfer_stats_data: dict[str, Any], engine_idx: int = 0) -> None:
        """Add what happened since the last step."""
        for name, number in transfer_stats_data.items():
            if name in MEANINGS:
                self._counters[name, engine_idx].inc(number)
