"""A model behind a circuit breaker, one per process."""

import threading
from collections.abc import Callable, Mapping, Sequence
from math import ceil
from typing import Any

import structlog

from memory_service.chat_model.breaker import BreakerRules, BreakerState, Circuit, admit, failed, succeeded
from memory_service.chat_model.errors import ChatModelError, ChatRefused, ChatUnavailable
from memory_service.chat_model.protocol import ChatModel, Message, Reply

log = structlog.get_logger(__name__)


class GuardedChat:
    """Ask a model unless its circuit is open; safe to share between threads."""

    def __init__(
        self,
        chat: ChatModel,
        *,
        clock: Callable[[], float],
        rules: BreakerRules | None = None,
        close: Callable[[], None] = lambda: None,
    ) -> None:
        """Begin with a closed circuit.

        Args:
            chat: Whom to ask.
            clock: Seconds that never go back.
            rules: When the circuit opens and for how long.
            close: Closes the model's connections.
        """
        self._chat = chat
        self._clock = clock
        self._rules = rules or BreakerRules()
        self._state = BreakerState()
        self._lock = threading.Lock()
        self.close = close

    @property
    def name(self) -> str:
        """Return the model's name."""
        return self._chat.name

    @property
    def state(self) -> BreakerState:
        """Return what the breaker remembers now."""
        return self._state

    def ask(self, messages: Sequence[Message], schema: Mapping[str, Any], *, max_tokens: int) -> Reply:
        """Ask, and remember how it went.

        Raises:
            ChatUnavailable: The circuit is open, or the model is not to be had.
            ChatRefused: The endpoint answers, and refuses this request.
        """
        with self._lock:
            before = self._state.circuit
            now = self._clock()
            may, self._state = admit(self._state, now=now, rules=self._rules)
            wait = self._state.until - now
        if not may:
            raise ChatUnavailable(
                f"the model's endpoint failed and is left alone for {ceil(wait)} s more", retry_after_s=wait
            )
        if before is not Circuit.CLOSED:
            log.info("chat_model_tried_again", model=self.name)
        try:
            reply = self._chat.ask(messages, schema, max_tokens=max_tokens)
        except ChatRefused:
            self._passed()  # Who refuses one request is there for the next.
            raise
        except Exception as error:  # whatever it is, the call that tries a circuit must not be waited for
            self._stopped(error)
            raise
        self._passed()
        return reply

    def _passed(self) -> None:
        with self._lock:
            self._state = succeeded(self._state)

    def _stopped(self, error: Exception) -> None:
        retry_after_s = error.retry_after_s if isinstance(error, ChatModelError) else None
        with self._lock:
            self._state = failed(self._state, now=self._clock(), rules=self._rules, retry_after_s=retry_after_s)
            state = self._state
        reason = error.reason if isinstance(error, ChatModelError) else type(error).__name__
        log.warning("chat_model_failed", model=self.name, reason=reason, circuit=state.circuit.value)
