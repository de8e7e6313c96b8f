"""One program we started: its log, its end, and what it leaves behind."""

import os
import re
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from memory_service.embedded.logs import BoundedLog
from memory_service.embedded.privileges import Privileges, launch_command
from memory_service.embedded.processes import end, session_members
from memory_service.process_identity import ProcessIdentity, identify

# An error of ours at the end of a traceback, as plain text or inside a JSON string.
_SENTENCE = re.compile(r"memory_service\.[\w.]+: (.+?)(?:\\n|\"|$)")


class Child:
    """A program in a session of its own that ends when we end.

    The session keeps a Ctrl-C in the terminal from reaching it, so that the supervisor decides the order of the end.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str | Path],
        *,
        log: BoundedLog,
        environment: Mapping[str, str] | None = None,
        folder: Path = Path("/"),
        privileges: Privileges | None = None,
        stop_signal: signal.Signals = signal.SIGTERM,
        grace_s: float = 10,
        inherits: Sequence[int] = (),
    ) -> None:
        """Describe a program; `inherits` are the file descriptors of ours that it gets."""
        self.name = name
        self.log = log
        self._command = command
        self._environment = dict(environment) if environment is not None else None
        self._folder = folder
        self._privileges = privileges
        self._stop_signal = stop_signal
        self._grace_s = grace_s
        self._inherits = tuple(inherits)
        self._process: subprocess.Popen[bytes] | None = None
        self.identity: ProcessIdentity | None = None
        self.log_start = 0

    def launch(self) -> None:
        """Start the program; call it from a thread that lives as long as we do, its end would be the program's."""
        self.end_session()  # Of an earlier start that was killed.
        output = self.log.open()
        self.log_start = self.log.size()
        try:
            self._process = subprocess.Popen(
                launch_command(
                    self._command, privileges=self._privileges, session=True, death_signal=self._stop_signal
                ),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=self._environment,
                cwd=self._folder,
                pass_fds=self._inherits,
            )
        finally:
            os.close(output)
        self.identity = identify(self._process.pid)

    @property
    def pid(self) -> int | None:
        """Process id of the last start."""
        return self._process.pid if self._process else None

    def poll(self) -> int | None:
        """Return the exit status, None while it runs; negative is the signal that ended it."""
        return self._process.poll() if self._process else 0

    def last_words(self, lines: int = 5) -> list[str]:
        """Return the last lines the program logged since it was started."""
        return self.log.tail(since=self.log_start, lines=lines)

    def ask_to_stop(self) -> None:
        """Ask the program to end, and do not wait for it."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(self._stop_signal)

    def stop(self, *, hurry: bool = False) -> None:
        """End the program: ask, wait, kill; then whatever it left in its session."""
        if self._process is None:
            return
        if self._process.poll() is None:
            self._process.send_signal(self._stop_signal)
            try:
                self._process.wait(1 if hurry else self._grace_s)
            except subprocess.TimeoutExpired:
                self.end_session()
                self._process.kill()
                self._process.wait()
        self.end_session()
        self._process = None

    def end_session(self) -> None:
        """Kill what is left of the program's session, such as the pool processes of a killed worker."""
        if self.identity is not None:
            end(session_members(self.identity), first=signal.SIGKILL, grace_s=5)


def reason(child: Child) -> str:
    """Return why a program of ours ended: the sentence of our own error where it logged one, else its last line."""
    words = child.last_words(lines=40)
    sentences = [found[1] for word in words if (found := _SENTENCE.search(word))]
    return (sentences or words or ["It gave no reason."])[-1]
