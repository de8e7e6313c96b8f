"""What stands in the messages of a chat: what is asked, what is new, what is on its way to the model."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from memory_service.activation.planning.prompt import FIRST_ROLES
from memory_service.api.fields import is_blank

Json = Mapping[str, Any]

# Of vLLM, SGLang and their like: whose cache is used, whose tokens are read, which request is meant. The first two would let
# a client read under another's salt or replace the prompt behind our back; they are the service's to set, or nobody's.
NEVER_FORWARDED: Final = frozenset(
    {
        "memory",
        "cache_salt",
        "extra_key",
        "kv_transfer_params",
        "ec_transfer_params",
        "prompt_token_ids",
        "prompt_embeds",
        "input_ids",
        "input_embeds",
        "request_id",
        "rid",
        "bootstrap_host",
        "bootstrap_port",
        "bootstrap_room",
    }
)
EXTRA_ARGUMENTS: Final = "vllm_xargs"  # they end up beside the engine's own parameters
SHORT_QUERY: Final = 4  # words: "and why?" asks for what was asked before
MAX_QUERY_BYTES: Final = 8 * 1024
MAX_PART_BYTES: Final = 60_000  # of one remembered turn; a memory holds 64 KiB


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn to remember: `external_id` is the same whenever the same conversation is sent again."""

    role: str
    text: str
    external_id: str
    name: str | None = None


_NO_WORDS: Final = {"role": "user", "content": "-"}  # stands where nobody has said anything


def text_of(message: object) -> str:
    """Return the text of a message; of several parts those that are text, and nothing where there is none.

    >>> text_of({"content": [{"type": "text", "text": "What is this?"}, {"type": "image_url", "image_url": {}}]})
    'What is this?'
    >>> text_of({"role": "assistant", "content": None}), text_of(7)
    ('', '')
    """
    content = message.get("content") if isinstance(message, Mapping) else None
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return ""
    texts = (part.get("text") for part in content if isinstance(part, Mapping) and part.get("type") == "text")
    return "\n".join(text for text in texts if isinstance(text, str))


def role_of(message: object) -> str:
    """Return who speaks, nothing where a message does not say."""
    role = message.get("role") if isinstance(message, Mapping) else None
    return role if isinstance(role, str) else ""


def query_of(messages: Sequence[object]) -> str:
    r"""Return what to look for: the last turn of the user; one of a few words with the turn before it.

    Its end, where it is long: a pasted text comes before the question about it.

    >>> query_of([{"role": "user", "content": "Where does Ana live?"}, {"role": "assistant", "content": "Lyon."},
    ...           {"role": "user", "content": "Since when?"}])
    'Where does Ana live?\nSince when?'
    >>> query_of([{"role": "system", "content": "Be brief."}])
    ''
    """
    said = [text.strip() for m in messages if role_of(m) == "user" and not is_blank(text := text_of(m))]
    if not said:
        return ""
    asked = said[-2:] if len(said[-1].split()) < SHORT_QUERY else said[-1:]
    return "\n".join(asked).encode()[-MAX_QUERY_BYTES:].decode(errors="ignore").strip()


def places_of(messages: Sequence[object], *, scope: Sequence[str | None]) -> dict[int, str]:
    """Return for each turn of the user, by its index, a digest of the conversation up to it, whoever speaks in it.

    The same words after other words are another turn. What the operator and tools say does not count: it may change
    while the conversation goes on.
    """
    digest = hashlib.sha256()
    places = {}

    def take(part: str | None) -> None:
        encoded = b"" if part is None else part.encode()
        digest.update(f"{'-' if part is None else len(encoded)}:".encode() + encoded)

    for part in scope:
        take(part)
    for at, message in enumerate(messages):
        role, text = role_of(message), text_of(message)
        if role in {"user", "assistant"}:
            take(role)
            take(text)
        if role == "user" and not is_blank(text):
            places[at] = f"chat-{digest.hexdigest()[:40]}"
    return places


def new_turns(messages: Sequence[object], *, scope: Sequence[str | None]) -> list[Turn]:
    """Return what the user said since the last reply: earlier turns were sent, and remembered, before.

    >>> turns = new_turns([{"role": "user", "content": "Hi."}, {"role": "assistant", "content": "Hello."},
    ...                    {"role": "user", "content": "I moved to Lyon."}], scope=("home", "ana", None, None))
    >>> [(turn.role, turn.text) for turn in turns]
    [('user', 'I moved to Lyon.')]
    """
    begin = max((at + 1 for at, message in enumerate(messages) if role_of(message) == "assistant"), default=0)
    return [
        turn
        for at, place in places_of(messages, scope=scope).items()
        if at >= begin
        for turn in _parts("user", text_of(messages[at]), place, name=_name_of(messages[at]))
    ]


def reply_turn(messages: Sequence[object], text: str, *, scope: Sequence[str | None]) -> list[Turn]:
    """Return the model's reply as turns to remember; made again, it has the same place and takes the other's."""
    if is_blank(text):
        return []
    # After tools were asked there are several replies to one turn of the user.
    number = sum(role_of(message) == "assistant" for message in messages)
    places = places_of(messages, scope=scope)
    place = places[max(places)] if places else places_of([*messages, _NO_WORDS], scope=scope)[len(messages)]
    return _parts("assistant", text, f"{place}-reply-{number}")


def _name_of(message: object) -> str | None:
    name = message.get("name") if isinstance(message, Mapping) else None
    return name if isinstance(name, str) and 0 < len(name) <= 256 else None


def _parts(role: str, text: str, place: str, *, name: str | None = None) -> list[Turn]:
    """Cut a text that is longer than a memory at line ends or blanks; nothing of it is left out."""
    if len(text.encode()) <= MAX_PART_BYTES:
        return [Turn(role, text, place, name)]
    pieces = [piece for piece in _cut(text) if not is_blank(piece)]
    return [Turn(role, piece, f"{place}-{number}", name) for number, piece in enumerate(pieces, start=1)]


def _cut(text: str) -> Iterator[str]:
    while text:
        piece = text.encode()[:MAX_PART_BYTES].decode(errors="ignore")
        if len(piece) < len(text):
            end = max(piece.rfind("\n"), piece.rfind(" "))
            piece = piece[: end + 1] if end > len(piece) // 2 else piece
        yield piece
        text = text[len(piece) :]


def with_block(messages: Sequence[Any], block: str) -> list[Any]:
    r"""Return the messages with a block of memories behind what the operator of the agent says first.

    The operator's words are the same for everybody and stay in front, so that a prefix cache holds them for all; everything
    that is different in the next turn comes after the memories. The block goes into the system message that is there, since
    many chat templates take no second one.

    >>> with_block([{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi."}], "Known: tea.")
    [{'role': 'system', 'content': 'Be brief.\n\nKnown: tea.'}, {'role': 'user', 'content': 'Hi.'}]
    >>> with_block([{"role": "user", "content": "Hi."}], "Known: tea.")
    [{'role': 'system', 'content': 'Known: tea.'}, {'role': 'user', 'content': 'Hi.'}]
    """
    if not block:
        return list(messages)
    first = 0
    while first < len(messages) and role_of(messages[first]) in FIRST_ROLES:
        first += 1
    if first:
        message = messages[first - 1]
        content = message.get("content")
        if isinstance(content, str):
            joined: Any = f"{content}\n\n{block}" if content else block
            return [*messages[: first - 1], {**message, "content": joined}, *messages[first:]]
        if isinstance(content, list):
            joined = [*content, {"type": "text", "text": block}]
            return [*messages[: first - 1], {**message, "content": joined}, *messages[first:]]
    return [*messages[:first], {"role": "system", "content": block}, *messages[first:]]


def with_note(messages: Sequence[Any], at: int, note: str) -> list[Any]:
    r"""Return the messages with a note before the words of one turn.

    >>> with_note([{"role": "user", "content": "Hi."}], 0, "Known: tea.")
    [{'role': 'user', 'content': 'Known: tea.\n\nHi.'}]
    """
    content = messages[at]["content"]
    whole: Any = f"{note}\n\n{content}" if isinstance(content, str) else [{"type": "text", "text": note}, *content]
    return [*messages[:at], {**messages[at], "content": whole}, *messages[at + 1 :]]


def outgoing(
    body: Json, messages: Sequence[Any], *, model: str, salt: str | None, transfer: Json | None = None
) -> dict[str, Any]:
    """Return what is sent on: the client's body, without what is the service's to say.

    Args:
        body: as the client sent it.
        messages: as the model is to read them.
        model: named where the client names none.
        salt: of the tenant, for an engine that keeps prefixes apart by it.
        transfer: what an engine that loads and saves caches is told of this prompt.
    """
    sent = {name: value for name, value in body.items() if name not in NEVER_FORWARDED}
    extra = sent.get(EXTRA_ARGUMENTS)
    if isinstance(extra, Mapping):
        sent[EXTRA_ARGUMENTS] = {name: value for name, value in extra.items() if name not in NEVER_FORWARDED}
    if model and not sent.get("model"):
        sent["model"] = model
    sent["messages"] = list(messages)
    if salt is not None:
        sent["cache_salt"] = salt
    if transfer is not None:
        sent["kv_transfer_params"] = dict(transfer)
    return sent
