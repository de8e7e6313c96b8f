"""Turn text into vectors: which model, which runtime, in which batches. Importing this imports no model library."""

from memory_service.encoder.batching import BatchingEncoder
from memory_service.encoder.errors import (
    EncoderClosed,
    EncoderMismatch,
    EncoderTimeout,
    EncoderUnavailable,
    UnencodableText,
)
from memory_service.encoder.identity import PROBE_SENTENCE, verify_identity
from memory_service.encoder.loading import LoadedEncoder, ensure_exported, export_needed, load_encoder
from memory_service.encoder.protocol import Encoder, EncoderIdentity, TextSpan
from memory_service.encoder.served import Encoders, Served

__all__ = [
    "PROBE_SENTENCE",
    "BatchingEncoder",
    "Encoder",
    "EncoderClosed",
    "EncoderIdentity",
    "EncoderMismatch",
    "EncoderTimeout",
    "EncoderUnavailable",
    "Encoders",
    "LoadedEncoder",
    "Served",
    "TextSpan",
    "UnencodableText",
    "ensure_exported",
    "export_needed",
    "load_encoder",
    "verify_identity",
]
