"""What a new network is to be like, from what was asked."""

from __future__ import annotations

import pytest

from lamina.runtime.errors import NetworkError
from lamina.runtime.network import layout, planning
from lamina.runtime.network.addresses import Subnet
from lamina.runtime.network.planning import Request, plan

ID = "a1b2c3" + "0" * 58
DRIVER = "com.docker.network.bridge"


def test_the_first_subnet_that_is_free() -> None:
    taken = (Subnet.parse("10.202.0.0/24"), Subnet.parse("10.202.1.128/25"))
    made = plan(Request(), {}, taken, ID)
    assert (made.subnet, made.gateway) == ("10.202.2.0/24", "10.202.2.1")
    with pytest.raises(NetworkError, match="No subnet is free"):
        plan(Request(), {}, (Subnet.parse("10.0.0.0/8"),), ID)


def test_all_that_can_be_asked() -> None:
    request = Request(
        subnets=("192.168.7.0/24", "fd00:7::/64"),
        gateways=("192.168.7.254", "fd00:7::fe"),
        pools=("192.168.7.64/26",),
        reserved=("router=192.168.7.65", "192.168.7.66"),
        internal=True,
    )
    options = {
        "com.docker.network.driver.mtu": "1400",
        f"{DRIVER}.name": "br-x",
        f"{DRIVER}.enable_icc": "false",
        f"{DRIVER}.enable_ip_masquerade": "0",
        f"{DRIVER}.host_binding_ipv4": "127.0.0.1",
    }
    made = plan(request, options, (), ID)
    assert made == layout.Layout(
        subnet="192.168.7.0/24",
        gateway="192.168.7.254",
        pool="192.168.7.64/26",
        reserved=("192.168.7.65", "192.168.7.66"),
        subnet6="fd00:7::/64",
        gateway6="fd00:7::fe",
        mtu=1400,
        internal=True,
        icc=False,
        masquerade=False,
        bridge="br-x",
        host_ip="127.0.0.1",
    )
    assert layout.parse(made.text()) == made
    assert layout.parse(made.text()[:-1]) is None, "cut short"


def test_a_prefix_of_ones_own() -> None:
    made = plan(Request(ipv6=True), {}, (), ID)
    assert (made.subnet6, made.gateway6) == ("fda1:b2c3::/64", "fda1:b2c3::1")
    assert made.address6("10.202.0.9") == "fda1:b2c3::9"
    assert made.holds6("fda1:b2c3::77") and not made.holds6("fda1:b2c4::77")


@pytest.mark.parametrize(
    ("request_", "options", "words"),
    [
        (Request(subnets=("10.0.0.0",)), {}, "not of a size"),
        (Request(subnets=("10.0.0.1/24",)), {}, "is no subnet"),
        (Request(subnets=("10.0.0.0/31",)), {}, "not of a size"),
        (Request(subnets=("10.9.0.0/24",)), {}, "overlaps 10.9.0.0/16"),
        (Request(subnets=("10.1.0.0/24", "10.2.0.0/24")), {}, "one IPv4 subnet"),
        (Request(gateways=("10.1.0.1",)), {}, "is not in the subnet"),
        (Request(gateways=("fd00::1",)), {}, "in no subnet"),
        (Request(gateways=("x",)), {}, "no address for a gateway"),
        (Request(pools=("10.1.0.0/25",)), {}, "is not in the subnet"),
        (Request(reserved=("a=10.1.0.1",)), {}, "is not in the subnet"),
        (Request(), {"com.docker.network.driver.mtu": "9"}, "no MTU"),
        (Request(), {f"{DRIVER}.name": "a/b"}, "no name for a link"),
        (Request(), {f"{DRIVER}.enable_icc": "maybe"}, "true or false"),
        (Request(), {"what": "ever"}, "no network option 'what'"),
    ],
)
def test_what_cannot_be(request_: Request, options: dict[str, str], words: str) -> None:
    with pytest.raises(NetworkError, match=words):
        planning.plan(request_, options, (Subnet.parse("10.9.0.0/16"),), ID)
