"""What a text states, as two texts are compared: its content words, its values, whether it denies, asks or supposes. Pure."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from memory_service.analysis.facts import spoken_language
from memory_service.analysis.facts.mood import clauses, corrects, readable, tells_change
from memory_service.analysis.facts.values import Value, read_values, same_value
from memory_service.analysis.facts.wording import NEGATIONS, content_words, substance, words
from memory_service.analysis.sentences import sentences

LONGEST: Final = 4_000  # characters compared; texts that are longer are compared as a whole only

_DENIES: Final = re.compile(
    r"\b(?:no longer|any ?more|any longer|nicht mehr|kein\w* .{1,30} mehr|ne .{1,30} plus|ya no|non .{1,30} più)\b",
    re.IGNORECASE,
)
_PAST: Final = re.compile(
    r"\b(?:was|were|wasn['’]?t|weren['’]?t|did|didn['’]?t|had|used to|ago|last (?:year|month|week|night|summer|"
    r"winter|spring|autumn|fall)|"
    r"back in|yesterday|went|ran|spent|bought|saw|met|ate|drank|slept|walked|paid|lost|won|got|gave|took|made|came|found|felt|"
    r"read (?:the|a)|watched|painted|visited|signed|failed|gestern|hatte|war|waren|hier|était|étais|ayer|era|fue|ieri|ero)\b",
    re.IGNORECASE,
)
_DID: Final = re.compile(
    r"(?:\b(?:[Ii]|[Ww]e|[Hh]e|[Ss]he|[Tt]hey|[Ii]t)|\b[A-Z]\w+)\s+(?:\w+ly\s+|just\s+|also\s+|only\s+|both\s+)?(?!need|speed|feed|breed)[a-z]+ed\b"
)
_REPLACES: Final = re.compile(
    r"\b(?:switch|mov|chang|migrat|went|go|upgrad|transition)\w*\s+(?:\w+\s+){0,3}?from\s+(?P<from>.{2,40}?)\s+(?:over\s+)?to\s+(?P<to>.{2,40}?)(?=[.,;!?]|\Z|\s(?:for|in|at|on|because|since)\b)"
    r"|(?P<to2>[\w'’-]+(?:\s[\w'’-]+)?)\s+instead of\s+(?P<from2>[\w'’-]+(?:\s[\w'’-]+)?)"
    r"|\b(?:no longer|not)\s+(?P<from3>.{2,40}?)\s+but\s+(?P<to3>.{2,40}?)(?=[.,;!?]|\Z)"
)
_SCOPED: Final = re.compile(
    r"\b(?:today|tonight|tomorrow|yesterday|this (?:morning|afternoon|evening|week|weekend)|next week|last night|"
    r"for the weekend|heute|morgen|aujourd'hui|hoy|oggi)\b",
    re.IGNORECASE,
)
_PERSONS: Final = {
    word: person
    for person, listed in {
        "i": "i me my mine myself i'm i've i'll i'd ich mich mir mein meine meinen meiner je j me moi mon ma mes yo mi mis "
        "io mio mia miei mie",
        "we": "we us our ours ourselves we're we've we'll wir uns unser unsere nous notre nos nosotros nuestro nuestra noi "
        "nostro nostra",
        "he": "he him his himself he's",
        "she": "she her hers herself she's",
        "they": "they them their theirs they're they've",
    }.items()
    for word in listed.split()
}
# "Um no it looks good" denies nothing of what follows.
_INTERJECTED: Final = re.compile(
    r"\bno\b(?=\s*[,.!…-]|\s+(?:i|it|you|we|he|she|they|that|this|wait|way|problem|worries)\b)", re.IGNORECASE
)
_NAME: Final = re.compile(r"(?<=[\w,;:'’\")] )[^\W\d_a-z][\w&'’-]*")
_NO_NAMES: Final = frozenset({"I", "I'm", "I've", "I'll", "I'd", "I’m", "I’ve"})


@dataclass(frozen=True, slots=True)
class Statement:
    """One stretch of a text.

    Attributes:
        text: As it is written, quotations blanked out.
        words: Content words in order, without those of values.
        values: Numbers, dates, amounts and so on.
        persons: Whose "I", "we", "he", "she", "they" there is.
        names: Words with a capital within a sentence, in order.
    """

    text: str
    words: tuple[str, ...]
    values: tuple[Value, ...]
    persons: frozenset[str]
    names: tuple[str, ...]
    negated: bool
    asks: bool
    supposes: bool
    changed: bool
    corrects: bool
    ends: bool  # "no longer", "any more"
    past: bool
    scoped: bool
    replaced: tuple[str, ...] = ()  # words of what it says is no more: "from X to Y", "Y instead of X"

    @property
    def size(self) -> int:
        """How many words and values say something that is no small talk."""
        return substance(self.words) + len(self.values)


@dataclass(frozen=True, slots=True)
class Reading:
    """A text as a whole; `long` texts are compared as a whole only."""

    whole: Statement
    language: str
    long: bool


@lru_cache(maxsize=4_096)
def read_statements(content: str, language: str | None) -> Reading:
    """Read a text for comparison; the same text is read once.

    >>> found = read_statements("Hey! My rent is now 1,020 euros.", "en")
    >>> found.whole.words, [one.amount for one in found.whole.values], found.whole.changed
    (('rent',), [1020.0], True)
    """
    text = readable(content[:LONGEST])
    spoken = spoken_language(text, language)
    found = list(clauses(text))
    # "Hey Emily! What did you do?" asks, and says nothing.
    stated = sum(substance(content_words(one.text, spoken)) for one in found if not one.asks)
    asks = any(one.asks for one in found) and stated < _LEAST_STATED
    whole = _statement(text, spoken, asks=asks, supposes=any(one.supposes for one in found))
    return Reading(whole, spoken, len(content) > LONGEST)


def read_words(content: str, language: str | None) -> tuple[str, ...]:
    """Return the content words of the whole of a text as `read_statements` finds them, at a part of the cost.

    >>> read_words("Hey! My rent is now 1,020 euros.", "en")
    ('rent',)
    """
    text = readable(content[:LONGEST])
    return content_words(_without(read_values(text), text), spoken_language(text, language))


def every_word(content: str, language: str | None) -> tuple[str, ...]:
    """Return the content words of a text with those of its values: whatever words a part of it has are among them.

    >>> every_word("Hey! My rent is now 1,020 euros.", "en")
    ('rent', '1', '020', 'euro')
    """
    text = readable(content[:LONGEST])
    return content_words(text, spoken_language(text, language))


@lru_cache(maxsize=1_024)
def read_parts(content: str, language: str | None) -> tuple[Statement, ...]:
    """Return the stretches of a text that may stand for it in a comparison: itself, its sentences and their clauses.

    The shortest come first: what fits into it is said of nothing else.

    >>> [one.words for one in read_parts("My rent is 900, and my dog is fine.", "en")]
    [('rent',), ('dog', 'fine'), ('rent', 'dog', 'fine')]
    """
    text = readable(content[:LONGEST])
    spoken = spoken_language(text, language)
    found = list(clauses(text))
    stretches: dict[str, tuple[bool, bool]] = {}
    for sentence in sentences(text):
        inside = [one for one in found if sentence.start <= one.start < sentence.end]
        whole = any(one.asks for one in inside), any(one.supposes for one in inside)
        stretches.setdefault(sentence.text, whole)
        for one in inside:
            stretches.setdefault(one.text, (one.asks, one.supposes))
    stretches.setdefault(text, (any(one.asks for one in found), any(one.supposes for one in found)))
    chosen = sorted(stretches, key=len)[:_MOST_PARTS]
    parts = (
        _statement(text, spoken, asks=asks, supposes=supposes)
        for text in chosen
        for asks, supposes in (stretches[text],)
        if not (asks or supposes)
    )
    return tuple(one for one in parts if one.words or one.values)


def forget_texts() -> None:
    """Let go of every text that was read."""
    read_statements.cache_clear()
    read_parts.cache_clear()


_MOST_PARTS: Final = 48
_LEAST_STATED: Final = 2  # content words beside the questions


def _statement(text: str, language: str, *, asks: bool, supposes: bool) -> Statement:
    values = read_values(text)
    bare = _without(values, text)
    every = words(text)
    return Statement(
        text=text,
        words=content_words(bare, language),
        values=values,
        persons=frozenset(person for word in every if (person := _PERSONS.get(word))),
        names=tuple(name for name in _NAME.findall(bare) if name not in _NO_NAMES),
        negated=sum(word in NEGATIONS for word in words(_INTERJECTED.sub(" ", text))) % 2 == 1,
        asks=asks,
        supposes=supposes,
        changed=tells_change(text),
        corrects=corrects(text),
        ends=_DENIES.search(text) is not None,
        past=_PAST.search(text) is not None or _DID.search(text) is not None,
        scoped=_SCOPED.search(text) is not None,
        replaced=_replaced(text, language),
    )


def _without(values: tuple[Value, ...], text: str) -> str:
    for value in reversed(values):
        text = f"{text[: value.start]} {text[value.end :]}"
    return text


def _replaced(text: str, language: str) -> tuple[str, ...]:
    found = _REPLACES.search(text)
    return () if found is None else content_words(found["from"] or found["from2"] or found["from3"], language)


@dataclass(frozen=True, slots=True)
class Difference:
    """What one statement says that another does not."""

    missing: tuple[str, ...]  # words of the old one that the new one lacks
    extra: tuple[str, ...]  # words of the new one that the old one lacks
    common: int
    gone: tuple[Value, ...]  # values of the old one that the new one lacks
    come: tuple[Value, ...]

    @property
    def none(self) -> bool:
        """Whether both say the same."""
        return not (self.missing or self.extra or self.gone or self.come)


def compare(old: Statement, new: Statement) -> Difference:
    """Return what a new statement says otherwise than an old one.

    >>> a, b = (read_statements(text, "en").whole for text in ("The whiteboard is 2 m wide", "The white board is 3 m wide"))
    >>> found = compare(a, b)
    >>> found.missing, found.extra, [one.amount for one in found.gone], [one.amount for one in found.come]
    ((), (), [2.0], [3.0])
    """
    # A word said twice is one word: counts say nothing of what is said.
    before, after = dict.fromkeys(old.words), dict.fromkeys(new.words)
    missing = tuple(word for word in before if word not in after)
    extra = tuple(word for word in after if word not in before)
    common = len(before) - len(missing)
    if missing and extra and _joined(missing) == _joined(extra):
        missing, extra = (), ()
    gone, come = _unmatched(old.values, new.values), _unmatched(new.values, old.values)
    return Difference(missing, extra, common, gone, come)


def numbered_otherwise(missing: Iterable[str], extra: Iterable[str]) -> bool:
    """Say whether words that only one of two texts has name different things by number: "order 1001" and "order 1002".

    >>> numbered_otherwise(("1001",), ("1002",)), numbered_otherwise(("fern",), ("2",)), numbered_otherwise((), ("2",))
    (True, False, False)
    """
    return all(any(any(map(str.isdigit, word)) for word in words) for words in (missing, extra))


def lettered_otherwise(one: str, other: str) -> bool:
    """Say whether two texts speak of things that a letter tells apart: "project A" and "project B".

    >>> lettered_otherwise("Project A's deadline is 3 May", "Project B's deadline is 9 May")
    True
    >>> lettered_otherwise("My grade is A", "My grade is B"), lettered_otherwise("Plan A or plan B", "Plan A")
    (False, False)
    """
    first, second = _letters(one), _letters(other)
    return any(first[noun].isdisjoint(second[noun]) for noun in first.keys() & second.keys())


_LETTERED: Final = re.compile(r"\b([^\W\d_]{3,}) ([A-HJ-Z])(?=['’]s\b|[^\w'’]|\Z)")


def _letters(text: str) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for noun, letter in _LETTERED.findall(text) if len(text) <= LONGEST else ():
        for term in content_words(noun):
            found.setdefault(term, set()).add(letter)
    return found


def _joined(parts: tuple[str, ...]) -> str:
    """Return words run together: "white board" is a whiteboard."""
    return "".join(parts)


def _unmatched(values: tuple[Value, ...], others: tuple[Value, ...]) -> tuple[Value, ...]:
    free = list(others)
    left = []
    for value in values:
        same = next((one for one in free if same_value(value, one)), None)
        if same is None:
            left.append(value)
        else:
            free.remove(same)
    return tuple(left)
