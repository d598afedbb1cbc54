"""Recipe: a parsed text, its stages, and the comments that mean something."""

from __future__ import annotations

from lamina.lang.dialect import DOCKERFILE, Dialect
from lamina.values import replace, value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    from lamina.lang.nodes import Arg, From, Instruction
    from lamina.lang.source import Source, Span
    from lamina.lang.words import Heredoc

    class EncodedStage(Protocol):
        """A stage that was kept somewhere."""

        def base(self) -> From: ...
        def instructions(self) -> tuple[Instruction, ...]: ...


@value
class Stage:
    """FROM and what follows it. `index` counts from 0."""

    index: int
    base: From
    instructions: tuple[Instruction, ...]

    @classmethod
    def later(cls, index: int, encoded: EncodedStage) -> Stage:
        """A stage that is read when it is first asked for its base or instructions: a
        build needs few of the stages that a cache brings back."""
        stage = object.__new__(cls)
        stage.__dict__.update(index=index, _encoded=encoded)
        return stage

    if not TYPE_CHECKING:  # for a type checker it would make every name an attribute

        def __getattr__(self, name: str) -> object:
            """What a stage made by `later` has not been asked for."""
            encoded = self.__dict__.get("_encoded")
            if encoded is None or name not in ("base", "instructions"):
                raise AttributeError(name)
            found = self.__dict__[name] = getattr(encoded, name)()
            return found

    @property
    def span(self) -> Span:
        """From FROM up to the end of the last instruction and its heredocs."""
        last = (self.base, *self.instructions)[-1]
        heredocs: tuple[Heredoc, ...] = getattr(last, "heredocs", ())
        end = max(last.span.end, *(heredoc.lines.end for heredoc in heredocs), 0)
        return replace(self.base.span, end=end)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Stage) and self._fields() == other._fields()

    def __hash__(self) -> int:
        return hash(self._fields())

    def __repr__(self) -> str:
        return f"Stage{self._fields()!r}"

    def _fields(self) -> tuple[object, ...]:
        return self.index, self.base, self.instructions


@value
class Directive:
    """A comment that means something: `# syntax=`, `# escape=`, `# check=` at the top
    of the file (the heading), `# check=` above an instruction, `# lamina: ...` among
    the comments before the first instruction."""

    name: str
    value: str
    heading: bool
    span: Span


@value
class Recipe:
    """A parsed recipe. `escape` is the escape character that its directive chose."""

    source: Source
    escape: str
    global_args: tuple[Arg, ...]
    stages: tuple[Stage, ...]
    directives: tuple[Directive, ...] = ()
    dialect: Dialect = DOCKERFILE
