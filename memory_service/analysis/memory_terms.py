"""Cut a memory into the terms by which it is found by keyword, by the rules of its own language.

Whoever has the record can cut it again and gets the same: when it is written, corrected, rebuilt, or read as of earlier.
"""

from collections.abc import Collection
from datetime import datetime

from memory_service.analysis.language import guess
from memory_service.analysis.tokens import cut_language, keyword_text, terms


def language_of(content: str, stated: str | None) -> str:
    """Name the language whose rules cut a memory: the one its record states, else what the content looks like.

    Enrichment writes what `guess` says of the same content into a record that states nothing, so both agree.

    >>> language_of("Ich war gestern am See", None), language_of("ok", None), language_of("See you", "de-AT")
    ('de', 'und', 'de')
    """
    return cut_language(guess(content) if stated is None else stated)


def memory_terms(
    content: str,
    *,
    language: str,
    speaker: str | None,
    observed_at: datetime,
    title: str | None,
    context: str | None,
    computed: Collection[str] = (),
) -> tuple[str, ...]:
    """Return the terms of a memory, in order and with repeats; `language` is that of `language_of`.

    A title, context or speaker that is `computed` repeats words of the text: they would count twice, and are left out.

    >>> memory_terms("Die Katzen schlafen", language="de", speaker="Ana", observed_at=datetime(2024, 5, 8), title=None,
    ...              context=None)
    ('8', 'mai', '2024', 'ana', 'katz', 'schlaf')
    >>> memory_terms("Hello Tom", language="en", speaker=None, observed_at=datetime(2024, 5, 8), title="A greeting",
    ...              context="to Tom", computed=["context", "keywords"])
    ('8', 'may', '2024', 'greet', 'hello', 'tom')
    """
    text = keyword_text(
        content,
        speaker=None if "speaker" in computed else speaker,
        observed_at=observed_at,
        title=None if "title" in computed else title,
        context=None if "context" in computed else context,
        language=language,
    )
    return tuple(terms(text, language))
