"""What came of a contestant: measurements as they were taken, and why there are no more of them."""

from dataclasses import dataclass, field

from benchmarks.datasets import Question
from benchmarks.peers.contestants import Memory


@dataclass(frozen=True, slots=True)
class Asked:
    """One question and what came back for it."""

    conversation: str
    question: Question
    returned: tuple[str, ...]
    milliseconds: float

    @property
    def key(self) -> tuple[str, str]:
        """What names the question within a file."""
        return self.conversation, self.question.id


@dataclass(slots=True)
class Course:
    """How it went with the conversations of one file."""

    name: str
    conversations: int = 0
    stored: int = 0
    store_s: float = 0.0
    asked: list[Asked] = field(default_factory=list)


@dataclass(slots=True)
class Outcome:
    """Everything about one contestant."""

    name: str
    encodes: str
    note: str
    version: str = ""
    reason: str = ""
    """Why it did not run or did not finish; empty when it did."""
    encoder_cosine: float | None = None
    """Cosine of its own vector of a sentence with the floor's."""
    disk_bytes: int | None = None
    """What storing added."""
    memory: Memory | None = None
    """After the last question."""
    courses: list[Course] = field(default_factory=list)

    @property
    def stored(self) -> int:
        """Memories of all files."""
        return sum(course.stored for course in self.courses)

    @property
    def finished(self) -> bool:
        """Whether all was measured."""
        return not self.reason
