"""One model's way with texts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tokenizers import Tokenizer

from memory_service.activation.errors import ActivationError
from memory_service.activation.model_folder import (
    TOKENIZER,
    TOKENIZER_CONFIG,
    TextDigests,
    chat_template,
    read_object,
    text_digests,
)
from memory_service.activation.planning.places import Span
from memory_service.model_text.known_counts import KnownCounts
from memory_service.model_text.template import SPECIAL_TOKENS, ChatTemplate

MOST_CHARACTERS: Final = 2 << 20
"""Of one prompt: half a million tokens, more than any engine here takes."""


class PromptTooLong(ActivationError):
    """A prompt is longer than is cut into tokens here."""


@dataclass(frozen=True, slots=True)
class Cut:
    """A text in tokens: ids, and for each the characters it stands for."""

    ids: tuple[int, ...]
    offsets: tuple[Span, ...]


class ModelText:
    """The tokenizer and the chat template of one folder; used from several threads."""

    def __init__(self, folder: Path) -> None:
        """Read them.

        Raises:
            ActivationError: there is no tokenizer.json, or something cannot be read.
        """
        self.folder = folder
        self.digests: TextDigests = text_digests(folder)
        try:
            self._tokenizer = Tokenizer.from_file(str(folder / TOKENIZER))
        except Exception as error:  # The library raises this very class for whatever is wrong with a file.
            raise ActivationError(f"{TOKENIZER} is no tokenizer") from error
        # Whole prompts are cut, as engines do it.
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self._known = KnownCounts(self._counted)
        source = chat_template(folder)
        said = read_object(folder / TOKENIZER_CONFIG)
        self._template = None if source is None else ChatTemplate(source, _special_tokens(said))

    @property
    def has_template(self) -> bool:
        """Return whether the model knows conversations."""
        return self._template is not None

    def render(self, messages: Sequence[Mapping[str, Any]], *, generation: bool = True, tools: Any = None) -> str:
        """Return messages as the model reads them.

        Raises:
            ActivationError: it has no chat template, or that refuses them.
        """
        if self._template is None:
            raise ActivationError("the model has no chat template")
        return self._template.render(messages, generation=generation, tools=tools)

    def cut(self, text: str, *, special_tokens: bool = False) -> Cut:
        """Return a text in tokens; `special_tokens` adds what the tokenizer puts around plain texts.

        Rendered conversations have theirs from the template.

        Raises:
            PromptTooLong: it has more than two million characters.
        """
        if len(text) > MOST_CHARACTERS:
            raise PromptTooLong(f"the prompt has {len(text):,} characters; at most {MOST_CHARACTERS:,} are cut")
        encoded = self._tokenizer.encode(text, add_special_tokens=special_tokens)
        return Cut(tuple(encoded.ids), tuple(encoded.offsets))

    def counts(self, texts: Sequence[str]) -> list[int]:
        """Return how many tokens each of some texts has."""
        return self._known.of(texts)

    def _counted(self, texts: Sequence[str]) -> list[int]:
        return [len(one.ids) for one in self._tokenizer.encode_batch(list(texts), add_special_tokens=False)]


def _special_tokens(config: Mapping[str, Any]) -> dict[str, str]:
    """Return the tokens that templates name, as the tokenizer's configuration says them."""
    found = {}
    for name in SPECIAL_TOKENS:
        said = config.get(name)
        token = said.get("content") if isinstance(said, dict) else said
        if isinstance(token, str):
            found[name] = token
    return found
