"""The rows of the database, for tests that look past the API."""

import time
from typing import Any

from sqlalchemy import Engine, text

_OPEN = """
    SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND application_name = :name
        AND state LIKE 'idle in transaction%'
"""


class Rows:
    """What the tables hold, whoever owns it."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def all(self, statement: str, **parameters: Any) -> list[Any]:
        with self._engine.begin() as connection:
            return list(connection.execute(text(statement), parameters).all())

    def run(self, statement: str, **parameters: Any) -> None:
        with self._engine.begin() as connection:
            connection.execute(text(statement), parameters)

    def nothing_is_open(self, application: str) -> bool:
        """Say whether no connection of an application keeps a transaction open while nobody uses it.

        Another thread may be between two statements for a moment; who asks this holds up its own transactions for seconds.
        """
        until = time.monotonic() + 5
        while held := self.all(_OPEN, name=application):
            if time.monotonic() > until:
                break
            time.sleep(0.05)
        return not held

    def one(self, statement: str, **parameters: Any) -> Any:
        (row,) = self.all(statement, **parameters)
        return row
