"""Finding: what a check has to say of a recipe."""

from __future__ import annotations

from lamina.values import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lamina.lang.source import Span


@value
class Finding:
    """What a check has to say: a rule's name, `error` or `warning`, and where."""

    rule: str
    level: str
    message: str
    hint: str
    span: Span
