"""Endpoint: a container's place on its network."""

from __future__ import annotations

from lamina.values import value


@value
class Endpoint:
    """What a container has of its network; `interface` is its own name for it."""

    address: str
    prefix: int
    gateway: str
    interface: str
    mtu: int
    mac: str
    network: str
