"""What consolidation does to recall, and what it costs, through HTTP.

    python -m benchmarks.consolidation FILE [FILE ...]     recall of the same questions before and after a run
    python -m benchmarks.consolidation --synthetic 100000  throughput of a run beside that of ingest, and how long others wait

Each conversation goes into a namespace of its own that is consolidated by hand only. Its questions are asked, it is
consolidated, and they are asked again: the two answers to one question are a pair.
"""

import argparse
import secrets
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.bootstrap import Interval, paired_difference
from benchmarks.bystander import Bystander
from benchmarks.datasets import ADVERSARIAL, read_conversations
from benchmarks.loading import LoadReport
from benchmarks.metrics import recall_at
from benchmarks.process_tree import usage
from benchmarks.provenance import RESULTS, provenance
from benchmarks.readable import readable_failures
from benchmarks.results import require_writable, write_result
from benchmarks.retrieval import Plan, ask_all, load_spaces, segment
from benchmarks.retrieval_summary import ALL, ALL_BUT_ADVERSARIAL, Answered, summarise
from benchmarks.subject import LOAD_BATCH, Subject, arguments, connection
from benchmarks.synthetic import texts
from memory_service.cli.client import ServiceClient
from memory_service.cli.console import output
from memory_service.cli.failures import CommandFailure

DEPTH = 10
LOOK_EVERY_S = 0.5
PATIENCE_S = 3 * 3600
AT_REST_S = 60.0
TIMEOUT_S = 900.0


def main() -> None:
    """Measure and publish."""
    options = _options()
    require_writable(options.out)
    with ServiceClient(connection(options), timeout_s=TIMEOUT_S) as client:
        result = _throughput(client, options) if options.synthetic else _quality(client, options)
    write_result(options.out, {"kind": "consolidation", **provenance(), **result})
    output().print(f"raw results: {options.out}")


def _quality(client: ServiceClient, options: argparse.Namespace) -> dict[str, Any]:
    files = {}
    for file in options.files:
        report, run = LoadReport(), secrets.token_hex(3)
        plan = Plan(file=file, name=file.stem)
        conversations = read_conversations(file, limit=options.limit_conversations)
        spaces = [(f"bench/consolidation/{run}/{segment(one.id)}", one) for one in conversations]
        for namespace, _ in spaces:
            client.post("/v1/namespaces", {"path": namespace, "settings": {"consolidation": "manual"}})
        load_spaces(client, spaces, plan=plan, report=report)
        before = ask_all(client, spaces, plan=plan)
        began = time.perf_counter()
        counts: Counter[str] = Counter()
        for namespace, _ in spaces:
            counts.update(consolidate(client, namespace)["counts"])
        seconds = time.perf_counter() - began
        after = ask_all(client, spaces, plan=plan)
        groups = _groups(before, after)
        files[file.stem] = {
            "memories": report.sent,
            "consolidated_per_second": report.sent / seconds,
            "changes": dict(counts),
            "recall@10": groups,
            "before": asdict(summarise(before, report)),
            "after": asdict(summarise(after, report)),
        }
        output().print(f"[bold]{file.stem}[/bold]: {report.sent} memories in {seconds:.0f} s, {dict(counts)}")
        for name, group in groups.items():
            change = group["change"]
            output().print(
                f"  {name:24} {group['questions']:5}  {group['before']:.1%} -> {group['after']:.1%}  "
                f"{change['mean']:+.2%} [{change['low']:+.2%}, {change['high']:+.2%}]"
            )
    return {"files": files}


def _groups(before: list[Answered], after: list[Answered]) -> dict[str, dict[str, Any]]:
    """Return recall@10 before and after by category, with the interval of the paired difference."""
    pairs = [
        (one.question.category, _recall(one), _recall(two))
        for one, two in zip(before, after, strict=True)
        if one.question.gold
    ]
    groups: dict[str, list[tuple[float, float]]] = {}
    for category, was, now in pairs:
        groups.setdefault(category, []).append((was, now))
        groups.setdefault(ALL, []).append((was, now))
        if category != ADVERSARIAL:
            groups.setdefault(ALL_BUT_ADVERSARIAL, []).append((was, now))
    found = {}
    for name, some in sorted(groups.items()):
        earlier, later = ([pair[at] for pair in some] for at in (0, 1))
        change: Interval = paired_difference(later, earlier)
        found[name] = {
            "questions": len(some),
            "before": sum(earlier) / len(earlier),
            "after": sum(later) / len(later),
            "change": asdict(change),
        }
    return found


def _recall(one: Answered) -> float:
    return recall_at(DEPTH, ranked=one.returned, gold=one.question.gold)


def _throughput(client: ServiceClient, options: argparse.Namespace) -> dict[str, Any]:
    if options.loaded:
        return _run_over(client, options, options.loaded, ingest_s=options.loaded_in)
    namespace = f"bench/consolidation/{secrets.token_hex(3)}"
    client.post("/v1/namespaces", {"path": namespace, "settings": {"consolidation": "manual"}})
    made = texts(options.synthetic, seed=options.seed)
    began = time.perf_counter()
    with Subject(connection(options)) as subject:
        for start in range(0, len(made), LOAD_BATCH):
            subject.store(made[start : start + LOAD_BATCH], namespace=namespace, first=start)
    ingest_s = time.perf_counter() - began
    return _run_over(client, options, namespace, ingest_s=ingest_s)


def _run_over(client: ServiceClient, options: argparse.Namespace, namespace: str, *, ingest_s: float) -> dict[str, Any]:
    """Measure a run over a namespace that was filled with `--synthetic` memories in so many seconds."""
    _await_enrichment(client, namespace)
    before = usage(options.data_dir)
    began = time.perf_counter()
    peak = before.pss_mib
    result = {}
    with Bystander(partial(ServiceClient, connection(options)), namespace=f"{namespace}/beside") as bystander:
        for job in _following(client, namespace):
            peak = max(peak, usage(options.data_dir).pss_mib)
            result = job
    seconds = time.perf_counter() - began
    after = usage(options.data_dir)
    considered = result["result"]["considered"]
    ingest_rate, rate = options.synthetic / ingest_s, considered / seconds
    found = {
        "memories": options.synthetic,
        "considered": considered,
        "ingest_per_second": ingest_rate,
        "consolidated_per_second": rate,
        "ratio": rate / ingest_rate,
        "seconds": seconds,
        "cpu_s": after.cpu_s - before.cpu_s,
        "pss_mib_before": before.pss_mib,
        "pss_mib_peak": peak,
        # What somebody else writes meanwhile waits so long for its enrichment.
        "beside": bystander.found(),
        "changes": result["result"]["counts"],
        "changesets": len(result["result"]["changesets"]),
    }
    output().print(found)
    return {"synthetic": found}


def consolidate(client: ServiceClient, namespace: str) -> dict[str, Any]:
    """Consolidate a namespace and return what the job found."""
    job: dict[str, Any] = {}
    for job in _following(client, namespace):  # noqa: B007 (the last one is what is wanted)
        pass
    found: dict[str, Any] = job["result"]
    return found


def _following(client: ServiceClient, namespace: str) -> Iterator[dict[str, Any]]:
    job_id = client.post("/v1/consolidations", {"namespace": namespace})["job_id"]
    deadline = time.monotonic() + PATIENCE_S
    while True:
        job = client.get(f"/v1/jobs/{job_id}")
        yield job
        if job["status"] == "succeeded":
            return
        if job["status"] in {"failed", "cancelled"}:
            raise CommandFailure(f"the consolidation has {job['status']}: {job['error']}")
        if time.monotonic() > deadline:
            raise CommandFailure("the consolidation takes too long")
        time.sleep(LOOK_EVERY_S)


def _await_enrichment(client: ServiceClient, namespace: str) -> None:
    """Wait until every memory is enriched, which gives it a language or keywords. Only then is a run measured alone.

    Some texts have neither: then until nothing changed for longer than the sweep of the workers takes to come round.
    """
    empty = [{"keywords": {"exists": False}}, {"language": {"exists": False}}]
    body = {"namespace": namespace, "filter": {"and": empty}, "dry_run": True}
    left, since = -1, time.monotonic()
    while left and time.monotonic() - since < AT_REST_S:
        before, left = left, client.post("/v1/memories/archive", body)["matched"]
        if left != before:
            since = time.monotonic()
        time.sleep(LOOK_EVERY_S)


def _options() -> argparse.Namespace:
    parser = arguments(__doc__)
    parser.add_argument("files", nargs="*", type=Path, help="conversations as jsonl")
    parser.add_argument("--synthetic", type=int, default=0, metavar="N", help="measure a run over N made memories")
    parser.add_argument(
        "--loaded", metavar="NAMESPACE", help="use that many memories that an earlier run has stored there"
    )
    parser.add_argument("--loaded-in", type=float, metavar="SECONDS", help="and how long that took")
    parser.add_argument("--limit-conversations", type=int, default=None)
    options = parser.parse_args()
    if options.out is None:
        options.out = RESULTS / ("consolidation-throughput.json" if options.synthetic else "consolidation.json")
    if not options.files and not options.synthetic:
        parser.error("name a file, or --synthetic N")
    if options.loaded and not (options.synthetic and options.loaded_in):
        parser.error("--loaded needs --synthetic and --loaded-in")
    return options


if __name__ == "__main__":
    sys.exit(readable_failures(main))
