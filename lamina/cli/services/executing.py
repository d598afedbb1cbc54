"""`lamina compose exec` and `run`: one more command for a service."""

from __future__ import annotations

import argparse
import os

from lamina.cli.services.choosing import chosen, container_of
from lamina.cli.services.flags import ServicesUsage

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lamina.cli.settings import Settings
    from lamina.oci.store.store import Store
    from lamina.runtime.containers.container import Overrides
    from lamina.runtime.containers.options import Options
    from lamina.runtime.containers.state import Container
    from lamina.services.project import Project, Service
    from lamina.services.wanted import Wanted

    Commands = argparse._SubParsersAction[argparse.ArgumentParser]

_TEXTS = {"user": "--user", "workdir": "--workdir"}


def add_exec(inner: Commands) -> None:
    """Register `exec`."""
    about = "Run a command in a container of a service that runs"
    parser = inner.add_parser(
        "exec",
        help=about,
        description=about + ".",
        usage="lamina compose exec [OPTIONS] SERVICE COMMAND [ARG...]",
    )
    _add_terminal(parser)
    flag = parser.add_argument
    flag("-d", "--detach", action="store_true", help="leave it running")
    flag("--privileged", action="store_true", help="give it all capabilities")
    flag("--index", type=int, default=0, help="in the container of that number")
    _add_who(parser)
    flag("service", metavar="SERVICE")
    flag("command", metavar="COMMAND", nargs=argparse.REMAINDER).required = False
    parser.set_defaults(call=_exec)


def _add_terminal(parser: argparse.ArgumentParser) -> None:
    flag = parser.add_argument
    flag("-T", "--no-TTY", dest="no_tty", action="store_true", help="no terminal")
    about = "as it is anyway: standard input is passed on"
    flag("-i", "--interactive", action="store_true", default=True, help=about)
    flag("-t", "--tty", action="store_true", help="as it is anyway on a terminal")


def _add_who(parser: argparse.ArgumentParser) -> None:
    flag = parser.add_argument
    about = "set a variable, or pass the caller's on (repeat)"
    flag("-e", "--env", action="append", default=[], metavar="NAME[=VALUE]", help=about)
    flag("-w", "--workdir", default="", metavar="DIR", help="the working directory")
    flag("-u", "--user", default="", metavar="USER[:GROUP]", help="who runs it")


def _exec(arguments: argparse.Namespace, settings: Settings) -> int:
    from lamina.cli.containers.exec import execute
    from lamina.cli.main import parsed

    if not arguments.command:
        raise ServicesUsage(
            "`lamina compose exec` needs a command.",
            hint="lamina compose exec SERVICE COMMAND",
        )
    with chosen(arguments, settings, [arguments.service]) as found:
        identity = container_of(found, arguments.service, arguments.index).container.id
    flags = [f"--env={text}" for text in arguments.env]
    for name, flag in _TEXTS.items():
        if getattr(arguments, name):
            flags.append(f"{flag}={getattr(arguments, name)}")
    if arguments.privileged:
        flags.append("--privileged")
    if arguments.detach:
        flags.append("--detach")
    else:
        flags.append("--interactive")
        if not arguments.no_tty and os.isatty(0) and os.isatty(1):
            flags.append("--tty")
    asked = parsed(["exec", *flags, identity, *arguments.command])
    return execute(asked, settings)


def add_run(inner: Commands) -> None:
    """Register `run`."""
    about = "Run a command in a container of its own, as a service would"
    parser = inner.add_parser(
        "run",
        help=about,
        description=about + ".",
        usage="lamina compose run [OPTIONS] SERVICE [COMMAND [ARG...]]",
    )
    _add_terminal(parser)
    _add_who(parser)
    flag = parser.add_argument
    flag("-d", "--detach", action="store_true", help="leave it running, print its name")
    flag("--rm", action="store_true", help="remove it when it has ended")
    flag("--name", default="", metavar="NAME", help="name the container")
    flag("--entrypoint", default=None, metavar="PROGRAM", help="run this instead")
    flag(
        "-l",
        "--label",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="(repeat)",
    )
    flag(
        "-v",
        "--volume",
        action="append",
        default=[],
        metavar="SRC:DST",
        help="(repeat)",
    )
    flag(
        "-p", "--publish", action="append", default=[], metavar="PORT", help="(repeat)"
    )
    flag("--cap-add", action="append", default=[], metavar="CAP", help="(repeat)")
    flag("--cap-drop", action="append", default=[], metavar="CAP", help="(repeat)")
    about = "publish the service's ports"
    flag("-P", "--service-ports", action="store_true", help=about)
    about = "be found by the service's names"
    flag("--use-aliases", action="store_true", help=about)
    flag("--no-deps", action="store_true", help="leave what it depends on")
    flag("--build", action="store_true", help="build its image before")
    flag("--quiet-pull", action="store_true", help="say nothing of pulls")
    flag("service", metavar="SERVICE")
    flag("command", metavar="COMMAND", nargs=argparse.REMAINDER).required = False
    parser.set_defaults(call=_run)


def _run(arguments: argparse.Namespace, settings: Settings) -> int:
    from lamina.cli.containers.consoles import console_of
    from lamina.cli.containers.finding import open_store
    from lamina.cli.containers.start import started
    from lamina.cli.services.flags import project_from
    from lamina.runtime.containers.watching import watch

    project = project_from(arguments, settings, (arguments.service,))
    service = project.service(arguments.service)
    if service is None:
        raise ServicesUsage(f"no such service: {arguments.service}")
    terminal = (
        not (arguments.no_tty or arguments.detach) and os.isatty(0) and os.isatty(1)
    )
    with open_store(settings) as store:
        container = _made(arguments, settings, store, project, service, terminal)
        if arguments.detach:
            started(store, container, None).close()
            print(container.name)
            return 0
        console = console_of(terminal, True)
        attached = started(store, container, console)
        code = watch(store, container, attached, console)
        return 0 if code is None else code


def _made(
    arguments: argparse.Namespace,
    settings: Settings,
    store: Store,
    project: Project,
    service: Service,
    terminal: bool,
) -> Container:
    """The container of `run`, once what it depends on is up."""
    from lamina.cli.services.bringing import bring_up_dependencies
    from lamina.cli.services.images import Getting, images_of
    from lamina.cli.services.view import view
    from lamina.services import making, surroundings
    from lamina.services.wanted import Wanted

    how = Getting(build=True if arguments.build else None, quiet=arguments.quiet_pull)
    image = images_of(store, settings, project, (service,), how)[service.name]
    shown = view(arguments.progress, settings.environment)
    try:
        if not arguments.no_deps:
            bring_up_dependencies(store, settings, project, service, shown)
        surroundings.make(store, project, (service,), shown)
    finally:
        shown.close()
    name = arguments.name or f"{project.name}-{service.name}-run-{os.urandom(6).hex()}"
    wanted = Wanted(project, service, 1, name, image.id, "", {}, once=True)
    return making.make(
        store,
        wanted,
        image,
        lambda options: _options(arguments, options, wanted, terminal),
        _overrides(arguments, wanted, settings),
    )


def _options(
    arguments: argparse.Namespace, options: Options, wanted: Wanted, terminal: bool
) -> Options:
    from lamina.services.attachments import port_of, settings_of
    from lamina.values import replace

    ports = wanted.service.keys.get("ports") or () if arguments.service_ports else ()
    networks = options.networks
    if arguments.use_aliases:
        named = replace(wanted, once=False)
        networks = tuple(settings.text() for settings in settings_of(named))
    return replace(
        options,
        interactive=True,
        terminal=terminal,
        detached=arguments.detach,
        remove=arguments.rm,
        networks=networks,
        publish=(*map(port_of, ports), *arguments.publish),
        binds=tuple(arguments.volume),
        cap_add=(*options.cap_add, *arguments.cap_add),
        cap_drop=(*options.cap_drop, *arguments.cap_drop),
        folder=os.getcwd(),
    )


def _overrides(
    arguments: argparse.Namespace, wanted: Wanted, settings: Settings
) -> Overrides:
    from lamina.cli.formats.labels import pairs
    from lamina.services.containers import overrides_of
    from lamina.values import replace

    found = overrides_of(wanted)
    known = settings.environment
    env = tuple(
        f"{text}={known[text]}" if "=" not in text and text in known else text
        for text in arguments.env
    )
    entrypoint = found.entrypoint
    if arguments.entrypoint is not None:
        entrypoint = (arguments.entrypoint,) if arguments.entrypoint else ()
    command = tuple(arguments.command) or (
        () if arguments.entrypoint is not None else found.command
    )
    return replace(
        found,
        command=command,
        entrypoint=entrypoint,
        env=(*found.env, *env),
        user=arguments.user or found.user,
        working_dir=arguments.workdir or found.working_dir,
        labels=(*found.labels, *pairs(arguments.label, "label").items()),
    )
