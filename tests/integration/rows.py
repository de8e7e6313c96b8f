"""The rows of the database, for tests that look past the API."""

from typing import Any

from sqlalchemy import Engine, text


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

    def one(self, statement: str, **parameters: Any) -> Any:
        (row,) = self.all(statement, **parameters)
        return row
