"""kill -9 during a batch ingest, again and again: is every acknowledged memory still there, and whole?

    python -m benchmarks.faults --rounds 20

Starts an embedded service of its own in a temporary folder. Each round writes batches and kills API and Postgres at a
random moment; the writer goes on until the service is back and has acknowledged once more. ``--extra`` adds rounds
that kill the API alone, Postgres alone, or everything including the supervisor, in turn. After a kill every memory of
the round is read back and compared with what was sent; every one is looked up in the database, whether it has its
source, its vectors and all of its postings; and many are searched for by each channel alone. After the last round the
service is stopped, started, and all rounds are read again. Exits with 1 when anything is missing, altered, doubled or
half there, or when an acknowledged batch had a rejected item.
"""

import argparse
import random
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.table import Table

from benchmarks.readable import readable_failures
from benchmarks.targets import Target, publish
from benchmarks.victim import BOTH, OTHER_KINDS, Victim
from benchmarks.witness import Verdict, Writer, inspect
from memory_service.cli.console import output
from memory_service.cli.failures import CommandFailure

FIRST_ACKNOWLEDGEMENT_S = 120.0
NOTICE_S = 1.0
"""After a kill, the time in which the service may still claim to be ready."""


@dataclass(frozen=True, slots=True)
class Round:
    """One kill and what was found after it."""

    number: int
    kind: str
    killed: int
    """Processes."""
    after_s: float
    """From the first acknowledgement to the kill."""
    recovery_s: float
    """From the kill to the next acknowledged batch."""
    acknowledged: int
    interrupted: int
    """Requests without an answer, or answered 503."""
    verdict: Verdict


def main() -> None:
    """Run the rounds, print and write the receipt, and fail when a promise is broken."""
    options = _options()
    rng = random.Random(options.seed)
    kept: list[tuple[Writer, str]] = []
    rounds: list[Round] = []
    with tempfile.TemporaryDirectory(prefix="memory-faults-", ignore_cleanup_errors=True) as folder:
        victim = Victim(Path(folder))
        try:
            victim.start()
            for number in range(1, options.rounds + options.extra + 1):
                writer, namespace, one = _round(victim, number, rng=rng, options=options)
                kept.append((writer, namespace))
                rounds.append(one)
                output().print(_line(one), soft_wrap=True)
            victim.stop()
            restart_s = victim.start()
            finals = [_inspect(victim, writer, namespace, rng=rng, options=options) for writer, namespace in kept]
        finally:
            victim.stop()
    _publish(rounds, finals, restart_s=restart_s, options=options)
    broken = [one for one in [*(one.verdict for one in rounds), *finals] if not one.clean]
    if broken:
        raise CommandFailure(f"{len(broken)} inspections found damage; the receipt names every memory")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=20, help="kills of API and Postgres together")
    parser.add_argument("--extra", type=int, default=0, help="further kills: API, Postgres, everything, in turn")
    parser.add_argument("--batch", type=int, default=40, help="memories per request")
    parser.add_argument("--longest", type=float, default=3.0, help="latest moment of the kill, in seconds")
    parser.add_argument("--searches", type=int, default=60, help="memories searched for after each kill")
    parser.add_argument("--seed", type=int, default=1, help="seed of texts and moments")
    parser.add_argument("--out", type=Path, help="result file (default: benchmarks/results/faults.json)")
    return parser.parse_args()


def _round(
    victim: Victim, number: int, *, rng: random.Random, options: argparse.Namespace
) -> tuple[Writer, str, Round]:
    kind = BOTH if number <= options.rounds else OTHER_KINDS[(number - options.rounds - 1) % len(OTHER_KINDS)]
    namespace = f"faults/r{number}"
    seed = options.seed * 1000 + number
    writer = Writer(victim.connection, namespace=namespace, batch=options.batch, seed=seed)
    writer.start()
    try:
        _await_acknowledgement(writer, beyond=0)
        moment = rng.uniform(0.0, options.longest)
        time.sleep(moment)
        before = writer.acknowledgements
        killed = victim.kill(kind)
        began = time.monotonic()
        if not victim.running:
            victim.start()
        time.sleep(max(0.0, NOTICE_S - (time.monotonic() - began)))
        victim.await_ready()
        _await_acknowledgement(writer, beyond=before + 1)
        recovery_s = time.monotonic() - began
    finally:
        writer.halt()
    verdict = _inspect(victim, writer, namespace, rng=rng, options=options)
    one = Round(
        number=number,
        kind=kind,
        killed=len(killed),
        after_s=round(moment, 3),
        recovery_s=round(recovery_s, 2),
        acknowledged=len(writer.acknowledged),
        interrupted=writer.interrupted,
        verdict=verdict,
    )
    return writer, namespace, one


def _await_acknowledgement(writer: Writer, *, beyond: int) -> None:
    """Wait for one more acknowledged batch; the one in flight at the kill may have been answered just before it."""
    began = time.monotonic()
    while writer.acknowledgements <= beyond:
        if writer.error is not None:
            raise writer.error
        if time.monotonic() - began > FIRST_ACKNOWLEDGEMENT_S:
            raise CommandFailure(f"no batch was acknowledged within {FIRST_ACKNOWLEDGEMENT_S:.0f} s")
        time.sleep(0.005)


def _inspect(
    victim: Victim, writer: Writer, namespace: str, *, rng: random.Random, options: argparse.Namespace
) -> Verdict:
    return inspect(
        victim.connection,
        data_dir=victim.data_dir,
        namespace=namespace,
        sent=writer.sent,
        acknowledged=writer.acknowledged,
        searches=options.searches,
        rng=rng,
    )


def _line(one: Round) -> str:
    verdict = "[green]whole[/green]" if one.verdict.clean else "[red]DAMAGED[/red]"
    return (
        f"round {one.number:>2}: killed {one.kind} after {one.after_s:.2f} s, back after {one.recovery_s:.1f} s, "
        f"{one.acknowledged} acknowledged, {one.verdict.present} present, {one.verdict.examined} examined, "
        f"{one.verdict.searched} searched: {verdict}"
    )


def _publish(rounds: list[Round], finals: list[Verdict], *, restart_s: float, options: argparse.Namespace) -> None:
    verdicts = [*(one.verdict for one in rounds), *finals]
    columns = ("missing", "altered", "doubled", "half", "unfindable")
    table = Table("acknowledged", *columns, "examined", "searched", title="receipt")
    table.add_row(
        str(sum(one.acknowledged for one in rounds)),
        *(str(sum(len(getattr(one, name)) for one in verdicts)) for name in columns),
        str(sum(one.examined for one in verdicts)),
        str(sum(one.searched for one in verdicts)),
    )
    output().print(table)
    targets = [
        Target("acknowledged memories lost", sum(len(one.missing) for one in verdicts), 0),
        Target("records altered or doubled", sum(len(one.altered) + len(one.doubled) for one in verdicts), 0),
        Target("half records, of all", sum(len(one.half) for one in verdicts), 0),
        Target("memories not found, of those searched for", sum(len(one.unfindable) for one in verdicts), 0),
        Target("warm start to ready", restart_s, 10.0, unit="s"),
    ]
    measured = {
        "rounds": [asdict(one) for one in rounds],
        "after_restart": [asdict(one) for one in finals],
        "acknowledged": sum(one.acknowledged for one in rounds),
        "restart_s": restart_s,
    }
    publish(
        "faults",
        targets=targets,
        settings={key: value for key, value in vars(options).items() if key != "out"},
        measured=measured,
        out=options.out,
    )


if __name__ == "__main__":
    sys.exit(readable_failures(main))
