import doctest
import json
from collections import Counter
from dataclasses import asdict
from datetime import datetime
from typing import Any

import pytest
from typer.testing import CliRunner

from memory_service.cli import demo_report, doctor
from memory_service.cli.conversation import read_questions, read_turns, sessions
from memory_service.cli.demo_report import reasons
from memory_service.cli.main import app

runner = CliRunner()


def test_the_conversation_is_what_the_readme_promises() -> None:
    turns = read_turns()
    days = [datetime.fromisoformat(turn.observed_at) for turn in turns]
    assert len(turns) >= 150
    assert len({turn.name for turn in turns}) == 2
    assert len({turn.external_id for turn in turns}) == len(turns)
    assert len(list(sessions(turns))) >= 10
    assert days == sorted(days)
    assert len({day for day in days}) == len(days)
    assert 230 <= (days[-1] - days[0]).days <= 250


def test_ten_questions_name_turns_that_exist() -> None:
    known = {turn.external_id for turn in read_turns()}
    questions = read_questions()
    answerable = [question for question in questions if question.expected]
    assert len(answerable) == 10
    assert len(Counter(question.kind for question in answerable)) >= 6
    assert all(known.issuperset(question.expected) for question in questions)


def test_demo_prints_evidence_with_why_and_a_summary(environment: Any) -> None:
    result = runner.invoke(app, ["demo"])
    assert result.exit_code == 0, result.output
    assert "Who gives Bastien cello lessons?" in result.stdout
    assert "keyword rank 1" in result.stdout
    assert "of 10 questions" in result.stdout
    assert len(environment.memories["demo"]) == len(read_turns())


def test_demo_twice_stores_nothing_twice(environment: Any) -> None:
    said = []
    for _ in range(2):
        result = runner.invoke(app, ["demo", "--namespace", "twice"])
        assert result.exit_code == 0
        said.append(result.stdout.splitlines()[-1])
    assert "216 turns stored and findable" in said[0]
    assert "nothing new stored" in said[1]
    assert len(environment.memories["twice"]) == len(read_turns())


def test_a_hit_is_all_of_the_evidence(environment: Any) -> None:
    turns = {turn.external_id: asdict(turn) for turn in read_turns()}
    [needs_two] = [question for question in read_questions() if len(question.expected) > 1]
    assert needs_two.kind == "multi-hop"
    found = [{"rank": 1, "score": 1.0, "memory": turns[needs_two.expected[0]]}]
    environment.answers["/v1/search"] = lambda body: (200, {"results": found})
    answers = json.loads(runner.invoke(app, ["demo", "--json"]).stdout)["answers"]
    assert next(one for one in answers if one["id"] == needs_two.id)["hit"] is False
    found.append({"rank": 2, "score": 0.5, "memory": turns[needs_two.expected[1]]})
    answers = json.loads(runner.invoke(app, ["demo", "--json"]).stdout)["answers"]
    assert next(one for one in answers if one["id"] == needs_two.id)["hit"] is True


def test_lines_stay_whole_in_a_pipe(environment: Any) -> None:
    lines = runner.invoke(app, ["demo", "--top", "5"]).stdout.splitlines()
    assert max(len(line) for line in lines) > 100
    assert all(line == "" or line[0] not in " " or line[1] in " *" for line in lines)


def test_demo_asks_with_explain_and_as_json(environment: Any) -> None:
    result = runner.invoke(app, ["demo", "--json"])
    answers = json.loads(result.stdout)
    assert answers["summary"]["answerable"] == 10
    assert len(answers["answers"]) == 11
    assert answers["answers"][-1]["hit"] is None
    searches = [body for _, path, body in environment.requests if path == "/v1/search"]
    assert all(body["explain"] and body["top_k"] == 5 for body in searches)


def test_no_service_is_exit_code_3(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEMORY_SERVICE_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("MEMORY_SERVICE_API_KEY", "k")
    result = runner.invoke(app, ["demo"])
    assert result.exit_code == 3
    assert "make run" in result.stderr


def test_no_key_is_exit_code_4(environment: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MEMORY_SERVICE_API_KEY")
    result = runner.invoke(app, ["demo"])
    assert result.exit_code == 4
    assert "no API key" in result.stderr


def test_square_brackets_in_a_memory_are_text_not_markup(environment: Any) -> None:
    environment.answers["/v1/search"] = lambda body: (
        200,
        {
            "results": [
                {
                    "rank": 1,
                    "score": 1.0,
                    "memory": {"content": "see [/bold] and [red]", "external_id": "x"},
                    "why": "[x]",
                }
            ],
        },
    )
    result = runner.invoke(app, ["demo"])
    assert result.exit_code == 0, result.output
    assert "see [/bold] and [red]" in result.stdout


def test_a_channel_without_a_rank_is_said_to_have_none() -> None:
    assert reasons({"channels": {"vector": {"rank": None, "contribution": 0.1}}}) == "vector +0.10"


def test_worked_examples() -> None:
    for module in (demo_report, doctor):
        tried = doctest.testmod(module)
        assert tried.attempted > 0
        assert tried.failed == 0
