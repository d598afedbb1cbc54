"""plan: a Recipe to a Graph. Words are expanded, stages unrolled; nothing is done.

Bases are asked for through one callable, which pins them: `resolve(name, flags, span)`
gives the config and layers of an image. Only what the target needs is planned.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping

from lamina.builder.contexts import NamedContexts
from lamina.builder.errors import (
    InvalidInstruction,
    InvalidOption,
    UnknownBase,
    placed,
)
from lamina.builder.graph import BaseOp, CopyOp, Graph, Operation, Product
from lamina.builder.stage import apply, base_state
from lamina.builder.state import NOTHING, StageState, layered
from lamina.builder.step_list import StepList
from lamina.errors import LaminaError
from lamina.lang.expand import expand
from lamina.lang.stages import stage_names
from lamina.lang.suggest import did_you_mean
from lamina.oci.config import ImageConfig
from lamina.oci.digest import Digest
from lamina.values import replace, value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from lamina.lang.nodes import Recipe, Stage, Word
    from lamina.lang.source import Span

# Handed to a step without ARG, and kept out of every key (dockerfile.md 1.5).
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY")


@value
class Base:
    """A pinned base: its config, and its layers bottom first."""

    config: ImageConfig
    layers: tuple[Digest, ...]


@value
class BaseRequest:
    """A base as a recipe asks for it: the expanded name and FROM's flags."""

    name: str
    flags: Mapping[str, str]
    span: Span
    # What it has to be for; "" for whatever is there, this machine's first.
    platform: str = ""
    # `name` is the address of a tree, that of a named context.
    tree: bool = False


if TYPE_CHECKING:
    Resolve = Callable[[BaseRequest], Base]


@value
class PlanOptions:
    """What the command line adds to a recipe. `platform` is this machine's,
    `os/arch[/variant]`, and `platforms` those to build for, () for the same; `targets`,
    `all_targets`, `tests`, `allow` and `hosts` are as in BuildInputs."""

    platform: str
    targets: tuple[str, ...] = ()
    all_targets: bool = False
    tests: bool = True
    build_args: Mapping[str, str] = NOTHING
    labels: Mapping[str, str] = NOTHING
    network: str = "default"
    allow: frozenset[str] = frozenset()
    hosts: tuple[tuple[str, str], ...] = ()
    platforms: tuple[str, ...] = ()
    contexts: Mapping[str, str] = NOTHING


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
        for index in _targets(recipe, options)
        for scope in scopes
    )
    notes = dict.fromkeys(note for scope in scopes for note in scope.notes)
    return Graph(steps.named(), products, options.platform, tuple(notes))


def _product(stage: StageState, options: PlanOptions) -> Product:
    config = replace(stage.config, labels={**stage.config.labels, **options.labels})
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
        self._automatic = _automatic_args(recipe, options, platform)
        self._global = self._global_args()

    def add(
        self, title: str, parent: int, operation: Operation, text: str, span: Span
    ) -> int:
        """Add a step of the stage `title` on top of `parent`; its index."""
        return self._steps.step(title, parent, operation, text, span)

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
            base = self._base(self._request(name, named, span))
            operation = BaseOp(name, base.layers)
            self._images[name] = self._steps.base(name, operation, span, self._platform)
        return self._images[name]

    def _request(self, name: str, named: str, span: Span) -> BaseRequest:
        """The base that a name means, which may be that of a context."""
        if not named:
            return BaseRequest(name, NOTHING, span, self._required)
        image = self._contexts.image(named)
        place = image or self._contexts.address(named)
        return BaseRequest(place, NOTHING, span, self._required, tree=not image)

    def _base(self, request: BaseRequest) -> Base:
        """The pinned base; of a name that is nowhere, perhaps a stage's is meant."""
        try:
            return self._resolve(request)
        except UnknownBase as error:
            meant = did_you_mean(request.name, self._names.places)
            error.hint = f"{meant} {error.hint}".strip()
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
            self._done[index] = self._plan_stage(self.recipe.stages[index])
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
            found = Base(_scratch(platform), ())
        else:
            required = given or self._required
            request = BaseRequest(name, flags, base.image.span, required)
            found = self._base(request)
            platform = self._own_platform(found.config, required) or platform
        operation = BaseOp(name, found.layers)
        tip = self._steps.base(title, operation, base.span, platform)
        return base_state(stage.index, title, found.config, tip)

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
        state = base_state(stage.index, title, _scratch(platform), tip)
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
        given = expand(word, self._from_env(), self.escape) if word else ""
        if not word or not given:
            return ""
        from lamina.oci.platforms import parse_platform

        try:
            return str(parse_platform(given))
        except LaminaError as error:
            raise placed(error, word.span) from error

    def _triggers(self, stage: Stage, state: StageState) -> StageState:
        """Run what the base's ONBUILD instructions ask for, and clear them."""
        texts = state.config.on_build
        if not texts:
            return state
        from lamina.lang.parser import parse_trigger

        state = replace(state, config=replace(state.config, on_build=()))
        for text in texts:
            instruction = parse_trigger(
                text, self.escape, stage.base.span, self.dialect.compat
            )
            state = apply(state, instruction, self)
        return state

    def _from_env(self) -> dict[str, str]:
        return {**self._automatic, **self._global}

    def _global_args(self) -> dict[str, str]:
        """The ARGs before the first FROM, in order; a build-arg beats the default."""
        found: dict[str, str] = {}
        for arg in self.recipe.global_args:
            for name, default in arg.args:
                if name in self._options.build_args:
                    found[name] = self._options.build_args[name]
                elif default is not None:
                    env = {**self._automatic, **found}
                    found[name] = expand(default, env, self.escape)
        return found


def _targets(recipe: Recipe, options: PlanOptions) -> tuple[int, ...]:
    """The stages to build, each once, in the order asked for; by default the last."""
    wanted = [_target(recipe, name) for name in options.targets]
    if options.all_targets:
        names = stage_names(recipe.stages)
        wanted += [
            stage.index
            for stage in recipe.stages
            if stage.base.name and names.last(stage.base.name) is stage
        ]
        if not wanted:
            raise InvalidOption(
                f"No stage of {recipe.source.name} has a name, so --all is nothing.",
                hint="Name what is to be built: FROM debian:bookworm AS app.",
            )
    return tuple(dict.fromkeys(wanted)) or (len(recipe.stages) - 1,)


def _target(recipe: Recipe, name: str) -> int:
    """The index of a stage to build; names are matched without case."""
    found = stage_names(recipe.stages).last(name.lower())
    if found is not None:
        return found.index
    if name.isdigit() and int(name) < len(recipe.stages):
        return int(name)
    names = [stage.base.name for stage in recipe.stages if stage.base.name]
    known = f"The stages are {', '.join(names)}." if names else "No stage has a name."
    meant = did_you_mean(name, names)
    raise InvalidOption(
        f"There is no stage {name!r} in {recipe.source.name}.",
        hint=f"{meant} {known}".strip(),
    )


def _automatic_args(
    recipe: Recipe, options: PlanOptions, target: str
) -> dict[str, str]:
    """The arguments that every recipe has, in the plan for the platform `target`."""
    built = [recipe.stages[i].base.name for i in _targets(recipe, options)]
    found = {"TARGETSTAGE": ",".join(filter(None, built)) or "default"}
    for side, platform in (("BUILD", options.platform), ("TARGET", target)):
        system, architecture, variant = (*platform.split("/"), "")[:3]
        found[f"{side}PLATFORM"] = platform
        found[f"{side}OS"] = system
        found[f"{side}ARCH"] = architecture
        found[f"{side}VARIANT"] = variant
        found[f"{side}OSVERSION"] = ""
    found.update((k, v) for k, v in options.build_args.items() if k in found)
    return found


def _scratch(platform: str) -> ImageConfig:
    system, architecture, variant = (*platform.split("/"), "")[:3]
    return ImageConfig(architecture, system, variant=variant, working_dir="/")
