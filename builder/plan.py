"""plan: a Recipe to a Graph. Words are expanded, stages unrolled; nothing is done.

Bases are asked for through one callable, which pins them: `resolve(name, flags, span)`
gives the config and layers of an image. Only what the target needs is planned.
"""

from __future__ import annotations

from collections.abc import Mapping

from lamina.builder.errors import InvalidInstruction, InvalidOption, UnknownBase
from lamina.builder.graph import BaseOp, Graph, Operation, Product, Step
from lamina.builder.stage import apply, base_state
from lamina.builder.state import NOTHING, StageState
from lamina.lang.expand import expand
from lamina.lang.stages import stage_names
from lamina.lang.suggest import did_you_mean
from lamina.oci.config import ImageConfig
from lamina.values import replace, value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from lamina.lang.nodes import Recipe, Stage, Word
    from lamina.lang.source import Span
    from lamina.oci.digest import Digest

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


if TYPE_CHECKING:
    Resolve = Callable[[BaseRequest], Base]


@value
class PlanOptions:
    """What the command line adds to a recipe. `platform` is `os/arch[/variant]`;
    `targets`, `all_targets`, `tests`, `allow` and `hosts` are as in BuildInputs."""

    platform: str
    targets: tuple[str, ...] = ()
    all_targets: bool = False
    tests: bool = True
    build_args: Mapping[str, str] = NOTHING
    labels: Mapping[str, str] = NOTHING
    network: str = "default"
    allow: frozenset[str] = frozenset()
    hosts: tuple[tuple[str, str], ...] = ()


def plan(recipe: Recipe, options: PlanOptions, resolve: Resolve) -> Graph:
    """The graph of the target stages; raises RecipeError and what `resolve` raises."""
    scope = Planner(recipe, options, resolve)
    products = tuple(
        _product(scope.stage(index), options.labels)
        for index in _targets(recipe, options)
    )
    return Graph(_named(scope.steps), products, options.platform, tuple(scope.notes))


def _product(stage: StageState, labels: Mapping[str, str]) -> Product:
    config = replace(stage.config, labels={**stage.config.labels, **labels})
    return Product(stage.title, stage.tip, config)


class Planner:
    """The plan in progress: its steps, the stages done so far, the global ARGs."""

    def __init__(self, recipe: Recipe, options: PlanOptions, resolve: Resolve) -> None:
        self.recipe = recipe
        self.escape = recipe.escape
        self.dialect = recipe.dialect
        self.network = options.network
        self.allow = options.allow
        self.hosts = options.hosts
        self.tests = options.tests
        self.notes: list[str] = []
        self.steps: list[tuple[str, Step]] = []
        self._options = options
        self._resolve = resolve
        self._done: dict[int, StageState] = {}
        self._images: dict[str, int] = {}
        self._names = stage_names(recipe.stages, recipe.dialect)
        self._automatic = _automatic_args(recipe, options)
        self._global = self._global_args()

    def add(
        self, title: str, parent: int, operation: Operation, text: str, span: Span
    ) -> int:
        """Add a step of the stage `title` on top of `parent`; its index."""
        index = len(self.steps)
        self.steps.append((title, Step(index, text, operation, parent, span)))
        return index

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
        earlier = self._names.source(name, stage)
        if earlier is not None:
            return self.stage(earlier.index).tip
        self._check_origin(name, stage, span)
        if name not in self._images:
            base = self._base(BaseRequest(name, NOTHING, span))
            self._images[name] = self._add_base(name, base.layers, span, name)
        return self._images[name]

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
        self._check_platform(stage)
        earlier = self._names.base(name, stage.index)
        if earlier is not None:
            inherited = self.stage(earlier.index)
            return replace(inherited, index=stage.index, title=title, has_cmd=False)
        flags = {
            key: expand(word, self._from_env(), self.escape) for key, word in base.flags
        }
        if name == "scratch":
            found = Base(_scratch(self._options.platform), ())
        else:
            found = self._base(BaseRequest(name, flags, base.image.span))
        tip = self._add_base(name, found.layers, base.span, title)
        return base_state(stage.index, title, found.config, tip)

    def _add_base(
        self, name: str, layers: tuple[Digest, ...], span: Span, title: str
    ) -> int:
        index = len(self.steps)
        step = Step(index, f"FROM {name}", BaseOp(name, layers), -1, span)
        self.steps.append((title, step))
        return index

    def _check_platform(self, stage: Stage) -> None:
        word = stage.base.platform
        if word is None:
            return
        given = expand(word, self._from_env(), self.escape)
        if given and _plain(given) != _plain(self._options.platform):
            raise InvalidInstruction(
                f"The platform {given!r} cannot be built here: this machine is "
                f"{self._options.platform}.",
                word.span,
            )

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


def _automatic_args(recipe: Recipe, options: PlanOptions) -> dict[str, str]:
    """The arguments that every recipe has (dockerfile.md 1.5)."""
    system, architecture, variant = (*options.platform.split("/"), "")[:3]
    built = [recipe.stages[i].base.name for i in _targets(recipe, options)]
    found = {"TARGETSTAGE": ",".join(filter(None, built)) or "default"}
    for side in ("BUILD", "TARGET"):
        found[f"{side}PLATFORM"] = options.platform
        found[f"{side}OS"] = system
        found[f"{side}ARCH"] = architecture
        found[f"{side}VARIANT"] = variant
        found[f"{side}OSVERSION"] = ""
    found.update((k, v) for k, v in options.build_args.items() if k in found)
    return found


def _scratch(platform: str) -> ImageConfig:
    system, architecture, variant = (*platform.split("/"), "")[:3]
    return ImageConfig(architecture, system, variant=variant, working_dir="/")


def _plain(platform: str) -> str:
    """BuildKit's normal form: `arm64/v8` is `arm64`."""
    text = platform.lower()
    aliases = {"linux/x86_64": "linux/amd64", "linux/aarch64": "linux/arm64"}
    return aliases.get(text, text.removesuffix("/v8"))


def _named(steps: list[tuple[str, Step]]) -> tuple[Step, ...]:
    """Steps with the names that people read: `[builder 2/5] RUN make`."""
    totals: dict[str, int] = {}
    for title, _ in steps:
        totals[title] = totals.get(title, 0) + 1
    counts: dict[str, int] = {}
    named = []
    for title, step in steps:
        counts[title] = counts.get(title, 0) + 1
        head = f"[{title} {counts[title]}/{totals[title]}]"
        named.append(replace(step, name=f"{head} {step.name}"))
    return tuple(named)
