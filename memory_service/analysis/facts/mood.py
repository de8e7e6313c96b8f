"""Tell statements from questions, wishes, conditions, quotations and reports, and the present from the past. Pure.

The unit is the clause: what stands between commas and stops. Where it is not certain that something is stated, it is not.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from memory_service.analysis.sentences import Cut, sentences


@dataclass(frozen=True, slots=True)
class Clause:
    """A part of a text that states one thing or another; `start` and `end` are characters of the text."""

    text: str
    start: int
    end: int
    asks: bool
    sentence: str  # the whole of it: who reports says so once

    @property
    def supposes(self) -> bool:
        """Whether it is wished, supposed, planned or reported rather than stated. Read only where it matters: it is slow."""
        return _SUPPOSES.search(self.text) is not None or _REPORTED.search(self.sentence) is not None


_QUOTE: Final = re.compile(
    r"\"[^\"\n]{8,400}\"|“[^”\n]{8,400}”|«[^»\n]{8,400}»|„[^“”\n]{8,400}[“”]|```.*?(?:```|\Z)", re.DOTALL
)
_ASKING: Final = (
    r"(?:can|could|would|will|do|does|did|is|are|am|was|should|shall|how|what|when|where|why|which|who|whose|any|have|has|"
    r"may|might|isn't|aren't|don't|won't|kannst|könnt|soll|wie|was|wann|wo|warum|peux|pouvez|comment|quand|puedes|cómo|"
    r"cuándo|puoi|come|quando)"
)
_ASKED_FROM: Final = re.compile(rf"(?:[,;:–—-]\s*|\s(?:and|so|but|then|und|et|y|e)\s+)(?={_ASKING}\b)", re.IGNORECASE)
_TAG: Final = re.compile(
    r"[,–—-]\s*(?:right|correct|no|yes|ok|okay|huh|eh|yeah|am i|"
    r"(?:is|are|was|were|do|does|did|have|has|wo|ca|would|could)n['’]?t\s+(?:i|it|you|he|she|we|they)|oder|nicht|non|verdad|vero)\s*\?+\s*\Z",
    re.IGNORECASE,
)
# In chats the question mark is often left out.
_INVERTED: Final = re.compile(
    r"\W*(?:(?:so|and|but|oh|hey)\W+)?(?:(?:what|how|why|where|when|who)['’]?s?\s+)?(?:do|does|did|are|is|can|could|will|would|should|have|has|am)"
    r"\s+(?:i|you|we|they|he|she|it|u)\b",
    re.IGNORECASE,
)
_SUPPOSES: Final = re.compile(
    r"\b(?:if|unless|would|could|might|maybe|perhaps|possibly|probably|wish(?:es|ed)?|hop(?:e|es|ing)|imagine|suppos(?:e|ing)|"
    r"dream(?:s|t|ed|ing)? (?:of|about|that)|consider(?:s|ing)?|think(?:ing)? (?:of|about)|thought (?:of|about)|"
    r"plan(?:s|ning)? (?:to|on)|want(?:s|ed)? (?:to|my|a|an)|"
    r"wanna|gonna|going to|hoping|should|ought to|let's|whether|as if|as though|what if|trying to|tr(?:y|ies|ied) to|"
    r"goal is|aim is|my goal|may (?:be|have|move|work|get)|will be|i'll|we'll|i'd|we'd|"
    r"wenn|falls|würde|würden|könnte|könnten|möchte|vielleicht|wünschte|hoffe|sollte|"
    r"si j|si je|aimerais|voudrais|pourrais|peut-être|j'espère|quizás|tal vez|ojalá|gustaría|podría|"
    r"forse|vorrei|magari|potrei|spero)\b",
    re.IGNORECASE,
)
_REPORTED: Final = re.compile(
    r"\b(?:said|says|saying|told|tells|claims?|claimed|heard that|novel|film|movie|character|story|lyrics|rumou?r|"
    r"supposedly|apparently|"
    r"pretend(?:s|ed|ing)?|joke[ds]?|joking|sagt|sagte|roman|disait|dice|dijo|disse)\b",
    re.IGNORECASE,
)
_CUT: Final = re.compile(
    r"[,;()–—]\s+|\s-\s|\sbut\s(?=(?:i|we|you|he|she|it|they|my|our|the|this|that)\b)|\s(?:because|although|though|whereas|while|aber|weil|mais|pero|ma)\s",
    re.IGNORECASE,
)


def readable(text: str) -> str:
    """Return a text with quotations and code blanked out, every other character at its place.

    >>> readable('He said "I live in Rome" twice')
    'He said                  twice'
    """
    if '"' not in text and "“" not in text and "«" not in text and "„" not in text and "```" not in text:
        return text
    return _QUOTE.sub(lambda found: " " * len(found.group()), text)


def quotations(text: str) -> list[str]:
    """Return the quotations and the code that `readable` blanks out.

    >>> quotations('He said "I live in Rome" twice')
    ['"I live in Rome"']
    """
    return _QUOTE.findall(text)


def clauses(text: str, *, cut: Cut = sentences) -> Iterator[Clause]:
    """Give the sentences of a text cut into clauses, each with whether it asks or only supposes.

    >>> for one in clauses("I moved to Rome, if you must know. My rent is 900, can you help me?"):
    ...     print(one.text, "|", one.asks, one.supposes)
    I moved to Rome | False False
    if you must know. | False True
    My rent is 900 | False False
    can you help me? | True False
    """
    for sentence in cut(text):
        asked_from = _question_from(sentence.text)
        for start, end in _parts(sentence.text):
            part = sentence.text[start:end]
            yield Clause(
                text=part,
                start=sentence.start + start,
                end=sentence.start + end,
                asks=asked_from is not None and end > asked_from,
                sentence=sentence.text,
            )


def _question_from(sentence: str) -> int | None:
    """Return from where on a sentence asks; None where it does not."""
    if not sentence.rstrip("\"'”’) ").endswith(("?", "？")):
        return 0 if _INVERTED.match(sentence) else None
    if _TAG.search(sentence):
        return 0
    cuts = [found.start() for found in _ASKED_FROM.finditer(sentence)]
    return cuts[0] if cuts else 0


def _parts(sentence: str) -> Iterator[tuple[int, int]]:
    start = 0
    for cut in _CUT.finditer(sentence):
        if cut.start() > start:
            yield start, cut.start()
        start = cut.end()
    if start < len(sentence):
        yield start, len(sentence)


_CHANGED: Final = re.compile(
    r"\b(?:now|nowadays|these days|new|newly|from now on|as of|no longer|any ?more|any longer|instead|switched|"
    r"changed|moved|relocated|"
    r"raised|increased|decreased|reduced|lowered|extended|postponed|delayed|rescheduled|pushed|brought forward|shifted|"
    r"had to (?:move|change|postpone|push|cancel|delay)|promoted|updated?|replaced|reached|grown|grew|dropped|went "
    r"(?:up|down)|gone (?:up|down)|(?:up|down|back) to|so far|again|just hit|"
    r"since the last|turned|started|joined|became|becomes|renamed|grown to|effective|adjusted|revised|has become|"
    r"got (?:married|divorced|engaged)|"
    r"jetzt|nun|inzwischen|mittlerweile|neue[nrsm]?|umgezogen|geändert|nicht mehr|kein\w* mehr|\w+ mehr(?=[.!]|\Z)|"
    r"seit neuestem|ab sofort|"
    r"maintenant|désormais|nouve(?:au|lle|l)|déménagé|changé|ne .{1,30} plus|"
    r"ahora|nuev[oa]|mudado|cambiado|ya no|ya|adesso|ora|nuov[oa]|trasferit[oa]|cambiato|non .{1,30} più)\b",
    re.IGNORECASE,
)
_CORRECTED: Final = re.compile(
    r"\b(?:actually|correction|sorry|oops|i meant|meant to say|misspelled|misspelt|mistyped|typo|i was wrong|no wait|wait|"
    r"turn(?:s|ed) out|not quite right|mistake|i misspoke|eigentlich|korrektur|en fait|en realidad|in realtà)\b",
    re.IGNORECASE,
)


def tells_change(text: str) -> bool:
    """Say whether a text says that something was otherwise before.

    >>> tells_change("I live in Rome now"), tells_change("I live in Rome")
    (True, False)
    """
    return _CHANGED.search(text) is not None


def corrects(text: str) -> bool:
    """Say whether a text takes back what was said.

    >>> corrects("Actually, it is on Monday"), corrects("It is on Monday")
    (True, False)
    """
    return _CORRECTED.search(text) is not None
