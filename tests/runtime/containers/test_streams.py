"""What moves a container's bytes: pipes both ways, half-closed, slow, gone."""

from __future__ import annotations

import os
import threading

from lamina.runtime.containers.streams import Input, Output, Pump, to_descriptor


def collected() -> tuple[list[bytes], Output, int]:
    """An output whose bytes are put into a list, and the end to write to."""
    source, write = os.pipe()
    seen: list[bytes] = []

    def sink(data: bytes) -> bool:
        seen.append(data)
        return True

    return seen, Output(source, [sink]), write


def ended() -> int:
    """A descriptor that is readable: the process has ended."""
    reader, writer = os.pipe()
    os.close(writer)
    return reader


def test_what_is_left_in_a_pipe_at_the_end_is_read() -> None:
    seen, output, write = collected()
    os.write(write, b"x" * 60_000)
    os.close(write)
    end = ended()
    Pump([output], None, end).run()
    os.close(end)
    assert b"".join(seen) == b"x" * 60_000


def test_input_waits_for_room_and_is_half_closed() -> None:
    """More than two pipes hold goes through one that is read slowly."""
    data = os.urandom(1 << 20)
    source, typed = os.pipe()
    read, target = os.pipe()
    end, over = os.pipe()
    got = bytearray()

    def typist() -> None:
        with open(typed, "wb") as pipe:
            pipe.write(data)

    def program() -> None:
        with open(read, "rb", buffering=0) as pipe:
            while part := pipe.read(1000):
                got.extend(part)
        os.close(over)

    threads = [threading.Thread(target=work) for work in (typist, program)]
    for thread in threads:
        thread.start()
    Pump([], Input(source, target), end).run()
    for thread in threads:
        thread.join()
    os.close(source)
    os.close(end)
    assert bytes(got) == data


def test_input_ends_when_nobody_reads_it() -> None:
    source, typed = os.pipe()
    read, target = os.pipe()
    end, over = os.pipe()
    os.close(read)
    os.write(typed, b"lost")
    pump = Pump([], Input(source, target), end)
    thread = threading.Thread(target=pump.run)
    thread.start()
    os.close(over)
    thread.join()
    for descriptor in (source, typed, end):
        os.close(descriptor)


def test_a_sink_without_a_reader_closes_the_source() -> None:
    """So the program gets SIGPIPE, as in a shell."""
    source, write = os.pipe()
    read, shown = os.pipe()
    os.close(read)
    end, over = os.pipe()
    pump = Pump([Output(source, [to_descriptor(shown)])], None, end)
    thread = threading.Thread(target=pump.run)
    thread.start()
    os.write(write, b"nobody sees this")
    try:
        while True:
            os.write(write, b"more")
    except BrokenPipeError:
        pass
    os.close(over)
    thread.join()
    for descriptor in (write, shown, end):
        os.close(descriptor)


def test_a_slow_reader_gets_all() -> None:
    read, shown = os.pipe()
    os.set_blocking(shown, False)
    data = os.urandom(300_000)
    done: list[bool] = []
    thread = threading.Thread(target=lambda: done.append(to_descriptor(shown)(data)))
    thread.start()
    got = b""
    while len(got) < len(data):
        got += os.read(read, 10_000)
    thread.join()
    assert got == data and done == [True]
    os.close(read)
    os.close(shown)
