"""What is wrong with a `--format`, and at which column."""

from __future__ import annotations

from lamina.errors import LaminaError

HINT = "It is a Go template, as in `{{.ID}} {{json .Config}}`, or one of Jinja2."


class BadTemplate(LaminaError):
    """A template that cannot be read, or does not fit what it is given.

    `offset` is where in `template`, from 0; the excerpt shows its line and the place.
    """

    def __init__(
        self, message: str, template: str, offset: int, hint: str = HINT
    ) -> None:
        start = template.rfind("\n", 0, offset) + 1
        line = template[start:].partition("\n")[0]
        column = offset - start + 1
        super().__init__(
            f"The format is wrong at column {column}: {message}.",
            excerpt=f"    {line}\n    {' ' * (column - 1)}^",
            hint=hint,
        )
        self.column = column


class BadSyntax(BadTemplate):
    """A template that cannot be read; 64 is what docker exits with then."""

    exit_code = 64
