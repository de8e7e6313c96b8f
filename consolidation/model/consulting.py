"""Ask a model for what each step of consolidation needs; one function per task.

Call them between loading and applying, with no connection to the database open. Each cuts its input into windows that the
model can read, and returns what it answered, what it did not (rules stand for that), what it cost and what is left to the
job. Write the cost down afterwards with `accounting.write_down`, also when nothing comes of the answers.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice

from consolidation.model.asking import Outcome, ask
from consolidation.model.budget import Budget
from consolidation.model.extraction import ExtractedFact, facts_question
from consolidation.model.gist_writing import CitedSentence, gist_question, profile_question
from consolidation.model.note_writing import Note, notes_question
from consolidation.model.passages import Passage, size_of, windows
from consolidation.model.prompts import Question, Task
from consolidation.model.verdicts import ConflictVerdict, LinkVerdict, Pair, conflicts_question, links_question
from memory_service.chat_model.protocol import ChatModel

GoOn = Callable[[], bool]

# How many of each are asked about at once. Small models lose count beyond, and one bad reply should not cost many answers.
MESSAGES_AT_ONCE = 16
NOTES_AT_ONCE = 8
PAIRS_AT_ONCE = 12
TOKENS_OF_A_NOTE = 220
TOKENS_OF_A_VERDICT = 120


def always() -> bool:
    """Go on."""
    return True


def ask_facts(
    chat: ChatModel | None, budget: Budget, passages: Sequence[Passage], *, go_on: GoOn = always
) -> Outcome[ExtractedFact]:
    """Ask for the facts in messages of one conversation, in the order in which they were said.

    Keys of the outcome are ids of memories: one that is not among `unanswered` was read, with or without facts.
    """

    def questions() -> Iterator[Question[ExtractedFact]]:
        for run in _runs(passages, budget, at_most=MESSAGES_AT_ONCE):
            yield facts_question(run, prompt_tokens=budget.prompt_tokens, max_tokens=budget.reply_tokens)

    return ask(chat, budget, questions(), task=Task.FACTS, go_on=go_on)


def ask_notes(
    chat: ChatModel | None, budget: Budget, passages: Sequence[Passage], *, go_on: GoOn = always
) -> Outcome[Note]:
    """Ask for a note on each memory. Keys of the outcome are ids of memories."""
    at_most = max(1, min(NOTES_AT_ONCE, budget.reply_tokens // TOKENS_OF_A_NOTE))

    def questions() -> Iterator[Question[Note]]:
        for run in _runs(passages, budget, at_most=at_most):
            yield notes_question(run, prompt_tokens=budget.prompt_tokens, max_tokens=budget.reply_tokens)

    return ask(chat, budget, questions(), task=Task.NOTES, go_on=go_on)


def ask_links(
    chat: ChatModel | None, budget: Budget, pairs: Sequence[Pair], *, go_on: GoOn = always
) -> Outcome[LinkVerdict]:
    """Ask how the two memories of each pair are related. Keys of the outcome are pairs of ids, as offered."""

    def questions() -> Iterator[Question[LinkVerdict]]:
        for run in _pair_runs(pairs, budget):
            yield links_question(run, prompt_tokens=budget.prompt_tokens, max_tokens=budget.reply_tokens)

    return ask(chat, budget, questions(), task=Task.LINKS, go_on=go_on)


def ask_conflicts(
    chat: ChatModel | None, budget: Budget, pairs: Sequence[Pair], *, go_on: GoOn = always
) -> Outcome[ConflictVerdict]:
    """Ask what the new memory of each pair (stored, new) does to the stored one. Keys are pairs of ids, as offered."""

    def questions() -> Iterator[Question[ConflictVerdict]]:
        for run in _pair_runs(pairs, budget):
            yield conflicts_question(run, prompt_tokens=budget.prompt_tokens, max_tokens=budget.reply_tokens)

    return ask(chat, budget, questions(), task=Task.CONFLICTS, go_on=go_on)


def ask_gist(
    chat: ChatModel | None, budget: Budget, passages: Sequence[Passage], *, go_on: GoOn = always
) -> Outcome[CitedSentence]:
    """Ask for the gist of one episode or topic; a long one is summed up window by window, in order.

    Keys of the outcome are ids of memories: those of a window without an answer are `unanswered`.
    """

    def questions() -> Iterator[Question[CitedSentence]]:
        for run in windows(passages, tokens=budget.prompt_tokens):
            yield gist_question(run, prompt_tokens=budget.prompt_tokens, max_tokens=budget.reply_tokens)

    return ask(chat, budget, questions(), task=Task.GIST, go_on=go_on)


def ask_profile(
    chat: ChatModel | None, budget: Budget, person: str, passages: Sequence[Passage], *, go_on: GoOn = always
) -> Outcome[CitedSentence]:
    """Ask what memories say of a person, by the name that they use ("user" where they use none).

    Keys of the outcome are ids of memories, as for a gist.
    """

    def questions() -> Iterator[Question[CitedSentence]]:
        for run in windows(passages, tokens=budget.prompt_tokens):
            yield profile_question(person, run, prompt_tokens=budget.prompt_tokens, max_tokens=budget.reply_tokens)

    return ask(chat, budget, questions(), task=Task.PROFILE, go_on=go_on)


def _runs(passages: Iterable[Passage], budget: Budget, *, at_most: int) -> Iterator[tuple[Passage, ...]]:
    """Cut passages into runs that fit, none longer than `at_most`."""
    for window in windows(passages, tokens=budget.prompt_tokens):
        waiting = iter(window)
        while run := tuple(islice(waiting, at_most)):
            yield run


def _pair_runs(pairs: Sequence[Pair], budget: Budget) -> Iterator[tuple[Pair, ...]]:
    """Cut pairs into runs that fit; a pair takes what its two texts take."""
    at_most = max(1, min(PAIRS_AT_ONCE, budget.reply_tokens // TOKENS_OF_A_VERDICT))
    run: list[Pair] = []
    used = 0
    for pair in pairs:
        size = size_of(pair[0]) + size_of(pair[1])
        if run and (used + size > budget.prompt_tokens or len(run) >= at_most):
            yield tuple(run)
            run, used = [], 0
        run.append(pair)
        used += size
    if run:
        yield tuple(run)
