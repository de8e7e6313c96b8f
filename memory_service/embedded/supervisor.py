"""Everything behind `make run`: start the parts in order, keep them alive, stop them in order."""

import socket
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from pydantic import ValidationError

from memory_service.embedded.broker import EmbeddedBroker
from memory_service.embedded.child import Child, reason
from memory_service.embedded.cluster import CONNECTIONS
from memory_service.embedded.console import Console, Waiting, banner, shown_path
from memory_service.embedded.endpoints import endpoints_file, read_endpoints, write_endpoints
from memory_service.embedded.failing_file import FailingFile
from memory_service.embedded.folders import fresh_shared_folder, full_disk, make_data_dir, remove_shared_folder
from memory_service.embedded.halting import BACKGROUND, LOOK_FOR_HALTED_S, HaltedParts
from memory_service.embedded.lock import FolderLock
from memory_service.embedded.login import login_path
from memory_service.embedded.postgres import EmbeddedPostgres
from memory_service.embedded.prepare import REFUSED
from memory_service.embedded.readiness import (
    READY_ANSWER_S,
    base_url,
    bound_sockets,
    broker_answers,
    get,
    only_this_machine,
    why_not_ready,
)
from memory_service.embedded.restarts import Restarts
from memory_service.embedded.roster import Roster
from memory_service.embedded.services import API, base_environment, is_api, make_services, part_log
from memory_service.embedded.stopping import StopRequested, StopSignal
from memory_service.errors import MemoryServiceError, Misconfigured, Unavailable
from memory_service.process_identity import ProcessIdentity
from memory_service.pulse import await_pulse
from memory_service.settings import CHECKOUT, Settings, get_settings, unusable_settings

READY_TIMEOUT_S = 180  # Seconds are usual; a cold disk and a large encoder take longer.
LOOK_EVERY_S = 0.25
TRIM_EVERY_S = 15
# The API first, so that nobody writes any more; the database last, because all others talk to it.
STOP_ORDER = (API, "worker", "beat", "broker", "postgres")


class Part(Protocol):
    """What the supervisor needs to know of a database, a broker or a process of ours."""

    name: str

    @property
    def identity(self) -> ProcessIdentity | None:
        """Its process, as of the last start."""

    def launch(self) -> None:
        """Start the process without waiting."""

    def poll(self) -> int | None:
        """Return its exit status, None while it runs."""

    def stop(self, *, hurry: bool = False) -> None:
        """End it and what it left."""


class Supervisor:
    """The service of one data directory, as a tree of processes."""

    def __init__(self, settings: Settings, *, console: Console, stop: StopSignal) -> None:
        self._settings = settings
        self._console = console
        self._stop = stop
        self._roster = Roster(settings.data_dir)
        self._parts: list[Part] = []
        self._apis: list[Child] = []
        # Kept open, so that connections wait for an API that starts again.
        self._listening: list[socket.socket] = []
        self._shared: Path | None = None
        self._halted = HaltedParts()
        self._written: FailingFile | None = None  # which parts fail, for those who are asked how the service is
        self._failing: set[str] = set()  # Parts of which the console has said that they cannot be started.

    def run(self) -> None:
        """Run until a stop is asked for.

        Raises:
            MemoryServiceError: a part cannot run; the detail says why.
            StopRequested: the stop came before everything was up.
        """
        started = time.monotonic()
        data_dir = self._settings.data_dir
        make_data_dir(data_dir)
        with FolderLock(data_dir / "run" / "lock", data_dir=data_dir):
            if leftovers := self._roster.end_leftovers():
                self._console.line(f"  Ended what a killed run had left: {', '.join(leftovers)}.")
            self._listening = bound_sockets(self._settings.host, self._settings.port)
            try:
                self._start()
                self._announce(time.monotonic() - started)
                self._watch()
            finally:
                self._stop_all()

    def _start(self) -> None:
        environment = base_environment(self._settings)
        environment |= {"DATABASE_URL": self._database(), "BROKER_URL": self._broker()}
        # An external database that is down should be reported in seconds.
        environment.setdefault("PGCONNECT_TIMEOUT", "10")
        with self._console.step("Schema and roles") as waited:
            self._prepare("database", environment, waited)
        with self._console.step(f"Encoder {self._settings.encoder} (exported once)") as waited:
            self._prepare("encoder", environment, waited)
        endpoints = replace(read_endpoints(self._settings.data_dir), broker=environment["BROKER_URL"])
        write_endpoints(self._settings.data_dir, endpoints)
        self._shared = self._fresh_shared_folder()
        listening = [one.fileno() for one in self._listening]
        self._apis, worker, beat = make_services(self._settings, endpoints, listening=listening, shared=self._shared)
        first, *others = self._apis
        with self._console.step("API") as waited:
            self._start_child(first)
            self._await_ready(first, waited)
        # Only now: on two cores their start would delay the moment the service answers.
        for api in others:
            self._start_child(api)
        self._start_child(worker)
        self._start_child(beat)

    def _start_child(self, child: Child) -> None:
        self._await_pulse(child)
        child.launch()
        self._enlist(child)

    def _database(self) -> str:
        if self._settings.database_url or self._settings.service_database_url:
            return self._settings.database_url
        postgres = EmbeddedPostgres(self._settings.data_dir, connections=self._connections())
        with self._console.step("Postgres") as waited:
            url = postgres.start(on_wait=self._patiently(waited))
        cluster = postgres.placement.cluster
        if not cluster.is_relative_to(self._settings.data_dir):
            self._console.line(f"    No unprivileged user reaches the data folder; the database lies in {cluster}.")
        self._enlist(postgres)
        return url

    def _connections(self) -> int:
        """Return how many connections all processes together open at most: API processes, worker, and a person or two."""
        return max(CONNECTIONS, 2 * self._settings.pool_size * self._settings.api_processes + 30)

    def _broker(self) -> str:
        if self._settings.broker_url:
            if not broker_answers(self._settings.broker_url):
                self._console.line("  The broker of BROKER_URL does not answer; writes are kept and jobs wait for it.")
            return self._settings.broker_url
        broker = EmbeddedBroker(self._settings.data_dir)
        with self._console.step("Broker") as waited:
            url = broker.start(on_wait=self._patiently(waited))
        self._enlist(broker)
        return url

    def _patiently(self, waited: Waiting) -> Callable[[float], None]:
        def on_wait(seconds: float) -> None:
            self._stop.check()
            waited(seconds)

        return on_wait

    def _enlist(self, part: Part) -> None:
        self._parts.append(part)
        self._roster.record(part.name, part.identity)

    def _prepare(self, step: str, environment: Mapping[str, str], waited: Waiting) -> None:
        child = Child(
            "prepare",
            [sys.executable, "-m", "memory_service.embedded.prepare", step],
            log=part_log(self._settings, "prepare"),
            environment=environment,
            folder=CHECKOUT,
        )
        child.launch()
        started = time.monotonic()
        try:
            while (status := child.poll()) is None:
                self._stop.check()
                waited(time.monotonic() - started, "".join(child.last_words(lines=1)))
                time.sleep(0.1)
        finally:
            child.stop(hurry=True)
        if status != 0:
            why = full_disk(self._settings.data_dir, child.last_words(lines=60)) or reason(child)
            raise Misconfigured(why if status == REFUSED else f"{why} The log is {child.log.path}.")

    def _await_ready(self, api: Child, waited: Waiting) -> None:
        settings = self._settings
        started = time.monotonic()
        while True:
            self._stop.check()
            answer = get(settings.host, settings.port, "/readyz", timeout_s=READY_ANSWER_S)
            # First: should it have ended, somebody else gave the answer.
            if api.poll() is not None:
                raise Misconfigured(f"The API did not start: {reason(api)} The log is {shown_path(api.log.path)}.")
            if answer is not None and answer[0] == 200:
                return
            seconds = time.monotonic() - started
            waited(seconds)
            if seconds > READY_TIMEOUT_S:
                raise Unavailable(f"The service was not ready after {READY_TIMEOUT_S} s: {why_not_ready(answer)}.")
            time.sleep(0.1)

    def _announce(self, seconds: float) -> None:
        settings = self._settings
        admin = get(settings.host, settings.port, "/admin/")
        has_admin = admin is not None and admin[0] == 200
        link = login_path(settings.host, settings.port, settings.key_file) if has_admin else None
        banner(
            self._console,
            url=base_url(settings.host, settings.port),
            data_dir=settings.data_dir,
            key_file=settings.key_file,
            admin_path=(link or "/admin/") if has_admin else None,
            seconds=seconds,
        )
        if not only_this_machine(settings.host):
            self._console.line(
                f"  MEMORY_SERVICE_HOST is {settings.host}: other machines reach this service, and keys cross the "
                "network in the clear unless a proxy with TLS stands before it."
            )

    def _watch(self) -> None:
        restarts = Restarts()
        trimmed = looked = time.monotonic()
        while not self._stop.requested:
            time.sleep(LOOK_EVERY_S)
            now = time.monotonic()
            if self._shared is not None and now - looked > LOOK_FOR_HALTED_S:
                looked = now
                leaders = {part.name: part.identity for part in self._parts if part.identity is not None}
                self._halted.look(leaders, self._shared, now=now)
            self._look(restarts, now)
            if now - trimmed > TRIM_EVERY_S:
                trimmed = now
                self._roster.save()
                for path in (self._settings.data_dir / "logs").glob("*.log"):
                    part_log(self._settings, path.stem).trim()

    def _look(self, restarts: Restarts, now: float) -> None:
        for part in self._parts:
            self._revive(part, restarts, now)
        if self._written is not None:
            self._written.write(self._halted.among(restarts.failing()))

    def _revive(self, part: Part, restarts: Restarts, now: float) -> None:
        status = part.poll()
        if status is None:
            return
        if not restarts.waiting(part.name):
            how = f"was killed by signal {-status}" if status < 0 else f"ended with status {status}"
            delay = restarts.ended(part.name, how, now=now)
            self._console.line(f"  {part.name} {how}; starting it again in {delay:.1f} s (logs/{part.name}.log).")
        if restarts.due(part.name, now=now):
            self._relaunch(part, restarts)

    def _fresh_shared_folder(self) -> Path:
        folder = fresh_shared_folder(self._settings.data_dir, processes=self._settings.api_processes)
        self._written = FailingFile(folder)
        return folder

    def _share_anew(self) -> None:
        """Make the shared folder again when somebody removed it; the API processes that still run start again, to share it."""
        if self._shared is not None and not self._shared.is_dir():
            self._shared = self._fresh_shared_folder()
            for api in self._apis:
                api.ask_to_stop()

    def _await_pulse(self, part: Part) -> None:
        if part.name in BACKGROUND and self._shared is not None:
            await_pulse(self._shared, part.name)

    def _relaunch(self, part: Part, restarts: Restarts) -> None:
        try:
            if is_api(part.name):
                self._share_anew()
            self._await_pulse(part)
            part.launch()
        except (OSError, MemoryServiceError) as error:
            delay = restarts.failed(part.name, now=time.monotonic())
            if part.name not in self._failing:  # Once: a full disk stays full for hours.
                self._failing.add(part.name)
                why = error.detail if isinstance(error, MemoryServiceError) else os_sentence(error)
                self._console.line(f"  {part.name} cannot be started: {why} Trying again, next in {delay:.1f} s.")
            return
        self._failing.discard(part.name)
        self._roster.record(part.name, part.identity)
        restarts.started(part.name, now=time.monotonic())

    def _stop_all(self) -> None:
        if self._parts and self._stop.requested:
            self._console.line("\n  Stopping.")
        for one in self._listening:
            one.close()  # Once the API has ended, too, who comes is refused rather than left waiting.
        for api in self._apis:
            api.ask_to_stop()
        for part in sorted(self._parts, key=_place_in_stop):
            part.stop(hurry=self._stop.hurry)
        if self._shared is not None:
            remove_shared_folder(self._shared)
        endpoints_file(self._settings.data_dir).unlink(missing_ok=True)
        self._roster.clear()


def _place_in_stop(part: Part) -> int:
    return STOP_ORDER.index(API if is_api(part.name) else part.name)


def os_sentence(error: OSError) -> str:
    """Return what the operating system refused, and where."""
    what = error.strerror or type(error).__name__
    return f"{what}: {error.filename}." if error.filename else f"{what}."


def run() -> int:
    """Run the service on this machine until Ctrl-C; return the exit status of the program."""
    console = Console()
    try:
        settings = get_settings()
    except ValidationError as error:
        for sentence in unusable_settings(error):
            console.problem(sentence)
        return 1
    with StopSignal() as stop:
        try:
            Supervisor(settings, console=console, stop=stop).run()
        except StopRequested:
            pass
        except MemoryServiceError as error:
            console.problem(error.detail)
            return 1
        except OSError as error:
            console.problem(os_sentence(error))
            return 1
    console.line("  Stopped.")
    return 0
