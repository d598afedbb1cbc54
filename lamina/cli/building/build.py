"""`lamina build`: flags to BuildInputs, an Image to a digest on stdout."""

from __future__ import annotations

import os
import sys
import time

from lamina.cli.building.cache_flags import (
    add_cache_flags,
    cache_inputs,
    cache_targets,
    sharing,
)
from lamina.cli.building.contexts import (
    add_context_flags,
    bring,
    context_inputs,
    is_elsewhere,
)
from lamina.cli.building.docker_flags import (
    add_docker_flags,
    check_docker_flags,
    other_command,
)
from lamina.cli.building.execution_flags import add_execution_flags, execution_inputs
from lamina.cli.building.products import (
    add_product_flags,
    hand_out,
    identities,
    platforms,
    products,
)
from lamina.cli.building.step_flags import add_step_flags, proxies_for, step_inputs
from lamina.cli.progress.console import PROGRESS, Closing, console, tell_error
from lamina.cli.recipes.recipe_file import (
    add_arguments,
    context_folder,
    ignore_patterns,
    recipe_inputs,
)
from lamina.errors import LaminaError
from lamina.values import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Mapping, Sequence

    from lamina.builder.caching.record import Built
    from lamina.builder.events import Emit
    from lamina.builder.inputs.build import BuildInputs
    from lamina.builder.inputs.cache_places import CacheSource, CacheTarget
    from lamina.builder.inputs.epoch import Epoch
    from lamina.builder.sharing.exports import Solved
    from lamina.cli.building.contexts import Brought
    from lamina.cli.building.wanted import Made, Products
    from lamina.cli.progress.console import Console
    from lamina.cli.settings import Settings
    from lamina.oci.registry.session import Session
    from lamina.oci.store.store import Store


class BuildUsage(LaminaError):
    """Flags that do not go together, or a file that is not there."""


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register `build`."""
    parser = commands.add_parser(
        "build",
        help="Build an image from a recipe",
        description="Build an image from a recipe and the files beside it.",
    )
    flag = parser.add_argument
    about = "where the context is: a folder, git or http address, or - for stdin"
    flag("context", metavar="PATH|URL|-", help=about)
    add_arguments(parser)
    flag("--target", action="append", default=[], help="build this stage (repeat)")
    flag("--all", action="store_true", help="build every stage that has a name")
    flag("--skip-tests", action="store_true", help="leave the TESTs of a recipe out")
    about = "the value of an ARG (repeat)"
    flag("--build-arg", action="append", default=[], metavar="NAME[=VALUE]", help=about)
    about = "note something on the image (repeat)"
    flag("--label", action="append", default=[], metavar="KEY=VALUE", help=about)
    add_cache_flags(parser)
    add_pull(flag)
    flag("-q", "--quiet", action="store_true", help="print the image's ID only")
    flag("--progress", choices=PROGRESS, default="auto", help=_PROGRESS)
    add_product_flags(parser)
    add_step_flags(parser)
    add_execution_flags(parser)
    add_context_flags(parser)
    add_docker_flags(parser)
    flag("--source-date-epoch", metavar="SECONDS", help="the time of all new files")
    flag("--scrub", action="store_true", help="drop what package managers leave behind")
    flag("--report", metavar="FILE", help="write a page about the build (HTML)")
    parser.set_defaults(call=run)


def add_pull(flag: Callable[..., object]) -> None:
    """`--pull` alone takes no value, for the context may follow it."""
    dest: dict[str, object] = {"dest": "pull", "action": "store_const"}
    flag(
        "--pull", "--pull=always", const="always", default="missing", **dest, help=_PULL
    )
    flag("--pull=missing", const="missing", **dest, help="as without: what is not here")
    flag("--pull=never", const="never", **dest, help="ask no registry")


_PULL = "look for newer bases"
_PROGRESS = "how it is told (auto: tty on a terminal, else plain)"


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Build; the image's ID, or a `TARGET ID` line for each, goes to stdout."""
    check_docker_flags(arguments)
    code = other_command(arguments, settings)
    if code is not None:
        return code
    code, text = carry_out(arguments, settings)
    if text:
        print(text)
    return code


def carry_out(arguments: argparse.Namespace, settings: Settings) -> tuple[int, str]:
    """Build: the exit code, and what goes to stdout, "" when a file goes there. An
    error is told, or raised as LaminaError where nobody shows any."""
    show = _console(arguments, settings)
    with Closing(show) as closing:
        try:
            brought = _brought(arguments, settings, show)
            inputs = build_inputs(arguments, settings, brought)
            made, wanted = _made(arguments, settings, inputs, show)
        except LaminaError as error:
            closing.failed = True
            if error.build and arguments.on_error == "shell":
                from lamina.cli.building.shell import after_failure

                after_failure(inputs, settings, error, show)
            elif not tell_error(show, error):
                raise
            return error.exit_code, ""
    _collect(settings)
    text = identities(made, wanted)
    if wanted.iidfile:
        _write(wanted.iidfile, text)
    return 0, "" if wanted.takes_stdout else text


def _made(
    arguments: argparse.Namespace,
    settings: Settings,
    inputs: BuildInputs,
    show: Console | None,
) -> tuple[tuple[Made, ...], Products]:
    """Build, and hand out what was asked for."""
    from lamina.builder.events import silent
    from lamina.cli.opened import become_root, tell_lacking
    from lamina.oci.store.store import Store

    wanted = products(arguments, inputs.epoch.seconds)
    targets = cache_targets(arguments)
    asked = registries(settings, (*inputs.cache_from, *targets))
    wanted = replace(wanted, registries=asked)
    if arguments.pull != "never":
        inputs = replace(inputs, registries=asked)
    tell_lacking(become_root(settings.root))
    emit = show or silent
    store = Store.open(settings.root)
    try:
        with sharing(targets, store, asked, emit) as exporter:
            share = None if exporter is None else exporter.take
            built = _built(arguments.report, store, inputs, emit, share)
            made = hand_out(store, built, wanted, inputs.epoch.seconds, emit)
            if exporter is not None:
                exporter.write(targets)
        return made, wanted
    finally:
        store.close()


def _collect(settings: Settings) -> None:
    """Now and then the build cache is collected, by a process that nobody waits for."""
    now = time.time()
    try:
        stamp = os.stat(f"{settings.root}/gc")
    except OSError:
        stamp = None
    # One that was made later than now is of a clock that was ahead.
    if stamp is None or stamp.st_size or not stamp.st_ctime <= now < stamp.st_mtime:
        from lamina.cli.system.collecting import collect_later

        collect_later(settings)


def _built(
    report: str | None,
    store: Store,
    inputs: BuildInputs,
    emit: Emit,
    share: Callable[[Solved], None] | None,
) -> tuple[Built, ...]:
    """Build, with a page about it where that is wanted."""
    from lamina.builder.build import build

    if not report:
        return build(store, inputs, emit, share)
    from lamina.cli.report.recorder import recorded

    inputs = replace(inputs, explain=True)
    with recorded(report, store, inputs, emit) as both:
        return build(store, inputs, both, share)


def _console(arguments: argparse.Namespace, settings: Settings) -> Console | None:
    """Who shows events; nobody, and nothing to import, when all is to be quiet."""
    if arguments.quiet or arguments.progress == "quiet":
        return None
    progress = arguments.progress
    wanted = settings.environment.get("BUILDKIT_PROGRESS", "")
    if progress == "auto" and wanted in PROGRESS:
        progress = wanted
    return console(progress, settings.environment, sys.stderr)


def _brought(
    arguments: argparse.Namespace, settings: Settings, show: Console | None
) -> Brought | None:
    """The context, brought here when it is elsewhere."""
    if not is_elsewhere(arguments.context, arguments.file):
        return None
    from lamina.builder.events import silent
    from lamina.builder.fetching.trees import Origins

    environment = settings.environment
    given = context_inputs(arguments, environment)
    steps = step_inputs(arguments, environment)
    proxies = proxies_for(environment, build_args(arguments.build_arg, environment))
    origins = Origins(
        given["tools"],
        proxies,
        given.get("download_limit", 0),
        steps.get("unpack_limit", 0),
        steps["secrets"],
    )
    return bring(arguments, settings, origins, show or silent)


def build_inputs(
    arguments: argparse.Namespace,
    settings: Settings,
    brought: Brought | None = None,
    epoch: Epoch | None = None,
) -> BuildInputs:
    """What the flags ask for, and the recipe and its files, read; LaminaError. The
    `epoch` is found where none is given."""
    from lamina.builder.inputs.build import BuildInputs
    from lamina.oci.platforms import host_platform

    if brought is None:
        context = _context(arguments.context)
    else:
        context = brought.folder
        arguments.context, arguments.file = context or ".", brought.recipe
    recipe = recipe_inputs(arguments)
    if brought is not None and brought.recipe != "-":
        folder = recipe.folder if context else ""
        recipe = replace(recipe, name=brought.name, folder=folder)
    environment = settings.environment
    args = build_args(arguments.build_arg, environment, arguments.source_date_epoch)
    variable = args.get("SOURCE_DATE_EPOCH")
    return BuildInputs(
        recipe=recipe,
        context=context,
        ignore=b"" if brought or not context else ignore_patterns(context, recipe.path),
        platform=str(host_platform()),
        platforms=platforms(arguments),
        squash=arguments.squash or "",
        epoch=epoch or _epoch(arguments.source_date_epoch, variable, context, brought),
        elsewhere=brought is not None and brought.recipe != "-",
        targets=tuple(dict.fromkeys(arguments.target)),
        all_targets=arguments.all,
        tests=not arguments.skip_tests,
        build_args=args,
        labels=_labels(arguments.label),
        scrub=arguments.scrub,
        pull=arguments.pull == "always",
        proxies=proxies_for(environment, args),
        **cache_inputs(arguments),
        **execution_inputs(arguments),
        **step_inputs(arguments, environment),
        **context_inputs(arguments, environment),
    )


def _epoch(
    option: str | None, variable: str | None, context: str, brought: Brought | None
) -> Epoch:
    """The epoch; a context that is a commit has that one's time."""
    from lamina.builder.inputs.epoch import Epoch, find_epoch

    found = find_epoch(option, variable, "" if brought else context)
    if brought and brought.commit and found.seconds is None:
        return Epoch(brought.seconds, f"commit {brought.commit[:12]}")
    return found


def registries(
    settings: Settings, caches: Sequence[CacheSource | CacheTarget] = ()
) -> Callable[[], Session]:
    """Opens a session with registries, and costs nothing until then.

    As an ordinary user, credentials for the registries of `caches` are looked for now.
    """

    def open_session() -> Session:
        from lamina.cli.registries.session import open_session

        return open_session(settings)

    names = [cache.place.place for cache in caches if cache.place.kind == "registry"]
    if not names or os.geteuid() == 0:
        return open_session
    from lamina.cli.registries.session import prepare
    from lamina.oci.reference import parse_reference

    session = open_session()
    for name in names:
        prepare(session, parse_reference(name))
    return lambda: session


def _context(given: str) -> str:
    """The context's folder, "" for none."""
    if given != "-" and not os.path.isdir(given):
        raise BuildUsage(
            f"The context {given!r} is not a folder.",
            hint="Give the folder that holds the recipe, `lamina build .`, or the"
            " address of a repository or an archive.",
        )
    return context_folder(given)


def build_args(
    given: list[str], environment: Mapping[str, str], epoch: str | None = None
) -> dict[str, str]:
    """`NAME=VALUE`; a bare NAME takes its value from the environment, if it has one.

    SOURCE_DATE_EPOCH is one without being named, as with docker: `epoch` or the
    environment's. Who declares it is told which time layers carry.
    """
    epoch = epoch or environment.get("SOURCE_DATE_EPOCH")
    found = {"SOURCE_DATE_EPOCH": epoch} if epoch else {}
    for text in given:
        name, equals, rest = text.partition("=")
        if not name:
            raise LaminaError(
                f"Invalid --build-arg {text!r}.", hint="It is NAME=VALUE, or NAME."
            )
        if equals:
            found[name] = rest
        elif name in environment:
            found[name] = environment[name]
    return found


def _labels(given: list[str]) -> dict[str, str]:
    from lamina.cli.formats.labels import pairs

    return pairs(given, "--label")


def _write(path: str, text: str) -> None:
    try:
        with open(path, "w", encoding="ascii") as file:
            file.write(text)
    except OSError as error:
        raise BuildUsage(f"{path!r} cannot be written: {error.strerror}.") from error
