"""The words in which people and agents put the same question to a memory."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from benchmarks.ablation_data import Space, read_cues
from benchmarks.ablation_encoding import CachedEncoder

Wording = Callable[[str], str]


SMALL_TALK: Final = (
    "User: Hi there! I just had pasta for lunch, and now I am a bit sleepy.\n"
    "Assistant: That sounds delicious! A short walk may help. What can I do for you today?\n"
    "User: I am planning my week and try to get everything in order.\n"
    "Assistant: Great, I am happy to help you with that. What would you like to begin with?\n"
)
"""What was said before a question, where an agent hands over its whole conversation."""
PROMPT: Final = (
    "You are Sam, a friendly assistant with a long-term memory. Be concise and never invent anything. When the user asks for "
    "something that was said before, look it up first.\n\n"
)
"""What an agent is told before a conversation."""


def _headed(transcript: str) -> str:
    return transcript.replace("User: ", "## User\n").replace("Assistant: ", "## Assistant\n")


def _copied(transcript: str) -> str:
    """Write a transcript as somebody copies it from the page of a chat."""
    return transcript.replace("User: ", "You said:\n").replace("Assistant: ", "ChatGPT said:\n")


def _small(question: str) -> str:
    return question[:1].lower() + question[1:]


WORDINGS: Final[Mapping[str, Wording]] = {
    "small-letters": str.lower,
    "capitals": str.upper,
    "no-mark": lambda question: question.rstrip("?"),
    "remember": lambda question: f"Do you remember: {_small(question)}",
    "greeting": lambda question: f"Hey, quick question: {_small(question)}",
    "label": lambda question: f"Question: {question}\nAnswer:",
    "how-to-before": lambda question: f"Answer the following question based on the conversation: {question}",
    "how-to-behind": lambda question: f"{question} Please answer in one sentence.",
    "today": lambda question: f"Today is 2024-05-01. {question}",
    "json": lambda question: f'{{"question": "{question}"}}',
    "transcript": lambda question: f"{SMALL_TALK}User: {question}\nAssistant:",
    "transcript-prompt": lambda question: f"{PROMPT}{SMALL_TALK}User: {question}\nAssistant:",
    "transcript-headings": lambda question: _headed(f"{SMALL_TALK}User: {question}"),
    "transcript-copied": lambda question: _copied(f"{SMALL_TALK}User: {question}"),
}
"""By name, how a question is put."""


def worded(spaces: Sequence[Space], wording: Wording, encoder: CachedEncoder) -> list[Space]:
    """Return the namespaces with their questions in other words."""
    found = []
    for space in spaces:
        questions = [wording(asked.question.text) for asked in space.asked]
        cues = read_cues(questions, rows=space.rows, contents=space.texts, encoder=encoder)
        asked = tuple(replace(one, whole=cue) for one, cue in zip(space.asked, cues, strict=True))
        found.append(replace(space, asked=asked))
    return found
