"""How much memory the embedded database takes for its pages."""

from pathlib import Path

from memory_service.embedded.cluster import buffers_mb, configuration, memory_of_machine


def test_a_container_has_what_its_limit_says(tmp_path: Path) -> None:
    limit = tmp_path / "memory.max"
    limit.write_text(f"{2 << 30}\n")
    assert memory_of_machine([limit, tmp_path / "of the other version"]) == 2 << 30


def test_a_container_without_a_limit_has_what_the_machine_has(tmp_path: Path) -> None:
    limit = tmp_path / "memory.max"
    limit.write_text("max\n")
    assert memory_of_machine([limit]) == memory_of_machine([]) > 0


def test_a_limit_above_the_machine_is_none(tmp_path: Path) -> None:
    limit = tmp_path / "memory.limit_in_bytes"
    limit.write_text("9223372036854771712\n")
    assert memory_of_machine([limit]) == memory_of_machine([])


def test_the_configuration_says_so() -> None:
    lines = configuration(shared_memory="posix", buffers_mb=buffers_mb(16 << 30)).splitlines()
    assert (
        "shared_buffers = 2048MB                      # an eighth of the memory, 256 to 4096 MB, filled as data comes"
        in lines
    )
    assert "effective_cache_size = 8192MB" in lines
