"""What a recipe offers to who builds it: stages, arguments, secrets, caches.

Descriptions are doc comments, `# NAME what it is` above `ARG NAME` or `FROM ... AS
name`, as BuildKit's `--call=outline` and `--call=targets` know them.
"""

from __future__ import annotations

from posixpath import normpath

from lamina.errors import LaminaError
from lamina.lang.expand import expand
from lamina.lang.mounts import TRUE
from lamina.lang.nodes import Arg, Copy, Env, Onbuild, Run
from lamina.lang.parser import parse_trigger
from lamina.lang.source import RecipeError
from lamina.lang.stages import stage_names
from lamina.lang.suggest import did_you_mean
from lamina.lang.variables import plain_variables, variables, words
from lamina.values import replace, value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from lamina.lang.nodes import Instruction
    from lamina.lang.recipe import Recipe, Stage
    from lamina.lang.source import Span
    from lamina.lang.words import Mount, Word

# A longer value is not worked out: variables that double each other grow without end.
LONGEST = 4096
NOTHING: Mapping[str, str] = {}


class NoSuchTarget(LaminaError):
    """The target is the name of no stage."""


@value
class StageOutline:
    """One stage. `base` is what it starts from, variables filled in where they are
    known; `needs` the stages that it is made of, by index; `name` "" for none."""

    index: int
    name: str
    base: str
    platform: str
    description: str
    needs: tuple[int, ...]
    span: Span

    @property
    def title(self) -> str:
        return self.name or f"stage-{self.index}"


@value
class Argument:
    """An ARG. `value` is its default or the one given, None where it has none."""

    name: str
    description: str
    value: str | None
    span: Span


@value
class Access:
    """A secret, or an agent of ssh, that a step asks for."""

    name: str
    required: bool
    span: Span


@value
class CacheMount:
    """A directory that stays between builds."""

    id: str
    span: Span


@value
class Outline:
    """All stages, and what `target` and the stages that it needs ask for."""

    target: StageOutline
    stages: tuple[StageOutline, ...]
    args: tuple[Argument, ...]
    secrets: tuple[Access, ...]
    ssh: tuple[Access, ...]
    cache: tuple[CacheMount, ...]


def outline(
    recipe: Recipe,
    target: str = "",
    build_args: Mapping[str, str] = NOTHING,
    automatic: Mapping[str, str] = NOTHING,
) -> Outline:
    """The outline of a target: a stage's name or number, "" for the last.

    `build_args` win over defaults; `automatic` are the arguments that need no ARG
    (TARGETPLATFORM ...). Raises NoSuchTarget.
    """
    chosen = _target(recipe, target)
    reader = _Reader(recipe, build_args, automatic)
    found = [reader.read(stage) for stage in recipe.stages]
    needed = _closure(chosen, [seen.stage for seen in found])
    bases = (word for index in needed for word in words(recipe.stages[index].base))
    used = {part.name for word in bases for part in variables(word.parts)}
    requests = _Requests()
    for index in needed:
        requests.merge(found[index].requests)
    for arg in reader.outer_used(used):
        requests.args.setdefault(arg.name, arg)
    return Outline(
        found[chosen].stage,
        tuple(seen.stage for seen in found),
        tuple(sorted(requests.args.values(), key=_place)),
        tuple(sorted(requests.secrets.values(), key=_place)),
        tuple(sorted(requests.ssh.values(), key=_place)),
        tuple(sorted(requests.cache.values(), key=_place)),
    )


def _place(found: Argument | Access | CacheMount) -> int:
    return found.span.start


def _target(recipe: Recipe, target: str) -> int:
    if not target:
        return len(recipe.stages) - 1
    found = stage_names(recipe.stages).last(target)
    if found is not None:
        return found.index
    if target.isdecimal() and len(target) < 9 and int(target) < len(recipe.stages):
        return int(target)
    names = [stage.base.name for stage in recipe.stages if stage.base.name]
    known = f"The stages are {', '.join(names)}." if names else "No stage has a name."
    raise NoSuchTarget(
        f"There is no stage {target!r} in {recipe.source.name}.",
        hint=f"{did_you_mean(target, names)} {known}".strip(),
    )


def _closure(target: int, stages: list[StageOutline]) -> tuple[int, ...]:
    """A stage and all that it needs, the nearest first."""
    found = {target: None}
    todo = [target]
    for index in todo:
        for needed in stages[index].needs:
            if needed not in found:
                found[needed] = None
                todo.append(needed)
    return tuple(found)


class _Requests:
    """What a stage asks for, each by its name; the first that asks counts."""

    def __init__(self) -> None:
        self.args: dict[str, Argument] = {}
        self.secrets: dict[str, Access] = {}
        self.ssh: dict[str, Access] = {}
        self.cache: dict[str, CacheMount] = {}

    def merge(self, other: _Requests) -> None:
        """Add what another asks for; what one of them requires is required."""
        for arg in other.args.values():
            self.args.setdefault(arg.name, arg)
        for secret in other.secrets.values():
            _ask(self.secrets, secret)
        for agent in other.ssh.values():
            _ask(self.ssh, agent)
        for cache in other.cache.values():
            self.cache.setdefault(cache.id, cache)


def _ask(known: dict[str, Access], access: Access) -> None:
    first = known.setdefault(access.name, access)
    if access.required and not first.required:
        known[access.name] = replace(first, required=True)


@value
class _Seen:
    """A stage, what it asks for, and what is set at its end."""

    stage: StageOutline
    requests: _Requests
    env: dict[str, str]
    triggers: tuple[Onbuild, ...]


class _Reader:
    """Reads stages in their order; each may build on those before."""

    def __init__(
        self,
        recipe: Recipe,
        build_args: Mapping[str, str],
        automatic: Mapping[str, str],
    ) -> None:
        self.escape = recipe.escape
        self.names = stage_names(recipe.stages)
        self.build_args = build_args
        self.outer: dict[str, Argument] = {}
        self.outer_words: dict[str, Word | None] = {}
        self.env = dict(automatic)
        self.seen: list[_Seen] = []
        for arg in recipe.global_args:
            told = descriptions(arg.comment)
            for name, default in arg.args:
                given = self.default(name, default, self.env)
                text = told.get(name.lower(), "")
                self.outer[name] = Argument(name, text, given, arg.span)
                self.outer_words[name] = default
                _set(self.env, name, given)

    def outer_used(self, used: set[str]) -> Iterator[Argument]:
        """The ARGs before the first FROM that these names lead to."""
        todo = [name for name in used if name in self.outer]
        for name in todo:
            word = self.outer_words[name]
            parts = None if word is None else word.parts
            for part in variables(parts):
                if part.name in self.outer and part.name not in todo:
                    todo.append(part.name)
            yield self.outer[name]

    def default(
        self, name: str, word: Word | None, env: Mapping[str, str]
    ) -> str | None:
        if name in self.build_args:
            return self.build_args[name]
        return None if word is None else self.text(word, env)

    def text(self, word: Word, env: Mapping[str, str]) -> str:
        """The value of a word; as it is written where that is not known."""
        if all(name in env for name in plain_variables(word.parts)):
            try:
                expanded = expand(word, env, self.escape)
            except RecipeError:
                return word.text
            if len(expanded) <= LONGEST:
                return expanded
        return word.text

    def read(self, stage: Stage) -> _Seen:
        base = stage.base
        image = self.text(base.image, self.env)
        below = self.names.base(image, stage.index)
        inherited = self.seen[below.index] if below is not None else None
        reading = _StageReading(
            self, stage.index, {} if inherited is None else dict(inherited.env)
        )
        if below is not None:
            reading.needs[below.index] = None
        for trigger in inherited.triggers if inherited is not None else ():
            # A trigger that an earlier stage has; it was parsed there, so it can be.
            reading.add(parse_trigger(trigger.text, self.escape, trigger.span))
        for instruction in stage.instructions:
            reading.add(instruction)
        platform = "" if base.platform is None else self.text(base.platform, self.env)
        name = base.name or ""
        found = _Seen(
            StageOutline(
                stage.index,
                name,
                image,
                platform,
                descriptions(base.comment).get(name, "") if name else "",
                tuple(reading.needs),
                base.span,
            ),
            reading.requests,
            reading.env,
            tuple(i for i in stage.instructions if isinstance(i, Onbuild)),
        )
        self.seen.append(found)
        return found


class _StageReading:
    """What the instructions of one stage set and ask for."""

    def __init__(self, reader: _Reader, index: int, env: dict[str, str]) -> None:
        self.reader = reader
        self.index = index
        self.env = env
        self.needs: dict[int, None] = {}
        self.requests = _Requests()

    def add(self, instruction: Instruction) -> None:
        if isinstance(instruction, Arg):
            self.arg(instruction)
        elif isinstance(instruction, Env):
            found = {
                pair.key.text: self.reader.text(pair.value, self.env)
                for pair in instruction.pairs
            }
            self.env.update(found)
        elif isinstance(instruction, Copy):
            if instruction.from_ is not None:
                self.need(self.reader.text(instruction.from_, self.env))
        elif isinstance(instruction, Run):
            for mount in instruction.mounts:
                self.mount(mount)

    def need(self, name: str) -> None:
        stage = self.reader.names.source(name, self.index)
        if stage is not None:
            self.needs[stage.index] = None

    def arg(self, arg: Arg) -> None:
        told = descriptions(arg.comment)
        for name, word in arg.args:
            outer = self.reader.outer.get(name)
            given = self.reader.default(name, word, self.env)
            if given is None:
                given = self.reader.env.get(name)
            comment = told.get(name.lower(), "")
            if not comment and outer is not None:
                comment = outer.description
            found = Argument(name, comment, given, arg.span)
            self.requests.args.setdefault(name, found)
            _set(self.env, name, given)

    def mount(self, mount: Mount) -> None:
        texts = {
            name: "" if word is None else self.reader.text(word, self.env)
            for name, word in mount.fields
        }
        if texts.get("from"):
            self.need(texts["from"])
        kind = texts.get("type", "bind").lower()
        target, name = texts.get("target", ""), texts.get("id", "")
        required = texts.get("required", "false").lower() in TRUE
        if kind == "secret":
            name = name or texts.get("source", "") or target.rsplit("/", 1)[-1]
            _ask(self.requests.secrets, Access(name, required, mount.span))
        elif kind == "ssh":
            _ask(self.requests.ssh, Access(name or "default", required, mount.span))
        elif kind == "cache":
            name = name or normpath(target)
            self.requests.cache.setdefault(name, CacheMount(name, mount.span))


def _set(env: dict[str, str], name: str, given: str | None) -> None:
    if given is not None:
        env[name] = given


def descriptions(comment: str) -> dict[str, str]:
    """What a doc comment says of names, in lower case: its lines `NAME text`."""
    found: dict[str, str] = {}
    for line in comment.split("\n"):
        name, _, text = line.partition(" ")
        found.setdefault(name.lower(), text.strip())
    return found
