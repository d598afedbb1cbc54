"""`lamina network connect` and `disconnect`."""

from __future__ import annotations

import argparse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lamina.cli.settings import Settings

    Commands = argparse._SubParsersAction[argparse.ArgumentParser]


def add_connect(inner: Commands) -> None:
    """Register `connect`."""
    about = "Put a container on one more network"
    parser = inner.add_parser("connect", help=about, description=about + ".")
    flag = parser.add_argument
    flag("network", metavar="NETWORK")
    flag("container", metavar="CONTAINER")
    about = "another name for it there"
    flag("--alias", action="append", default=[], metavar="NAME", help=about)
    flag("--ip", default="", metavar="IP", help="its IPv4 address there")
    flag("--ip6", default="", metavar="IP", help="its IPv6 address there")
    flag("--mac-address", default="", metavar="MAC", help="its MAC address there")
    about = "find another container by one more name"
    flag("--link", action="append", default=[], metavar="CONTAINER:NAME", help=about)
    about = "an option of the driver: none is known"
    flag("--driver-opt", action="append", default=[], metavar="KEY=VALUE", help=about)
    parser.set_defaults(call=_connect)


def _connect(arguments: argparse.Namespace, settings: Settings) -> int:
    from lamina.cli.containers.finding import find, open_store
    from lamina.cli.networks.refusing import told
    from lamina.runtime.containers import endpoints
    from lamina.runtime.containers.reconnecting import connect

    with told():
        asked = endpoints.Settings(
            arguments.network,
            tuple(map(endpoints.check_alias, arguments.alias)),
            endpoints.check_address(arguments.ip, 4),
            endpoints.check_address(arguments.ip6, 6),
            endpoints.check_mac(arguments.mac_address),
        )
        with open_store(settings) as store:
            container = find(store, arguments.container)
            connect(store.root, container, asked, tuple(arguments.link))
    return 0


def add_disconnect(inner: Commands) -> None:
    """Register `disconnect`."""
    about = "Take a container off a network"
    parser = inner.add_parser("disconnect", help=about, description=about + ".")
    flag = parser.add_argument
    flag("network", metavar="NETWORK")
    flag("container", metavar="CONTAINER")
    flag("-f", "--force", action="store_true", help="say nothing if it is not on it")
    parser.set_defaults(call=_disconnect)


def _disconnect(arguments: argparse.Namespace, settings: Settings) -> int:
    from lamina.cli.containers.finding import find, open_store
    from lamina.cli.networks.refusing import told
    from lamina.runtime.containers.reconnecting import disconnect

    with told(), open_store(settings) as store:
        container = find(store, arguments.container)
        name = arguments.network
        disconnect(store.root, container, name, arguments.force)
    return 0
