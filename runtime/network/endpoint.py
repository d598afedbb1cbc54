"""Endpoint: a container's place on its network."""

from __future__ import annotations

from lamina.values import value


@value
class Endpoint:
    """What a container has of its network; `interface` is its own name for it.

    `network` is the bridge, `place` the network's state directory ("": a user's, which
    is in no directory), `name` what people call it; `names` are those that the
    container has on it, `group` is that of which it is a member there.
    """

    address: str
    prefix: int
    gateway: str
    interface: str
    mtu: int
    mac: str
    network: str
    place: str = ""
    name: str = ""
    names: tuple[str, ...] = ()
    address6: str = ""
    prefix6: int = 0
    gateway6: str = ""
    group: str = ""


@value
class Wanted:
    """What is asked of an endpoint; "" is what the network gives.

    `network` is what people call the network; `names` are those by which the others
    on it find the container; `shared` are those that lead to its `group` instead.
    """

    network: str = ""
    address: str = ""
    address6: str = ""
    mac: str = ""
    names: tuple[str, ...] = ()
    interface: str = "eth0"
    group: str = ""
    shared: tuple[str, ...] = ()
