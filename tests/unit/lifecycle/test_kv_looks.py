"""Who may read a whole blob, and when."""

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from uuid import UUID

import pytest

from memory_service.errors import Unavailable
from memory_service.lifecycle import kv_looks
from memory_service.lifecycle.kv_looks import AT_ONCE, PATIENCE_S, SOON_S, SOUND_S, WAITING, WAITING_OF_TENANT, Looks

ANA, BO, CY = UUID(int=1), UUID(int=2), UUID(int=3)
ONE, OTHER = UUID(int=11), UUID(int=12)


class Clock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def look(looks: Looks, tenant_id: UUID, one: UUID, *, anew: bool = False, sound: bool = True) -> bool:
    """Say whether the blob was to be read."""
    with looks.turn(tenant_id, one, anew=anew) as turn:
        turn.sound = sound
    return turn.whole


def test_what_was_found_sound_is_read_again_once_the_look_is_old(clock: Clock) -> None:
    looks = Looks(clock=clock)
    assert look(looks, ANA, ONE)
    clock.now += SOUND_S - 0.1
    assert not look(looks, ANA, ONE)
    assert look(looks, ANA, OTHER)
    assert look(looks, BO, ONE), "another tenant's is another"
    clock.now += 0.2
    assert look(looks, ANA, ONE), "not reading it made it no younger"


def test_who_asks_for_a_look_goes_by_one_of_the_last_seconds(clock: Clock) -> None:
    looks = Looks(clock=clock)
    look(looks, ANA, ONE)
    clock.now += SOON_S - 0.1
    assert not look(looks, ANA, ONE, anew=True)
    clock.now += 0.2
    assert look(looks, ANA, ONE, anew=True)


def test_a_load_since_makes_a_save_look_anew(clock: Clock) -> None:
    looks = Looks(clock=clock)
    look(looks, ANA, ONE)
    looks.loaded(ANA, ONE)
    looks.loaded(ANA, OTHER)
    clock.now += SOON_S - 0.1
    assert not look(looks, ANA, ONE)
    clock.now += 0.2
    assert look(looks, ANA, ONE)
    clock.now += SOON_S + 0.1
    assert not look(looks, ANA, ONE), "that look is younger than the load"


@pytest.mark.parametrize("fails", [False, True])
def test_what_was_not_found_sound_is_not_remembered(clock: Clock, fails: bool) -> None:
    looks = Looks(clock=clock)
    look(looks, ANA, ONE)
    clock.now += SOON_S + 1
    if fails:
        with pytest.raises(Unavailable, match="away"), looks.turn(ANA, ONE, anew=True):
            raise Unavailable("away")
    else:
        assert look(looks, ANA, ONE, anew=True, sound=False)
    assert look(looks, ANA, ONE)


def test_age_counts_from_the_beginning_of_a_look(clock: Clock) -> None:
    looks = Looks(clock=clock)
    with looks.turn(ANA, ONE, anew=False) as turn:
        clock.now += SOUND_S
        turn.sound = True
    assert look(looks, ANA, ONE)


def test_two_are_read_at_once_and_one_of_a_tenant() -> None:
    looks = Looks(patience_s=0.05)
    with ExitStack() as reading:
        reading.enter_context(looks.turn(ANA, ONE, anew=False))
        with pytest.raises(Unavailable) as busy, looks.turn(ANA, OTHER, anew=False):
            pass
        assert (busy.value.specific_code, busy.value.retry_after_s) == ("busy", 1)
        reading.enter_context(looks.turn(BO, ONE, anew=False))
        assert AT_ONCE == 2
        with pytest.raises(Unavailable), looks.turn(CY, ONE, anew=False):
            pass
    assert look(looks, CY, ONE)
    assert look(looks, ANA, OTHER)


@contextmanager
def at_once() -> Iterator[None]:
    """Check that a block waited for nobody: who is patient waits for `PATIENCE_S`."""
    began = time.monotonic()
    yield
    assert time.monotonic() - began < PATIENCE_S / 2


@contextmanager
def waiting(looks: Looks, tenants: Sequence[UUID], read: list[bool]) -> Iterator[None]:
    """Have threads wait for a blob, one for each tenant named, and note whether they read it once they may."""
    threads = [
        threading.Thread(target=lambda one=one: read.append(look(looks, one, ONE, anew=True))) for one in tenants
    ]
    for thread in threads:
        thread.start()
    while looks._waiting.total() < len(tenants):
        time.sleep(0.001)
    yield
    for thread in threads:
        thread.join(2 * PATIENCE_S)


def test_who_waits_for_the_same_blob_goes_by_the_look_it_waited_for() -> None:
    looks = Looks(patience_s=PATIENCE_S)
    read: list[bool] = []
    with ExitStack() as threads:
        with looks.turn(ANA, ONE, anew=True) as turn:
            threads.enter_context(waiting(looks, [ANA] * WAITING_OF_TENANT, read))
            # One more would hold another thread of the service for nothing; other tenants come in all the same.
            with at_once(), pytest.raises(Unavailable), looks.turn(ANA, OTHER, anew=False):
                pass
            assert look(looks, BO, ONE)
            turn.sound = True
        with at_once():
            threads.close()
    assert read == [False] * WAITING_OF_TENANT
    assert not looks._waiting
    assert not looks._looking


def test_only_so_many_wait_whoever_they_are() -> None:
    looks = Looks(patience_s=PATIENCE_S)
    read: list[bool] = []
    with ExitStack() as threads:
        with ExitStack() as reading:
            turns = [reading.enter_context(looks.turn(one, ONE, anew=True)) for one in (ANA, BO)]
            queue = [one for one in (ANA, BO, CY) for _ in range(3)][:WAITING]
            threads.enter_context(waiting(looks, queue, read))
            with at_once(), pytest.raises(Unavailable), looks.turn(UUID(int=4), ONE, anew=False):
                pass
            for turn in turns:
                turn.sound = True
        with at_once():
            threads.close()
    # Of the third tenant nobody had looked: one of its two reads, and the other goes by that.
    assert sorted(read) == [False] * (WAITING - 1) + [True]
    assert look(looks, UUID(int=4), ONE)


def test_memory_is_bounded(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kv_looks, "REMEMBERED", 3)
    looks = Looks(clock=clock)
    for at in range(5):
        look(looks, ANA, UUID(int=at))
    assert [look(looks, ANA, UUID(int=at)) for at in (4, 3, 2)] == [False] * 3
    assert look(looks, ANA, UUID(int=0))
