from __future__ import annotations

import errno
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina.runtime.network import links, netlink, netns
from lamina.runtime.network.netlink import Message, attribute, nested, text


@given(st.lists(st.tuples(st.integers(1, 0x3FFF), st.binary(max_size=40))))
def test_attributes_read_back(pairs: list[tuple[int, bytes]]) -> None:
    body = b"head" + b"".join(attribute(kind, data) for kind, data in pairs)
    assert list(netlink.sequence(body, 4)) == pairs


@given(st.binary(max_size=64))
def test_any_bytes_are_read_to_their_end(body: bytes) -> None:
    list(netlink.sequence(body))


def test_nesting() -> None:
    body = nested(5, text(1, "a"), text(2, "b"))
    assert netlink.attributes(netlink.attributes(body)[5]) == {1: b"a\0", 2: b"b\0"}


@pytest.fixture
def route() -> Iterator[netlink.Socket]:
    import os

    namespace = netns.new_namespace()
    with netns.inside(namespace, lambda: netlink.Socket(netlink.ROUTE)) as made:
        yield made
    os.close(namespace)


@pytest.mark.root
def test_a_link_that_is_not_there(route: netlink.Socket) -> None:
    assert links.find_bridge(route, "nothing") is None
    assert links.find_interface(route) == links.FoundInterface()


@pytest.mark.root
def test_the_kernel_says_why_and_which(route: netlink.Socket) -> None:
    missing = Message(16, 0, links.up(99).body)
    with pytest.raises(netlink.NetlinkError) as caught:
        route.request(links.up(1), missing, links.up(1))
    assert caught.value.errno == errno.ENODEV
    assert caught.value.index == 1
    # What was answered to the failed request does not confuse the next.
    assert links.find_bridge(route, "lo") is None
