"""Structured logs: one JSON object per line on the error stream, ours and those of the libraries alike.

Never logged: content, keys, query strings.
"""

import logging
import sys
from typing import Literal, TextIO, cast

import structlog
from structlog.typing import Processor

LogFormat = Literal["json", "console"]

# These libraries are chatty at info, or log URLs with passwords in them.
QUIET = ("httpx", "httpx2", "httpcore", "alembic", "kombu", "amqp", "sqlalchemy.engine", "uvicorn.access")


class _ErrorStream:
    """Whatever ``sys.stderr`` is at the moment: tests and supervisors replace it.

    What cannot be written is dropped: a log on a full disk must not fail the request that it tells of.
    """

    def __init__(self) -> None:
        self._torn = False

    def write(self, text: str) -> int:
        try:
            # After a failure the file may end in the middle of a line.
            sys.stderr.write(f"\n{text}" if self._torn else text)
            self._torn = False
        except OSError:
            self._torn = True
        return len(text)

    def flush(self) -> None:
        try:
            sys.stderr.flush()
        except OSError:
            self._torn = True


def configure_logging(*, level: str = "info", log_format: LogFormat = "json") -> None:
    """Send structlog's and the standard library's records to stderr in one format; safe to repeat."""
    number = logging.getLevelNamesMapping()[level.upper()]
    stream = cast(TextIO, _ErrorStream())
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    rendering: list[Processor]
    if log_format == "json":
        rendering = [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    else:
        rendering = [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())]
    structlog.configure(
        processors=[*shared, *rendering],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.WriteLoggerFactory(file=stream),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.add_logger_name],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *rendering],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(number)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        # uvicorn brings handlers of its own; its records should look like everybody's.
        library = logging.getLogger(name)
        library.handlers.clear()
        library.propagate = True
    for name in QUIET:
        logging.getLogger(name).setLevel(max(number, logging.WARNING))
