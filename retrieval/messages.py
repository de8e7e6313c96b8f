"""Messages of chat models, of several makers, as a conversation. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from retrieval.conversation import Conversation, Turn

_USERS: Final = ("user", "human")
_ASSISTANTS: Final = ("assistant", "ai", "model", "gpt")
_TELLING: Final = ("system", "developer")
_ROLE_KEYS: Final = frozenset({"role", "from", "parts"})
_KINDS: Final = frozenset({"human", "ai", "system", "tool"})  # of messages that have no role
_CONTENTS: Final = ("content", "text", "parts", "value")  # where messages have what is said, by the models they are for


def messages_in(read: Sequence[Any]) -> Conversation:
    """Return the conversation of messages as chat models take them, one without turns of anything else.

    >>> messages_in([{"role": "user", "content": [{"type": "text", "text": "Where does Ana live?"}]}]).turns
    [Turn(of_user=True, text='Where does Ana live?', at=None)]
    """
    if not all(isinstance(one, Mapping) for one in read):
        return Conversation()
    roles = [_role(one) for one in read]
    if not any(_ROLE_KEYS & one.keys() for one in read):
        # What has a type may be anything.
        roles = [_word(one.get("type")) for one in read]
        if not all(role in _KINDS for role in roles):
            return Conversation()
    said = [(role, _first_content(one).strip()) for one, role in zip(read, roles, strict=True)]
    turns = [Turn(of_user=role in _USERS, text=text) for role, text in said if role in _USERS or role in _ASSISTANTS]
    return Conversation(turns, "\n".join(text for role, text in said if role in _TELLING))


def _role(message: Mapping[str, Any]) -> str:
    if message.get("role") is None and "parts" in message:
        return "user"  # as Gemini takes it
    return _word(message.get("role") or message.get("from"))


def _word(said: Any) -> str:
    return said.lower() if isinstance(said, str) else ""


def _first_content(message: Mapping[str, Any]) -> str:
    return next((said for key in _CONTENTS if (said := _content(message.get(key)))), "")


def _content(said: Any) -> str:
    """Return the text of a message, of which some models make parts."""
    if isinstance(said, str):
        return said
    parts = [one.get("text") if isinstance(one, Mapping) else one for one in (said if isinstance(said, list) else ())]
    return "\n".join(part for part in parts if isinstance(part, str))
