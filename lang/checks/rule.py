"""Rule and Found: one row of the table of checks, and what its function yields."""

from __future__ import annotations

from lamina.values import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lamina.lang.checks.reading import Reading
    from lamina.lang.source import Span

# How much a finding weighs. Errors stop a build; warnings are told by `build` and
# `check`, notes by `check` only.
LEVELS = ("note", "warning", "error")


@value
class Found:
    """What a rule found and where. `hint` says what to write instead.

    A rule that speaks for another program gives that one's `code` (`SC2086`) and
    `level`, which stand for its own.
    """

    message: str
    span: Span
    hint: str = ""
    code: str = ""
    level: str = ""


@value
class Rule:
    """A check: what it is called, how much it weighs, and what carries it out.

    `name` is BuildKit's where BuildKit has the check; `alias` is hadolint's code, for
    `# hadolint ignore=`. `what` is one sentence for lists; docs/checks.md has a section
    of the rule's name with the reasons (`checks.explained`). An `experimental` rule has
    to be asked for.
    """

    name: str
    level: str
    what: str
    find: Callable[[Reading], Iterator[Found]]
    alias: str = ""
    experimental: bool = False
