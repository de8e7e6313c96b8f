"""What ends a command early, each with the exit code a script can test.

CommandFailure (1)
├── IdUnusable (2)
├── ServiceUnreachable (3)
├── KeyRefused (4)
├── RequestRefused (5)
└── InputUnusable (6)
"""

from typing import Any


class CommandFailure(Exception):
    """A command could not do its work; the text says why and ``hint`` what to do."""

    exit_code = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class IdUnusable(CommandFailure):
    """What was given is no id of anything."""

    exit_code = 2


class ServiceUnreachable(CommandFailure):
    """Nothing answers at the service's address."""

    exit_code = 3


class KeyRefused(CommandFailure):
    """The API key is missing, or the service does not accept it."""

    exit_code = 4


class RequestRefused(CommandFailure):
    """The service answered with a problem document."""

    exit_code = 5

    def __init__(self, *, status: int, problem: dict[str, Any], hint: str = "") -> None:
        self.status = status
        self.code = str(problem.get("code") or "")
        self.problem = problem
        super().__init__(_sentence(status, problem), hint=hint)


class InputUnusable(CommandFailure):
    """A file given to the command is missing or not in a known form."""

    exit_code = 6


def _sentence(status: int, problem: dict[str, Any]) -> str:
    """Return the problem document as one readable paragraph."""
    said = problem.get("detail") or problem.get("title") or "no explanation"
    lines = [f"the service answered {status}: {said}"]
    # The detail of a problem names the first of its errors, or is what it says.
    errors = [item for item in problem.get("errors") or [] if item.get("detail") != said]
    told = [f"{item.get('pointer') or '(body)'}: {item.get('detail', '')}" for item in errors]
    lines += [f"  {text}" for text in told if text.removeprefix("(body): ") not in said]
    if problem.get("request_id"):
        lines.append(f"  request id {problem['request_id']}")
    return "\n".join(lines)
