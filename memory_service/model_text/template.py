"""A model's chat template: from messages to the text that an engine cuts into tokens.

Templates come with a model, not from this service: they run in a sandbox that lets them change nothing. What they may call is
what transformers gives them, so that the same messages become the same text there.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from jinja2 import TemplateError
from jinja2.ext import Extension, loopcontrols
from jinja2.nodes import Node
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment

from memory_service.activation.errors import ActivationError

SPECIAL_TOKENS: Final = ("bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token")


class _Generation(Extension):
    """Reads `{% generation %}`, which marks what a model says and leaves the text as it is."""

    tags = {"generation"}  # noqa: RUF012 (the library wants a set)

    def parse(self, parser: Parser) -> list[Node]:
        """Return what stands between the marks."""
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


class ChatTemplate:
    """One template, compiled once."""

    def __init__(self, source: str, special_tokens: Mapping[str, str]) -> None:
        """Compile a template.

        Raises:
            ActivationError: it is none.
        """
        environment = ImmutableSandboxedEnvironment(
            trim_blocks=True, lstrip_blocks=True, extensions=[_Generation, loopcontrols]
        )
        environment.filters["tojson"] = _to_json
        environment.globals["raise_exception"] = _refuse
        environment.globals["strftime_now"] = lambda form: datetime.now().strftime(form)
        try:
            self._template = environment.from_string(source)
        except TemplateError as error:
            raise ActivationError(f"the chat template cannot be read ({type(error).__name__})") from error
        self._special_tokens = dict(special_tokens)

    def render(self, messages: Sequence[Mapping[str, Any]], *, generation: bool = True, tools: Any = None) -> str:
        """Return messages as the model reads them, with what begins its reply.

        Raises:
            ActivationError: the template refuses these messages, or cannot cope with them.
        """
        try:
            return self._template.render(
                messages=[dict(message) for message in messages],
                tools=tools,
                documents=None,
                add_generation_prompt=generation,
                **self._special_tokens,
            )
        except (TemplateError, TypeError, ValueError, ArithmeticError, LookupError, AttributeError) as error:
            # Its own sentence may quote what was said.
            said = str(error)[:200] if isinstance(error, _Refused) else type(error).__name__
            raise ActivationError(f"the chat template refuses these messages: {said}") from error


class _Refused(TemplateError):
    """The template itself says no."""


def _refuse(message: str) -> None:
    raise _Refused(message)


def _to_json(
    value: Any,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    """Return JSON as transformers writes it, not as jinja does: that would escape what stands in HTML."""
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)
