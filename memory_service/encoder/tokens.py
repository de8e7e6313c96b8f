"""Tokenise with the Rust tokenizer alone, so that serving needs neither torch nor transformers."""

from collections.abc import Sequence
from pathlib import Path

from tokenizers import Tokenizer

from memory_service.encoder.errors import UnencodableText


def require_unicode(texts: Sequence[str]) -> None:
    """Refuse lone surrogates: no tokenizer can read them, and replacing them silently would change the text.

    Raises:
        UnencodableText: Names the position of the first text and character.
    """
    for position, text in enumerate(texts):
        if text.isascii():
            continue
        try:
            text.encode("utf-8")
        except UnicodeEncodeError as error:
            raise UnencodableText(
                f"Text {position} is not valid Unicode: character {error.start} is a lone surrogate "
                f"(U+{ord(text[error.start]):04X})."
            ) from error


class Tokenization:
    """A tokenizer and the window of its model; safe to share between threads."""

    def __init__(self, definition: str, *, window: int) -> None:
        """Read a tokenizer from the JSON text `definition`; `window` counts special tokens too.

        Raises:
            ValueError: The text defines no tokenizer.
        """
        # Truncation is state of the Rust object, so the two uses get an object each.
        try:
            self._windowed = Tokenizer.from_str(definition)
            self._whole = Tokenizer.from_str(definition)
        except Exception as error:  # The library raises bare Exception.
            raise ValueError(f"This defines no tokenizer: {error}") from error
        self._windowed.no_padding()
        self._windowed.enable_truncation(window)
        self._whole.no_padding()
        self._whole.no_truncation()
        self.window = window
        self.content_window = max(1, window - self._whole.num_special_tokens_to_add(False))

    @classmethod
    def from_file(cls, path: Path, *, window: int) -> "Tokenization":
        """Read a `tokenizer.json`."""
        return cls(path.read_text(encoding="utf-8"), window=window)

    def ids(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the token ids of each text, special tokens included, cut at the window.

        Raises:
            UnencodableText: A text holds a lone surrogate.
        """
        require_unicode(texts)
        return [encoding.ids for encoding in self._windowed.encode_batch_fast(list(texts))]

    def counts(self, texts: Sequence[str]) -> list[int]:
        """Return the number of tokens of each text without special tokens and without a cut."""
        return [len(e) for e in self._whole.encode_batch_fast(list(texts), add_special_tokens=False)]

    def offsets(self, text: str) -> list[tuple[int, int]]:
        """Return the character range of each token of the whole text, without special tokens.

        Raises:
            UnencodableText: The text holds a lone surrogate.
        """
        require_unicode([text])
        offsets: list[tuple[int, int]] = self._whole.encode(text, add_special_tokens=False).offsets
        return offsets
