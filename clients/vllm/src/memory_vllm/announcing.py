"""Tells the service, once at the start, which engine runs here, so that it can plan for it."""

import logging
import threading
import time
from typing import Final

import httpx

from memory_vllm.running import RunningEngine

log = logging.getLogger("vllm.memory_service")

WAITS_S: Final = (0.0, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0)
"""The service may start after its engine; a restart of the engine asks again."""


def announce(url: str, key: str, engine: RunningEngine, *, prefill_tokens_per_s: float | None) -> threading.Thread:
    """Say what the engine is, in a thread of its own, some times where nobody answers."""
    body = {
        **engine.fingerprint.fields(),
        "model": engine.model,
        "bytes_per_token": engine.layout.bytes_per_token,
    }
    if prefill_tokens_per_s is not None:
        body["prefill_tokens_per_s"] = prefill_tokens_per_s
    address = f"{url.rstrip('/')}/v1/kv/engines/{engine.digest}"

    def say() -> None:
        for wait in WAITS_S:
            time.sleep(wait)
            try:
                answer = httpx.put(address, json=body, headers={"Authorization": f"Bearer {key}"}, trust_env=False)
            except httpx.HTTPError:
                continue
            if answer.is_success:
                log.info("The memory service knows this engine as %s", engine.digest)
                return
            if answer.status_code < 500:
                log.warning("The memory service does not take this engine: it answered %d", answer.status_code)
                return
        log.warning("The memory service does not answer, so it cannot plan for this engine")

    thread = threading.Thread(target=say, name="memory-kv-announce", daemon=True)
    thread.start()
    return thread
