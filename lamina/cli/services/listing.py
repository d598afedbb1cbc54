"""`lamina compose ps`, `ls`, `images`, `volumes`, `port`, `top`, `stats`: what there is
of projects."""

from __future__ import annotations

import argparse

from lamina.cli.services.choosing import chosen, container_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from lamina.cli.settings import Settings
    from lamina.services.observed import Observed

    Commands = argparse._SubParsersAction[argparse.ArgumentParser]

_COLUMNS = {
    "Name": "NAME",
    "Image": "IMAGE",
    "Command": "COMMAND",
    "Service": "SERVICE",
    "RunningFor": "CREATED",
    "Status": "STATUS",
    "Ports": "PORTS",
}
_PROJECTS = {"Name": "NAME", "Status": "STATUS", "ConfigFiles": "CONFIG FILES"}
_IMAGES = {
    "ContainerName": "CONTAINER",
    "Repository": "REPOSITORY",
    "Tag": "TAG",
    "ID": "IMAGE ID",
    "Size": "SIZE",
}
_VOLUMES = {"Driver": "DRIVER", "Name": "VOLUME NAME"}
_STATES = ("created", "running", "paused", "restarting", "exited")


def add_listing(inner: Commands) -> None:
    """Register them."""
    ps = _add(inner, "ps", "List containers", _ps)
    flag = ps.add_argument
    flag("-a", "--all", action="store_true", help="also those that do not run")
    flag("-q", "--quiet", action="store_true", help="only IDs")
    about = "only the names of services"
    flag("--services", action="store_true", dest="names_only", help=about)
    about = "those alone that are so: created, running, paused, restarting, exited"
    flag("--status", action="append", default=[], choices=_STATES, help=about)
    about = "status=STATUS (repeat)"
    flag("--filter", action="append", default=[], metavar="KEY=VALUE", help=about)
    flag("--no-trunc", action="store_true", help="whole commands")
    _format(ps)
    images = _add(inner, "images", "List the images of containers", _images)
    images.add_argument("-q", "--quiet", action="store_true", help="only IDs")
    _format(images)
    volumes = _add(inner, "volumes", "List volumes", _volumes)
    volumes.add_argument("-q", "--quiet", action="store_true", help="only names")
    _format(volumes)
    _add(inner, "top", "List the processes of containers", _top)
    stats = _add(inner, "stats", "Show what containers use", _stats)
    stats.add_argument("--no-stream", action="store_true", help="once")
    stats.add_argument("--no-trunc", action="store_true", help="whole IDs")
    _format(stats)
    _add_port(inner)
    _add_ls(inner)


def _add(inner: Commands, name: str, about: str, call: Any) -> argparse.ArgumentParser:
    parser = inner.add_parser(name, help=about, description=about + ".")
    parser.add_argument("services", metavar="SERVICE", nargs="*")
    parser.set_defaults(call=call)
    return parser


def _format(parser: argparse.ArgumentParser) -> None:
    about = "table, json or a template"
    parser.add_argument("--format", default="", metavar="TEMPLATE", help=about)


def _ps(arguments: argparse.Namespace, settings: Settings) -> int:
    from lamina.cli.containers.listing import row
    from lamina.cli.formats.tables import show

    states = set(arguments.status)
    states |= {text.partition("=")[2] for text in arguments.filter}
    with chosen(arguments, settings, arguments.services, once=arguments.all) as found:
        containers = [
            one
            for one in found.containers
            if (one.state.status in states if states else arguments.all or _runs(one))
        ]
        if arguments.names_only:
            for name in dict.fromkeys(one.service for one in containers):
                print(name)
            return 0
        if arguments.quiet:
            for one in containers:
                print(one.container.id)
            return 0
        rows = [
            {
                **row(found.store, one.container, one.state, arguments.no_trunc),
                "Name": one.container.name,
                "Service": one.service,
                "Project": one.project,
                "Health": (one.state.health or {}).get("status", ""),
                "ExitCode": one.state.exit_code,
            }
            for one in containers
        ]
        show(rows, _COLUMNS, arguments.format)
        return 0


def _runs(one: Observed) -> bool:
    return one.state.is_active


def _images(arguments: argparse.Namespace, settings: Settings) -> int:
    from lamina.cli.formats.tables import human_size, show
    from lamina.errors import LaminaError
    from lamina.oci.reference import parse_reference

    with chosen(arguments, settings, arguments.services) as found:
        if arguments.quiet:
            for identity in dict.fromkeys(
                one.container.image for one in found.containers
            ):
                print(identity.removeprefix("sha256:"))
            return 0
        rows = []
        for one in found.containers:
            image = one.container.image
            try:
                reference = parse_reference(one.container.image_name)
                name, tag = reference.familiar_name, reference.tag or "<none>"
            except LaminaError:
                name, tag = "<none>", "<none>"
            rows.append(
                {
                    "ContainerName": one.container.name,
                    "Repository": name,
                    "Tag": tag,
                    "ID": image.removeprefix("sha256:")[:12],
                    "Size": human_size(found.store.bytes_of(image)),
                }
            )
        show(rows, _IMAGES, arguments.format)
        return 0


def _volumes(arguments: argparse.Namespace, settings: Settings) -> int:
    from lamina.cli.formats.tables import show
    from lamina.runtime.volumes import stored
    from lamina.services.labels import PROJECT

    with chosen(arguments, settings, arguments.services) as found:
        volumes = [
            one
            for one in stored.volumes(found.store.root)
            if one.labels.get(PROJECT) == found.name
        ]
        if arguments.quiet:
            for one in volumes:
                print(one.name)
            return 0
        rows = [{"Driver": stored.DRIVER, "Name": one.name} for one in volumes]
        show(rows, _VOLUMES, arguments.format)
        return 0


def _top(arguments: argparse.Namespace, settings: Settings) -> int:
    from lamina.cli.containers.top import print_processes

    with chosen(arguments, settings, arguments.services) as found:
        for one in found.containers:
            if one.state.is_running:
                print(one.container.name)
                print_processes(found.store, one.container, [])
                print()
        return 0


def _stats(arguments: argparse.Namespace, settings: Settings) -> int:
    from lamina.cli.containers.stats import stats
    from lamina.cli.main import parsed

    with chosen(arguments, settings, arguments.services) as found:
        names = [one.container.name for one in found.containers if one.state.is_running]
    if not names:
        return 0
    flags = ["--no-stream"] if arguments.no_stream else []
    flags += ["--no-trunc"] if arguments.no_trunc else []
    flags += [f"--format={arguments.format}"] if arguments.format else []
    return stats(parsed(["stats", *flags, *names]), settings)


def _add_port(inner: Commands) -> None:
    about = "Print where a port of a service is published"
    parser = inner.add_parser("port", help=about, description=about + ".")
    flag = parser.add_argument
    flag("--protocol", default="tcp", choices=("tcp", "udp"), help="tcp or udp")
    flag("--index", type=int, default=0, help="of the container of that number")
    flag("service", metavar="SERVICE")
    flag("port", metavar="PORT")
    parser.set_defaults(call=_port)


def _port(arguments: argparse.Namespace, settings: Settings) -> int:
    from lamina.cli.services.flags import ServicesUsage

    with chosen(arguments, settings, [arguments.service]) as found:
        one = container_of(found, arguments.service, arguments.index)
        wanted = f"{arguments.port}/{arguments.protocol}"
        places = [
            host
            for host, _, inside in (text.partition("->") for text in one.state.ports)
            if inside == wanted
        ]
        if not places:
            raise ServicesUsage(
                f"no port {wanted} for container {one.container.name}",
                hint="`lamina compose ps` lists the published ports.",
            )
        print(places[0])
        return 0


def _add_ls(inner: Commands) -> None:
    about = "List projects"
    parser = inner.add_parser("ls", help=about, description=about + ".")
    flag = parser.add_argument
    flag("-a", "--all", action="store_true", help="also those of which nothing runs")
    flag("-q", "--quiet", action="store_true", help="only names")
    about = "name=TEXT: those alone whose name has it (repeat)"
    flag("--filter", action="append", default=[], metavar="KEY=VALUE", help=about)
    _format(parser)
    parser.set_defaults(call=_ls)


def _ls(arguments: argparse.Namespace, settings: Settings) -> int:
    from collections import Counter

    from lamina.cli.containers.finding import open_store
    from lamina.cli.formats.labels import parse_filters
    from lamina.cli.formats.tables import show
    from lamina.services import labels, observed

    names = [text for _, text in parse_filters(arguments.filter, ("name",))]
    with open_store(settings) as store:
        projects: dict[str, list[Observed]] = {}
        for one in observed.all_of(store.root):
            if not names or any(text in one.project for text in names):
                projects.setdefault(one.project, []).append(one)
        rows = []
        for name, containers in sorted(projects.items()):
            if not arguments.all and not any(map(_runs, containers)):
                continue
            counts = Counter(
                one.state.status for one in containers if arguments.all or _runs(one)
            )
            first = containers[0].container.config.labels
            rows.append(
                {
                    "Name": name,
                    "Status": ", ".join(f"{s}({n})" for s, n in sorted(counts.items())),
                    "ConfigFiles": first.get(labels.FILES, ""),
                }
            )
        if arguments.quiet:
            for line in rows:
                print(line["Name"])
            return 0
        show(rows, _PROJECTS, arguments.format)
        return 0
