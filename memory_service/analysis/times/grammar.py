"""What a language needs so that its times are read: rules, joining words, signs of tense."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from memory_service.analysis.times.joining import Joiners, join
from memory_service.analysis.times.reading import Atom, Cues, Reading, Rule, scan


@dataclass(frozen=True, slots=True)
class Grammar:
    """How a language says when."""

    rules: Sequence[Rule]
    joiners: Joiners
    cues: Cues
    prepositions: re.Pattern[str]  # at the beginning of a match: no part of the phrase, and `joiners` look at them
    words: frozenset[str] = field(init=False)  # a text with none of these and no digit speaks of no time

    def __post_init__(self) -> None:
        object.__setattr__(self, "words", frozenset().union(*(rule.words for rule in self.rules)))

    def read(self, reading: Reading, *, digits: bool) -> list[Atom]:
        """Find the times in a text."""
        atoms = scan(self.rules, reading, digits=digits)
        return (
            join([self._without_preposition(atom, reading) for atom in atoms], self.joiners, reading) if atoms else []
        )

    def _without_preposition(self, atom: Atom, reading: Reading) -> Atom:
        lead = self.prepositions.match(reading.lower, atom.start, atom.end)
        return Atom(lead.end(), atom.end, atom.days) if lead else atom
