"""One tenant as a worker sees it."""

import math
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import numpy as np
from numpy.typing import NDArray
from sqlalchemy.orm import Session

from consolidation.kept import Kept
from consolidation.models_here import ModelsHere, no_models
from memory_service.chat_model.protocol import ChatModel
from memory_service.errors import Misconfigured
from memory_service.lifecycle.draft import Encoding

OpenTransaction = Callable[[], AbstractContextManager[Session]]
EncodeQuery = Callable[[str], NDArray[np.float32]]  # a text into float32[d], normalised


def no_encoder(_: int) -> AbstractContextManager[EncodeQuery]:
    """Say that this process reads no queries.

    Raises:
        Misconfigured: always.
    """
    raise Misconfigured("This worker has no encoder, and learning has to read queries.")


def no_encoding() -> AbstractContextManager[Encoding]:
    """Say that this process encodes nothing.

    Raises:
        Misconfigured: always.
    """
    raise Misconfigured("This worker has no encoder, and documents and what a model derives have to be encoded.")


@dataclass(frozen=True, slots=True)
class Spending:
    """What a run may spend on a model."""

    job_tokens: int = 200_000
    context_tokens: int = 8192
    reply_ttl: timedelta = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Tenancy:
    """One tenant as a worker sees it: how to open its transactions, what time it is, what encodes queries and texts."""

    tenant_id: UUID
    open: OpenTransaction
    clock: Callable[[], datetime]
    open_encoder: Callable[[int], AbstractContextManager[EncodeQuery]] = no_encoder  # by the id of the encoder
    # The model that runs may ask, and what each may spend on it; None: rules do everything.
    chat: ChatModel | None = None
    spending: Spending = Spending()
    open_encoding: Callable[[], AbstractContextManager[Encoding]] = no_encoding
    # Keeps other runs out of a namespace while one is at it; says whether nobody else was.
    alone: Callable[[UUID], AbstractContextManager[bool]] = lambda _: nullcontext(True)
    # Says whether there is time for more: what takes longer is given back in between, and goes on in another task.
    go_on: Callable[[], bool] = lambda: True
    # A job that takes longer gives its worker back and goes on as another task, behind what others wait for meanwhile.
    turn_s: float = math.inf
    # Says whether jobs of another kind wait for the worker: people ask for those, and wait for an answer.
    others_wait: Callable[[], bool] = lambda: False
    # Does some of what was written meanwhile, for seconds. Called between batches, by a thread that has nothing open.
    give_way: Callable[[], None] = lambda: None
    nudge: Callable[[UUID], None] = lambda _: None  # asks for that task; without it a sweep finds the job
    models_here: Callable[[], ModelsHere] = no_models  # that compute blocks ahead
    kept: Kept | None = None  # neighbourhoods of runs that take several turns; without it each turn reads its own
