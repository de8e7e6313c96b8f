"""Answers and notes that are kept for a while, under a key, by all API processes behind one socket."""

import sqlite3
import threading
from contextlib import closing
from pathlib import Path
from typing import Final

import structlog

log = structlog.get_logger(__name__)

_PATIENCE_S: Final = 2.0  # for another process that is just writing
_PAGE: Final = 4096
_SCHEMA: Final = "CREATE TABLE IF NOT EXISTS kept (place INTEGER PRIMARY KEY, key TEXT UNIQUE, at REAL, value BLOB)"


class Kept:
    """A bounded table in SQLite: of a folder, or in the memory of this process. Used from several threads.

    What was kept longest ago goes first. What cannot be read or written is not kept: nothing depends on it but time.
    """

    def __init__(self, *, most: int, file: Path | None = None, most_bytes: int = 8 << 20) -> None:
        """Open the table of a file, which is made, or one of this process alone.

        Args:
            most: how many writes it remembers.
            file: where it lies.
            most_bytes: how large it may grow.
        """
        self._most = most
        self._pages = most_bytes // _PAGE
        self._lock = threading.Lock()
        try:
            self._connection = self._opened(file)
        except sqlite3.Error as error:
            log.warning("kept_by_this_process_alone", error=type(error).__name__)
            self._connection = self._opened(None)

    def _opened(self, file: Path | None) -> sqlite3.Connection:
        place = ":memory:" if file is None else file
        connection = sqlite3.connect(place, timeout=_PATIENCE_S, isolation_level=None, check_same_thread=False)
        connection.execute(f"PRAGMA page_size = {_PAGE}")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = OFF")  # a killed process loses nothing, a machine that stops all of it
        connection.execute(f"PRAGMA max_page_count = {self._pages}")
        connection.execute(_SCHEMA)
        return connection

    def get(self, key: str, *, since: float = 0.0) -> bytes | None:
        """Return what is kept under a key, unless it is older than a moment in seconds."""
        try:
            with self._lock, closing(self._connection.cursor()) as cursor:
                row = cursor.execute("SELECT value FROM kept WHERE key = ? AND at >= ?", (key, since)).fetchone()
        except sqlite3.Error as error:
            log.warning("not_read", error=type(error).__name__)
            return None
        return None if row is None else bytes(row[0])

    def keep(self, key: str, value: bytes, *, at: float = 0.0) -> None:
        """Keep a value in place of the one before; `at` is when it became known, in seconds."""
        try:
            with self._lock, closing(self._connection.cursor()) as cursor:
                try:
                    self._write(cursor, key, value, at)
                except sqlite3.OperationalError as error:
                    if error.sqlite_errorcode != sqlite3.SQLITE_FULL:
                        raise
                    # The older half makes room.
                    cursor.execute("DELETE FROM kept WHERE place <= (SELECT (min(place) + max(place)) / 2 FROM kept)")
                    self._write(cursor, key, value, at)
        except sqlite3.Error as error:
            log.warning("not_kept", error=type(error).__name__)

    def _write(self, cursor: sqlite3.Cursor, key: str, value: bytes, at: float) -> None:
        cursor.execute("BEGIN IMMEDIATE")
        try:
            cursor.execute("INSERT OR REPLACE INTO kept (key, at, value) VALUES (?, ?, ?)", (key, at, value))
            cursor.execute("DELETE FROM kept WHERE place <= (SELECT max(place) FROM kept) - ?", (self._most,))
            cursor.execute("COMMIT")
        except sqlite3.Error:
            if self._connection.in_transaction:
                cursor.execute("ROLLBACK")
            raise

    def clear(self) -> None:
        """Keep nothing."""
        try:
            with self._lock:
                self._connection.execute("DELETE FROM kept")
        except sqlite3.Error as error:
            log.warning("not_cleared", error=type(error).__name__)

    def close(self) -> None:
        """Close the table."""
        with self._lock:
            self._connection.close()
