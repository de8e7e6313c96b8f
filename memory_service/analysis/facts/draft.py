"""A fact while its clause is read, before times and numbers are resolved."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Own:
    """Whom "I" and "we" mean in a text, folded."""

    one: str

    @property
    def many(self) -> str:
        """Whom "we" means: the speaker with others."""
        return f"{self.one} and others"


@dataclass(frozen=True, slots=True)
class Draft:
    """A fact as its clause says it; `start` and `end` are characters of the clause."""

    subject: str
    attribute: str
    value: str
    start: int
    end: int
    positive: bool = True
    functional: bool = False
    changed: bool = False
    ended: bool = False
