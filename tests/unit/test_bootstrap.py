"""The installer's decisions; that it installs is proven by every `make run` on a fresh machine."""

import importlib.util
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from types import ModuleType

import pytest

SOURCE = Path(__file__).parents[2] / "bootstrap.py"


@pytest.fixture
def installer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    spec = importlib.util.spec_from_file_location("bootstrap_under_test", SOURCE)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "VENV", tmp_path)
    monkeypatch.setattr(module, "STAMP", tmp_path / "installed.json")
    monkeypatch.setattr(module.sys, "platform", "linux")
    return module


@pytest.fixture
def calls(installer: ModuleType, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """What pip would have been asked; the environment is empty, so torch is not there."""
    made: list[tuple[str, ...]] = []
    monkeypatch.setattr(installer, "pip", lambda *arguments: made.append(arguments) or True)
    monkeypatch.setattr(installer, "run_quietly", lambda _command: False)
    monkeypatch.setattr(installer, "has_gpu", lambda: False)
    return made


def requirements(installer: ModuleType, *texts: str) -> list[str]:
    report = {"install": [{"metadata": {"name": "torch", "requires_dist": list(texts)}}]}
    done = subprocess.run(
        [sys.executable, "-c", installer.CUDA_NEEDS],
        input=json.dumps(report),
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.split()


def test_cuda_packages_are_seen_where_they_apply(installer: ModuleType) -> None:
    assert requirements(installer, "sympy", "networkx>=2.5.1") == []
    assert requirements(installer, "triton==3.5; platform_system == 'Plan9'", "jinja2; extra == 'nvidia'") == []
    found = requirements(installer, "nvidia-cublas; sys_platform != 'plan9'", "cuda-bindings", "triton==3.5")
    assert found == ["nvidia-cublas", "cuda-bindings", "triton"]


def test_cpu_build_is_taken_from_the_usual_place_where_it_is_there(
    installer: ModuleType, calls: list[tuple[str, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(installer, "cuda_needs", list)
    installer.install_torch()
    assert calls == [("install", installer.TORCH)]


@pytest.mark.parametrize("needs", [["nvidia-cublas"], None])
def test_cpu_build_is_fetched_from_pytorch_where_it_is_not(
    installer: ModuleType, calls: list[tuple[str, ...]], monkeypatch: pytest.MonkeyPatch, needs: list[str] | None
) -> None:
    monkeypatch.setattr(installer, "cuda_needs", lambda: needs)
    installer.install_torch()
    assert calls[0][:4] == ("install", installer.TORCH, "--index-url", installer.TORCH_CPU_INDEX)


def test_no_cpu_build_anywhere_is_said_in_one_sentence(
    installer: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    calls: list[tuple[str, ...]],
) -> None:
    monkeypatch.setattr(installer, "cuda_needs", lambda: ["triton"])
    monkeypatch.setattr(installer, "pip", lambda *_arguments: False)
    installer.install_torch()
    assert "No CPU build of torch could be had" in capsys.readouterr().out
    assert calls == []


def test_machine_with_a_gpu_gets_the_build_pip_chooses(
    installer: ModuleType, calls: list[tuple[str, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(installer, "has_gpu", lambda: True)
    installer.install_torch()
    assert calls == []


def test_second_run_does_nothing_until_something_changes(
    installer: ModuleType, calls: list[tuple[str, ...]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(installer, "make_environment", lambda: None)
    monkeypatch.setattr(installer, "install_torch", lambda: None)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").touch()
    installer.main({"dev"})
    assert calls == [("install", "--constraint", "constraints.txt", "--editable", ".[dev]")]
    installer.main(set())
    installer.main({"dev"})
    assert len(calls) == 1
    monkeypatch.setattr(installer, "state", lambda _inputs: "changed")
    installer.main(set())
    assert calls[1:] == calls[:1]


@pytest.mark.parametrize(
    ("of", "place", "requirements"),
    [
        ("clients", "CLIENTS_VENV", "clients/requirements-test.txt"),
        ("crewai", "CREWAI_VENV", "clients/crewai/requirements-test.txt"),
    ],
)
def test_clients_have_environments_of_their_own(
    installer: ModuleType, calls: list[tuple[str, ...]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, of: str,
    place: str, requirements: str,
) -> None:  # fmt: skip
    monkeypatch.setattr(installer, place, tmp_path / of)
    monkeypatch.setattr(installer, "make_environment", lambda: None)
    (tmp_path / of / "bin").mkdir(parents=True)
    (tmp_path / of / "bin" / "python").touch()
    bring_up_to_date = getattr(installer, f"main_{of}")
    bring_up_to_date()
    assert calls == [("install", "--requirement", requirements)]
    assert (tmp_path / of / "installed.json").exists()
    bring_up_to_date()
    assert len(calls) == 1
    monkeypatch.setattr(installer, "state", lambda _inputs: "changed")
    bring_up_to_date()
    assert len(calls) == 2


def test_python_that_is_too_old_is_told_so(installer: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installer, "MINIMUM", (99, 0))
    monkeypatch.setattr(installer, "OTHER_PYTHONS", ())
    with pytest.raises(SystemExit, match=r"needs Python 99\.0 or newer"):
        installer.require_python()


def test_constraints_name_one_version_of_everything_that_is_required() -> None:
    lines = (SOURCE.parent / "constraints.txt").read_text().splitlines()
    assert all(re.fullmatch(r"[a-z0-9-]+==[0-9][\w.]*", line) for line in lines)
    assert lines == sorted(lines, key=lambda line: line.partition("==")[0])
    named = {line.partition("==")[0] for line in lines}
    project = tomllib.loads((SOURCE.parent / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    direct = {re.sub(r"[-_.]+", "-", re.match(r"[\w.-]+", text)[0]).lower() for text in wanted}  # type: ignore[index]
    assert direct <= named


def test_torch_is_the_constrained_one(installer: ModuleType) -> None:
    assert installer.TORCH in (SOURCE.parent / "constraints.txt").read_text().splitlines()
