"""When a member is led to: what it is told of, with a process that listens or not."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator

import pytest

from lamina.runtime.isolation.loop import Loop
from lamina.runtime.keeper.health import HEALTHY, STARTING, UNHEALTHY
from lamina.runtime.keeper.rotation import IN, OUT, STANDBY, Rotation
from lamina.runtime.network import netns
from tests.runtime.lab import enter

pytestmark = pytest.mark.root


class Networks:
    """Those of a keeper, as far as a rotation sees them."""

    is_grouped = True
    shares_ports = False

    def __init__(self) -> None:
        self.rotation = OUT
        self.looks = 0

    def rotate(self, rotation: str) -> None:
        self.rotation = rotation

    def take_turns(self) -> None:
        self.looks += 1


class Process:
    """A process in a namespace of its own, which may begin to listen."""

    def __init__(self) -> None:
        self.namespace = netns.new_namespace()
        command = [*enter(self.namespace), "sleep", "60"]
        self.running = subprocess.Popen(command)
        own = os.fstat(self.namespace).st_ino
        while os.stat(f"/proc/{self.pid}/ns/net").st_ino != own:
            time.sleep(0.001)

    @property
    def pid(self) -> int:
        return self.running.pid

    def listen(self) -> socket.socket:
        return netns.inside(self.namespace, lambda: socket.create_server(("", 80)))

    def close(self) -> None:
        self.running.kill()
        self.running.wait()
        os.close(self.namespace)


@pytest.fixture
def process() -> Iterator[Process]:
    made = Process()
    yield made
    made.close()


def turn(loop: Loop, true: Callable[[], bool]) -> None:
    while not true():
        loop.turn()


def made(loop: Loop, networks: Networks, checked: bool) -> Rotation:
    return Rotation(loop, networks, checked)  # type: ignore[arg-type]


def test_who_listens_is_in(process: Process) -> None:
    loop, networks = Loop(), Networks()
    rotation = made(loop, networks, checked=False)
    rotation.begin(process.pid, time.monotonic())
    assert networks.rotation == OUT
    with process.listen():
        turn(loop, lambda: networks.rotation == IN)
    assert networks.rotation == IN, "who has listened once goes on"
    rotation.end()
    assert networks.rotation == OUT
    rotation.begin(process.pid, time.monotonic())
    assert networks.rotation == OUT, "a run begins anew"


def test_who_does_not_listen_at_all_is_in_after_a_while(process: Process) -> None:
    loop, networks = Loop(), Networks()
    rotation = made(loop, networks, checked=False)
    rotation.begin(process.pid, time.monotonic() - 9.9)
    assert networks.rotation == OUT
    turn(loop, lambda: networks.rotation == IN)


def test_health_counts_where_it_is_checked(process: Process) -> None:
    loop, networks = Loop(), Networks()
    rotation = made(loop, networks, checked=True)
    with process.listen():
        rotation.begin(process.pid, time.monotonic())
        seen = [networks.rotation]
        for health in (STARTING, HEALTHY, UNHEALTHY, HEALTHY):
            rotation.probed(health)
            seen.append(networks.rotation)
        assert seen == [STANDBY, STANDBY, IN, STANDBY, IN]
        rotation.pause(True)
        assert networks.rotation == OUT
        rotation.pause(False)
        assert networks.rotation == IN
        rotation.leave()
        rotation.probed(HEALTHY)
        assert networks.rotation == OUT


def test_on_standby_it_looks_whose_turn_it_is(process: Process) -> None:
    loop, networks = Loop(), Networks()
    networks.shares_ports = True
    rotation = made(loop, networks, checked=True)
    with process.listen():
        rotation.begin(process.pid, time.monotonic())
        turn(loop, lambda: networks.looks > 1)
    rotation.end()
    assert not loop.turn(idle=True)


def test_who_is_in_no_group_is_not_looked_at(process: Process) -> None:
    loop, networks = Loop(), Networks()
    networks.is_grouped = False
    rotation = made(loop, networks, checked=False)
    rotation.begin(process.pid, time.monotonic())
    with process.listen():
        assert not loop.turn(idle=True)
        assert networks.rotation == OUT
