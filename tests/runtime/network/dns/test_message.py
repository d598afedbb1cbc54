"""DNS messages, as clients write and read them."""

from __future__ import annotations

import random

import pytest

from lamina.runtime.network.dns import message


def query(name: str, kind: int = message.A, flags: int = 0x0100) -> bytes:
    labels = b"".join(bytes((len(p),)) + p.encode() for p in name.split(".") if p)
    header = b"\x12\x34" + flags.to_bytes(2, "big") + b"\0\1\0\0\0\0\0\0"
    return header + labels + b"\0" + kind.to_bytes(2, "big") + b"\0\1"


def test_a_question_is_read() -> None:
    found = message.parse(query("Web.App."))
    assert found is not None
    assert (found.id, found.name, found.kind) == (0x1234, "web.app", message.A)


def test_an_answer_repeats_the_question_and_has_the_records() -> None:
    data = query("web") + b"what EDNS adds"
    found = message.parse(data)
    assert found is not None
    said = message.answer(data, found, (message.address("10.0.0.2"),), message.A)
    assert said == (
        b"\x12\x34\x81\x80\0\1\0\1\0\0\0\0"
        b"\x03web\0\0\1\0\1"
        b"\xc0\x0c\0\1\0\1\0\0\0\0\0\x04\x0a\0\0\2"
    )


def test_a_long_answer_says_that_tcp_has_the_rest() -> None:
    data = query("web")
    found = message.parse(data)
    assert found is not None
    said = message.answer(data, found, (bytes(4),) * 40, message.A)
    short = message.shortened(said, found)
    assert len(short) < 512 < len(said)
    assert short[2] & 0x02 and short[6:8] == b"\0\0"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0" * 11,
        query("web", flags=0x8100),  # an answer
        query("web", flags=0x2900),  # another operation
        query("web")[:-5],
        query("web").replace(b"\x03web", b"\xc0\x0c"),  # a name that is a pointer
        query("web")[:-1] + b"\x03",  # of another family
    ],
)
def test_what_is_no_question_is_not_read(data: bytes) -> None:
    assert message.parse(data) is None


def test_no_bytes_make_it_fail() -> None:
    source = random.Random(11)
    whole = query("some.name.of.ours")
    for _ in range(20_000):
        data = bytearray(whole)
        for _ in range(source.randrange(1, 6)):
            data[source.randrange(len(data))] = source.randrange(256)
        message.parse(bytes(data[: source.randrange(len(data) + 1)]))


def test_addresses_in_the_tree_of_names() -> None:
    assert message.reversed_address("2.0.202.10.in-addr.arpa") == "10.202.0.2"
    six = ".".join("2" + "0" * 29 + "df") + ".ip6.arpa"
    assert message.reversed_address(six) == "fd00::2"
    assert message.reversed_address("x.in-addr.arpa") == ""
