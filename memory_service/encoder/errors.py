"""What can go wrong around the encoder, as values of the error tree in memory_service.errors.

MemoryServiceError
├── InvalidRequest
│   └── UnencodableText       422  also a ValueError: the text is not valid Unicode
├── Unavailable
│   ├── EncoderTimeout        503  the caller's patience ended before its batch ran
│   └── EncoderClosed         503  the process is shutting down
└── Misconfigured
    ├── EncoderUnavailable         the configured model cannot be had
    └── EncoderMismatch            the stored embeddings were made by another model
"""

from memory_service.errors import InvalidRequest, Misconfigured, Unavailable


class UnencodableText(InvalidRequest, ValueError):
    """The text holds a lone surrogate, so it is not valid Unicode and has no tokens."""

    code = "unencodable_text"
    title = "Text is not valid Unicode"


class EncoderTimeout(Unavailable):
    """The encoder did not get to this text in the time the caller gave it."""

    code = "encoder_timeout"
    title = "Encoder timed out"


class EncoderClosed(Unavailable):
    """The encoder was closed; the process is shutting down."""

    code = "encoder_closed"
    title = "Encoder closed"


class EncoderUnavailable(Misconfigured):
    """The configured model cannot be found or loaded; the detail says what to do."""

    code = "encoder_unavailable"
    title = "Encoder unavailable"


class EncoderMismatch(Misconfigured):
    """The stored embeddings were made by another model; the detail says what to do."""

    code = "encoder_mismatch"
    title = "Encoder mismatch"
