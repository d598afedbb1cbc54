"""Which variables a recipe's words refer to, and which its instructions set."""

from __future__ import annotations

from lamina.lang.nodes import Arg, Env
from lamina.lang.words import Heredoc, Parts, Substitution, Word

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from lamina.lang.nodes import From, Instruction

# Known in FROM without an ARG; in a stage an ARG asks for them.
AUTOMATIC = frozenset(
    f"{side}{what}"
    for side in ("BUILD", "TARGET")
    for what in ("PLATFORM", "OS", "OSVERSION", "ARCH", "VARIANT")
) | {"TARGETSTAGE"}


def words(node: Instruction | From) -> Iterator[Word | Heredoc]:
    """Every word and document of an instruction, wherever it stands in it."""
    todo: list[object] = [*reversed(node.__dict__.values())]
    while todo:
        inner = todo.pop()
        if isinstance(inner, Word | Heredoc):
            yield inner
        elif isinstance(inner, tuple):
            todo += reversed(inner)
        elif type(inner).__module__ == Word.__module__:
            todo += reversed(inner.__dict__.values())


def variables(parts: Parts | None) -> Iterator[Substitution]:
    """Every substitution in a word, those inside others too."""
    for part in parts or ():
        if isinstance(part, Substitution):
            yield part
            yield from variables(part.argument)
            yield from variables(part.replacement)


def plain_variables(parts: Parts | None) -> Iterator[str]:
    """The names that are used as if they were set: without a default or an error."""
    for part in variables(parts):
        if part.operator[-1:] not in ("-", "+", "?") or not part.operator:
            yield part.name


def set_by(instruction: Instruction) -> set[str]:
    """The names that an ARG or an ENV gives a value to."""
    if isinstance(instruction, Arg):
        return {name for name, _ in instruction.args}
    if isinstance(instruction, Env):
        return {pair.key.text for pair in instruction.pairs}
    return set()
