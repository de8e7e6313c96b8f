"""The docs name what there is: every operation, setting, error, metric, table, command; every link leads somewhere."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.main import get_command

from memory_service import errors
from memory_service.api.app import create_app
from memory_service.api.metrics import Metrics
from memory_service.api.problems import CODES
from memory_service.cli.main import app as cli
from memory_service.settings import Settings
from memory_service.storage.tables import metadata

CHECKOUT = Path(__file__).parents[2]
DOCS = CHECKOUT / "docs"
PAGES = sorted([*CHECKOUT.glob("*.md"), *DOCS.rglob("*.md"), *(CHECKOUT / "benchmarks").glob("*.md")])
REFERENCE = DOCS / "reference"
FENCE = re.compile(r"^```.*?^```$", re.M | re.S)
LINK = re.compile(r"(?<!!)\[[^\]\n]+\]\(([^)\s]+)\)")


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def prose(path: Path) -> str:
    return FENCE.sub("", read(path))


def anchors(path: Path) -> set[str]:
    """Return the anchors that GitHub makes of the headings of a page."""
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", read(path)), re.M)
    plain = (re.sub(r"[`*]|\[([^\]]*)\]\([^)]*\)", r"\1", heading) for heading in headings)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in plain}


def links() -> Iterator[tuple[Path, str]]:
    for page in PAGES:
        for target in LINK.findall(prose(page)):
            if not re.match(r"[a-z]+:", target):
                yield page, target


@pytest.mark.parametrize(
    ("page", "target"), [pytest.param(p, t, id=f"{p.relative_to(CHECKOUT)}: {t}") for p, t in links()]
)
def test_every_relative_link_leads_somewhere(page: Path, target: str) -> None:
    name, _, anchor = target.partition("#")
    found = (page.parent / name).resolve() if name else page
    assert found.exists()
    assert found.is_relative_to(CHECKOUT)
    if anchor:
        assert anchor in anchors(found)


def test_every_page_can_be_reached_from_the_index() -> None:
    reached, waiting = set(), [DOCS / "README.md"]
    while waiting:
        page = waiting.pop()
        if page in reached or page.suffix != ".md":
            continue
        reached.add(page)
        for target in LINK.findall(prose(page)):
            if not re.match(r"[a-z]+:|#", target):
                waiting.append((page.parent / target.partition("#")[0]).resolve())
    assert not set(DOCS.rglob("*.md")) - reached


def operations() -> list[str]:
    document: dict[str, Any] = create_app(Settings()).openapi()
    return [f"{method.upper()} {path}" for path, methods in document["paths"].items() for method in methods]


def test_every_operation_is_listed_and_none_that_is_not_there() -> None:
    listed = set(re.findall(r"^\| `((?:GET|POST|PUT|PATCH|DELETE) /\S+)` \|", read(REFERENCE / "http.md"), re.M))
    assert listed == set(operations())


def test_every_setting_is_listed() -> None:
    names = {
        str(field.validation_alias or f"MEMORY_SERVICE_{name.upper()}") for name, field in Settings.model_fields.items()
    }
    listed = set(re.findall(r"^\| `([A-Z0-9_]+)` \|", read(REFERENCE / "configuration.md"), re.M))
    of_clients = {"MEMORY_SERVICE_URL", "MEMORY_SERVICE_API_KEY", "PYTHON", "TORCH_CPU_INDEX"}
    assert listed == names | of_clients


def test_defaults_of_settings_are_those_of_the_code() -> None:
    table = dict(re.findall(r"^\| `([A-Z0-9_]+)` \| `([^`]+)` \|", read(REFERENCE / "configuration.md"), re.M))
    for name, field in Settings.model_fields.items():
        documented = table.get(str(field.validation_alias or f"MEMORY_SERVICE_{name.upper()}"))
        if documented is not None:
            assert documented == str(field.default), name


def codes_in_use() -> set[str]:
    found: set[str] = set()
    waiting: list[type[errors.MemoryServiceError]] = [errors.MemoryServiceError]
    while waiting:
        kind = waiting.pop()
        found.add(kind.code)
        waiting += kind.__subclasses__()
    for folder in ("memory_service", "retrieval", "consolidation"):
        for path in (CHECKOUT / folder).rglob("*.py"):
            found |= set(re.findall(r'\b(?:problem_)?code="([a-z_]+)"', read(path)))
    return found | set(CODES.values()) | {"metadata_too_large", "value_too_large"}


def test_every_error_code_is_listed() -> None:
    page = read(REFERENCE / "errors.md")
    listed = set(re.findall(r"`([a-z_]+)`", re.sub(FENCE, "", page)))
    assert not codes_in_use() - listed
    table = re.findall(r"^\| ((?:`[a-z_]+`[ ]?)+) \|", page, re.M)
    documented = {code for cell in table for code in re.findall(r"`([a-z_]+)`", cell)}
    assert not documented - codes_in_use(), "codes that nothing sends any more"


def test_every_metric_is_listed() -> None:
    names = {m.name + ("_total" if m.type == "counter" else "") for m in Metrics().registry.collect()}
    listed = set(re.findall(r"^\| `(memory_service_\w+)` \|", read(REFERENCE / "metrics.md"), re.M))
    # Two more are read from what the running service holds.
    assert listed == names | {"memory_service_database_connections", "memory_service_kv_upkeep_total"}


def test_every_table_is_listed() -> None:
    listed = set(re.findall(r"^\| `(\w+)` \|", read(REFERENCE / "schema.md"), re.M))
    migrations = "".join(read(path) for path in (CHECKOUT / "migrations" / "versions").glob("*.py"))
    made = set(re.findall(r"CREATE TABLE (\w+)", migrations)) - set(re.findall(r"DROP TABLE (\w+)", migrations))
    partitions = set(re.findall(r"CREATE TABLE (\w+) PARTITION OF", migrations))
    assert not (made - partitions | set(metadata.tables)) - listed
    page = read(REFERENCE / "schema.md")
    for name in (*partitions, *re.findall(r"CREATE (?:UNIQUE )?INDEX (\w+)", migrations)):
        assert f"`{name}`" in page, name
    for name in re.findall(r"CREATE (?:OR REPLACE )?FUNCTION (\w+)", migrations):
        assert f"`{name}(" in page, name


def commands(group: Any, prefix: str = "") -> Iterator[str]:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, f"{prefix}{name} ")
        else:
            yield f"{prefix}{name}"


@pytest.mark.parametrize("package", ["retrieval", "consolidation", "memory_service/api/chat_proxy"])
def test_the_architecture_names_every_module_and_none_that_is_not_there(package: str) -> None:
    modules = {path.stem for path in (CHECKOUT / package).iterdir() if path.suffix == ".py" or path.is_dir()}
    heading = f"| module of `{package.removeprefix('memory_service/').replace('/', '.')}` | does |"
    table = read(DOCS / "discussion" / "architecture.md").partition(heading)[2].partition("\n\n")[0]
    named = [name for row in table.splitlines()[2:] for name in re.findall(r"`(\w+)`", row.split("|")[1])]
    assert sorted(named) == sorted(modules - {"__init__", "__pycache__"}), "each once"


def test_every_command_and_make_target_is_listed() -> None:
    page = read(REFERENCE / "cli.md")
    listed = re.findall(r"^\| `([a-z -]+?)(?: [A-Z]+)?` \|", page, re.M)
    for command in commands(get_command(cli)):
        assert command in listed, command
    for target in re.findall(r"^([a-z]+):.*## ", read(CHECKOUT / "Makefile"), re.M):
        assert re.search(rf"`{target}[ `]", page) or target == "help", target


@pytest.mark.parametrize(
    "word",
    [
        "tenant",
        "namespace",
        "memory",
        "source",
        "derivation",
        "version",
        "supersede",
        "state",
        "link",
        "entity",
        "channel",
        "retrievability",
        "stability",
        "changeset",
        "trace",
        "tombstone",
        "encoder",
        "shelf",
        "posting",
        "impact",
        "job",
        "nudge",
        "sweep",
        "lease",
        "reinforce",
        "confidence",
        "abstain",
    ],
)
def test_the_glossary_has_the_words(word: str) -> None:
    assert re.search(rf"^\| \*\*[^|]*\b{word}\b", read(DOCS / "glossary.md"), re.M | re.I)


@pytest.mark.parametrize("page", sorted((DOCS / "adr").glob("0*.md")), ids=lambda page: page.stem)
def test_a_decision_record_says_what_else_was_considered(page: Path) -> None:
    text = read(page)
    for heading in ("## Decision", "## Why", "## Alternatives considered", "## Costs"):
        assert heading in text
    assert len(text.splitlines()) <= 60, "a decision record is one page"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(CHECKOUT)))
def test_pages_are_tidy(page: Path) -> None:
    text = read(page)
    assert text.startswith("# ")
    assert text.endswith("\n")
    assert text.count("\n```") % 2 == 0
    assert not re.search(r"[ \t]+$", text, re.M)
    assert not re.search(r"(?<![\w.])/(?:work|root|opt|home)/", text), "a path of one machine"


def tracked() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=CHECKOUT, capture_output=True, text=True, check=False)
    return [CHECKOUT / name for name in listed.stdout.split("\0") if name and (CHECKOUT / name).is_file()]


@pytest.mark.skipif(not (CHECKOUT / ".git").exists(), reason="not a checkout")
def test_what_installing_a_client_leaves_is_ignored() -> None:
    left = [f"{path.parent.relative_to(CHECKOUT)}/build/lib/x.py" for path in CHECKOUT.glob("clients/*/pyproject.toml")]
    assert left
    ignored = subprocess.run(
        ["git", "check-ignore", "--no-index", *left], cwd=CHECKOUT, capture_output=True, text=True, check=False
    )
    assert sorted(ignored.stdout.splitlines()) == sorted(left)


@pytest.mark.skipif(not (CHECKOUT / ".git").exists(), reason="not a checkout")
def test_no_file_names_a_path_of_one_machine() -> None:
    homes = r"(?<![\w.])(?:/home|/Users)/(?!me/|you/)[a-z][\w.-]*/"
    here = "|".join(re.escape(f"{path}/") for path in {CHECKOUT, Path.home()} if len(path.parts) > 1)
    machine = re.compile(rf"{homes}|(?<![\w.])(?:{here})" if here else homes)
    files = tracked()
    assert len(files) > 100
    found = []
    for path in files:
        content = path.read_bytes()
        if b"\0" not in content and (hit := machine.search(content.decode("utf-8", "replace"))):
            found.append(f"{path.relative_to(CHECKOUT)}: {hit[0]}")
    assert found == []


def compose() -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load(read(CHECKOUT / "docker-compose.yml"))
    return document


def test_compose_has_every_part_and_waits_in_the_right_order() -> None:
    services = compose()["services"]
    assert set(services) == {"postgres", "redis", "migrate", "api", "worker", "beat"}
    assert services["migrate"]["depends_on"] == {"postgres": {"condition": "service_healthy"}}
    for name in ("api", "worker", "beat"):
        assert services[name]["depends_on"]["migrate"] == {"condition": "service_completed_successfully"}
        assert services[name]["build"] == "."
    for name in ("postgres", "redis", "api"):
        assert services[name]["healthcheck"]["test"][0] in {"CMD", "CMD-SHELL"}
    named = {volume.partition(":")[0] for service in services.values() for volume in service.get("volumes", ())}
    assert named == set(compose()["volumes"])


def test_compose_publishes_the_api_to_this_machine_only_and_holds_no_password() -> None:
    services = compose()["services"]
    assert {name for name, service in services.items() if "ports" in service} == {"api"}
    assert all(port.startswith("127.0.0.1:") for port in services["api"]["ports"])
    text = read(CHECKOUT / "docker-compose.yml")
    assert not re.search(r"PASSWORD: (?!\$\{\w+:\?\})", text)
    for name in ("api", "worker", "beat"):
        assert "POSTGRES_PASSWORD" not in str(services[name]), f"{name} gets the administrator's login"


def test_the_image_holds_every_package_that_is_imported() -> None:
    dockerfile, ignored = read(CHECKOUT / "Dockerfile"), read(CHECKOUT / ".dockerignore")
    packages = [p.parent.name for p in CHECKOUT.glob("*/__init__.py")]
    assert {"memory_service", "retrieval", "consolidation", "migrations"} <= set(packages)
    for name in packages:
        assert f"COPY {name} {name}" in dockerfile
        assert f"!{name}\n" in ignored
    api = compose()["services"]["api"]["command"]
    assert all(f'"{word}"' in dockerfile for word in api), "the image and docker-compose.yml start the API differently"


def test_ci_refuses_a_step_that_it_does_not_have() -> None:
    script = CHECKOUT / ".ci" / "run"
    done = subprocess.run([script, "lint", "fuzzing"], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 2
    assert "no step fuzzing" in done.stderr
    assert done.stdout == ""


@pytest.mark.skipif(not shutil.which("make"), reason="no make")
def test_make_bench_asks_for_its_file_first() -> None:
    for words in (["FILE="], ["FILE=no-such-file.json"]):
        command = ["make", "--no-print-directory", "bench", *words, "PYTHON=false"]
        done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, timeout=30, check=False)
        assert done.returncode == 2
        assert "file" in done.stdout.lower()


def test_ci_is_a_script_that_bash_understands() -> None:
    script = CHECKOUT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    assert subprocess.run(["bash", "-n", script], check=False).returncode == 0
    doctested = re.search(r"^DOCTESTED := (.*)$", read(CHECKOUT / "Makefile"), re.M)
    assert doctested
    assert f'DOCTESTED="{doctested[1]}"' in read(script), "CI runs other worked examples than make test"
