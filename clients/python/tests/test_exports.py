import inspect
import subprocess
import sys

import memory_client


def test_what_is_exported() -> None:
    assert memory_client.__all__ == [
        "NO_RETRIES",
        "AsyncMemoryClient",
        "AuthenticationFailed",
        "Conflict",
        "ConnectionFailed",
        "FieldError",
        "Gone",
        "InternalError",
        "Job",
        "JobFailed",
        "Memory",
        "MemoryClient",
        "MemoryClientError",
        "MemoryNotFound",
        "NamespaceNotFound",
        "NotConfigured",
        "NotFound",
        "PermissionDenied",
        "RateLimited",
        "Retries",
        "RouteNotFound",
        "ServiceError",
        "ServiceUnavailable",
        "StillRunning",
        "TimedOut",
        "Timeout",
        "TooLarge",
        "UnexpectedAnswer",
        "ValidationFailed",
        "VersionConflict",
        "__version__",
    ]
    for name in memory_client.__all__:
        assert getattr(memory_client, name) is not None


def test_every_error_is_exported() -> None:
    def tree(kind: type[Exception]) -> set[str]:
        return {kind.__name__}.union(*(tree(child) for child in kind.__subclasses__()))

    assert tree(memory_client.MemoryClientError) <= set(memory_client.__all__)


def test_importing_loads_only_what_every_program_needs() -> None:
    """What is loaded later keeps the import under 300 ms; `benchmarks/overhead.py` measures it."""
    script = (
        "import memory_client, sys; print(*sorted(m for m in sys.modules if m.startswith(('memory_client.', 'anyio'))))"
    )
    loaded = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True).stdout.split()
    assert [name for name in loaded if name.startswith("memory_client.models.")] == []
    assert {name for name in loaded if name.startswith("memory_client.resources.")} == {
        "memory_client.resources.adding",
        "memory_client.resources.base",
        "memory_client.resources.groups",
        "memory_client.resources.memories",
        "memory_client.resources.searching",
    }


def test_methods_look_like_what_they_are() -> None:
    blocking = memory_client.MemoryClient("http://127.0.0.1:9", "key")
    awaiting = memory_client.AsyncMemoryClient("http://127.0.0.1:9", "key")
    for name in ("get", "add"):
        one, other = getattr(blocking, name), getattr(awaiting, name)
        assert inspect.iscoroutinefunction(other)
        assert not inspect.iscoroutinefunction(one)
        assert one.__doc__
        assert one.__doc__ == other.__doc__
        assert "self" not in inspect.signature(one).parameters
    assert list(inspect.signature(blocking.get).parameters) == ["memory_id", "as_of", "options"]
    assert list(inspect.signature(awaiting.list).parameters) == ["fields"]
    blocking.close()


def test_a_list_at_the_prompt_says_how_to_read_it() -> None:
    for kind in (memory_client.MemoryClient, memory_client.AsyncMemoryClient):
        shown = repr(kind("http://127.0.0.1:9", "key").list(namespace="users/tom"))
        assert "/v1/memories" in shown
        assert "iterated" in shown
