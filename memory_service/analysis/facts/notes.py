"""Notes that agents take of a user, "The user lives in Porto", read as if he spoke himself. Pure."""

import re
from typing import Final

_USER: Final = re.compile(r"\b(?:[Tt]he user|User)(?P<ending>['’]s| is| was| has)?(?= [a-z0-9])")
_OWN: Final = {None: "I", "'s": "My", "’s": "My", " is": "I am", " was": "I was", " has": "I have"}


def in_first_person(text: str) -> tuple[str, dict[int, int]]:
    """Return a note with "I" for the user, every other character at its place, and where what was put in belongs.

    Returns:
        The text, as long as before; by the place of each "I" or "My" that of the words in whose place it stands.

    >>> in_first_person("The user's cat is called Mo.")
    ('        My cat is called Mo.', {8: 0})
    >>> in_first_person("User interfaces of other users")
    ('   I interfaces of other users', {3: 0})
    """
    places: dict[int, int] = {}

    def put(found: re.Match[str]) -> str:
        own = _OWN[found["ending"]]
        own = own.lower() if own == "My" and found.group()[0] == "t" else own
        places[found.end() - len(own)] = found.start()
        return own.rjust(len(found.group()))

    return _USER.sub(put, text), places
