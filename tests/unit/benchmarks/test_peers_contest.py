"""Everybody takes each step in turn; whoever stops has a reason, and the others go on."""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace

from benchmarks.datasets import Question
from benchmarks.loading import LoadReport
from benchmarks.peers.contest import QUESTIONS_PER_BLOCK, Contest
from benchmarks.peers.contestants import Answers, Contestant, ContestantFailed, Memory
from benchmarks.peers.material import Dataset, Talk
from benchmarks.peers.outcome import Outcome

TURNS = QUESTIONS_PER_BLOCK * 2 + 1


def question(number: int) -> Question:
    return Question(id=f"q{number}", text="?", category="x", gold=("a",))


TALK = Talk(
    namespace="f-0",
    conversation="0",
    items=({"content": "Hello", "external_id": "a", "session_id": "s"},),
    questions=tuple(question(number) for number in range(TURNS)),
    warm_up=("warm",),
)
DATASET = Dataset(name="f", talks=(TALK, replace(TALK, namespace="f-1", conversation="1")), oddities=LoadReport())


@dataclass
class Scripted:
    """Answers everything with one id; fails at the step it is told to."""

    name: str
    diary: list[str]
    fails_at: str = ""
    vector: Sequence[float] | None = (1.0, 0.0)
    kept: int = 0
    closed: list[str] = field(default_factory=list)
    version: str = "1"

    def _do(self, step: str) -> None:
        self.diary.append(f"{self.name} {step}")
        if self.fails_at and step.startswith(self.fails_at):
            raise ContestantFailed(f"cannot {self.fails_at}")

    def store(self, talk: Talk) -> float:
        self._do(f"store {talk.conversation}")
        self.kept += len(talk.items)
        return 0.25

    def settle(self) -> None:
        self._do("settle")

    def ask(self, talk: Talk, questions: Sequence[Question], *, k: int) -> Answers:
        self._do(f"ask {talk.conversation}")
        return Answers(milliseconds=(1.0,) * len(questions), ids=(("a",),) * len(questions))

    def warm_up(self, talk: Talk, *, k: int) -> None:
        self._do(f"warm_up {talk.conversation}")

    def encode(self, text: str) -> Sequence[float] | None:
        return self.vector

    def disk_bytes(self) -> int | None:
        return 100 + 10 * self.kept

    def memory(self) -> Memory | None:
        return Memory(rss_mib=1.0, pss_mib=0.5)

    def open(self, resources: ExitStack) -> Contestant:
        resources.callback(self.closed.append, self.name)
        self._do("open")
        return self


def held(contestants: Sequence[Scripted], *, conversations: int | None = None) -> list[Outcome]:
    contest = Contest(say=lambda _: None)
    for one in contestants:
        contest.enter(Outcome(one.name, "", ""), one.open, conversations=conversations)
    contest.run([DATASET])
    contest.close()
    return contest.outcomes


def test_everybody_is_asked_everything_in_turn() -> None:
    diary: list[str] = []
    a, b = Scripted("a", diary), Scripted("b", diary, vector=(0.6, 0.8))
    outcomes = held([a, b])
    asked = [line for line in diary if "ask 0" in line]
    assert asked == ["a ask 0", "b ask 0", "b ask 0", "a ask 0", "a ask 0", "b ask 0"]
    assert diary.index("b settle") > diary.index("a store 1")
    for outcome in outcomes:
        [course] = outcome.courses
        assert outcome.finished
        assert (course.conversations, course.stored, course.store_s, len(course.asked)) == (2, 2, 0.5, 2 * TURNS)
        assert [one.question.id for one in course.asked[:TURNS]] == [f"q{n}" for n in range(TURNS)]
        assert outcome.disk_bytes == 20
        assert outcome.memory == Memory(rss_mib=1.0, pss_mib=0.5)
    assert outcomes[0].encoder_cosine == 1.0
    assert outcomes[1].encoder_cosine == 0.6
    assert a.closed == ["a"]
    assert b.closed == ["b"]


def test_whoever_fails_is_closed_and_keeps_its_reason_while_others_go_on() -> None:
    for step in ("open", "store 1", "settle", "warm_up 1", "ask 1"):
        diary: list[str] = []
        failing, other = Scripted("failing", diary, fails_at=step), Scripted("other", diary, vector=None)
        bad, good = held([failing, other])
        assert bad.reason == f"cannot {step}"
        assert failing.closed == ["failing"], "closed once"
        assert diary.count(f"failing {step}") == 1
        assert good.finished
        assert len(good.courses[0].asked) == 2 * TURNS
        assert good.encoder_cosine is None


def test_a_slow_one_takes_the_first_conversations_only() -> None:
    [outcome] = held([Scripted("slow", [])], conversations=1)
    assert {one.conversation for one in outcome.courses[0].asked} == {"0"}
    assert outcome.courses[0].conversations == 1


def test_nothing_stays_open_when_the_run_is_interrupted() -> None:
    one = Scripted("one", [])
    contest = Contest(say=lambda _: None)
    contest.enter(Outcome("one", "", ""), one.open)
    contest.close()
    assert one.closed == ["one"]
