"""Put something else in the place of what a policy forbids, in texts and in JSON. Pure."""

import re
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from operator import itemgetter
from typing import Any, Final

from memory_service.errors import FieldError, InvalidRequest
from memory_service.json_values import escape
from memory_service.redaction.finders import FINDERS
from memory_service.redaction.found import Finder, Found
from memory_service.redaction.patterns import PatternFinder
from memory_service.redaction.policy import Do, RedactionPolicy, Rule
from memory_service.redaction.pseudonyms import PSEUDONYM, pseudonym

Counts = Counter[str]  # by the name of the rule
MAX_ROUNDS: Final = (
    16  # over one text; each after the first finds only what stood against something found in the one before
)
_LONG: Final = 14_000  # bits: what Python writes out as digits is not much longer


@dataclass(frozen=True, slots=True)
class Edit:
    """One place that was changed, in the text before it, and how long it is now."""

    start: int
    end: int
    length: int


@dataclass(frozen=True)  # without slots: `masking` is made once
class Redactor:
    """A policy at work. What it has put in a place it leaves alone, so that going over a text twice changes nothing more.

    Rules that refuse come first, then those for what is in URLs; the others follow in their order, each over what those before it
    have left. What was replaced may be the end of what hid another value, so all is gone over until nothing more is found.
    """

    policy: RedactionPolicy
    key: bytes = field(repr=False)  # of the tenant: makes its pseudonyms
    observe: Callable[[Rule, int], None] = field(default=lambda _rule, _values: None, repr=False, compare=False)
    _finders: tuple[tuple[Rule, Finder], ...] = field(init=False, repr=False)
    _own: "re.Pattern[str]" = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Make the finders."""
        # Of a name and password in a URL, what finds mail would take a part and leave the rest.
        rules = sorted(self.policy.rules, key=lambda rule: (rule.do is not Do.REFUSE, rule.find != "url_credentials"))
        object.__setattr__(self, "_finders", tuple((rule, _finder(rule)) for rule in rules))
        names = "|".join(re.escape(rule.name) for rule in rules)
        object.__setattr__(self, "_own", re.compile(rf"\[(?:{names})(?::{PSEUDONYM})?\]"))

    @cached_property
    def masking(self) -> "Redactor":
        """Return the same with nothing refused: where no caller is there to be told, as of a search or a run, it is masked."""
        rules = tuple(replace(rule, do=Do.MASK) if rule.do is Do.REFUSE else rule for rule in self.policy.rules)
        return Redactor(RedactionPolicy(rules), self.key)

    def text(self, text: str, counts: Counts, *, at: str = "", edits: list[list[Edit]] | None = None) -> str:
        """Return a text with what must not be stored replaced.

        Args:
            text: any.
            counts: is added what was replaced, by rule.
            at: where the text stands, as a JSON pointer, for what is refused.
            edits: is given what changed, one list for each time that a rule changed something, in their order.

        Raises:
            InvalidRequest: a rule refuses something in it (code `redaction_refused`); neither the value nor the text is named.
        """
        for _ in range(MAX_ROUNDS):
            before, text = text, self._round(text, counts, at, edits)
            if text == before:
                break
        return text

    def _round(self, text: str, counts: Counts, at: str, edits: list[list[Edit]] | None) -> str:
        for rule, find in self._finders:
            found = _apart(find(text), self._protected(text))
            if not found:
                continue
            self.observe(rule, len(found))
            if rule.do is Do.REFUSE:
                raise refused(rule, at)
            counts[rule.name] += len(found)
            parts: list[str] = []
            last, moved = 0, list[Edit]()
            for one in found:
                instead = self._instead(rule, one)
                parts += (text[last : one.start], instead)
                moved.append(Edit(one.start, one.end, len(instead)))
                last = one.end
            text = "".join((*parts, text[last:]))
            if edits is not None:
                edits.append(moved)
        return text

    def texts(self, texts: Sequence[str], counts: Counts, *, at: str = "") -> list[str]:
        """Return texts redacted, each once: what became the same stands there once."""
        return list(dict.fromkeys(self.text(one, counts, at=f"{at}/{place}") for place, one in enumerate(texts)))

    def json(self, value: Any, counts: Counts, *, at: str = "", keep: frozenset[str] = frozenset()) -> Any:
        """Return a JSON value with its texts redacted, names of fields included; below the names in `keep` all stays.

        A whole number is read as its digits, and stays a number where nothing is found in them; one with a fraction stays.

        Raises:
            InvalidRequest: as `text`; the pointer names fields as they are redacted.
        """
        if isinstance(value, str):
            return self.text(value, counts, at=at)
        if isinstance(value, list | tuple):
            return [self.json(one, counts, at=f"{at}/{place}", keep=keep) for place, one in enumerate(value)]
        if isinstance(value, int) and not isinstance(value, bool) and value.bit_length() < _LONG:
            digits = str(value)
            redacted = self.text(digits, counts, at=at)
            return value if redacted == digits else redacted
        if not isinstance(value, Mapping):
            return value
        made: dict[str, Any] = {}
        numbers: dict[str, int] = {}
        for name, one in value.items():
            if name in keep:
                made[name] = one
                continue
            known = self.text(name, counts, at=at)
            made[_free(known, made, numbers)] = self.json(one, counts, at=f"{at}/{escape(known)}", keep=keep)
        return made

    def _instead(self, rule: Rule, found: Found) -> str:
        if rule.do is Do.MASK:
            return f"[{rule.name}]"
        return f"[{rule.name}:{pseudonym(self.key, rule.find or rule.name, found.value)}]"

    def _protected(self, text: str) -> Sequence[tuple[int, int]]:
        return [match.span() for match in self._own.finditer(text)] if "[" in text else ()


def refused(rule: Rule, at: str) -> InvalidRequest:
    """Return the error for what a rule refuses; it names the rule and the place, never the value."""
    detail = f"The redaction rule {rule.name!r} of this namespace refuses what stands here."
    return InvalidRequest(
        detail, errors=(FieldError(at, f"holds what the rule {rule.name!r} refuses"),), code="redaction_refused"
    )


def moved(place: int, edits: Sequence[Sequence[Edit]], *, end: bool = False) -> int:
    """Return where a place of the text before stands after edits; one inside of what was replaced stands at its edge.

    >>> [moved(place, [[Edit(2, 6, 3)]]) for place in (0, 2, 4, 6, 9)], moved(4, [[Edit(2, 6, 3)]], end=True)
    ([0, 2, 2, 5, 8], 5)
    """
    for pass_ in edits:
        shift = 0
        for edit in pass_:
            if edit.start >= place:
                break
            if edit.end > place:
                place = edit.end if end else edit.start
                shift += edit.length - (edit.end - edit.start) if end else 0
                break
            shift += edit.length - (edit.end - edit.start)
        place += shift
    return place


def _finder(rule: Rule) -> Finder:
    return PatternFinder(rule.pattern or "") if rule.find is None else FINDERS[rule.find](rule.regions)


def _free(name: str, taken: Mapping[str, Any], numbers: dict[str, int]) -> str:
    """Return a name, with a number where another field has become the same: no value is lost.

    >>> _free("[email]", {"[email]": 1, "[email] (2)": 2}, {})
    '[email] (3)'
    """
    number = numbers.get(name, 1)
    free = name if number == 1 else f"{name} ({number})"
    while free in taken:
        number += 1
        free = f"{name} ({number})"
    numbers[name] = number
    return free


def _apart(found: Iterable[Found], own: Sequence[tuple[int, int]]) -> list[Found]:
    """Return what was found in order, none overlapping another, whatever lies within our own marks left out."""
    kept: list[Found] = []
    for one in sorted(found, key=lambda f: (f.start, -f.end)):
        if own:
            # Marks lie apart and in order: the first that ends after its beginning, and the last that begins before its end.
            first = bisect_right(own, one.start, key=itemgetter(1))
            last = bisect_left(own, one.end, key=itemgetter(0)) - 1
            if first <= last:
                if own[first][0] <= one.start and one.end <= own[first][1]:
                    continue
                # It reaches into a mark: the mark goes with it, whole.
                one = Found(min(one.start, own[first][0]), max(one.end, own[last][1]), one.value)
        if kept and one.start < kept[-1].end:
            if one.end > kept[-1].end:
                kept[-1] = Found(kept[-1].start, one.end, kept[-1].value)
            continue
        kept.append(one)
    return kept
