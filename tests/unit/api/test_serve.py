"""An API process may hold as many connections as the system allows it."""

import subprocess
import sys

import pytest

PROGRAM = """
import resource
from memory_service.api.serve import allow_connections
resource.setrlimit(resource.RLIMIT_NOFILE, ({soft}, {hard}))
allow_connections()
print(*resource.getrlimit(resource.RLIMIT_NOFILE))
"""


@pytest.mark.parametrize(
    ("soft", "hard", "becomes"), [(256, 2_000, 2_000), (2_000, 2_000, 2_000)], ids=["less", "all of it"]
)
def test_the_limit_of_open_files_is_that_of_the_system(soft: int, hard: int, becomes: int) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(soft=soft, hard=hard)], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == [str(becomes), str(hard)]
