"""Notes that agents take of a user, "The user lives in Porto", read as if he spoke himself. Pure."""

import re
from typing import Final

from memory_service.analysis.facts.pronouns import he_himself

_USER: Final = re.compile(r"\b(?:[Tt]he user|User)(?P<ending>['’]s| is| was| has)?(?= [a-z0-9])")
# What may stand before it in its sentence: nothing, a time, another statement about him, or "Bob is" before what is his.
_BEGINS: Final = re.compile(
    r"\W*(?:(?:[Ii]n|[Ss]ince|[Aa]s of|[Oo]n|[Ff]rom|[Uu]ntil|[Nn]ow|[Tt]oday|[Cc]urrently|[Rr]ecently|[Pp]reviously)\b"
    r"[\w ,]{0,25}|"
    r".*\b(?:[Tt]he user|User)\b.*(?:,|;|\band|\bbut|\bso))?\s*\Z",
    re.DOTALL,
)
_WHOSE: Final = re.compile(r"\A\W*[\w ]{1,40}\bis(?: now)?\s\Z")
_LOOK_BACK: Final = 200  # characters
_STOP: Final = re.compile(r"[.!?\n]\s*")
_OWN: Final = {None: "I", "'s": "My", "’s": "My", " is": "I am", " was": "I was", " has": "I have"}


def in_first_person(text: str) -> tuple[str, dict[int, int]]:
    """Return a note with "I" for the user, every other character at its place, and where what was put in belongs.

    Returns:
        The text, as long as before; by the place of each "I" or "My" that of the words in whose place it stands.

    >>> in_first_person("The user's cat is called Mo.")
    ('        My cat is called Mo.', {8: 0})
    >>> in_first_person("The user is a nurse. He lives in Porto.")[0]
    '       I am a nurse.  I lives in Porto.'
    >>> in_first_person("If the user lives in Porto, the power User is right.")[1]
    {}
    """
    places: dict[int, int] = {}
    if "user" not in text and "User" not in text:
        return text, places

    def put(found: re.Match[str]) -> str:
        before = _STOP.split(text[max(0, found.start() - _LOOK_BACK) : found.start()])[-1]
        possessive = found["ending"] in {"'s", "’s"}
        if not (_BEGINS.match(before) or (possessive and _WHOSE.match(before))):
            return found.group()
        own = _OWN[found["ending"]]
        own = own.lower() if own == "My" and found.group()[0] == "t" else own
        places[found.end() - len(own)] = found.start()
        return own.rjust(len(found.group()))

    own = _USER.sub(put, text)
    if not places:
        return own, places
    for start, end, said in he_himself(text):
        own = f"{own[:start]}{said.rjust(end - start)}{own[end:]}"
        places[end - len(said)] = start
    return own, places
