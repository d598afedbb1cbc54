"""`--format` as a template of Jinja2: `{{ id }}`, `{% for mount in mounts %}`.

Fields have Docker's names with underscores: `created_at` for `CreatedAt`, `state.pid`
for `State.Pid`. Filters are Jinja's, and `json`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from jinja2 import StrictUndefined, TemplateError, TemplateSyntaxError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from lamina.cli.gotemplate import functions
from lamina.errors import LaminaError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_WORDS = re.compile(r"[A-Z]+s(?![a-z])|[A-Z]+(?![a-z])|[A-Z][a-z0-9]*|[^A-Z_]+")


class BadJinja(LaminaError):
    """A template that cannot be read, or does not fit what it is given."""

    def __init__(self, said: str, line: int = 0) -> None:
        where = f" in line {line}" if line > 1 else ""
        super().__init__(
            f"The format is wrong{where}: {said.rstrip('.')}.",
            hint="It was taken for one of Jinja2, as in `{{ id }}`; Go's have dots, as "
            "in `{{.ID}}`.",
        )


class Fields(dict[str, Any]):
    """A document whose fields can be had by their names with underscores as well."""

    def __init__(self, found: Mapping[str, Any]) -> None:
        super().__init__((key, _fields(inner)) for key, inner in found.items())
        self._named = {snake(key): key for key in found}

    def __missing__(self, name: str) -> Any:
        return self[self._named[name]]


def snake(name: str) -> str:
    """`IPAddress` as `ip_address`."""
    return "_".join(_WORDS.findall(name)).lower()


def _fields(found: Any) -> Any:
    if isinstance(found, dict):
        return Fields(found)
    if isinstance(found, list | tuple):
        return [_fields(inner) for inner in found]
    return found


def _printed(found: Any) -> Any:
    """As JSON and Go have them, and nothing for null."""
    if found is None or isinstance(found, bool):
        return {True: "true", False: "false", None: ""}[found]
    return found


def _json(found: Any) -> str:
    if isinstance(found, StrictUndefined):
        str(found)  # which is an error
    return functions.json(found)


def compiled(template: str) -> Callable[[object], str]:
    """What renders `template`; raises BadJinja, and when called too."""
    environment = ImmutableSandboxedEnvironment(
        undefined=StrictUndefined, finalize=_printed, keep_trailing_newline=True
    )
    environment.filters["json"] = _json
    try:
        made = environment.from_string(template)
    except TemplateSyntaxError as error:
        raise BadJinja(error.message or "it cannot be read", error.lineno) from None

    def render(data: object) -> str:
        fields = _fields(data)
        assert isinstance(fields, Fields)
        names = {**fields, **{snake(key): fields[key] for key in fields}}
        try:
            return made.render(names)
        except (TemplateError, TypeError, ValueError, ArithmeticError) as error:
            raise BadJinja(str(error)) from None

    return render
