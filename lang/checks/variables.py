"""Checks of ARG and ENV, and of what uses them."""

from __future__ import annotations

from lamina.lang import nodes
from lamina.lang.checks.rule import Found
from lamina.lang.suggest import did_you_mean
from lamina.lang.variables import plain_variables, set_by, words

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from lamina.lang.checks.reading import Reading
    from lamina.lang.nodes import Instruction
    from lamina.lang.recipe import Stage
    from lamina.lang.source import Span
    from lamina.lang.words import Heredoc, Word

    # Names, and how many more settings of each were added.
    Changes = list[tuple[str, int]]

SECRET_WORDS = frozenset(
    {"apikey", "auth", "credential", "credentials", "key", "password", "pword"}
    | {"passwd", "secret", "token"}
)
HARMLESS_WORDS = frozenset({"public", "file", "version"})
# Suggestions compare with every known name: only so many, among so many.
_MOST_SUGGESTIONS = 50
_MOST_NAMES = 500


def secrets_used_in_arg_or_env(reading: Reading) -> Iterator[Found]:
    """ARG and ENV are in the image's configuration or history, for all to read."""
    for instruction in reading.instructions:
        kind = type(instruction).__name__.upper()
        for name, span in _declared(instruction):
            parts = set(name.lower().split("_"))
            if parts & SECRET_WORDS and not parts & HARMLESS_WORDS:
                yield Found(
                    "Do not use ARG or ENV instructions for sensitive data "
                    f'({kind} "{name}")',
                    span,
                    f"Use RUN --mount=type=secret,id={name.lower()},env={name}.",
                )


def _declared(instruction: object) -> Iterator[tuple[str, Span]]:
    if isinstance(instruction, nodes.Arg):
        for name, _ in instruction.args:
            yield name, instruction.span
    elif isinstance(instruction, nodes.Env):
        for pair in instruction.pairs:
            yield pair.key.text, pair.key.span


def undefined_var(reading: Reading) -> Iterator[Found]:
    """A variable that nothing sets is empty. Only stages whose base image is known
    are looked at: another image may bring it."""
    suggestions = 0
    for name, word, known in _uses(reading):
        if name in known:
            continue
        near = ""
        if suggestions < _MOST_SUGGESTIONS and len(known) < _MOST_NAMES:
            near = did_you_mean(name, known)
            suggestions += 1
        yield Found(
            f"Usage of undefined variable '${name}'",
            word.span,
            near or _declare(name),
        )


def _declare(name: str) -> str:
    if name.isidentifier():
        return f"Write ARG {name} above, or ${{{name}:-}} if it may be empty."
    return f"A recipe is given no arguments; for the characters, write \\${name}."


def _uses(reading: Reading) -> Iterator[tuple[str, Word | Heredoc, dict[str, int]]]:
    """Each use of a variable, with the names that are known there and then.

    The stages are gone through as the tree that FROM makes of them, so that one table
    serves them all: what a stage adds is taken out again when the walk leaves it.
    """
    children, roots = _tree(reading)
    todo: list[tuple[Stage, Changes | None]] = [(root, None) for root in roots]
    known: dict[str, int] = {}
    while todo:
        stage, added = todo.pop()
        if added is not None:  # on the way back
            _take(added, known)
            continue
        added = []
        todo.append((stage, added))
        facts = reading.facts(stage)
        if reading.parent(stage) is None and facts is not None:
            _add(facts.variables, known, added)
        for trigger in reading.triggers(stage):
            _add(set_by(trigger), known, added)
        arguments = set[str]()
        for instruction in stage.instructions:
            for name, word in _used(instruction):
                yield name, word, known
            _add(set_by(instruction), known, added)
            if isinstance(instruction, nodes.Arg):
                arguments |= set_by(instruction)
            elif isinstance(instruction, nodes.Unset):
                _lose(_unset_by(instruction, known) - arguments, known, added)
        todo += [(reading.stages[index], None) for index in children[stage.index]]


def _tree(reading: Reading) -> tuple[list[list[int]], list[Stage]]:
    """The stages FROM each stage, and those that stand on an image that is known."""
    children: list[list[int]] = [[] for _ in reading.stages]
    roots = []
    for stage in reading.stages:
        parent = reading.parent(stage)
        if parent is not None:
            children[parent.index].append(stage.index)
        elif reading.facts(stage) is not None:
            roots.append(stage)
    return children, roots


def _used(instruction: Instruction) -> Iterator[tuple[str, Word | Heredoc]]:
    for word in words(instruction):
        for name in plain_variables(word.parts):
            yield name, word


def _unset_by(instruction: nodes.Unset, known: Iterable[str]) -> set[str]:
    """The variables that are none any more; a name that holds one is anybody's."""
    if instruction.what != "ENV":
        return set()
    if not instruction.names:
        return set(known)
    return {word.text for word in instruction.names if word.parts is None}


def _add(names: Iterable[str], known: dict[str, int], added: Changes) -> None:
    for name in names:
        known[name] = known.get(name, 0) + 1
        added.append((name, 1))


def _lose(names: Iterable[str], known: dict[str, int], added: Changes) -> None:
    for name in names:
        count = known.pop(name, 0)
        added.append((name, -count))


def _take(added: Changes, known: dict[str, int]) -> None:
    for name, count in reversed(added):
        left = known.pop(name, 0) - count
        if left:
            known[name] = left


def env_uses_itself(reading: Reading) -> Iterator[Found]:
    """All words of one ENV see the variables as they were before it."""
    for stage in reading.stages:
        before = set[str]()
        facts = reading.facts(stage)
        if facts is not None:
            before |= facts.variables
        for instruction in stage.instructions:
            if isinstance(instruction, nodes.Env) and len(instruction.pairs) > 1:
                yield from _own_uses(instruction, before | {"PATH"})
            before |= set_by(instruction)


def _own_uses(env: nodes.Env, before: set[str]) -> Iterator[Found]:
    own = set_by(env)
    for pair in env.pairs:
        for name in plain_variables(pair.value.parts):
            if name in own and name not in before and name != pair.key.text:
                yield Found(
                    f"${name} here is not the {name} of the same ENV, but what it was "
                    "before",
                    pair.value.span,
                    f"Give {pair.key.text} an ENV of its own, below this one.",
                )
