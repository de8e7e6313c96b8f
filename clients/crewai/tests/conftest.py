"""CrewAI with a scripted model, on a machine of its own: nothing may reach beyond it, and nothing lie in the home folder."""

import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from crewai.llms.base_llm import BaseLLM
from crewai.memory.unified_memory import Memory
from memory_client import MemoryClient
from pydantic import BaseModel

from memory_crewai import MemoryServiceStorage

REACHED: list[Any] = []


@pytest.fixture(autouse=True)
def nothing_lies_in_the_home_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))  # CrewAI keeps there what tasks came to.


@pytest.fixture(autouse=True)
def nothing_leaves_the_machine(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> Any:
        if self.family in (socket.AF_INET, socket.AF_INET6) and address[0] not in ("127.0.0.1", "::1"):
            REACHED.append(address)
            raise ConnectionRefusedError(f"A test reached for {address}.")
        return connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)
    yield
    assert REACHED == []


class Scripted(BaseLLM):
    """A model that answers as it was told to, by what it is asked for; whatever it was asked is kept."""

    def __init__(self, **answers: Any) -> None:
        super().__init__(model="scripted")
        self._answers = answers
        self._asked: list[tuple[str, str]] = []

    @property
    def asked(self) -> list[tuple[str, str]]:
        """What was wanted (`text`, or the name of a model of pydantic) and the prompt, in order."""
        return self._asked

    def supports_function_calling(self) -> bool:
        return True

    def call(
        self,
        messages: Any,
        tools: Any = None,
        callbacks: Any = None,
        available_functions: Any = None,
        from_task: Any = None,
        from_agent: Any = None,
        response_model: type[BaseModel] | None = None,
    ) -> Any:
        wanted = "text" if response_model is None else response_model.__name__
        prompt = messages if isinstance(messages, str) else "\n".join(str(one["content"]) for one in messages)
        self._asked.append((wanted, prompt))
        answer = self._answers[wanted]
        answer = answer(prompt) if callable(answer) else answer
        return answer if response_model is None else response_model.model_validate(answer)


@pytest.fixture
def client(service: Any, make_tenant: Callable[[], str]) -> Iterator[MemoryClient]:
    """Return a client of a tenant of the test's own."""
    with MemoryClient(service.url, make_tenant()) as opened:
        yield opened


@pytest.fixture
def storage(client: MemoryClient) -> MemoryServiceStorage:
    return MemoryServiceStorage(client)


@pytest.fixture
def scripted() -> type[Scripted]:
    return Scripted


@pytest.fixture
def open_memory(storage: MemoryServiceStorage) -> Iterator[Callable[..., Memory]]:
    """Return a function that makes a memory over a storage; it asks nobody unless it is given a model."""
    opened: list[Memory] = []

    def make(*, llm: BaseLLM | None = None, over: MemoryServiceStorage = storage, **options: Any) -> Memory:
        memory = Memory(llm=llm or Scripted(), storage=over, embedder=over.embedder, **options)
        opened.append(memory)
        return memory

    yield make
    for memory in opened:
        memory.close()
