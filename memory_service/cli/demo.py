"""``memory-service demo``: a conversation goes in, ten questions come out with their evidence."""

import time
from dataclasses import asdict
from typing import Any

from memory_service.cli.client import ServiceClient
from memory_service.cli.connection import Connection
from memory_service.cli.console import print_json, progress_bar
from memory_service.cli.conversation import DemoQuestion, Turn, read_questions, read_turns, sessions
from memory_service.cli.demo_answer import DemoAnswer, DemoSummary
from memory_service.cli.demo_report import print_answer, print_summary

HIT_DEPTH = 5
"""A question is a hit when all expected evidence is among this many first results: what an agent would read."""


def run_demo(connection: Connection, *, namespace: str, top: int, as_json: bool) -> DemoSummary:
    """Send the conversation, ask the questions and print; sending twice stores nothing twice."""
    turns, questions = read_turns(), read_questions()
    with ServiceClient(connection) as client:
        began = time.perf_counter()
        jobs = _send(client, turns, namespace=namespace)
        ingest_s = time.perf_counter() - began
        # The job of a session has the memories that were made just now; those that were there need no work.
        new = sum(client.get(f"/v1/jobs/{job}")["progress"]["total"] for job in jobs)
        answers = [_ask(client, question, namespace=namespace, top_k=max(top, HIT_DEPTH)) for question in questions]
    summary = _summary(answers, turns=len(turns), new=new, ingest_s=ingest_s)
    if as_json:
        print_json({"namespace": namespace, "summary": asdict(summary), "answers": [_plain(one) for one in answers]})
        return summary
    for answer in answers:
        print_answer(answer, top=top, depth=HIT_DEPTH)
    print_summary(summary, depth=HIT_DEPTH)
    return summary


def _send(client: ServiceClient, turns: list[Turn], *, namespace: str) -> list[str]:
    """Send every session and return the ids of the jobs that enrich them."""
    jobs = []
    with progress_bar() as bar:
        task = bar.add_task("sending the conversation", total=len(turns))
        for session_id, members in sessions(turns):
            messages = [
                {
                    "role": turn.role,
                    "name": turn.name,
                    "content": turn.content,
                    "observed_at": turn.observed_at,
                    "external_id": turn.external_id,
                }
                for turn in members
            ]
            body = {"namespace": namespace, "session_id": session_id, "messages": messages}
            jobs.append(client.post("/v1/messages", body)["job_id"])
            bar.advance(task, len(members))
    return jobs


def _ask(client: ServiceClient, question: DemoQuestion, *, namespace: str, top_k: int) -> DemoAnswer:
    began = time.perf_counter()
    answer = client.post(
        "/v1/search", {"query": question.question, "namespace": namespace, "top_k": top_k, "explain": True}
    )
    milliseconds = (time.perf_counter() - began) * 1000
    results = answer["results"]
    found = {result["memory"].get("external_id") for result in results[:HIT_DEPTH]}
    return DemoAnswer(
        question=question,
        results=results,
        confidence=answer.get("confidence"),
        abstain=answer.get("abstain"),
        hit=found.issuperset(question.expected) if question.expected else None,
        milliseconds=milliseconds,
        timings_ms=answer.get("timings_ms") or {},
    )


def _summary(answers: list[DemoAnswer], *, turns: int, new: int, ingest_s: float) -> DemoSummary:
    took = sorted(answer.milliseconds for answer in answers)
    return DemoSummary(
        turns=turns,
        new=new,
        ingest_s=ingest_s,
        hits=sum(answer.hit is True for answer in answers),
        answerable=sum(answer.hit is not None for answer in answers),
        search_p50_ms=took[len(took) // 2],
    )


def _plain(answer: DemoAnswer) -> dict[str, Any]:
    """Return the answer as JSON values, each memory cut to what the demo shows."""
    return {
        **asdict(answer.question),
        "hit": answer.hit,
        "confidence": answer.confidence,
        "abstain": answer.abstain,
        "milliseconds": round(answer.milliseconds, 2),
        "timings_ms": answer.timings_ms,
        "results": [
            {
                "rank": result["rank"],
                "score": result["score"],
                "external_id": result["memory"].get("external_id"),
                "observed_at": result["memory"].get("observed_at"),
                "speaker": (result["memory"].get("source") or {}).get("speaker"),
                "content": result["memory"]["content"],
                "channels": result.get("channels"),
                "why": result.get("why"),
            }
            for result in answer.results
        ],
    }
