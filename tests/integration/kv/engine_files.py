"""The engine of these tests, and files as it writes them."""

import json
import struct

from memory_service.activation.fingerprint import Fingerprint, Parallelism

BLOCK = 4
FINGERPRINT = Fingerprint(
    weights="1" * 64, config="2" * 64, tokenizer="3" * 64, chat_template=None, dtype="bfloat16", kv_dtype="auto",
    block_size=BLOCK, parallelism=Parallelism(), isa="cpu", layout="test", engine="test", engine_version="1",
)  # fmt: skip
ENGINE = FINGERPRINT.digest()


def safetensors(blocks: int, *, layers: int = 2, width: int = 16, fill: int = 7) -> bytes:
    """Return a file as an engine writes it: one tensor of bfloat16 per layer."""
    size = blocks * width * 2
    table = {
        f"layer.{n}": {"dtype": "BF16", "shape": [blocks, width], "data_offsets": [n * size, (n + 1) * size]}
        for n in range(layers)
    }
    head = json.dumps(table).encode()
    return struct.pack("<Q", len(head)) + head + bytes([fill]) * (size * layers)
