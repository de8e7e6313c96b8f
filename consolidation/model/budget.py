"""What one job may spend on a model. Pure."""

from dataclasses import dataclass, replace
from typing import Final

LEAST_REPLY: Final = 64  # tokens; a shorter reply holds no answer to any task
LARGEST_REPLY: Final = 2048
ENVELOPE: Final = 1400  # tokens of instructions, and of the schema where an endpoint has to be told it in words


@dataclass(frozen=True, slots=True)
class Budget:
    """How many tokens are left to a job, and how many the model reads and writes at once.

    >>> budget = Budget(tokens=10_000, context_tokens=8192)
    >>> budget.reply_tokens, budget.prompt_tokens
    (2048, 4744)
    >>> budget.less(4000).tokens, budget.less(20_000).tokens
    (6000, 0)
    """

    tokens: int
    context_tokens: int = 8192

    @property
    def reply_tokens(self) -> int:
        """Return how long a reply may be: a quarter of the context at most."""
        return max(LEAST_REPLY, min(LARGEST_REPLY, self.context_tokens // 4))

    @property
    def prompt_tokens(self) -> int:
        """Return how many tokens of texts fit into one question."""
        return max(LEAST_REPLY, self.context_tokens - self.reply_tokens - ENVELOPE)

    def allows(self, tokens: int) -> bool:
        """Say whether so many tokens are left."""
        return tokens <= self.tokens

    def less(self, tokens: int) -> "Budget":
        """Return what is left after so many tokens were spent."""
        return replace(self, tokens=max(0, self.tokens - tokens))
