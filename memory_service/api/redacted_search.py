"""A search as the namespaces it asks would keep it: what they redact is redacted in the question, too, before anything else."""

from collections.abc import Sequence
from typing import TypeVar

from memory_service.api.search_models import SearchIn
from memory_service.api.services import Services
from memory_service.lifecycle.redacting import IDENTIFIERS
from memory_service.redaction.redactor import Counts, Redactor
from memory_service.storage.namespaces import paths_named
from memory_service.types import Caller

Asked = TypeVar("Asked", bound=SearchIn)


def redacted_search(services: Services, caller: Caller, body: Asked) -> Asked:
    """Return a search with query and filter redacted by the policies of all namespaces that it asks.

    So a value that was put out of sight is not kept by those who look for it; and where a pseudonym stands for it, the pseudonym is
    what is looked for. Nothing is refused: a rule that refuses masks here. Scope and ids stay.
    """
    redactors = services.database.redactions.of(caller.tenant_id)
    if not redactors:
        return body
    paths = tuple(paths_named(namespace=body.namespace, namespaces=body.namespaces))
    chosen = redactors.among(paths, prefix=body.namespace_prefix)
    if not chosen:
        return body
    changes: dict[str, object] = {"query": redacted_query(body.query, chosen)}
    if body.filter:
        changes["filter"] = _redacted_filter(body.filter, chosen)
    return body.model_copy(update=changes)


def redacted_query(query: str, redactors: Sequence[Redactor]) -> str:
    """Return a question with everything masked or made a pseudonym that any of some policies finds."""
    for redactor in redactors:
        query = redactor.masking.text(query, Counts())
    return query


def _redacted_filter(given: dict[str, object], redactors: Sequence[Redactor]) -> object:
    found: object = given
    for redactor in redactors:
        found = redactor.masking.json(found, Counts(), keep=IDENTIFIERS)
    return found
