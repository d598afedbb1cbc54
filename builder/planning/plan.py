"""plan: a Recipe to a Graph. Words are expanded, stages unrolled; nothing is done.

Bases are asked for through one callable, which pins them: `resolve(request)` gives the
config and layers of an image (base.py). Only what the target needs is planned.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping

from lamina.builder.errors import (
    InvalidInstruction,
    UnknownBase,
    placed,
)
from lamina.builder.planning.arguments import automatic_args, global_args
from lamina.builder.planning.base import Base, BaseRequest, scratch
from lamina.builder.planning.contexts import NamedContexts
from lamina.builder.planning.options import PlanOptions
from lamina.builder.planning.stage import apply, base_state
from lamina.builder.planning.state import StageState, layered
from lamina.builder.planning.step_list import StepList
from lamina.builder.planning.targets import targets
from lamina.builder.solving.graph import BaseOp, CopyOp, Graph, Operation, Product
from lamina.errors import LaminaError
from lamina.lang.expand import expand
from lamina.lang.source import RecipeError
from lamina.lang.stages import stage_names
from lamina.lang.suggest import did_you_mean
from lamina.lang.variables import variables
from lamina.oci.config import ImageConfig, with_whole_history
from lamina.oci.digest import Digest
from lamina.values import EMPTY, replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lamina.builder.planning.base import Resolve
    from lamina.lang.recipe import Recipe, Stage
    from lamina.lang.source import Span
    from lamina.lang.words import Word

# Characters of all that a plan holds: histories, environments of steps, files.
MOST_TEXT = 32 << 20
# What a variable of a stage, and a line of its history, takes beside its text.
_VARIABLE, _LINE = 50, 8


def plan(recipe: Recipe, options: PlanOptions, resolve: Resolve) -> Graph:
    """The graph of the target stages; raises RecipeError and what `resolve` raises."""
    # A stage is planned where another one first names it: five calls for each.
    depth = 1000 + 8 * len(recipe.stages)
    sys.setrecursionlimit(max(sys.getrecursionlimit(), depth))
    steps = StepList(shared=len(options.platforms) > 1)
    scopes = [
        Planner(recipe, options, resolve, steps, platform)
        for platform in options.platforms or (options.platform,)
    ]
    products = tuple(
        _product(scope.stage(index), options)
        for index in targets(recipe, options.targets, options.all_targets)
        for scope in scopes
    )
    notes = dict.fromkeys(note for scope in scopes for note in scope.notes)
    return Graph(steps.named(), products, options.platform, tuple(notes))


def _product(stage: StageState, options: PlanOptions) -> Product:
    config = stage.finished
    config = replace(config, labels={**config.labels, **options.labels})
    return Product(stage.title, stage.tip, config)


class Planner:
    """The plan in progress for one platform: its steps, the stages done so far, the
    global ARGs."""

    def __init__(
        self,
        recipe: Recipe,
        options: PlanOptions,
        resolve: Resolve,
        steps: StepList,
        platform: str,
    ) -> None:
        self.recipe = recipe
        self.escape = recipe.escape
        self.dialect = recipe.dialect
        self.network = options.network
        self.allow = options.allow
        self.hosts = options.hosts
        self.tests = options.tests
        self.notes: list[str] = []
        self._left = MOST_TEXT
        self._options = options
        self._resolve = resolve
        self._steps = steps
        self._platform = platform
        # What a base has to be for: nothing, where nobody said so.
        self._required = platform if options.platforms else ""
        self._done: dict[int, StageState] = {}
        self._images: dict[str, int] = {}
        self._contexts = NamedContexts(options.contexts)
        self._names = stage_names(recipe.stages, recipe.dialect)
        self._automatic = automatic_args(recipe, options, platform)
        self._global = global_args(
            recipe, options.build_args, self._automatic, self.spend
        )
        self._doubt(platform)

    def add(
        self, title: str, parent: int, operation: Operation, text: str, span: Span
    ) -> int:
        """Add a step of the stage `title` on top of `parent`; its index."""
        return self._steps.step(title, parent, operation, text, span)

    def spend(self, length: int, span: Span) -> None:
        """Count characters that the plan holds; raises InvalidInstruction when there
        are too many: variables can make much of a small recipe."""
        self._left -= length
        if self._left < 0:
            raise InvalidInstruction(
                f"Written out, this recipe has more than {MOST_TEXT >> 20} MiB here.",
                span,
                hint="See what its variables hold: `lamina outline`.",
            )

    def warn(self, text: str, span: Span) -> None:
        """Tell the recipe's writer something that stops nothing."""
        self.notes.append(f"warning: {text} {span}")

    def argument(
        self, name: str, default: Word | None, env: Mapping[str, str]
    ) -> str | None:
        """The value of a stage's ARG: build-arg, own default, global ARG, or none."""
        if name in self._options.build_args:
            return self._options.build_args[name]
        if default is not None:
            return expand(default, env, self.escape)
        return self._global.get(name, self._automatic.get(name))

    def origin(self, name: str, stage: int, span: Span) -> int:
        """The step whose files `--from=name` means: a stage's, or an image's."""
        named = self._contexts.find(name)
        if named:
            folder = self._contexts.folder_origin(named)
            if folder is not None:
                return folder
        else:
            earlier = self._names.source(name, stage)
            if earlier is not None:
                return self.stage(earlier.index).tip
            self._check_origin(name, stage, span)
        if name not in self._images:
            if name == "scratch":
                base = Base(scratch(self._platform), ())
            else:
                base = self._base(self._request(name, named, span))
            operation = BaseOp(name, base.layers, base.image)
            self._images[name] = self._steps.base(name, operation, span, self._platform)
        return self._images[name]

    def _request(self, name: str, named: str, span: Span) -> BaseRequest:
        """The base that a name means, which may be that of a context."""
        if not named:
            return BaseRequest(name, EMPTY, span, self._required)
        image = self._contexts.image(named)
        place = image or self._contexts.address(named)
        tree = not image
        return BaseRequest(place, EMPTY, span, self._required, tree, named=True)

    def _base(self, request: BaseRequest) -> Base:
        """The pinned base; of a name that is nowhere, perhaps a stage's is meant."""
        try:
            return self._resolve(request)
        except UnknownBase as error:
            later = self._names.last(request.name)
            if later is None:
                meant = did_you_mean(request.name, self._names.places)
                error.hint = f"{meant} {error.hint}".strip()
            elif later.base.image.span != request.span:
                error.message = (
                    f"Stage {request.name} comes after the FROM that needs it, and "
                    "there is no image of that name."
                )
                error.hint = (
                    f"Move it up (it starts on line {later.base.span.line}); if each "
                    "needs the other, neither can be built."
                )
            raise

    def _check_origin(self, name: str, stage: int, span: Span) -> None:
        """Refuse what a variable in `--from` may hold and a name as written not."""
        if not name:
            raise InvalidInstruction(
                "--from is empty here.",
                span,
                hint="Give the variable a default: `--from=${NAME:-stage}`.",
            )
        later = self._names.last(name)
        if later is None and name.isascii() and name.isdigit():
            raise InvalidInstruction(
                f"There is no stage number {name} before this one.",
                span,
                hint="Stages count from 0; better name them with AS.",
            )
        if later is not None:
            raise InvalidInstruction(
                f"--from is {name} here, a stage that is not done yet.",
                span,
                hint=f"Move it up (it starts on line {later.base.span.line}), or, if "
                f"the image {name} is meant, write docker.io/library/{name}.",
            )

    def stage(self, index: int) -> StageState:
        """The last state of a stage, planned on first use."""
        if index not in self._done:
            stage = self.recipe.stages[index]
            state = self._done[index] = self._plan_stage(stage)
            variables = len(state.env) + len(state.variables or ())
            held = _VARIABLE * variables + _LINE * len(state.config.history)
            self.spend(held, stage.base.span)
        return self._done[index]

    def _plan_stage(self, stage: Stage) -> StageState:
        state = self._from(stage)
        state = self._triggers(stage, state)
        if self._contexts.find(stage.base.name or ""):
            # It stands for all of the stage, as in BuildKit.
            return state
        for instruction in stage.instructions:
            state = apply(state, instruction, self)
        return state

    def _from(self, stage: Stage) -> StageState:
        base = stage.base
        title = base.name or f"stage-{stage.index}"
        name = expand(base.image, self._from_env(), self.escape)
        if not name:
            raise InvalidInstruction(
                "The name of the base is empty here.",
                base.image.span,
                hint="Give its ARG a default before the first FROM, or --build-arg.",
            )
        named = self._contexts.find(base.name or "") or self._contexts.find(name)
        if named and not self._contexts.image(named):
            return self._from_tree(stage, title, named)
        name = self._contexts.image(named) if named else name
        earlier = None if named else self._names.base(name, stage.index)
        if earlier is not None:
            inherited = self.stage(earlier.index)
            return replace(inherited, index=stage.index, title=title, has_cmd=False)
        flags = {
            key: expand(word, self._from_env(), self.escape) for key, word in base.flags
        }
        given = self._stage_platform(stage)
        platform = given or self._platform
        if name == "scratch":
            found = Base(scratch(platform), ())
        else:
            required = given or self._required
            span = base.image.span
            request = BaseRequest(name, flags, span, required, named=bool(named))
            found = self._base(request)
            platform = self._own_platform(found.config, required) or platform
        operation = BaseOp(name, found.layers, found.image)
        tip = self._steps.base(title, operation, base.span, platform)
        config = with_whole_history(found.config, len(found.layers))
        return base_state(stage.index, title, config, tip)

    def _from_tree(self, stage: Stage, title: str, named: str) -> StageState:
        """A stage whose base is the files of a context."""
        platform = self._stage_platform(stage) or self._platform
        span, layers = stage.base.span, tuple[Digest, ...]()
        folder = self._contexts.folder_origin(named)
        if folder is None:
            layers = self._base(self._request("", named, span)).layers
        tip = self._steps.base(title, BaseOp(named, layers), span, platform)
        if folder is not None:
            copied = CopyOp(False, (".",), (), "/", folder)
            tip = self.add(title, tip, copied, f"COPY {named} /", span)
        state = base_state(stage.index, title, scratch(platform), tip)
        return layered(state, f"COPY {named} /")

    def _own_platform(self, config: ImageConfig, required: str) -> str:
        """What a base is for, when that is another machine and nobody asked for it:
        its programs need an emulator all the same."""
        architecture = self._options.platform.split("/")[1]
        if required or config.architecture in ("", architecture):
            return ""
        from lamina.oci.platforms import normalise, platform_of

        return str(normalise(platform_of(config)))

    def _stage_platform(self, stage: Stage) -> str:
        """What `FROM --platform` says, in its plain spelling; "" without it."""
        word = stage.base.platform
        if word is None:
            return ""
        given = expand(word, self._from_env(), self.escape)
        if not given:
            used = {part.name for part in variables(word.parts)}
            known = [*self._automatic, *self._global]
            near = (did_you_mean(name, known) for name in used - {*known})
            raise InvalidInstruction(
                f"--platform={word.text} is empty here.",
                word.span,
                hint=next(filter(None, near), "")
                or "Give its ARG a default before the first FROM, or --build-arg.",
            )
        from lamina.oci.platforms import parse_platform

        try:
            platform = str(parse_platform(given))
        except LaminaError as error:
            raise placed(error, word.span) from error
        self._doubt(platform)
        return platform

    def _doubt(self, platform: str) -> None:
        """Tell of a platform whose architecture nobody knows."""
        if platform != self._options.platform:
            from lamina.oci.platforms import unknown_architecture

            doubt = unknown_architecture(platform)
            self.notes += [f"warning: {doubt}"] if doubt else ()

    def _triggers(self, stage: Stage, state: StageState) -> StageState:
        """Run what the base's ONBUILD instructions ask for, and clear them."""
        texts = state.config.on_build
        if not texts:
            return state
        from lamina.lang.parser import of_trigger, parse_trigger

        state = replace(state, config=replace(state.config, on_build=()))
        for text in texts:
            instruction = parse_trigger(
                text, self.escape, stage.base.span, self.dialect.compat
            )
            try:
                state = apply(state, instruction, self)
            except RecipeError as error:
                raise of_trigger(error, text) from None
        return state

    def _from_env(self) -> dict[str, str]:
        return {**self._automatic, **self._global}
