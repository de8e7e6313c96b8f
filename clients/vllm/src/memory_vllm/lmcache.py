"""An LMCache server holds the tensors, and the memory service says for which prompts, and how much of them.

`{"kv_connector": "PlannedLMCacheConnector", "kv_connector_module_path": "memory_vllm.lmcache"}`. It is LMCache's own connector
behind a gate: a request without a grant of the service, or whose plan is gone because a memory in it was erased or changed, is
computed as if there were no LMCache. One that waits is asked about again until its load begins. Of the others only blocks
that the plan admits are saved, so none of a conversation.

Written against LMCache 0.5.6, of which it uses what has no promise: how its connector tracks a request.
"""

import logging
from typing import Any

from vllm.distributed.kv_transfer.kv_connector.v1.base import KVConnectorRole

from memory_vllm.announcing import announce
from memory_vllm.errors import Unsupported
from memory_vllm.gate import EngineBlocks, Gate
from memory_vllm.http_store import LOOKUP_S, HttpStore
from memory_vllm.refusing import refuse
from memory_vllm.running import running_engine
from memory_vllm.settings import api_keys

try:
    from lmcache.integration.vllm.lmcache_mp_connector import LMCacheMPConnector
    from lmcache.integration.vllm.lmcache_mp_metadata import LMCacheMPRequestState
except ImportError as error:
    raise Unsupported(
        "LMCache 0.5.6 has to be installed beside vLLM for memory_vllm.lmcache; see the README of memory-service-vllm"
    ) from error

log = logging.getLogger("vllm.memory_service")

OURS = "memory_service."
"""What our settings begin with in `kv_connector_extra_config`; LMCache's begin with `lmcache.`."""


class PlannedLMCacheConnector(LMCacheMPConnector):
    """LMCache's connector for what the memory service has planned. vLLM makes one for its scheduler and one for its worker.

    Raises:
        Unsupported: the engine runs in a way whose blocks are not kept, or there is no address of the service.
    """

    def __init__(self, vllm_config: Any, role: KVConnectorRole, kv_cache_config: Any) -> None:
        """Make the half that the role names."""
        said = dict(vllm_config.kv_transfer_config.kv_connector_extra_config)
        url, wait = said.get(OURS + "url"), said.get(OURS + "lookup_s", LOOKUP_S)
        if not isinstance(url, str) or not url:
            raise Unsupported(f'kv_connector_extra_config needs "{OURS}url"')
        if isinstance(wait, bool) or not isinstance(wait, (int, float)) or not wait > 0:
            raise Unsupported(f"{OURS}lookup_s is a positive number")
        engine = running_engine(vllm_config, kv_cache_config)
        super().__init__(vllm_config, role, kv_cache_config)
        self._gate: Gate | None = None
        if role is KVConnectorRole.WORKER:
            return
        self._service = HttpStore(url, lookup_s=wait)
        self._block = engine.layout.block
        self._gate = Gate(EngineBlocks(engine.digest, self._block), self._service)
        keys = api_keys()
        for key in keys:
            announce(url, key, engine, prefill_tokens_per_s=said.get(OURS + "prefill_tokens_per_s"))
        if not keys:
            log.warning("Without MEMORY_SERVICE_API_KEY the memory service has to be told about this engine by hand")

    def on_new_request(self, request: Any) -> None:
        """Begin to ask the service; LMCache is asked once it has answered."""
        if self._gate is not None:
            self._gate.admitted(request)

    def get_num_new_matched_tokens(self, request: Any, num_computed_tokens: int) -> tuple[int | None, bool]:
        """Return how many tokens LMCache can load, where the plan stands; None: ask again."""
        assert self._gate is not None
        admitted = self._gate.admitted(request)
        if admitted is None:
            return None, False
        tracker = self._get_or_create_request_tracker(request)
        tracker.max_offload_tokens = admitted * self._block
        if not admitted:
            look_up = super().get_num_new_matched_tokens
            return (
                refuse(
                    tracker,
                    loaded=LMCacheMPRequestState.READY,
                    bypassing=LMCacheMPRequestState.BYPASS_LMCACHE,
                    look_up=lambda: look_up(request, num_computed_tokens)[0],
                ),
                False,
            )
        found: tuple[int | None, bool] = super().get_num_new_matched_tokens(request, num_computed_tokens)
        return found

    def request_finished(self, request: Any, block_ids: list[int]) -> tuple[bool, dict[str, Any] | None]:
        """Forget a request."""
        if self._gate is not None:
            self._gate.forget(request.request_id)
        finished: tuple[bool, dict[str, Any] | None] = super().request_finished(request, block_ids)
        return finished

    def shutdown(self) -> None:
        """Stop asking, and stop."""
        if self._gate is not None:
            self._gate.close()
            self._service.close()
        super().shutdown()
