"""`lamina compose build`, `pull`, `push`: the images of services."""

from __future__ import annotations

import argparse

from lamina.cli.services.flags import project_from

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lamina.cli.settings import Settings

    Commands = argparse._SubParsersAction[argparse.ArgumentParser]


def add_build(inner: Commands) -> None:
    """Register `build`."""
    about = "Build the images of services"
    parser = inner.add_parser("build", help=about, description=about + ".")
    flag = parser.add_argument
    about = "the value of an ARG (repeat)"
    flag("--build-arg", action="append", default=[], metavar="NAME[=VALUE]", help=about)
    flag("--no-cache", action="store_true", help="take nothing from the cache")
    flag("--pull", action="store_true", help="look for newer bases")
    flag("--push", action="store_true", help="push what was built")
    flag("-q", "--quiet", action="store_true", help="say nothing")
    about = "those that they depend on, too"
    flag("--with-dependencies", action="store_true", help=about)
    flag("--ssh", action="append", default=[], metavar="ID[=PATH]", help="(repeat)")
    flag("services", metavar="SERVICE", nargs="*")
    parser.set_defaults(call=_build)


def _build(arguments: argparse.Namespace, settings: Settings) -> int:
    from lamina.cli.services.building import build
    from lamina.services.selecting import selected

    names = tuple(arguments.services)
    project = project_from(arguments, settings, names)
    alone = bool(names) and not arguments.with_dependencies
    more = [f"--build-arg={text}" for text in arguments.build_arg]
    more += [f"--ssh={text}" for text in arguments.ssh]
    for given, flag in (
        (arguments.no_cache, "--no-cache"),
        (arguments.pull, "--pull"),
        (arguments.quiet, "--quiet"),
    ):
        more += [flag] if given else []
    services = [one for one in selected(project, names, alone) if one.build]
    for service in services:
        build(project, service, settings, tuple(more))
    if arguments.push:
        return _pushed([one.image for one in services], arguments.quiet, settings)
    return 0


def add_pull(inner: Commands) -> None:
    """Register `pull`."""
    about = "Pull the images of services"
    parser = inner.add_parser("pull", help=about, description=about + ".")
    flag = parser.add_argument
    flag("-q", "--quiet", action="store_true", help="say nothing")
    flag("--include-deps", action="store_true", help="of those they depend on, too")
    flag("--ignore-buildable", action="store_true", help="none that can be built")
    about = "go on when one cannot be had"
    flag("--ignore-pull-failures", action="store_true", help=about)
    about = "missing: those that are not here; always (default)"
    flag("--policy", choices=("always", "missing"), default="always", help=about)
    flag("services", metavar="SERVICE", nargs="*")
    parser.set_defaults(call=_pull)


def _pull(arguments: argparse.Namespace, settings: Settings) -> int:
    from lamina.cli.containers.finding import open_store
    from lamina.cli.services.images import pull
    from lamina.cli.telling import print_error
    from lamina.services.selecting import selected

    names = tuple(arguments.services)
    project = project_from(arguments, settings, names)
    alone = bool(names) and not arguments.include_deps
    with open_store(settings) as store:
        services = [
            one
            for one in selected(project, names, alone)
            if not (one.build and arguments.ignore_buildable)
            and (arguments.policy == "always" or store.resolve_id(one.image) is None)
        ]
        errors = pull(store, settings, services, arguments.quiet)
    for error in errors:
        print_error(error)
    return 0 if not errors or arguments.ignore_pull_failures else 1


def add_push(inner: Commands) -> None:
    """Register `push`."""
    about = "Push the images of services that are built"
    parser = inner.add_parser("push", help=about, description=about + ".")
    flag = parser.add_argument
    flag("-q", "--quiet", action="store_true", help="say nothing")
    flag("--include-deps", action="store_true", help="of those they depend on, too")
    about = "go on when one cannot be pushed"
    flag("--ignore-push-failures", action="store_true", help=about)
    flag("services", metavar="SERVICE", nargs="*")
    parser.set_defaults(call=_push)


def _push(arguments: argparse.Namespace, settings: Settings) -> int:
    from lamina.cli.telling import print_error
    from lamina.errors import LaminaError
    from lamina.services.selecting import selected

    names = tuple(arguments.services)
    project = project_from(arguments, settings, names)
    alone = bool(names) and not arguments.include_deps
    code = 0
    for service in selected(project, names, alone):
        if not (service.build and service.keys.get("image")):
            continue
        try:
            code = _pushed([service.image], arguments.quiet, settings) or code
        except LaminaError as error:
            print_error(error)
            code = 1
    return 0 if arguments.ignore_push_failures else code


def _pushed(names: list[str], quiet: bool, settings: Settings) -> int:
    from lamina.cli.main import parsed
    from lamina.cli.registries.push import push_images

    flags = ["--quiet"] if quiet else []
    code = 0
    for name in names:
        code = push_images(parsed(["push", *flags, name]), settings) or code
    return code
