"""Where a call may read and write: what the operator named, a call cannot leave."""

from dataclasses import dataclass

from memory_mcp.failures import ToolFailure

DEFAULT_NAMESPACE = "default"  # always exists in the service


@dataclass(frozen=True, slots=True)
class Place:
    """Where one call reads and writes."""

    namespace: str
    user_id: str | None = None
    agent_id: str | None = None


@dataclass(frozen=True, slots=True)
class Scope:
    """What the operator fixed when the server was started; null where a call may choose.

    The namespace fences in everything at and below it. `agent_id` is written on what this agent remembers and limits no reading:
    agents of one namespace share what they know.
    """

    namespace: str | None = None
    user_id: str | None = None
    agent_id: str | None = None

    def place(self, *, namespace: str | None = None, user_id: str | None = None) -> Place:
        """Return where a call with these arguments takes place.

        Raises:
            ToolFailure: with code `out_of_scope` when the arguments leave the fence.

        >>> Scope(namespace="users/ada").place(namespace="users/ada/work").namespace
        'users/ada/work'
        """
        if namespace is not None and self.namespace is not None and not _within(namespace, self.namespace):
            raise ToolFailure(
                "out_of_scope",
                f"This server keeps to the namespace {self.namespace!r}; leave `namespace` out or name one below it.",
            )
        if user_id is not None and self.user_id is not None and user_id != self.user_id:
            raise ToolFailure("out_of_scope", "This server keeps to one user; leave `user_id` out.")
        return Place(
            namespace=namespace or self.namespace or DEFAULT_NAMESPACE,
            user_id=user_id or self.user_id,
            agent_id=self.agent_id,
        )

    def admits(self, *, namespace: str, user_id: str | None) -> bool:
        """Say whether a memory that lies there may be seen and changed.

        >>> Scope(namespace="users/4").admits(namespace="users/42", user_id=None)
        False
        """
        if self.namespace is not None and not _within(namespace, self.namespace):
            return False
        return self.user_id is None or user_id == self.user_id


def _within(path: str, fence: str) -> bool:
    return path == fence or path.startswith(f"{fence}/")
