"""A connection that is made in a thread, and what of it is there before the rest."""

from __future__ import annotations

import os
import socket

import pytest

from lamina.runtime.containers.connecting import Connecting
from lamina.runtime.containers.options import Options
from lamina.runtime.errors import NetworkError
from lamina.runtime.owner import Owner

pytestmark = pytest.mark.root("root's containers are on bridges of the host")


def connecting(options: Options) -> Connecting:
    return Connecting("x", options, lambda: Owner.of("x"))


def test_the_namespace_is_that_of_the_connection() -> None:
    made = connecting(Options())
    early, uplink = made.namespace(), made.result()
    late = made.namespace()
    inodes = {os.fstat(fd).st_ino for fd in (early, uplink.namespace, late)}
    assert len(inodes) == 1
    for fd in (early, late):
        os.close(fd)
    made.cancel()


def test_of_a_connection_that_failed_there_is_none() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        made = connecting(Options(publish=(f"127.0.0.1:{port}:80",)))
        with pytest.raises(NetworkError, match="already in use"):
            made.result()
        # No number that is closed, or somebody else's by now.
        assert made.namespace() == -1


def test_without_a_network_nothing_is_made() -> None:
    made = connecting(Options(network="none"))
    assert made.namespace() == -1
    assert made.result().namespace == -1
