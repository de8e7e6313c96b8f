"""What a search knows before its query is encoded: where it looks, and what was understood of the query."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from memory_service.storage.namespaces import paths_to_search, require_all
from retrieval.corpus import Corpus, NamesAsked, describe_corpus
from retrieval.query import ParsedQuery, parse_query, unknown_names
from retrieval.recent import Recent
from retrieval.request import RecallRequest


@dataclass(frozen=True, slots=True)
class Prepared:
    """What is known before the query is encoded."""

    corpus: Corpus
    parsed: ParsedQuery
    names: Sequence[str] = ()  # in the query, that nobody who speaks bears
    called: Mapping[str, str] = field(default_factory=dict)  # whom some of them mean all the same


def prepare(session: Session, tenant_id: UUID, request: RecallRequest, *, now: datetime) -> Prepared:
    """Resolve the namespaces and understand the query; a short transaction that ends before encoding.

    Raises:
        NamespaceNotFound: there is no such namespace.
    """
    paths = paths_to_search(
        session,
        tenant_id,
        namespace=request.namespace,
        namespaces=request.namespaces,
        prefix=request.namespace_prefix,
    )
    asked = request.asked.text
    corpus = describe_corpus(session, tenant_id, paths, asked, at=request.as_of.known, languages=request.languages)
    require_all(paths, corpus.namespaces)
    unknown = unknown_names(asked, corpus.speakers)
    called = NamesAsked(session, tenant_id, corpus, unknown, at=request.as_of.known).called()
    return Prepared(corpus, understood(request, corpus, now=now, called=called), unknown, called)


def foresee(request: RecallRequest, corpus: Corpus, *, now: datetime, known: Recent[str, str]) -> Prepared:
    """Understand the query by what the last search saw, and by whom names meant; those not known mean nobody, as most do."""
    names = unknown_names(request.asked.text, corpus.speakers)
    called = {name: speaker for name in names if (speaker := known.get(name)) is not None}
    return Prepared(corpus, understood(request, corpus, now=now, called=called), names, called)


def understood(request: RecallRequest, corpus: Corpus, *, now: datetime, called: Mapping[str, str]) -> ParsedQuery:
    """Return what was understood of the query of a search; `called` says whom names mean that nobody bears."""
    asked = request.asked
    return parse_query(
        asked.text,
        speakers=corpus.speakers,
        languages=corpus.languages,
        now=request.now or asked.now or now,
        called=called,
    )
