"""The hub: the network namespace in which an ordinary user's networks lie.

A user may make no bridge on the host, but may in a namespace of their own: one for all
of their containers, with bridges, rules and leases as the host has for root, and one
pasta or slirp4netns for its way out. Who is on a network holds it open, so that it
goes with the last of them.
"""

from __future__ import annotations

import os

from lamina.runtime.errors import NetworkError
from lamina.runtime.network import netns, user_network

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    T = TypeVar("T")


class Hub:
    """Its namespace, and the pipe by which the helper sees that somebody is there; both
    are this one's to close."""

    def __init__(self, namespace: int, helper: int) -> None:
        self.namespace = namespace
        self.helper = helper

    def run(self, call: Callable[[], T]) -> T:
        """What `call` returns in there; raises NetworkError, OSError."""
        try:
            return netns.inside(self.namespace, call)
        except PermissionError as error:
            raise NetworkError(
                "Your containers' networks belong to another session of yours.",
                hint="It began at the same moment: stop its containers, and start one "
                "before the others.",
            ) from error

    @property
    def fds(self) -> tuple[int, int]:
        return self.namespace, self.helper

    def close(self) -> None:
        """Let go of it."""
        for fd in self.fds:
            if fd >= 0:
                os.close(fd)
        self.namespace = self.helper = -1


def make() -> Hub:
    """A new one; raises NetworkError."""
    namespace = netns.new_namespace()
    try:
        opened = user_network.attach(namespace)
        helper = os.dup(opened.helper)
        opened.release()
    except BaseException:
        os.close(namespace)
        raise
    return Hub(namespace, helper)
