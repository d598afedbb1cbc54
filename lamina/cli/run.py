"""`lamina run`: flags to Options and Overrides, a container's exit code to ours."""

from __future__ import annotations

import argparse
import sys

from lamina.cli.request import RunParser, RunUsage, check_terminal, console_from

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TextIO

    from lamina.cli.settings import Settings
    from lamina.oci.store import Image, Store
    from lamina.runtime.options import Options
    from lamina.runtime.session import Console
    from lamina.runtime.state import Container
    from lamina.runtime.supervisor import Supervisor
    from lamina.runtime.uplink import Connecting
    from lamina.runtime.zygote import Zygote

    Commands = argparse._SubParsersAction[argparse.ArgumentParser]


def add(commands: Commands) -> None:
    """Register `run`."""
    parser = commands.add_parser(
        "run",
        help="Run a command in a new container",
        description="Make a container from an image and run a command in it.",
        usage="lamina run [OPTIONS] IMAGE [COMMAND [ARG...]]",
        allow_abbrev=False,
        add_help=False,  # -h is the host name, as with docker
    )
    parser.__class__ = RunParser
    parser.add_argument("--help", action="help", help="show this and exit")
    flag = parser.add_argument
    for names, about in _SWITCHES:
        flag(*names, action="store_true", help=about)
    for names, metavar, about in _LISTS:
        flag(*names, action="append", default=[], metavar=metavar, help=about)
    for names, metavar, default, about in _TEXTS:
        flag(*names, metavar=metavar, default=default, help=about)
    flag("image", metavar="IMAGE")
    flag("command", metavar="COMMAND", nargs=argparse.REMAINDER).required = False
    parser.set_defaults(call=run)


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Run; the container's own exit code, or 0 and its ID with `-d`."""
    from lamina.cli.opened import become_root
    from lamina.runtime.userns import require_namespaces

    check_terminal(arguments)
    become_root()
    require_namespaces()
    if arguments.detach:
        from lamina.runtime.supervisor import detach

        identity, warning = detach(lambda: _started(arguments, settings)[0])
        _warn(warning)
        print(identity)
        return 0
    supervisor, console = _started(arguments, settings)
    _warn(supervisor.warning)
    return supervisor.supervise(console)


def _warn(warning: str) -> None:
    if warning:
        print(f"lamina: warning: {warning}", file=sys.stderr)


def _started(
    arguments: argparse.Namespace, settings: Settings
) -> tuple[Supervisor, Console | None]:
    """The container, created and started; and who watches it, unless it is detached.

    First of all the zygote, which boots while the rest is imported and looked up.
    """
    from lamina.runtime import zygote as zygotes

    zygote = zygotes.Zygote.start(zygotes.Options(keep=(settings.root,), warm=False))
    try:
        from lamina.cli.request import options_from

        options = options_from(arguments)
        supervisor, connecting = _prepared(arguments, settings, options, zygote)
        console = None
        if not arguments.detach:
            console = console_from(arguments, tuple(arguments.attach))
        supervisor.start(console, connecting if connecting.complete else None)
        return supervisor, console
    except BaseException:
        zygote.close()
        raise


def _prepared(
    arguments: argparse.Namespace, settings: Settings, options: Options, zygote: Zygote
) -> tuple[Supervisor, Connecting]:
    """The container on disk, and its network, which a thread makes meanwhile."""
    from lamina.runtime.state import new_id
    from lamina.runtime.uplink import Connecting

    identity = new_id()
    connecting = Connecting(identity, options)
    try:
        from lamina.oci.store import Store
        from lamina.runtime.supervisor import Supervisor

        store = Store.open(settings.root)
        container = _created(arguments, settings, store, options, identity)
        return Supervisor(store, zygote, container), connecting
    except BaseException:
        connecting.cancel()
        raise


def _created(
    arguments: argparse.Namespace,
    settings: Settings,
    store: Store,
    options: Options,
    identity: str,
) -> Container:
    from lamina.cli.request import overrides_from
    from lamina.runtime.container import configure, create

    overrides = overrides_from(arguments, settings.environment)
    image = find_image(
        store, settings, arguments.image, arguments.pull, arguments.platform
    )
    config = configure(image.config, overrides)
    cidfile = _open_cidfile(arguments.cidfile)
    asked = (arguments.image, arguments.name, config, options)
    container = create(store, image, *asked, identity=identity)
    if cidfile is not None:
        with cidfile:
            cidfile.write(container.id)
    return container


def find_image(
    store: Store, settings: Settings, name: str, pull: str, platform: str
) -> Image:
    """The image to run, from the store or its registry, for `platform` ("": this
    machine's, if there are several); raises LaminaError."""
    identity = None if pull == "always" else store.resolve_id(name, platform)
    if identity is not None:
        image = store.image(identity)
    else:
        from lamina.cli.pulling import pull_missing

        image = pull_missing(store, settings, name, pull, platform)
    from lamina.oci.platforms import host_platform, platform_of

    if image.config.architecture != host_platform().architecture:
        from lamina.runtime.emulation import require_runnable

        require_runnable(str(platform_of(image.config)))
    return image


def _open_cidfile(path: str) -> TextIO | None:
    if not path:
        return None
    try:
        return open(path, "x", encoding="ascii")
    except FileExistsError:
        raise RunUsage(
            f"The container ID file {path} is there already.",
            hint="Make sure that no container uses it, and remove it.",
        ) from None
    except OSError as error:
        raise RunUsage(f"{path} cannot be written: {error.strerror}.") from error


# fmt: off
_SWITCHES = (
    (("-i", "--interactive"), "pass standard input on"),
    (("-t", "--tty"), "give the container a terminal"),
    (("-d", "--detach"), "leave it running and print its ID"),
    (("--rm",), "remove the container when it has ended"),
    (("--read-only",), "let nothing in its root be written"),
    (("--init",), "put a process before it that reaps and forwards signals"),
    (("--privileged",), "no isolation from the host's devices and settings"),
    (("-P", "--publish-all"), "publish all ports that the image exposes"),
)
_LISTS = (
    (("-e", "--env"), "NAME[=VALUE]", "set a variable, or pass the caller's on"),
    (("--env-file",), "FILE", "set the variables that FILE has, one a line"),
    (("-v", "--volume"), "[SRC:]DST[:OPTS]", "mount a host path or a named volume"),
    (("--mount",), "type=...,src=,dst=", "mount, written out"),
    (("--tmpfs",), "DST[:OPTS]", "mount an empty file system in memory"),
    (("-p", "--publish"), "[IP:][HOST:]PORT[/udp]", "publish a port on the host"),
    (("--expose",), "PORT[/udp]", "say that the container serves PORT"),
    (("-l", "--label"), "KEY=VALUE", "note something on the container"),
    (("--label-file",), "FILE", "the labels that FILE has, one a line"),
    (("--cap-add",), "CAP", "give a capability, or ALL"),
    (("--cap-drop",), "CAP", "take a capability, or ALL"),
    (("--security-opt",), "OPT", "no-new-privileges, seccomp=unconfined|FILE"),
    (("--group-add",), "GID", "one more group"),
    (("--device",), "HOST[:DST]", "give a device of the host"),
    (("--sysctl",), "NAME=VALUE", "a kernel setting of its namespaces"),
    (("--add-host",), "NAME:IP", "one more line in /etc/hosts"),
    (("--dns",), "IP", "a name server"),
    (("--dns-search",), "DOMAIN", "a search domain"),
    (("--dns-option",), "OPT", "an option of the resolver"),
    (("--ulimit",), "TYPE=SOFT[:HARD]", "a resource limit of processes"),
    (("-a", "--attach"), "STREAM", "show only these: stdin, stdout, stderr"),
)
_TEXTS = (
    (("--name",), "NAME", "", "name the container"),
    (("-w", "--workdir"), "DIR", "", "the working directory"),
    (("-u", "--user"), "USER[:GROUP]", "", "who runs the command"),
    (("--entrypoint",), "PROGRAM", None, "run this instead of the image's entrypoint"),
    (("--network", "--net"), "MODE", "default", "default, none or host"),
    (("-m", "--memory"), "BYTES", "", "most memory, as in 512m"),
    (("--memory-swap",), "BYTES", "", "most memory and swap together, -1 any"),
    (("--memory-reservation",), "BYTES", "", "memory to come down to when it is short"),
    (("--cpus",), "NUMBER", "", "most CPU time, as in 1.5"),
    (("-c", "--cpu-shares"), "NUMBER", "0", "weight against others, 1024 is usual"),
    (("--cpuset-cpus",), "LIST", "", "the CPUs to run on, as in 0-2,5"),
    (("--pids-limit",), "NUMBER", "0", "most processes"),
    (("-h", "--hostname"), "NAME", "", "its host name"),
    (("--domainname",), "NAME", "", "its NIS domain name"),
    (("--stop-signal",), "SIGNAL", "", "what `stop` sends"),
    (("--stop-timeout",), "SECONDS", "-1", "how long `stop` waits before it kills"),
    (("--shm-size",), "BYTES", "", "the size of /dev/shm"),
    (("--oom-score-adj",), "NUMBER", "0", "who is killed first when memory is short"),
    (("--cidfile",), "FILE", "", "write the container's ID to FILE"),
    (("--platform",), "OS/ARCH", "", "of several platforms, run this one"),
    (("--pull",), "WHEN", "missing", "ask its registry always, missing or never"),
)
# fmt: on
