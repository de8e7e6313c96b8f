"""The connector beside a real vLLM: blocks saved by one process are loaded by the next, and whatever is wrong is computed again.

A folder stands in for the service, so that nothing but the connector is on trial. Equal tokens and log probabilities are the
proof; vLLM's own count of hits is none, because wrong numbers count as hits, too.
"""

import hashlib
import json
import re
import struct
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from memory_service.activation import blob, chain, engine_layout, run_file
from memory_service.activation.errors import BlobRefused
from memory_service.activation.fingerprint import tokens_digest
from memory_service.activation.packing import from_codec
from tests.vllm.conftest import Servers
from tests.vllm.engine import BLOCK, CONNECTOR, HITS, SALT, Answer, Engine, prompt

pytestmark = pytest.mark.timeout(1800)  # the first test may install vLLM

WHOLE = 15  # blocks of a prompt of 2,000 tokens
LOADED = WHOLE * BLOCK
GRANT = {"grant": "of-nobody"}
NEAR = 1e-4
SEEDS = range(12)
CROWD = (100, 101, 102)


@dataclass(frozen=True, slots=True)
class Folder:
    """What a process left in a folder."""

    path: Path
    answers: dict[int, Answer]
    counted: dict[str, float]

    def file_of(self, seed: int, *, tokens: int = 2000) -> Path:
        """Return the file with all blocks of a prompt."""
        wanted = tokens_digest(prompt(seed, tokens)[: tokens // BLOCK * BLOCK])
        for file in (self.path / "files").iterdir():
            with suppress(BlobRefused):  # the damaged ones of other tests
                if blob.read(file.read_bytes())[0].tokens == wanted:
                    return file
        raise AssertionError(f"prompt {seed} is not in the folder")

    def put(self, hashes: list[str], data: bytes) -> None:
        """Put a file in the place of what lies under these hashes."""
        checksum = hashlib.sha256(data).hexdigest()
        (self.path / "files" / checksum).write_bytes(data)
        for offset, name in enumerate(hashes):
            (self.path / "blocks" / name).write_text(json.dumps([checksum, offset, len(data)]))


@pytest.fixture(scope="module")
def folder(servers: Servers) -> Folder:
    """Return what a first process saved: prompts computed in chunks."""
    assert servers.first is not None
    first, path = servers.first.result(), servers.blocks
    answers = {seed: first.ask(prompt(seed), parameters=GRANT) for seed in SEEDS}
    wait_for(lambda: len(list((path / "blocks").iterdir())) >= WHOLE * len(SEEDS))
    first.ask(prompt(999, 10))
    return Folder(path, answers, first.numbers())


@pytest.fixture(scope="module")
def exact(servers: Servers) -> Engine:
    """Return a server that computes in float32.

    In bfloat16 a processor may round otherwise where a piece is longer or shorter, and these weights make a tenth of a log
    probability of that (with AVX2; none with AMX): what was computed in other pieces, or by another program, is the same in
    float32 only.
    """
    assert servers.exact is not None
    return servers.exact.result()


@pytest.fixture(scope="module")
def crowded(servers: Servers, exact: Engine) -> Folder:
    """Return what it saved while it was asked more at once than its cache holds."""
    with ThreadPoolExecutor(len(CROWD)) as pool:
        asked = [pool.submit(exact.ask, prompt(seed, 1000), parameters=GRANT, tokens=600) for seed in CROWD]
        answers = {seed: one.result() for seed, one in zip(CROWD, asked, strict=True)}
    path = servers.exact_blocks
    wait_for(lambda: len(list((path / "blocks").iterdir())) >= 7 * len(CROWD))
    exact.ask(prompt(999, 10))
    return Folder(path, answers, exact.numbers())


def wait_for(done: Callable[[], bool], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_prompt_computed_in_chunks_is_saved_whole_and_once(folder: Folder) -> None:
    assert folder.counted["saved_blocks"] == WHOLE * len(SEEDS)
    assert folder.counted["save_failures"] == folder.counted["save_dropped"] == folder.counted["load_failures"] == 0
    header, tensors = blob.read(folder.file_of(0).read_bytes())
    assert header.count == LOADED
    hashes = json.loads(header.note or "")["hashes"]
    assert tuple(hashes) == chain.block_hashes(
        prompt(0)[:LOADED], block_size=BLOCK, engine=header.fingerprint, salt=SALT
    )
    assert {array.shape for array in tensors.values()} == {(WHOLE, 2, BLOCK, 64)}


def test_another_process_loads_1920_of_2000_tokens_and_says_the_same(
    folder: Folder, second: Engine, record_property: Callable[[str, object], None]
) -> None:
    with second.counting() as counted:
        answer = second.ask(prompt(0), parameters=GRANT)
    assert counted[HITS] == counted["hit_tokens"] == LOADED
    assert counted["loaded_blocks"] == WHOLE
    assert answer.tokens == folder.answers[0].tokens
    furthest = answer.furthest(folder.answers[0])
    record_property(
        f"{LOADED} of 2000 tokens loaded in a new process: {len(answer.tokens)} greedy tokens equal, |Δlogprob|",
        f"{furthest:.1e} (≤ {NEAR:g})",
    )
    assert furthest <= NEAR
    # Computed by this process itself, under another salt and without a grant: the same again.
    with second.counting() as counted:
        computed = second.ask(prompt(0), salt="of somebody else")
    assert counted[HITS] == 0
    assert computed.tokens == answer.tokens
    assert computed.furthest(answer) <= NEAR


def test_requests_that_were_preempted_say_and_save_the_same(
    crowded: Folder, exact: Engine, record_property: Callable[[str, object], None]
) -> None:
    assert crowded.counted["vllm:num_preemptions_total"] > 0
    assert crowded.counted["saved_blocks"] == 7 * len(CROWD)
    furthest = 0.0
    for seed, answer in crowded.answers.items():
        exact.forget()
        with exact.counting() as counted:
            loaded = exact.ask(prompt(seed, 1000), parameters=GRANT, tokens=600)
        assert (counted[HITS], counted["loaded_blocks"]) == (7 * BLOCK, 7)
        computed = exact.ask(prompt(seed, 1000), salt="of somebody else", tokens=600)
        assert loaded.tokens == computed.tokens == answer.tokens
        furthest = max(furthest, loaded.furthest(computed), answer.furthest(computed))
    record_property(
        f"{len(CROWD)} prompts, preempted and computed in other pieces: 600 greedy tokens equal, |Δlogprob|",
        f"{furthest:.1e} (≤ {NEAR:g})",
    )
    assert furthest <= NEAR


def test_the_longest_stored_beginning_is_loaded(folder: Folder, second: Engine) -> None:
    changed = prompt(1)
    changed[700] += 1
    with second.counting() as counted:
        answer = second.ask(changed, parameters=GRANT)
    assert counted[HITS] == 5 * BLOCK  # token 700 stands in the sixth block
    assert counted["saved_blocks"] in (0, WHOLE - 5)  # sent some time
    computed = second.ask(changed, salt="of somebody else")
    assert answer.tokens == computed.tokens
    assert answer.furthest(computed) <= NEAR


def damage_bytes(folder: Folder, seed: int) -> None:
    """Let the numbers of a file change places, under the checksum that they had."""
    file = folder.file_of(seed)
    data, middle = file.read_bytes(), file.stat().st_size // 2
    file.write_bytes(data[:middle] + data[-4096:] + data[middle:-4096])


def damage_layout(folder: Folder, seed: int) -> None:
    """Put a whole file there, its checksum right, in which keys stand token by token, as its layout says."""
    header, tensors = blob.read(folder.file_of(seed).read_bytes())
    note = json.loads(header.note or "")
    moved = {}
    for name, array in tensors.items():
        halves = array.reshape(WHOLE, 2, 2, BLOCK * 32).copy()
        halves[:, :, 0] = halves[:, :, 0].reshape(WHOLE, 2, 32, BLOCK).swapaxes(2, 3).reshape(WHOLE, 2, -1)
        moved[name] = halves.reshape(array.shape)
    other = json.dumps({**note, "layout": note["layout"].replace("cpu-", "cpu-other-")})
    folder.put(note["hashes"], blob.write(replace(header, note=other), moved))


def damage_shape(folder: Folder, seed: int) -> None:
    """Put a file there that says the right layout, and whose layers have other shapes."""
    header, tensors = blob.read(folder.file_of(seed).read_bytes())
    moved = {name: np.ascontiguousarray(array.swapaxes(2, 3)) for name, array in tensors.items()}
    folder.put(json.loads(header.note or "")["hashes"], blob.write(header, moved))


def damage_one_bit(folder: Folder, seed: int) -> None:
    """Turn one bit, and let the store's checksum be that of the damaged file: the file's own tells."""
    file = folder.file_of(seed)
    hashes = json.loads(blob.read(file.read_bytes())[0].note or "")["hashes"]
    data = bytearray(file.read_bytes())
    data[-70_000] ^= 1
    folder.put(hashes, bytes(data))


def damage_prompt(folder: Folder, seed: int) -> None:
    """Put another prompt's blocks under this one's names."""
    hashes = json.loads(blob.read(folder.file_of(seed).read_bytes())[0].note or "")["hashes"]
    folder.put(hashes, folder.file_of(0).read_bytes())


def damage_engine(folder: Folder, seed: int) -> None:
    """Put blocks there that say they are another engine's."""
    header, tensors = blob.read(folder.file_of(seed).read_bytes())
    other = replace(header, fingerprint="00" * 32)
    folder.put(json.loads(header.note or "")["hashes"], blob.write(other, dict(tensors)))


def damage_type(folder: Folder, seed: int) -> None:
    """Put a file there whose note is a number, as a tenant can write one by hand: with the checksum that fits it."""
    header, tensors = blob.read(folder.file_of(seed).read_bytes())
    hashes, note = json.loads(header.note or "")["hashes"], header.note
    object.__setattr__(header, "note", 5)
    assert header.note != note
    folder.put(hashes, blob.write(header, dict(tensors)))


def damage_number(folder: Folder, seed: int) -> None:
    """Put a file there with a number that is none of 64 bits."""
    replace_count(folder, seed, b"1e999")


def damage_digits(folder: Folder, seed: int) -> None:
    """Put a file there with a number of more digits than Python reads."""
    replace_count(folder, seed, b"9" * 5000)


def replace_count(folder: Folder, seed: int, number: bytes) -> None:
    data = folder.file_of(seed).read_bytes()
    hashes = json.loads(blob.read(data)[0].note or "")["hashes"]
    (size,) = struct.unpack_from("<Q", data)
    head = re.sub(rb'(\\"count\\":)\d+', rb"\g<1>" + number, data[8 : 8 + size])
    assert number in head
    folder.put(hashes, struct.pack("<Q", len(head)) + head + data[8 + size :])


DAMAGES = [
    damage_bytes, damage_layout, damage_shape, damage_one_bit, damage_prompt, damage_engine, damage_type, damage_number,
    damage_digits,
]  # fmt: skip


@pytest.mark.parametrize(("seed", "damage"), list(enumerate(DAMAGES, start=2)))
def test_what_is_wrong_is_computed_again_and_never_served(
    folder: Folder,
    second: Engine,
    seed: int,
    damage: Callable[[Folder, int], None],
    record_property: Callable[[str, object], None],
) -> None:
    damage(folder, seed)
    with second.counting() as counted:
        answer = second.ask(prompt(seed), parameters=GRANT)
    kind = damage.__name__.removeprefix("damage_").replace("_", " ")
    record_property(
        f"a stored file with wrong {kind}: tokens computed again / blocks served",
        f"{counted['recomputed_tokens']:.0f} of {LOADED} / {counted['loaded_blocks']:.0f}",
    )
    assert counted["load_failures"] == 1
    assert counted["recomputed_tokens"] == LOADED
    assert counted["loaded_blocks"] == 0
    assert answer.tokens == folder.answers[seed].tokens
    assert answer.furthest(folder.answers[seed]) <= NEAR


def test_another_salt_finds_nothing(folder: Folder, second: Engine) -> None:
    with second.counting() as counted:
        answer = second.ask(prompt(11), salt="another tenant's", parameters=GRANT)
    assert counted["queries"] == 1
    assert counted[HITS] == counted["hit_tokens"] == counted["vllm:prefix_cache_hits_total"] == 0
    assert answer.tokens == folder.answers[11].tokens


@pytest.mark.parametrize(
    "parameters", [None, {}, {"grant": ""}, {"grant": "two words"}, {"grant": "a\r\nX: b"}, {"grant": 1}]
)
def test_without_a_grant_nothing_is_asked_for(second: Engine, parameters: Any) -> None:
    with second.counting() as counted:
        second.ask(prompt(11), salt="of nobody", parameters=parameters)
    assert counted["queries"] == counted["rejected"] == counted[HITS] == 0


def test_a_grant_for_another_prompt_is_no_right_to_this_one(second: Engine) -> None:
    of_another = {**GRANT, "block_hashes": ["ab" * 32] * WHOLE}
    with second.counting() as counted:
        second.ask(prompt(50), parameters=of_another)
    assert counted["rejected"] == 1
    assert counted["queries"] == counted["saved_blocks"] == 0


def test_what_transformers_computed_is_loaded_as_if_vllm_had(
    crowded: Folder, exact: Engine, tiny_model: Path, record_property: Callable[[str, object], None]
) -> None:
    import torch
    from transformers import LlamaForCausalLM

    from memory_service.activation.transformer.caches import precompute

    tokens = prompt(60)
    model = LlamaForCausalLM.from_pretrained(tiny_model, dtype=torch.float32).eval()
    cache = precompute(model, tokens[:LOADED])
    header, _ = blob.read(crowded.file_of(CROWD[0], tokens=1000).read_bytes())
    layout = engine_layout.layout_of(json.loads(header.note or "")["layout"], block_size=BLOCK)
    hashes = chain.block_hashes(tokens, block_size=BLOCK, engine=header.fingerprint, salt=SALT)
    run = run_file.BlockRun(header.fingerprint, 0, hashes, tokens_digest(tokens[:LOADED]))
    crowded.put(list(hashes), run_file.pack_run(run, layout, cache))
    with exact.counting() as counted:
        loaded = exact.ask(tokens, parameters=GRANT)
    assert (counted[HITS], counted["loaded_blocks"]) == (LOADED, WHOLE)
    computed = exact.ask(tokens, salt="of somebody else")
    same = sum(one == two for one, two in zip(loaded.tokens, computed.tokens, strict=True))
    record_property(
        f"{LOADED} tokens computed in transformers, loaded in vLLM: equal tokens", f"{same} of {len(computed.tokens)}"
    )
    assert loaded.tokens == computed.tokens
    assert loaded.furthest(computed) <= NEAR


def test_what_transformers_computed_stands_where_vllm_puts_it(
    folder: Folder, tiny_model: Path, record_property: Callable[[str, object], None]
) -> None:
    """In the numbers and the order in which hosted models are kept, where no two programs round alike."""
    import torch
    from transformers import LlamaForCausalLM

    from memory_service.activation.transformer.caches import precompute

    model = LlamaForCausalLM.from_pretrained(tiny_model, dtype=torch.bfloat16).eval()
    cache = precompute(model, prompt(0)[:LOADED])
    header, tensors = blob.read(folder.file_of(0).read_bytes())
    layout = engine_layout.layout_of(json.loads(header.note or "")["layout"], block_size=BLOCK)
    packed = layout.pack(cache, first=0, count=WHOLE)
    apart = 0.0
    for name, theirs in tensors.items():
        one, two = (from_codec(numbers, layout.codec) for numbers in (theirs, packed[name]))
        apart = max(apart, float(np.linalg.norm(one - two) / np.linalg.norm(one)))
    record_property(f"{LOADED} tokens of transformers and of vLLM in {layout.text}, apart by", f"{apart:.4f}")
    assert apart <= 0.2


def test_logs_hold_no_grants_and_no_tokens(second: Engine) -> None:
    said = second.log.read_text(errors="replace")
    assert "of-nobody" not in said
    assert f"{prompt(0)[:4]}".strip("[]") not in said


def test_the_connector_is_what_the_checkout_holds() -> None:
    """The tests above run the connector of this checkout, not one that is installed somewhere."""
    assert (CONNECTOR / "memory_vllm" / "connector.py").exists()
    assert "memory_vllm" not in sys.modules
