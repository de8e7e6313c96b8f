"""The half of the connector that moves blocks, on tensors of torch: no file of one tenant ends the engine of all of them."""

import hashlib
import json
import logging
import struct
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

CONNECTOR = Path(__file__).parents[3] / "clients" / "vllm" / "src"
ENGINE, TOKENS = "ab" * 32, "cd" * 32
HASHES = tuple(f"{at:064x}" for at in range(2))
SHAPE = (2, 1, 4, 4)  # two blocks of one head, four tokens and two channels
LAYERS = [np.arange(32, dtype=np.float32).reshape(SHAPE) + at for at in range(2)]


@pytest.fixture
def connector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Return the connector's modules that need no vLLM."""
    monkeypatch.syspath_prepend(str(CONNECTOR))
    import memory_vllm.counting
    import memory_vllm.folder_store
    import memory_vllm.transfers
    import memory_vllm.worker_side

    yield memory_vllm
    for name in [name for name in sys.modules if name.partition(".")[0] == "memory_vllm"]:
        del sys.modules[name]


class Engine:
    """A worker with blocks of its own, and a folder that it loads from."""

    def __init__(self, connector: Any, folder: Path, store: Any = None) -> None:
        self.connector = connector
        self.layout = connector.layout.Layout("cpu-vec", 2, 1, 4, 2, 4, "float32")
        self.store = store or connector.folder_store.FolderStore(folder)
        self.counts = connector.counting.Counts()
        running = connector.running.RunningEngine(None, ENGINE, self.layout, "tiny", ("a", "b"))
        self.worker = connector.worker_side.WorkerSide(
            running, self.store, self.counts, threads=2, pending_bytes=1 << 20, drain_s=1
        )
        self.caches = [torch.full((8, *SHAPE[1:]), -1.0) for _ in range(2)]
        self.worker.register(dict(zip(("a", "b"), self.caches, strict=True)))

    def file(self, **other: Any) -> bytes:
        """Return a file of two blocks, with other fields than such a file has, under the checksum that fits them."""
        note = {"block_size": 4, "first": 0, "hashes": list(HASHES), "layout": str(self.layout)}
        header = {"fingerprint": ENGINE, "tokens": TOKENS, "count": 8, "note": json.dumps(note), **other}
        tensors = dict(zip(("layer.0", "layer.1"), LAYERS, strict=True))
        return bytes(self.connector.blob.write(self.connector.blob.Header(**header), tensors))

    def part(self, data: bytes, block_ids: tuple[int, ...]) -> Any:
        """Put a file into the folder, and return what it is loaded by."""
        checksum = hashlib.sha256(data).hexdigest()
        if isinstance(self.store, self.connector.folder_store.FolderStore):
            self.store.save(None, engine=ENGINE, first=0, hashes=HASHES, checksum=checksum, data=data)
        run = self.connector.store.StoredRun(checksum, 0, 2, 0, len(data), checksum)
        return self.connector.transfers.LoadPart(run, HASHES, block_ids)

    def load(self, **parts: Any) -> set[int]:
        """Load what requests wait for, in one step, and return the blocks that did not come."""
        loads = [self.connector.transfers.Load(name, None, (part,)) for name, part in parts.items()]
        self.worker.start(SimpleNamespace(loads=loads))
        over: set[str] = set()
        deadline = time.monotonic() + 20
        while over != set(parts):
            assert time.monotonic() < deadline
            over |= self.worker.arrived()
            time.sleep(0.005)
        return set(self.worker.failed())

    def holds(self, block_ids: tuple[int, ...]) -> bool:
        """Return whether the engine's blocks are those of the file."""
        return all(np.array_equal(c[list(block_ids)].numpy(), a) for c, a in zip(self.caches, LAYERS, strict=True))


@pytest.fixture
def engine(connector: Any, tmp_path: Path) -> Iterator[Engine]:
    made = Engine(connector, tmp_path)
    yield made
    made.worker.close()


def saying(change: Callable[[str], str]) -> Callable[[Engine], bytes]:
    """Return what writes a file that says something else about itself."""

    def write(engine: Engine) -> bytes:
        good = engine.file()
        (size,) = struct.unpack_from("<Q", good)
        table = json.loads(good[8 : 8 + size])
        table["__metadata__"]["memory_service_kv"] = change(table["__metadata__"]["memory_service_kv"])
        head = json.dumps(table).encode()
        return struct.pack("<Q", len(head)) + head + good[8 + size :]

    return write


HOSTILE: dict[str, Callable[[Engine], bytes]] = {
    "infinite": saying(lambda said: said.replace('"count":8', '"count":1e999')),
    "many digits": saying(lambda said: said.replace('"count":8', '"count":' + "9" * 5000)),
    "many digits in the table": lambda engine: _table(b'{"layer.0":' + b"9" * 5000 + b"}"),
    "many digits in the note": lambda engine: engine.file(note='{"hashes":' + "9" * 5000 + "}"),
    "a note that is a number": lambda engine: engine.file(note=5),
    "a note that is a list": lambda engine: engine.file(note=[1]),
    "a codec that is a list": lambda engine: engine.file(codec=["raw"]),
    "deep": saying(lambda said: said.replace('"count":8', '"count":' + "[" * 960 + "]" * 960)),
    "an array longer than memory": lambda engine: _table(
        b'{"__metadata__":{"memory_service_kv":"{}"},'
        b'"layer.0":{"dtype":"F32","shape":[0,2305843009213693952,2305843009213693952],"data_offsets":[0,0]}}'
    ),
    "nothing": lambda engine: b"",
}


def _table(head: bytes) -> bytes:
    return struct.pack("<Q", len(head)) + head


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_file_costs_its_own_blocks_and_no_more(engine: Engine, kind: str) -> None:
    bad = engine.part(HOSTILE[kind](engine), (1, 2))
    good = engine.part(engine.file(), (5, 4))
    assert engine.load(hostile=bad, honest=good) == {1, 2}
    assert engine.holds((5, 4))
    assert all(bool((cache[[0, 1, 2, 3]] == -1).all()) for cache in engine.caches)
    numbers = engine.counts.take()
    assert (numbers["load_failures"], numbers["loaded_blocks"]) == (1, 2)
    # And the next step goes on as if nothing had been.
    assert engine.load(later=engine.part(engine.file(), (6, 7))) == set()
    assert engine.holds((6, 7))


def test_what_nobody_foresaw_is_named_by_its_type_alone(
    connector: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken:
        def load(self, grant: Any, run: Any) -> bytes:
            raise ZeroDivisionError("what a user said")

    engine = Engine(connector, tmp_path, Broken())
    with caplog.at_level(logging.WARNING, "vllm.memory_service"):
        assert engine.load(request=engine.part(b"", (3, 4))) == {3, 4}
    engine.worker.close()
    assert engine.counts.take() == {"load_failures": 1}
    assert "ZeroDivisionError" in caplog.text
    assert "a user" not in caplog.text


class Telling:
    """A store that gives a file, whatever is asked for, and notes what it is told of."""

    def __init__(self, data: bytes | Exception) -> None:
        self.data, self.told = data, list[str]()

    def load(self, grant: Any, run: Any) -> bytes:
        if isinstance(self.data, Exception):
            raise self.data
        return self.data

    def check(self, grant: Any, run: Any) -> None:
        self.told.append(run.id)


def test_a_file_that_is_not_what_was_stored_is_told_to_the_store(connector: Any, tmp_path: Path) -> None:
    store = Telling(b"")
    engine = Engine(connector, tmp_path, store)
    part = engine.part(engine.file(), (3, 4))
    store.data = engine.file()[:-1] + b"x"
    assert engine.load(request=part) == {3, 4}
    deadline = time.monotonic() + 20
    while not store.told:
        assert time.monotonic() < deadline
        time.sleep(0.005)
    engine.worker.close()
    assert store.told == [part.run.id]
    assert (numbers := engine.counts.take())["checks"] == numbers["load_failures"] == 1


def test_another_whole_file_in_its_place_is_refused(connector: Any, tmp_path: Path) -> None:
    store = Telling(b"")
    engine = Engine(connector, tmp_path, store)
    part = engine.part(engine.file(), (3, 4))
    store.data = engine.file(tokens="ef" * 32)
    assert engine.load(request=part) == {3, 4}
    assert not engine.holds((3, 4))
    assert engine.counts.take()["load_failures"] == 1
    store.data = engine.file()
    assert engine.load(request=part) == set()
    engine.worker.close()


@pytest.mark.parametrize("kind", ["another engine's", "gone", "no answer", "unforeseen"])
def test_what_the_store_knows_or_cannot_see_is_not_told(connector: Any, tmp_path: Path, kind: str) -> None:
    """Looking costs the service a whole file: only a checksum that does not fit says that it would find something."""
    store = Telling(b"")
    engine = Engine(connector, tmp_path, store)
    errors = connector.errors
    store.data = {
        "another engine's": engine.file(fingerprint="00" * 32), "gone": errors.NotThere("x"),
        "no answer": errors.StoreFailed("x"), "unforeseen": ZeroDivisionError(),
    }[kind]  # fmt: skip
    part = engine.part(engine.file(fingerprint="00" * 32), (3, 4))
    assert engine.load(request=part) == {3, 4}
    engine.worker.close()
    time.sleep(0.05)
    assert store.told == []
    assert "checks" not in engine.counts.take()


def test_blocks_that_the_engine_does_not_take_are_computed(engine: Engine) -> None:
    past = engine.part(engine.file(), (7, 8))  # the engine has eight, from 0
    assert engine.load(past=past, honest=engine.part(engine.file(), (0, 1))) == {7, 8}
    assert engine.holds((0, 1))
    assert engine.counts.take()["load_failures"] == 1


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32, torch.uint8])
@pytest.mark.parametrize("writing", ["put", "copy_blocks", "index_blocks"])
def test_blocks_are_written_bit_for_bit(connector: Any, dtype: torch.dtype, writing: str) -> None:
    """As processors and as devices take them; bits that are no number stay what they are, and other blocks, too."""
    worker_side = connector.worker_side
    bits = torch.randint(0, 256, (8, *SHAPE[1:], dtype.itemsize), dtype=torch.uint8).view(dtype).squeeze(-1)
    source, cache = bits.reshape(8, *SHAPE[1:]).clone(), torch.zeros((8, *SHAPE[1:]), dtype=dtype)
    getattr(worker_side, writing)(cache, (5, 2), worker_side.take(source, (3, 7)))
    wanted = torch.zeros((8, *SHAPE[1:]), dtype=dtype)
    wanted[5], wanted[2] = source[3], source[7]
    assert np.array_equal(cache.view(torch.uint8).numpy(), wanted.view(torch.uint8).numpy())


def test_blocks_of_another_shape_are_not_stretched(connector: Any) -> None:
    cache = torch.zeros((8, *SHAPE[1:]))
    with pytest.raises(connector.errors.BlobRefused, match="for a layer of"):
        connector.worker_side.put(cache, (0,), np.ones((1, 1, 1, 4), np.float32))
    assert not cache.any()


@pytest.mark.parametrize("place", [["x", 0], [0, "x"], [-1, 1], [True, 1], [0.5, 1], [None, None]])
def test_a_place_that_is_no_number_is_none(connector: Any, tmp_path: Path, place: list[Any]) -> None:
    store = connector.folder_store.FolderStore(tmp_path)
    data = b"any"
    checksum = hashlib.sha256(data).hexdigest()
    store.save(None, engine=ENGINE, first=0, hashes=HASHES, checksum=checksum, data=data)
    (tmp_path / "blocks" / HASHES[0]).write_text(json.dumps([checksum, *place]))
    assert store.lookup(None, ENGINE, HASHES) == []
