"""A model behind any OpenAI-compatible endpoint: POST {base_url}/chat/completions."""

import json
import random
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import httpx
import structlog

from memory_service.chat_model.dialect import Dialect, request_body, simpler
from memory_service.chat_model.errors import ChatRefused, ChatUnavailable
from memory_service.chat_model.protocol import Message, Reply, Usage
from memory_service.chat_model.waiting import backoff, retry_after

log = structlog.get_logger(__name__)

CONNECT_S: Final = 5.0
LONGEST_ANSWER: Final = 4 << 20  # bytes; a reply of some thousand tokens is far smaller
LONGEST_WAIT_S: Final = 20.0  # between two attempts; who is to come back later finds the circuit open until then
PASSING: Final = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})
ABOUT_THE_REQUEST: Final = frozenset({400, 413, 422})


@dataclass(frozen=True, slots=True)
class _Answer:
    """What came back over HTTP."""

    status: int
    retry_after: str | None
    body: bytes


class ChatEndpoint:
    """Ask over HTTP; safe to share between threads. Connections are opened by the first call, after any fork."""

    def __init__(
        self,
        base_url: str,
        model: str,
        *,
        api_key: str = "",
        timeout_s: float = 60.0,
        attempts: int = 3,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        chance: Callable[[], float] = random.random,
    ) -> None:
        """Connect to nothing yet.

        Args:
            base_url: Up to and including the version, such as http://127.0.0.1:8001/v1.
            model: The model's name there, and the method of what is derived with it.
            api_key: Sent as a bearer token; empty sends none.
            timeout_s: How long one attempt may take, from sending to the last byte.
            attempts: How often one request is sent at most, when nobody answers or the endpoint is busy.
            sleep: Waits between attempts.
            clock: Seconds that never go back.
            now: The time of day, for a Retry-After that is a date.
            chance: Draws a number from 0 to 1, to spread attempts.
        """
        self._url = f"{base_url.rstrip('/')}/chat/completions"
        self._model = model
        self._headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        self._timeout_s = timeout_s
        self._attempts = attempts
        self._sleep = sleep
        self._clock = clock
        self._now = now
        self._chance = chance
        self._dialect = Dialect()
        self._client: httpx.Client | None = None
        self._opening = threading.Lock()

    @property
    def name(self) -> str:
        """Return the model's name."""
        return self._model

    @property
    def dialect(self) -> Dialect:
        """Return what the endpoint was found to understand."""
        return self._dialect

    def close(self) -> None:
        """Close connections; the next call opens new ones."""
        with self._opening:
            if self._client is not None:
                self._client.close()
                self._client = None

    def ask(self, messages: Sequence[Message], schema: Mapping[str, Any], *, max_tokens: int) -> Reply:
        """Send the conversation until it is answered.

        One attempt takes `timeout_s` at most, and none begins once as much has passed: with the longest wait between, a
        question takes less than `2 * timeout_s + LONGEST_WAIT_S`, so that whoever asks can hold a lease meanwhile.

        Raises:
            ChatUnavailable: Nobody answered, or not with a reply, in all attempts; or the endpoint asks for a longer pause.
            ChatRefused: The endpoint refuses this request whatever is left out of it.
        """
        failures, began = 0, self._clock()
        while True:
            dialect = self._dialect
            body = request_body(dialect, self._model, messages, schema, max_tokens=max_tokens)
            try:
                answer = self._send(body)
                if answer.status in ABOUT_THE_REQUEST:
                    # Each turn leaves something out, so this ends.
                    self._leave_out(dialect, answer)
                    continue
                return _read(answer)
            except ChatUnavailable as error:
                failures += 1
                wait = self._wait(error, failures)
                if failures >= self._attempts or wait is None or self._clock() - began >= self._timeout_s:
                    raise
                log.info("chat_model_asked_again", model=self._model, reason=error.reason, wait_s=round(wait, 2))
                self._sleep(wait)

    def _wait(self, error: ChatUnavailable, failures: int) -> float | None:
        """Return how long to wait before the next attempt, None where there should be none."""
        if isinstance(error, _Final):
            return None
        if error.retry_after_s is None:
            return backoff(failures, chance=self._chance())
        return error.retry_after_s if error.retry_after_s <= LONGEST_WAIT_S else None

    def _send(self, body: Mapping[str, Any]) -> _Answer:
        """Send one request and read its answer to the end, within the time of one attempt.

        Raises:
            ChatUnavailable: Nobody answered in time, or what answers cannot be used.
        """
        deadline = self._clock() + self._timeout_s
        try:
            with self._opened().stream("POST", self._url, json=body, headers=self._headers) as response:
                received = bytearray()
                for piece in response.iter_bytes():
                    received += piece
                    if len(received) > LONGEST_ANSWER:
                        raise ChatUnavailable(f"the answer is longer than {LONGEST_ANSWER} bytes")
                    # Every byte begins the library's own time anew.
                    if self._clock() > deadline:
                        raise ChatUnavailable(f"no whole answer in {self._timeout_s:g} s")
                answer = _Answer(response.status_code, response.headers.get("retry-after"), bytes(received))
        except httpx.TimeoutException:
            raise ChatUnavailable(f"no answer in {self._timeout_s:g} s") from None
        except httpx.HTTPError as error:
            raise ChatUnavailable(f"the endpoint cannot be reached ({type(error).__name__})") from None
        if answer.status in PASSING:
            raise ChatUnavailable(
                f"the endpoint answered {answer.status}", retry_after_s=retry_after(answer.retry_after, now=self._now())
            )
        if answer.status != 200 and answer.status not in ABOUT_THE_REQUEST:
            hint = ": LLM_API_KEY is refused" if answer.status in {401, 403} else ""
            hint = ": is LLM_BASE_URL right, and LLM_MODEL served there?" if answer.status == 404 else hint
            raise _Final(f"the endpoint answered {answer.status}{hint}")
        return answer

    def _opened(self) -> httpx.Client:
        with self._opening:
            if self._client is None:
                timeout = httpx.Timeout(self._timeout_s, connect=min(CONNECT_S, self._timeout_s))
                self._client = httpx.Client(timeout=timeout, follow_redirects=False)
            return self._client

    def _leave_out(self, dialect: Dialect, answer: _Answer) -> None:
        """Remember what the endpoint does not understand.

        Raises:
            ChatRefused: It is something else that it refuses.
        """
        less = simpler(dialect, answer.body.decode("utf-8", "replace"))
        if less is None:
            raise ChatRefused(f"the endpoint refused the request with {answer.status}")
        self._dialect = less
        log.info(
            "chat_model_dialect", model=self._model, decoding=less.decoding.value, limit=less.limit, greedy=less.greedy
        )


class _Final(ChatUnavailable):
    """The next attempt would be answered the same way."""


def _read(answer: _Answer) -> Reply:
    """Read the reply of an answer.

    Raises:
        ChatUnavailable: It is not shaped as one.
    """
    try:
        document = json.loads(answer.body)
        choice = document["choices"][0]
        text = choice["message"].get("content")
        counted = document.get("usage") or {}
        usage = Usage(1, _count(counted.get("prompt_tokens")), _count(counted.get("completion_tokens")))
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError):
        raise ChatUnavailable("what answered is no chat completion") from None
    if text is not None and not isinstance(text, str):
        raise ChatUnavailable("what answered is no chat completion")
    # Reasoning that comes in a field of its own is not looked at. A model that only reasoned has said nothing.
    return Reply(text or "", usage, cut=choice.get("finish_reason") == "length")


def _count(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else 0
