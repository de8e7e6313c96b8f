from pathlib import Path

import pytest

from memory_service.cores import usable_cores

BOUND = usable_cores(Path("/nowhere"))


@pytest.mark.parametrize(
    ("text", "cores"),
    [
        ("max 100000\n", BOUND),
        ("100000 100000\n", 1),
        ("50000 100000\n", 1),
        ("1 100000\n", 1),
        ("100000000 100000\n", BOUND),
        ("100000 0\n", BOUND),
        ("", BOUND),
        ("what 100000\n", BOUND),
    ],
)
def test_a_container_that_may_compute_less_has_fewer_cores(tmp_path: Path, text: str, cores: int) -> None:
    quota = tmp_path / "cpu.max"
    quota.write_text(text)
    assert usable_cores(quota) == cores
    assert BOUND >= 1
