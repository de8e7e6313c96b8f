import subprocess
import sys
from pathlib import Path

PACKAGE = Path(__file__).parents[1]


def test_type_checkers_see_what_each_client_returns() -> None:
    checked = subprocess.run(
        [
            sys.executable,
            "-m",
            "mypy",
            "--config-file",
            PACKAGE / "pyproject.toml",
            PACKAGE / "src",
            "tests/typed_program.py",
        ],
        cwd=PACKAGE,
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout
