"""Open the model that the settings name, if they name one."""

import time

from memory_service.chat_model.endpoint import ChatEndpoint
from memory_service.chat_model.guarded import GuardedChat
from memory_service.settings import Settings


def open_chat_model(settings: Settings) -> GuardedChat | None:
    """Return the model behind a circuit breaker, None where none is configured; nothing is sent before the first question.

    Open it once per worker process, after the fork: the breaker and the connections live with it, until it is closed.
    """
    if not settings.llm_base_url:
        return None
    endpoint = ChatEndpoint(
        settings.llm_base_url,
        settings.llm_model,
        api_key=settings.llm_api_key.get_secret_value(),
        timeout_s=settings.llm_timeout_s,
        attempts=settings.llm_attempts,
    )
    return GuardedChat(endpoint, clock=time.monotonic, close=endpoint.close)
