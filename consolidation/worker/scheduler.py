"""Beat's scheduler: Celery's, for clocks that are set back."""

from typing import Any

from celery.beat import PersistentScheduler

from memory_service.pulse import own_pulse


class Scheduler(PersistentScheduler):  # type: ignore[misc]  # Celery has no types.
    """Send what is due by the time of day, and by no time that has yet to come.

    Celery's own waits for an hour once the clock is set back by an hour: nothing is due before its last run and an interval. So
    it does after a start, for it keeps the moments of last runs in a file.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Read what was written down of last runs."""
        self._pulse = own_pulse("beat")
        super().__init__(*args, **kwargs)

    def tick(self, *args: Any, **kwargs: Any) -> float:
        """Send what is due; return in how many seconds to look again."""
        for entry in self.schedule.values():
            now = entry.default_now()
            if entry.last_run_at > now:
                entry.last_run_at = now
                self._heap = None  # It knows when entries were to run; it is made anew from what they say.
        wait_s = float(super().tick(*args, **kwargs))
        if self._pulse is not None:
            self._pulse.beat()
        return wait_s
