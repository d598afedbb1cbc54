"""Reading: a recipe, its surroundings, and what several checks derive from both.

Each thing is derived once, when the first rule asks for it, and in time linear in the
recipe: a stage's state starts from that of the stage below it.
"""

from __future__ import annotations

from lamina.lang import nodes
from lamina.lang.checks.script import scripts
from lamina.lang.checks.surroundings import BaseFacts
from lamina.lang.expand import expand
from lamina.lang.nodes import From, Run
from lamina.lang.parser import triggered
from lamina.lang.recipe import Stage
from lamina.lang.source import RecipeError
from lamina.lang.stages import stage_names
from lamina.lang.variables import AUTOMATIC, plain_variables, set_by
from lamina.lang.words import Word
from lamina.values import replace, value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from lamina.lang.checks.script import Script
    from lamina.lang.checks.shell import ShellCommand
    from lamina.lang.checks.surroundings import Surroundings
    from lamina.lang.nodes import Instruction
    from lamina.lang.recipe import Recipe

# Images that have no reference: Lamina makes or reads them.
SCHEMES = ("bootstrap:", "oci-layout:", "docker-archive:")
# No longer value is part of a base's name.
_LONGEST = 4096
# With so many names known in a stage, those of the next are not collected.
_MOST_NAMES = 1000


@value
class RunReading:
    """A RUN, the stage it is in, the SHELL in force, and its scripts."""

    stage: Stage
    run: Run
    shell: tuple[str, ...]
    scripts: tuple[Script, ...]

    @property
    def commands(self) -> Iterator[tuple[Script, ShellCommand]]:
        for script in self.scripts:
            for command in script.commands:
                yield script, command

    def commands_of(self, program: str) -> Iterator[tuple[Script, ShellCommand]]:
        """The commands that call one program."""
        for script in self.scripts:
            if script.may_call(program):
                for command in script.commands:
                    if command.name == program:
                        yield script, command


@value
class Named:
    """An instruction, the stage it is in (None of a global ARG), its SHELL."""

    instruction: Instruction
    stage: Stage
    shell: tuple[str, ...]


class Reading:
    """What rules look at."""

    def __init__(self, recipe: Recipe, surroundings: Surroundings) -> None:
        self.recipe = recipe
        self.surroundings = surroundings
        self.names = stage_names(recipe.stages, recipe.dialect)
        self._parents: list[Stage | None] | None = None
        self._facts: list[BaseFacts | None] | None = None
        self._runs: tuple[RunReading, ...] | None = None
        self._products: frozenset[int] | None = None
        self._defaults: dict[str, str] | None = None
        self._variables: dict[int, frozenset[str]] = {}

    @property
    def stages(self) -> tuple[Stage, ...]:
        return self.recipe.stages

    @property
    def instructions(self) -> Iterator[Instruction | From]:
        """All of them, global ARGs and FROMs too, from top to bottom."""
        yield from self.recipe.global_args
        for stage in self.recipe.stages:
            yield stage.base
            yield from stage.instructions

    def parent(self, stage: Stage) -> Stage | None:
        """The stage that `stage` is FROM, None when that is an image."""
        if self._parents is None:
            self._parents = [
                self.names.base(self.image(other) or "", other.index)
                for other in self.stages
            ]
        return self._parents[stage.index]

    def may_be_stage(self, stage: Stage) -> bool:
        """Whether FROM's variables can have values with which an earlier stage is
        meant: `FROM tools-$TARGETARCH` where one of several is chosen."""
        word = stage.base.image
        if word.parts is None:
            return False
        anything = dict.fromkeys(plain_variables(word.parts), "\0")
        try:
            text = expand(word, self.defaults | anything, self.recipe.escape).lower()
        except RecipeError:
            return False
        start, end = text.partition("\0")[0], text.rpartition("\0")[2]
        return bool(start or end) and any(
            name.startswith(start) and name.endswith(end) and places[0] < stage.index
            for name, places in self.names.places.items()
        )

    def image(self, stage: Stage) -> str | None:
        """The name behind FROM; None when it takes a value that is not known here."""
        return self.expanded(stage.base.image)

    def expanded(self, word: Word) -> str | None:
        """A word of FROM with the defaults of the global ARGs; None when these do not
        give it a value."""
        if word.parts is None:
            return word.text
        if any(name not in self.defaults for name in plain_variables(word.parts)):
            return None
        return self.with_defaults(word)

    def with_defaults(self, word: Word) -> str | None:
        """The same, undefined variables empty; None where it is an error."""
        try:
            return expand(word, self.defaults, self.recipe.escape)
        except RecipeError:
            return None

    @property
    def defaults(self) -> dict[str, str]:
        """The variables of FROM when no build argument is given."""
        if self._defaults is None:
            self._defaults = self._default_values()
        return self._defaults

    def _default_values(self) -> dict[str, str]:
        found = dict.fromkeys(AUTOMATIC, "")
        if self.surroundings.platform:
            parts = (*self.surroundings.platform.split("/"), "")
            for side in ("BUILD", "TARGET"):
                found[f"{side}PLATFORM"] = self.surroundings.platform
                found[f"{side}OS"], found[f"{side}ARCH"] = parts[:2]
        for arg in self.recipe.global_args:
            for name, default in arg.args:
                if default is not None:
                    try:
                        text = expand(default, found, self.recipe.escape)
                    except RecipeError:
                        continue
                    if len(text) <= _LONGEST:
                        found[name] = text
        return found

    def facts(self, stage: Stage) -> BaseFacts | None:
        """What the image at the bottom of `stage` brings; None when it is unknown."""
        if self._facts is None:
            self._facts = []
            for other in self.stages:
                parent = self.parent(other)
                self._facts.append(
                    self._base(other) if parent is None else self._facts[parent.index]
                )
        return self._facts[stage.index]

    def _base(self, stage: Stage) -> BaseFacts | None:
        name = self.image(stage)
        if name == "scratch":
            platform = self.surroundings.platform
            return BaseFacts(frozenset({"PATH"}), (), "/", platform)
        found = self.surroundings.base(name) if name else None
        if found is None:
            return None
        # Docker gives a PATH to images without one.
        return replace(found, variables=found.variables | {"PATH"})

    def triggers(self, stage: Stage) -> tuple[Instruction, ...]:
        """What the stage below makes run in `stage`, before its own instructions. What
        an image makes run there is among the facts about it."""
        parent = self.parent(stage)
        below = () if parent is None else parent.instructions
        texts = [i.text for i in below if isinstance(i, nodes.Onbuild)]
        return triggered(texts, self.recipe.escape, stage.base.span)

    @property
    def placed(self) -> Iterator[Named]:
        """Every instruction of a stage with the SHELL that is in force there."""
        ends: list[tuple[str, ...]] = []
        for stage in self.stages:
            parent, facts = self.parent(stage), self.facts(stage)
            shell = facts.shell if facts is not None else ()
            if parent is not None:
                shell = ends[parent.index]
            for trigger in self.triggers(stage):
                if isinstance(trigger, nodes.Shell):
                    shell = trigger.args
            for instruction in stage.instructions:
                if isinstance(instruction, nodes.Shell):
                    shell = instruction.args
                yield Named(instruction, stage, shell)
            ends.append(shell)

    @property
    def runs(self) -> tuple[RunReading, ...]:
        """All RUNs with their scripts."""
        if self._runs is None:
            self._runs = tuple(
                RunReading(
                    here.stage,
                    here.instruction,
                    here.shell,
                    scripts(here.instruction, here.shell, self.recipe.escape),
                )
                for here in self.placed
                if isinstance(here.instruction, Run)
            )
        return self._runs

    @property
    def products(self) -> frozenset[int]:
        """The stages whose layers are in an image that people get: those that no
        other stage refers to, the last one, and all that these are FROM."""
        if self._products is None:
            used = set()
            for stage in self.stages:
                parent = self.parent(stage)
                if parent is not None:
                    used.add(parent.index)
                for word in sources(stage):
                    source = self.names.source(word.text, stage.index)
                    if source is not None:
                        used.add(source.index)
            last = len(self.stages) - 1
            found = {s.index for s in self.stages if s.index not in used} | {last}
            for stage in reversed(self.stages):
                parent = self.parent(stage)
                if stage.index in found and parent is not None:
                    found.add(parent.index)
            self._products = frozenset(found)
        return self._products

    def variables(self, stage: Stage) -> frozenset[str]:
        """Names that ARG and ENV set in a stage and in those that it stands on."""
        chain: list[Stage] = []
        at: Stage | None = stage
        while at is not None and at.index not in self._variables:
            chain.append(at)
            at = self.parent(at)
        for one in reversed(chain):
            self._variables[one.index] = self._with_own(one)
        return self._variables[stage.index]

    def _with_own(self, stage: Stage) -> frozenset[str]:
        """What is known of the parent's, and what the stage sets itself."""
        parent = self.parent(stage)
        facts = self.facts(stage)
        below = frozenset[str]() if facts is None else facts.variables
        if parent is not None:
            below = self._variables[parent.index]
        if len(below) > _MOST_NAMES:
            return below  # a set for each of thousands of stages has to stay small
        instructions = (*self.triggers(stage), *stage.instructions)
        own: set[str] = set().union(*map(set_by, instructions))
        return below | own if own - below else below


def sources(stage: Stage) -> Iterator[Word]:
    """The words behind every `--from=` and `--mount=from=` of a stage."""
    for instruction in stage.instructions:
        if isinstance(instruction, nodes.Copy) and instruction.from_ is not None:
            yield instruction.from_
        elif isinstance(instruction, Run):
            for mount in instruction.mounts:
                for key, word in mount.fields:
                    if key == "from" and word is not None:
                        yield word
