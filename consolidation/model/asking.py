"""Put questions to a model: check each reply, have it repaired once, and keep what could not be read.

No connection to the database may be open while this runs: a call takes seconds, and may take minutes. Whatever a model says,
or does not say, the outcome is a value; nothing is raised, since rules stand in for every question without an answer.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final, Generic, TypeVar
from uuid import UUID

import structlog
from pydantic import ValidationError

from consolidation.model.budget import Budget
from consolidation.model.passages import tokens_in
from consolidation.model.prompts import Key, Question, Reading, Task
from memory_service.chat_model.errors import ChatModelError, ChatUnavailable
from memory_service.chat_model.protocol import ChatModel, Message, Reply, Usage
from memory_service.chat_model.reply_text import UnreadableReply, object_in, storable

log = structlog.get_logger(__name__)

T = TypeVar("T")

RULES: Final = "rules"
NOTHING_YET: Final = Usage()
NOT_CONFIGURED: Final = "no model is configured"
SHOWN_AGAIN: Final = 2000  # characters of an unusable reply that the model is shown once more
MOST_COMPLAINTS: Final = 8


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A reply that could not be used, also not after a repair; it quotes the texts of the memories it was asked about."""

    task: Task
    model: str
    reply: str
    error: str
    memory_ids: tuple[UUID, ...]


@dataclass(frozen=True, slots=True)
class Outcome(Generic[T]):
    """What asking came to.

    `method` is the model's name when it answered anything, "rules" when it did not. `why` says why rules stand for what is
    `unanswered`, None where nothing is. `budget` is what is left: give it to the next question of the job.
    """

    task: Task
    found: tuple[T, ...]
    method: str
    why: str | None
    unanswered: frozenset[Key]
    budget: Budget
    model: str | None = None  # the one that was asked; None where none was
    usage: Usage = NOTHING_YET
    refused: tuple[str, ...] = ()  # parts of replies that were not taken, and why; no text
    dead_letters: tuple[DeadLetter, ...] = ()
    replies: int = 0  # that could be read, those that say nothing among them

    def method_of(self, key: Key) -> str:
        """Return who decides about a memory or a pair: the model's name, or "rules".

        >>> nobody = Outcome(Task.LINKS, (), RULES, NOT_CONFIGURED, frozenset({UUID(int=1)}), Budget(0))
        >>> nobody.method_of(UUID(int=1))
        'rules'
        """
        return RULES if self.model is None or key in self.unanswered else self.model


@dataclass(frozen=True, slots=True)
class _Answered(Generic[T]):
    """What one question came to; without a reading rules stand."""

    reading: Reading[T] | None
    usage: Usage
    spent: int
    why: str | None = None
    stop: bool = False  # The next question would fare no better.
    dead_letter: DeadLetter | None = None


def ask(
    chat: ChatModel | None,
    budget: Budget,
    questions: Iterable[Question[T]],
    *,
    task: Task,
    go_on: Callable[[], bool] = lambda: True,
) -> Outcome[T]:
    """Ask one question after the other until all are answered, the budget is used up or nobody answers.

    Args:
        chat: whom to ask; None where no model is configured.
        budget: what the job has left.
        questions: of one task; what is left of them when asking ends is unanswered.
        task: which.
        go_on: asked before each question; False ends asking, for a job that was cancelled or has no time left.
    """
    found: list[T] = []
    refused: list[str] = []
    letters: list[DeadLetter] = []
    unanswered: set[Key] = set()
    usage, why, answers, replies, stopped = Usage(), None, 0, 0, False
    for question in questions:
        if not stopped and chat is None:
            stopped, why = True, NOT_CONFIGURED
        elif not stopped and not go_on():
            stopped, why = True, "the job was stopped"
        if stopped or chat is None:
            unanswered |= question.keys
            continue
        answer = _answer(chat, budget, question)
        usage += answer.usage
        budget = budget.less(answer.spent)
        letters += [answer.dead_letter] if answer.dead_letter else []
        stopped = answer.stop
        if answer.reading is None:
            unanswered |= question.keys
            why = answer.why
            continue
        replies += 1
        answers += bool(answer.reading.answered)
        found += answer.reading.found
        refused += answer.reading.refused
        left = question.keys - answer.reading.answered
        unanswered |= left
        if left and why is None:
            why = "the model left some unanswered"
    name = chat.name if chat is not None else None
    if refused or letters:
        log.info("model_replies_refused", task=task.value, model=name, parts=len(refused), replies=len(letters))
    return Outcome(
        task=task,
        found=tuple(found),
        method=name if name is not None and answers else RULES,
        why=why if unanswered else None,
        unanswered=frozenset(unanswered),
        budget=budget,
        model=name,
        replies=replies,
        usage=usage,
        refused=tuple(refused),
        dead_letters=tuple(letters),
    )


def _answer(chat: ChatModel, budget: Budget, question: Question[T]) -> _Answered[T]:
    """Ask one question, and once more with what is wrong about the first reply."""
    conversation = [Message("system", question.system), Message("user", question.data)]
    usage, spent = Usage(), 0
    complaint, reply = "", None
    for repairing in (False, True):
        if repairing and reply is not None:
            conversation = [*conversation, *_repair(reply, complaint)]
        wanted = _tokens(conversation) + question.max_tokens
        if not budget.allows(spent + wanted):
            why = "the token budget of the job is used up"
            return _Answered(None, usage, spent, why, stop=True, dead_letter=_letter(chat, question, reply, complaint))
        try:
            reply = chat.ask(conversation, question.schema, max_tokens=question.max_tokens)
        except ChatModelError as error:
            gone = isinstance(error, ChatUnavailable)
            letter = _letter(chat, question, reply, complaint)
            return _Answered(None, usage, spent, error.reason, stop=gone, dead_letter=letter)
        usage += reply.usage
        # An endpoint that does not count is estimated.
        spent += reply.usage.tokens or _tokens(conversation) + tokens_in(reply.text)
        try:
            reading = _read(reply, question)
        except UnreadableReply as error:
            complaint = str(error)
            continue
        return _Answered(reading, usage, spent)
    why = f"the model's reply cannot be used: {complaint}"
    return _Answered(None, usage, spent, why, dead_letter=_letter(chat, question, reply, complaint))


def _read(reply: Reply, question: Question[T]) -> Reading[T]:
    """Read a reply.

    Raises:
        UnreadableReply: it is cut, no JSON, not of the schema, or nothing it says can be taken.
    """
    if reply.cut:
        raise UnreadableReply(f"it was cut after {question.max_tokens} tokens; say less")
    try:
        parsed = question.reply.model_validate(object_in(reply.text))
    except ValidationError as error:
        raise UnreadableReply("; ".join(_complaints(error))) from None
    reading = question.read(parsed)
    if reading.refused and not reading.found:
        raise UnreadableReply("; ".join(reading.refused[:MOST_COMPLAINTS]))
    return reading


def _complaints(error: ValidationError) -> Iterator[str]:
    """Say what is wrong and where; never with the value, which may be a user's text."""
    for problem in error.errors(include_url=False, include_input=False, include_context=False)[:MOST_COMPLAINTS]:
        place = ".".join(str(step) for step in problem["loc"])
        yield f"{place}: {problem['msg']}"


def _repair(reply: Reply, complaint: str) -> Sequence[Message]:
    return (
        # An empty turn is refused by some endpoints.
        Message("assistant", reply.text[:SHOWN_AGAIN] or "{}"),
        Message("user", f"This cannot be used: {complaint}. Answer once more, with the whole JSON object alone."),
    )


def _tokens(conversation: Sequence[Message]) -> int:
    return sum(tokens_in(message.content) for message in conversation)


def _letter(chat: ChatModel, question: Question[T], reply: Reply | None, error: str) -> DeadLetter | None:
    """Return the letter of a reply that was not used; None where there was no reply."""
    if reply is None:
        return None
    return DeadLetter(question.task, chat.name, storable(reply.text), storable(error), question.memory_ids)


def merged(first: Outcome[T], second: Outcome[T]) -> Outcome[T]:
    """Join two outcomes of one task, the second asked after the first.

    >>> one = Outcome(Task.FACTS, (1,), "m", None, frozenset(), Budget(9), "m", Usage(1, 1, 1))
    >>> two = Outcome(Task.FACTS, (2,), "rules", "busy", frozenset({UUID(int=3)}), Budget(8), "m", Usage(1, 1, 1))
    >>> both = merged(one, two)
    >>> both.found, both.method, both.why, both.budget.tokens, both.usage.calls
    ((1, 2), 'm', 'busy', 8, 2)
    """
    return replace(
        second,
        found=first.found + second.found,
        method=first.method if first.method != RULES else second.method,
        why=second.why or first.why,
        unanswered=first.unanswered | second.unanswered,
        replies=first.replies + second.replies,
        usage=first.usage + second.usage,
        refused=first.refused + second.refused,
        dead_letters=first.dead_letters + second.dead_letters,
    )
