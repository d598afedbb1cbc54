"""What moves a container's bytes: several clients, slow ones, and those that go."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from pathlib import Path

from lamina.runtime.isolation import wire
from lamina.runtime.isolation.loop import Loop
from lamina.runtime.keeper.client import Client
from lamina.runtime.keeper.inputs import Inputs
from lamina.runtime.keeper.log import LogWriter
from lamina.runtime.keeper.outputs import Outputs


def turn_until(loop: Loop, true: Callable[[], object]) -> None:
    for _ in range(100_000):
        if true():
            return
        loop.turn(idle=True)
    raise AssertionError("it did not happen")


def read_all(fd: int) -> bytes:
    """What is in a pipe now."""
    os.set_blocking(fd, False)
    data = b""
    try:
        while part := os.read(fd, 1 << 16):
            data += part
    except BlockingIOError:
        pass
    return data


def nobody(_name: str) -> None:
    raise AssertionError("no client has gone")


def test_every_client_and_the_log_get_all(tmp_path: Path) -> None:
    loop, log = Loop(), LogWriter(f"{tmp_path}/log")
    outputs = Outputs(loop, log)
    source, written = os.pipe()
    clients = [os.pipe(), os.pipe()]
    for _, end in clients:
        outputs.attach({"stdout": end}, nobody)
    outputs.open({source: "stdout"})
    os.write(written, b"one\ntwo")
    loop.turn()
    os.close(written)
    outputs.drain()
    assert [read_all(reader) for reader, _ in clients] == [b"one\ntwo"] * 2
    lines = (tmp_path / "log").read_text().splitlines()
    assert [line[:13] for line in lines] == ['{"log":"one\\n', '{"log":"two",']


def test_the_container_waits_for_a_client_that_reads_slowly() -> None:
    loop = Loop()
    outputs = Outputs(loop, None)
    source, written = os.pipe()
    os.set_blocking(written, False)
    reader, end = os.pipe()
    outputs.attach({"stdout": end}, nobody)
    outputs.open({source: "stdout"})
    data, sent = os.urandom(2 << 20), 0
    # It is written as long as it is taken, and nobody reads.
    while loop.turn(idle=True) or sent == 0:
        try:
            sent += os.write(written, data[sent : sent + 65536])
        except BlockingIOError:
            continue
    assert sent < len(data)
    got = b""
    while len(got) < len(data):
        got += read_all(reader)
        loop.turn(idle=True)
        try:
            sent += os.write(written, data[sent : sent + 65536])
        except BlockingIOError:
            continue
    assert got == data


def test_the_rest_comes_before_the_end() -> None:
    loop = Loop()
    outputs = Outputs(loop, None)
    source, written = os.pipe()
    reader, end = os.pipe()
    outputs.attach({"stdout": end}, nobody)
    outputs.open({source: "stdout"})
    os.set_blocking(written, False)
    for _ in range(4):
        os.write(written, b"x" * 60_000)
        loop.turn(idle=True)
    os.close(written)
    outputs.drain()
    outputs.finish()
    assert not outputs.is_flushed
    got = b""
    while True:
        os.set_blocking(reader, False)
        try:
            part = os.read(reader, 1 << 16)
        except BlockingIOError:
            loop.turn(idle=True)
            continue
        if not part:
            break
        got += part
    assert len(got) == 240_000 and outputs.is_flushed


def test_a_client_that_closes_its_end_is_told_of() -> None:
    loop = Loop()
    outputs = Outputs(loop, None)
    source, written = os.pipe()
    reader, end = os.pipe()
    gone: list[str] = []
    outputs.attach({"stdout": end}, gone.append)
    outputs.open({source: "stdout"})
    os.close(reader)
    turn_until(loop, lambda: gone)
    outputs.close(gone[0])
    try:
        os.write(written, b"nobody reads this")
        raise AssertionError("the source is open")
    except BrokenPipeError:
        pass


def test_input_waits_for_room_and_ends_with_the_client_s() -> None:
    loop = Loop()
    inputs = Inputs(loop, once=True)
    source, typed = os.pipe()
    read, target = os.pipe()
    data = os.urandom(1 << 20)
    inputs.open(target)
    inputs.attach(source)
    os.set_blocking(typed, False)
    os.set_blocking(read, False)
    sent, got = 0, b""
    while True:
        if sent < len(data):
            with contextlib.suppress(BlockingIOError):
                sent += os.write(typed, data[sent : sent + 65536])
            if sent == len(data):
                os.close(typed)
        loop.turn(idle=True)
        try:
            part = os.read(read, 1000)
        except BlockingIOError:
            continue
        if not part:
            break
        got += part
    assert got == data


def test_input_of_one_client_after_the_other_stays_open() -> None:
    loop = Loop()
    inputs = Inputs(loop, once=False)
    read, target = os.pipe()
    inputs.open(target)
    for text in (b"first", b"second"):
        source, typed = os.pipe()
        inputs.attach(source)
        os.write(typed, text)
        os.close(typed)
        for _ in range(3):
            loop.turn(idle=True)
    assert read_all(read) == b"firstsecond"
    inputs.close()


def test_a_client_that_let_go_does_not_end_the_input() -> None:
    loop = Loop()
    inputs = Inputs(loop, once=True)
    read, target = os.pipe()
    inputs.open(target)
    for text in (b"first", b"second"):
        source, typed = os.pipe()
        # That it lets go is found out when the end of its pipe has come already.
        inputs.attach(source, lambda source=source: inputs.detach(source))  # type: ignore[misc]
        os.write(typed, text)
        os.close(typed)
        for _ in range(3):
            loop.turn(idle=True)
    assert read_all(read) == b"firstsecond"
    inputs.close()


def test_a_client_is_heard_to_the_end_before_it_is_gone() -> None:
    loop = Loop()
    line, theirs = wire.pair()
    said: list[str] = []

    def gone(one: Client) -> None:
        said.append("gone")
        one.close()

    client = Client(loop, theirs, True, gone)
    client.detached = lambda: said.append("detached")
    client.signalled = lambda number: said.append(f"signal {number}")
    wire.tell(line, {"signal": 15})
    wire.tell(line, {"detach": True})
    line.close()
    client.listen()
    assert said == ["signal 15", "detached", "gone"]
    client.listen()
    assert len(said) == 3


def test_what_nobody_reads_is_lost() -> None:
    loop = Loop()
    inputs = Inputs(loop, once=True)
    source, typed = os.pipe()
    read, target = os.pipe()
    inputs.open(target)
    inputs.attach(source)
    os.close(read)
    os.write(typed, b"lost")
    for _ in range(4):
        loop.turn(idle=True)
    os.write(typed, b"lost, too")
    loop.turn()
    os.close(typed)
    loop.turn()
    assert not loop.turn(idle=True)
