"""End a benchmark script as the commands end: a sentence, a hint and an exit code instead of a traceback."""

import sys
from collections.abc import Callable

from memory_service.cli.failures import CommandFailure


def readable_failures(main: Callable[[], None]) -> int:
    """Run ``main`` and return the exit code."""
    try:
        main()
    except CommandFailure as failure:
        print(f"error: {failure}", file=sys.stderr)
        if failure.hint:
            print(f"hint: {failure.hint}", file=sys.stderr)
        return failure.exit_code
    return 0
