"""Where results are written."""

import json
import math
import os
from pathlib import Path
from typing import Any

from memory_service.cli.failures import CommandFailure


def require_writable(path: Path) -> None:
    """Find out before a long run whether its results can be written.

    Raises:
        CommandFailure: they cannot, with the reason.
    """
    draft = path.with_name(f".{path.name}.draft")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        draft.touch()
        draft.unlink()
    except OSError as error:
        raise CommandFailure(f"the results cannot be written to {path}: {error.strerror}") from error


def write_result(path: Path, value: dict[str, Any]) -> None:
    """Write a result as JSON, whole or not at all; numbers that do not exist become null."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.draft")
    draft.write_text(json.dumps(finite(value), ensure_ascii=False, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    os.replace(draft, path)


def finite(value: Any) -> Any:
    """Return the value with NaN and infinities replaced by None.

    >>> finite({"mean": [1.0, float("nan")]})
    {'mean': [1.0, None]}
    """
    if isinstance(value, dict):
        return {key: finite(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [finite(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
