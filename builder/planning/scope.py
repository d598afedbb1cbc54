"""Scope: what instructions may ask of the plan that they are part of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lamina.builder.solving.graph import Operation
    from lamina.lang.dialect import Dialect
    from lamina.lang.source import Span
    from lamina.lang.words import Word


class Scope(Protocol):
    """The plan in progress, as a stage sees it.

    `escape` is the recipe's character, `dialect` its language, `network` that of
    steps that name none; `tests` says whether TEST counts; `allow` and `hosts` are as
    in BuildInputs.
    """

    escape: str
    dialect: Dialect
    network: str
    tests: bool
    allow: frozenset[str]
    hosts: tuple[tuple[str, str], ...]

    def add(
        self, title: str, parent: int, operation: Operation, text: str, span: Span
    ) -> int:
        """Add a step of the stage `title` on top of `parent`; its index."""
        ...

    def spend(self, length: int, span: Span) -> None:
        """Count characters that the plan holds; raises InvalidInstruction when there
        are too many."""
        ...

    def warn(self, text: str, span: Span) -> None:
        """Tell the recipe's writer something that stops nothing."""
        ...

    def argument(
        self, name: str, default: Word | None, env: Mapping[str, str]
    ) -> str | None:
        """The value of a stage's ARG: build-arg, own default, global ARG, or none."""
        ...

    def origin(self, name: str, stage: int, span: Span) -> int:
        """The step whose files `--from=name` means in the stage with that index."""
        ...
