"""Root may not run Postgres, so root becomes somebody: each way is tried for real."""

import os
import shutil
import stat
from pathlib import Path

import psycopg
import pytest

from memory_service.embedded.binaries import PostgresBinaries, find_postgres
from memory_service.embedded.folders import fingerprint, make_data_dir
from memory_service.embedded.placement import place
from memory_service.embedded.postgres import EmbeddedPostgres
from memory_service.embedded.privileges import can_run, namespace_candidates, setuid_candidates
from memory_service.errors import Misconfigured

pytestmark = [
    pytest.mark.timeout(180),
    pytest.mark.skipif(os.geteuid() != 0, reason="only root has privileges to drop"),
]
needs_namespaces = pytest.mark.skipif(
    os.geteuid() == 0 and not any(can_run(["/bin/true"], privileges) for privileges in namespace_candidates()),
    reason="user namespaces are not allowed here",
)


def count_rows(postgres: EmbeddedPostgres) -> int:
    with psycopg.connect(postgres.url.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS kept (number int)")
        connection.execute("INSERT INTO kept VALUES (1)")
        return connection.execute("SELECT 1 FROM kept").rowcount


def owners(folder: Path) -> set[int]:
    return {path.lstat().st_uid for path in [folder, *folder.rglob("*")]}


@needs_namespaces
def test_namespace_works_in_a_private_folder_and_keeps_files_with_root(data_dir: Path) -> None:
    data_dir.parent.chmod(0o700)
    with EmbeddedPostgres(data_dir, mode="namespace") as postgres:
        assert postgres.placement.privileges.kind == "namespace"
        assert postgres.placement.cluster == data_dir / "postgres"
        assert count_rows(postgres) == 1
    assert owners(data_dir / "postgres") == {0}


def test_another_user_in_place(open_data_dir: Path) -> None:
    data_dir = open_data_dir
    if not can_run([find_postgres().program("postgres"), "--version"], next(setuid_candidates(None))):
        pytest.skip("the programs lie where no other user reaches them")
    with EmbeddedPostgres(data_dir, mode="setuid") as postgres:
        assert postgres.placement.privileges.kind == "setuid"
        assert postgres.placement.cluster == data_dir / "postgres"
        assert count_rows(postgres) == 1
    assert owners(data_dir / "postgres") == {postgres_uid(data_dir)}
    with EmbeddedPostgres(data_dir, mode="setuid") as postgres:
        assert count_rows(postgres) == 2


def postgres_uid(data_dir: Path) -> int:
    return (data_dir / "postgres").stat().st_uid


def test_another_user_with_a_folder_of_our_own(data_dir: Path, open_folder: Path) -> None:
    data_dir.mkdir(mode=0o700, parents=True)
    before = data_dir.stat().st_mode, data_dir.parent.stat().st_mode
    for expected in (1, 2):
        with EmbeddedPostgres(data_dir, mode="setuid", lasting_folders=[open_folder]) as postgres:
            home = open_folder / f"memory-service-{fingerprint(data_dir)}"
            assert postgres.placement.cluster == home / "postgres"
            assert count_rows(postgres) == expected
    assert (data_dir.stat().st_mode, data_dir.parent.stat().st_mode) == before


def test_programs_out_of_reach_are_copied_once(data_dir: Path, open_folder: Path, tmp_path: Path) -> None:
    original = find_postgres()
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    site = original.package.parent
    for name in (original.package.name, f"{original.package.name}.libs"):
        if (site / name).exists():
            shutil.copytree(site / name, private / name, symlinks=True)
    hidden = PostgresBinaries(private / original.bin.relative_to(site), original.version)
    make_data_dir(data_dir)
    data_dir.chmod(0o700)
    for _ in range(2):
        placement = place(data_dir, hidden, mode="setuid", lasting_folders=[open_folder])
        assert placement.binaries.bin.is_relative_to(open_folder)
        assert placement.cluster.is_relative_to(open_folder)
        assert can_run([placement.binaries.program("initdb"), "--version"], placement.privileges)
    assert stat.S_IMODE(private.stat().st_mode) == 0o700


@needs_namespaces
def test_cluster_moves_when_the_way_changes_and_loses_nothing(data_dir: Path, open_folder: Path) -> None:
    data_dir.mkdir(mode=0o700, parents=True)
    with EmbeddedPostgres(data_dir, mode="namespace") as postgres:
        assert count_rows(postgres) == 1
    with EmbeddedPostgres(data_dir, mode="setuid", lasting_folders=[open_folder]) as postgres:
        assert postgres.placement.cluster.is_relative_to(open_folder)
        assert count_rows(postgres) == 2
    assert (data_dir / "postgres.moved").is_dir()
    with EmbeddedPostgres(data_dir, mode="namespace") as postgres:
        assert postgres.placement.cluster.is_relative_to(open_folder)
        assert count_rows(postgres) == 3


def test_cluster_of_a_removed_data_folder_is_kept_aside(data_dir: Path, open_folder: Path) -> None:
    for _ in range(2):
        data_dir.mkdir(mode=0o700, parents=True)
        with EmbeddedPostgres(data_dir, mode="setuid", lasting_folders=[open_folder]) as postgres:
            assert count_rows(postgres) == 1
        shutil.rmtree(data_dir)
    assert (open_folder / f"memory-service-{fingerprint(data_dir)}" / "postgres.orphan").is_dir()


def test_data_folder_of_another_user_is_left_to_that_user(data_dir: Path) -> None:
    make_data_dir(data_dir)
    os.chown(data_dir / "run", 65534, 65534)
    with pytest.raises(Misconfigured, match=r"belongs to the user .* Run as that user"):
        EmbeddedPostgres(data_dir).start()
