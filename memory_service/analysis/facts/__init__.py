"""Read facts in a text by rules, without a model: whom it is about, what is said of him, and what that is. Pure.

What is asked, wished, supposed, quoted or reported is no fact. A rule that is not sure says nothing: a fact that is missing costs
little, a wrong one may take the place of a right one. English is read well, German, French, Spanish and Italian in what people
say of themselves most.
"""

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Final

from memory_service.analysis.facts.draft import Draft, Own
from memory_service.analysis.facts.english import read_english
from memory_service.analysis.facts.european import read_european
from memory_service.analysis.facts.fact import MOST_FACTS, USER, Fact
from memory_service.analysis.facts.mood import clauses, readable, tells_change
from memory_service.analysis.facts.notes import in_first_person
from memory_service.analysis.facts.values import read_values
from memory_service.analysis.facts.wording import key_of
from memory_service.analysis.language import Guess, guess
from memory_service.analysis.names import fold_name
from memory_service.analysis.sentences import Cut, sentences
from memory_service.analysis.times import TimeExpression, find_times
from memory_service.analysis.tokens import ROLES, UNKNOWN_LANGUAGE, cut_language

__all__ = ["LONGEST_TEXT", "MOST_FACTS", "USER", "Fact", "facts", "spoken_language", "subject_of"]

LONGEST_TEXT: Final = 20_000  # characters read; a longer text is a document, and its parts are memories of their own
SILENT_ROLES: Final = frozenset({"assistant", "system", "tool"})
"""Who says of others rather than of himself, and suggests rather than states."""

_LANGUAGES: Final = frozenset({"de", "fr", "es", "it"})
# Without one of these no pattern below finds anything.
_HINT: Final = re.compile(
    r"\b(?:i|i['’]m|i['’]ve|my|we|our|the|is|are|has|have|lives?|works?|moved|user|ich|mein\w*|je|j['’]\w+|ma|mon|mi|vivo|soy|tengo|trabajo|me|ho|abito|lavoro|"
    r"sono|non|il|la|call)\b",
    re.IGNORECASE,
)
_SINCE: Final = re.compile(
    r"\b(?:since|from|starting|as of|beginning|effective|seit|ab|depuis|desde|dal?)\s+(?:the\s+)?\Z", re.IGNORECASE
)
_UNTIL: Final = re.compile(
    r"\b(?:until|till|through|bis|jusqu['’]?(?:à|en)?|hasta|fino a)\s+(?:the\s+)?\Z", re.IGNORECASE
)
_LAST_CHANGE: Final = re.compile(
    r"\b(?:moved|started|switched|changed|became|turned|joined|got married|relocated)\b", re.IGNORECASE
)
# What is so as well, or at times only, takes the place of nothing: "I also work at Lidl", "I live in Oslo in summer".
_BESIDES: Final = re.compile(
    r"\b(?:also|too|as well|part[- ]time|sometimes|occasionally|half the (?:year|time|week)|(?:on|at) (?:the )?weekends?|"
    r"on (?:mon|tues|wednes|thurs|fri|satur|sun)days|in (?:the )?(?:summers?|winters?|spring|autumn|evenings?|mornings?)|"
    r"auch|manchmal|nebenbei|am wochenende|im (?:sommer|winter)|aussi|parfois|le week-?end|en (?:été|hiver)|"
    r"también|a veces|los fines de semana|en (?:verano|invierno)|anche|a volte|nel (?:weekend|fine settimana)|"
    r"d['’](?:estate|inverno))\b",
    re.IGNORECASE,
)


def facts(
    content: str,
    *,
    speaker: str | None = None,
    role: str | None = None,
    language: str | None = None,
    observed_at: datetime | None = None,
    guess: Guess = guess,
    cut: Cut = sentences,
) -> tuple[Fact, ...]:
    """Return the facts that a text states, in its order.

    Args:
        content: What was said.
        speaker: Who said it: "I" is he. Where nobody is named it is `USER`.
        role: "user", "assistant", "system" or "tool"; only what users say is read. Where it is not stated either, a note about
            "the user" is read as if he spoke.
        language: BCP-47; None or ``und`` to let the text itself tell, English where it does not.
        observed_at: When it was said, for relative dates; None leaves them out.
        guess: Guesses the language.
        cut: Cuts into sentences.

    >>> from datetime import UTC
    >>> said = "I moved to Lisbon last week, and my sister works at Siemens. If I had a dog, I would run more."
    >>> for one in facts(said, speaker="Ana", observed_at=datetime(2024, 5, 8, tzinfo=UTC)):
    ...     print(one.subject, one.attribute, one.value, one.functional, one.valid_from and one.valid_from.date())
    ana lives_in Lisbon True 2024-04-29
    sister of ana works_at Siemens True None
    >>> facts("Do I live in Lisbon?")
    ()
    >>> [(one.subject, one.attribute, one.value, one.span) for one in facts("The user moved to Porto.")]
    [('user', 'lives_in', 'Porto', (0, 23))]
    """
    if role in SILENT_ROLES or _HINT.search(content) is None:
        return ()
    text = readable(content[:LONGEST_TEXT])
    text, noted = (text, {}) if speaker or role else in_first_person(text)
    own = Own(subject_of(speaker))
    spoken = spoken_language(text, language, guess=guess)
    if spoken not in _LANGUAGES and spoken != "en":
        return ()
    found: dict[tuple[str, str, str, bool], Fact] = {}
    for clause in clauses(text, cut=cut):
        if clause.asks:
            continue
        drafts = list(read_english(clause.text, own) if spoken == "en" else read_european(clause.text, own, spoken))
        if not drafts or clause.supposes:
            continue
        changed = tells_change(clause.text)
        alone = _BESIDES.search(clause.text) is None
        times = find_times(clause.text, observed_at, language=spoken)
        for draft in drafts:
            start = clause.start + draft.start
            span = (noted.get(start, start), clause.start + draft.end)
            fact = _finished(draft, clause.text, span, changed=changed, alone=alone, times=times)
            if fact.key and not _is_echo(fact, found):
                found.setdefault((fact.subject, fact.attribute, fact.key, fact.positive), fact)
        if len(found) >= MOST_FACTS:
            break
    return tuple(found.values())[:MOST_FACTS]


def subject_of(speaker: str | None) -> str:
    """Return the subject that "I" is.

    >>> subject_of("José García"), subject_of("user"), subject_of(None)
    ('jose garcia', 'user', 'user')
    """
    if speaker is None or speaker.casefold() in ROLES:
        return USER
    return fold_name(speaker) or USER


def _is_echo(fact: Fact, found: dict[tuple[str, str, str, bool], Fact]) -> bool:
    """Say whether another pattern found the same words to say the same."""
    return any(
        other.subject == fact.subject and other.attribute == fact.attribute and other.span[0] == fact.span[0]
        for other in found.values()
    )


def _finished(
    draft: Draft, clause: str, span: tuple[int, int], *, changed: bool, alone: bool, times: tuple[TimeExpression, ...]
) -> Fact:
    numbers = read_values(draft.value)
    number = numbers[0] if len(numbers) == 1 else None
    starts, ends = _validity(draft, clause, times)
    return Fact(
        subject=draft.subject,
        attribute=draft.attribute,
        value=draft.value,
        key=key_of(draft.value),
        span=span,
        positive=draft.positive,
        functional=draft.functional and alone,
        changed=changed or draft.changed,
        ended=draft.ended,
        valid_from=starts,
        valid_to=ends,
        number=number.amount if number else None,
        unit=number.unit if number else None,
        called=draft.called,
    )


def _validity(draft: Draft, clause: str, times: tuple[TimeExpression, ...]) -> tuple[datetime | None, datetime | None]:
    """Return since when and until when a clause says that its fact holds."""
    starts = ends = None
    for time in _outside(draft, times):
        before = clause[max(0, time.span[0] - 20) : time.span[0]]
        phrase = time.phrase.lower()
        if (
            time.ends is None
            or _SINCE.search(before)
            or phrase.startswith(("since", "from", "seit", "depuis", "desde"))
        ):
            starts = time.starts or starts
        elif time.starts is None or _UNTIL.search(before) or phrase.startswith(("until", "till", "bis")):
            ends = time.ends
        elif _LAST_CHANGE.search(clause) and not draft.ended:
            starts = time.starts
        elif draft.ended:
            starts, ends = time.starts, time.ends
    return starts, ends


def _outside(draft: Draft, times: tuple[TimeExpression, ...]) -> Iterator[TimeExpression]:
    """Give the times that are not the value itself."""
    first = draft.end - len(draft.value)
    return (time for time in times if time.span[1] <= first or time.span[0] >= draft.end)


# Words that tell the language of a sentence too short for statistics.
_MARKS: Final = {
    "de": re.compile(r"\b(?:ich|mein|meine|meiner|nicht|wohne|arbeite)\b", re.IGNORECASE),
    "fr": re.compile(r"\b(?:je|j['’](?:ai|habite)|mon|suis|habite|travaille)\b", re.IGNORECASE),
    "es": re.compile(r"\b(?:yo|vivo en|tengo|soy|trabajo|llamo|gusta|años)\b", re.IGNORECASE),
    "it": re.compile(r"\b(?:abito|ho|sono|lavoro|chiamo|anni|adesso)\b", re.IGNORECASE),
}


def spoken_language(text: str, stated: str | None, *, guess: Guess = guess) -> str:
    """Return the language whose rules read a text: as stated, or as it can be told, English otherwise.

    >>> spoken_language("Vivo en Sevilla.", "und"), spoken_language("Hola", "es-MX"), spoken_language("Ok", None)
    ('es', 'es', 'en')
    """
    known = cut_language(stated) if stated is not None and stated != UNKNOWN_LANGUAGE else guess(text)
    if known != UNKNOWN_LANGUAGE:
        return known
    return next((language for language, marks in _MARKS.items() if marks.search(text)), "en")
