"""`lamina network`: its subcommands."""

from __future__ import annotations

import argparse

from lamina.cli.containers.finding import open_store
from lamina.cli.subcommands import add_subcommands

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lamina.cli.settings import Settings

    Commands = argparse._SubParsersAction[argparse.ArgumentParser]


def add(commands: Commands) -> None:
    """Register `network`."""
    about = "Make, list, show, join and remove networks"
    inner = add_subcommands(commands, "network", about)
    from lamina.cli.networks.joining import add_connect, add_disconnect
    from lamina.cli.networks.listing import add_inspect, add_ls
    from lamina.cli.networks.removing import add_prune, add_rm

    _add_create(inner)
    add_ls(inner)
    add_inspect(inner)
    add_connect(inner)
    add_disconnect(inner)
    add_rm(inner)
    add_prune(inner)


def _add_create(inner: Commands) -> None:
    parser = inner.add_parser(
        "create",
        help="Make a network",
        description="Make a network, and print its ID.",
    )
    flag = parser.add_argument
    flag("name", metavar="NETWORK")
    flag("-d", "--driver", default="bridge", metavar="DRIVER", help="bridge")
    for names, metavar, about in _LISTS:
        flag(*names, action="append", default=[], metavar=metavar, help=about)
    flag("--internal", action="store_true", help="nothing goes in or out")
    flag("--ipv6", action="store_true", help="addresses of IPv6, too")
    flag("--attachable", action="store_true", help="as it is anyway")
    flag("--ipam-driver", default="default", metavar="DRIVER", help="default")
    flag("--scope", default="local", metavar="SCOPE", help="local")
    parser.set_defaults(call=_create)


_LISTS = (
    (("--subnet",), "SUBNET", "its addresses, as in 10.210.0.0/24"),
    (("--gateway",), "IP", "the host's address on it (default: the first)"),
    (("--ip-range",), "SUBNET", "give containers only these of its addresses"),
    (("--aux-address",), "NAME=IP", "give this address to no container"),
    (("--label",), "KEY=VALUE", "note something on it"),
    (("-o", "--opt"), "KEY=VALUE", "an option, as com.docker.network.driver.mtu=1400"),
)


def _create(arguments: argparse.Namespace, settings: Settings) -> int:
    from lamina.cli.formats.labels import pairs
    from lamina.cli.networks.refusing import told
    from lamina.runtime.network import making
    from lamina.runtime.network.planning import Request

    with told():
        _check(arguments)
        request = Request(
            subnets=tuple(filter(None, arguments.subnet)),
            gateways=tuple(arguments.gateway),
            pools=tuple(arguments.ip_range),
            reserved=tuple(arguments.aux_address),
            ipv6=arguments.ipv6,
            internal=arguments.internal,
        )
        labels = pairs(arguments.label, "label")
        options = pairs(arguments.opt, "option")
        with open_store(settings) as store:
            making.collect(store.root)
            made = making.create(
                store.root,
                arguments.name,
                request,
                options,
                labels,
                arguments.attachable,
            )
    print(made.id)
    return 0


def _check(arguments: argparse.Namespace) -> None:
    from lamina.runtime.errors import NetworkError

    if arguments.driver not in ("", "bridge"):
        raise NetworkError(
            f"There is no network driver {arguments.driver!r}.",
            hint="bridge; `--network host` and `--network none` need no network.",
        )
    if arguments.ipam_driver != "default" or arguments.scope != "local":
        raise NetworkError("Addresses are given out by Lamina, on this machine.")
