"""Beat's scheduler: Celery's, for clocks that are set back."""

from typing import Any

from celery.beat import PersistentScheduler


class Scheduler(PersistentScheduler):  # type: ignore[misc]  # Celery has no types.
    """Send what is due by the time of day, and by no time that has yet to come.

    Celery's own waits for an hour once the clock is set back by an hour: nothing is due before its last run and an interval. So
    it does after a start, for it keeps the moments of last runs in a file.
    """

    def tick(self, *args: Any, **kwargs: Any) -> float:
        """Send what is due; return in how many seconds to look again."""
        for entry in self.schedule.values():
            now = entry.default_now()
            if entry.last_run_at > now:
                entry.last_run_at = now
                self._heap = None  # It knows when entries were to run; it is made anew from what they say.
        return float(super().tick(*args, **kwargs))
