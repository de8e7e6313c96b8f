"""Environments from pinned versions: made once, made again when something changed, and failing with pip's reason."""

import ast
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from benchmarks.peers.catalogue import FLOOR, PEERS
from benchmarks.peers.contestants import ContestantFailed
from benchmarks.peers.environments import REQUIREMENTS, Environments, default_folder

ADAPTERS = Path(__file__).parents[3] / "benchmarks" / "peers" / "adapters"
PIN = re.compile(r"[a-z0-9-]+==[0-9][\w.]*")
OWN = {"benchmarks", "memory_service", "retrieval", "consolidation", "migrations", "tests"}


def wheel(folder: Path, name: str, version: str) -> Path:
    """Make a package of one module that knows its version."""
    path, info = folder / f"{name}-{version}-py3-none-any.whl", f"{name}-{version}.dist-info"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{name}.py", f"VERSION = {version!r}\n")
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        archive.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: t\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{info}/RECORD", "")
    return path


def value(python: Path, expression: str) -> str:
    done = subprocess.run([python, "-c", f"print({expression})"], capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.mark.slow
def test_a_peer_sees_the_encoder_environment_behind_its_own_packages(tmp_path: Path) -> None:
    pins = tmp_path / "requirements"
    pins.mkdir()
    (pins / "encoder.txt").write_text(f"{wheel(tmp_path, 'shared', '1.0')}\n{wheel(tmp_path, 'hidden', '1.0')}\n")
    (pins / "peer.txt").write_text(f"{wheel(tmp_path, 'own', '1.0')}\n{wheel(tmp_path, 'hidden', '2.0')}\n")
    torch: list[Path] = []
    environments = Environments(
        tmp_path / "made", requirements=pins, install_torch=lambda place, log: torch.append(place)
    )
    assert not environments.is_ready("peer")
    python = environments.python("peer")
    every = "','.join(__import__(name).VERSION for name in ('shared', 'own', 'hidden'))"
    assert value(python, every) == "1.0,1.0,2.0"
    assert value(environments.python("encoder"), "__import__('hidden').VERSION") == "1.0"
    assert torch == [tmp_path / "made" / "encoder"]

    (tmp_path / "made" / "peer" / "kept").touch()
    assert environments.python("peer") == python
    assert (tmp_path / "made" / "peer" / "kept").exists(), "nothing changed, so nothing was made"

    (pins / "peer.txt").write_text("no-such-package @ file:///nowhere/no_such_package-9.9-py3-none-any.whl\n")
    assert not environments.is_ready("peer")
    with pytest.raises(ContestantFailed, match=r"not installed: .*nowhere.*peer\.log"):
        environments.python("peer")
    assert not environments.is_ready("peer"), "half an environment is none"
    assert environments.is_ready("encoder"), "and harms no other"


def test_the_folder_is_the_users_and_no_checkouts() -> None:
    assert default_folder({"XDG_CACHE_HOME": "/caches"}) == Path("/caches/memory-service/peers")
    assert default_folder({}) == Path.home() / ".cache" / "memory-service" / "peers"


@pytest.mark.parametrize("path", sorted(REQUIREMENTS.glob("*.txt")), ids=lambda path: path.stem)
def test_every_version_is_pinned(path: Path) -> None:
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    assert lines
    assert not [line for line in lines if not PIN.fullmatch(line)]
    names = [line.partition("==")[0] for line in lines]
    assert len(set(names)) == len(names)


def test_every_entry_has_its_pins_and_its_adapter() -> None:
    for entry in (FLOOR, *PEERS):
        assert (REQUIREMENTS / f"{entry.requirements}.txt").is_file()
        assert (ADAPTERS / f"{entry.adapter.rpartition('.')[2]}.py").is_file()
    assert {path.stem for path in REQUIREMENTS.glob("*.txt")} == {one.requirements for one in (FLOOR, *PEERS)}


@pytest.mark.parametrize("path", sorted(ADAPTERS.glob("*.py")), ids=lambda path: path.stem)
def test_adapters_import_nothing_of_the_project_but_each_other(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    imported = [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    imported += [alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
    ours = {name for name in imported if name.partition(".")[0] in OWN}
    assert ours <= {"benchmarks.peers.adapters.wire", "benchmarks.peers.adapters.encoder"}


def test_the_command_says_what_it_does_and_needs_a_service() -> None:
    command = [sys.executable, "-m", "benchmarks.peers"]
    done = subprocess.run([*command, "--help"], cwd=ADAPTERS.parents[2], capture_output=True, text=True, check=True)
    assert "usage: python -m benchmarks.peers" in done.stdout
    missing = subprocess.run(
        [*command, "nowhere.jsonl"], cwd=ADAPTERS.parents[2], capture_output=True, text=True, check=False
    )
    assert missing.returncode == 6
    assert "Traceback" not in missing.stderr
