"""Who may read a whole blob, and when."""

import threading
import time
from contextlib import ExitStack
from uuid import UUID

import pytest

from memory_service.errors import Unavailable
from memory_service.lifecycle import kv_looks
from memory_service.lifecycle.kv_looks import AT_ONCE, SOON_S, SOUND_S, WAITING_OF_TENANT, Looks

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


def test_who_waits_for_the_same_blob_goes_by_the_look_it_waited_for() -> None:
    looks = Looks(patience_s=10)
    read: list[bool] = []
    with looks.turn(ANA, ONE, anew=True) as turn:
        threads = [
            threading.Thread(target=lambda: read.append(look(looks, ANA, ONE, anew=True)))
            for _ in range(WAITING_OF_TENANT)
        ]
        for thread in threads:
            thread.start()
        while looks._waiting[ANA] < WAITING_OF_TENANT:
            time.sleep(0.001)
        # One more would hold another thread of the service for nothing; other tenants come in all the same.
        with pytest.raises(Unavailable), looks.turn(ANA, OTHER, anew=False):
            pass
        assert look(looks, BO, ONE)
        turn.sound = True
    for thread in threads:
        thread.join(10)
    assert read == [False] * WAITING_OF_TENANT
    assert not looks._waiting
    assert not looks._looking


def test_memory_is_bounded(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kv_looks, "REMEMBERED", 3)
    looks = Looks(clock=clock)
    for at in range(5):
        look(looks, ANA, UUID(int=at))
    assert [look(looks, ANA, UUID(int=at)) for at in (4, 3, 2)] == [False] * 3
    assert look(looks, ANA, UUID(int=0))
