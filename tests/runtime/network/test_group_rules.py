from __future__ import annotations

from pathlib import Path

import pytest

from lamina.runtime.network import firewall, group_rules, netlink
from lamina.runtime.network.addresses import Subnet
from lamina.runtime.network.group_rules import Plan, Shared, Virtual
from lamina.runtime.network.rules import Table
from tests.runtime.network.conftest import Run

pytestmark = pytest.mark.root

TABLE = Table("lamina", "lamina0", Subnet.parse("10.201.0.0/24"))
TWO = ("10.201.0.2", "10.201.0.3")
PLAN = Plan(
    (Virtual("web", "10.201.0.254", TWO), Virtual("db", "10.201.0.253", ())),
    (
        Shared("127.0.0.1", 8443, 6, (("10.201.0.2", 443),)),
        Shared("", 8080, 6, (("10.201.0.2", 80), ("10.201.0.3", 8000))),
        Shared("", 53, 17, ()),
    ),
)

LISTED = """\
	chain virtual {
		ip daddr 10.201.0.254 dnat to numgen inc mod 2 \
map { 0 : 10.201.0.2, 1 : 10.201.0.3 } comment "web 0fd62080"
		ip daddr 10.201.0.253 drop comment "db e0dd4727"
	}

	chain fence {
		ip daddr 10.201.0.254 drop comment "web 7eb9d284"
		ip daddr 10.201.0.253 drop comment "db e0dd4727"
	}

	chain shared {
		ip daddr 127.0.0.1 tcp dport 8443 dnat ip to numgen inc mod 1 \
map { 0 : 10.201.0.2 . 443 } comment "127.0.0.1:8443/tcp 2a720046"
		fib daddr type local tcp dport 8080 dnat ip to numgen inc mod 2 \
map { 0 : 10.201.0.2 . 80, 1 : 10.201.0.3 . 8000 } comment "any:8080/tcp a6515ff6"
		fib daddr type local udp dport 53 drop comment "any:53/udp 00000000"
	}
"""
EMPTY = """\
	chain virtual {
	}

	chain fence {
	}

	chain shared {
	}
"""


def test_nft_reads_what_we_mean(nft: netlink.Socket, run: Run) -> None:
    firewall.install(nft, TABLE, (), PLAN)
    assert LISTED in run("nft list ruleset")
    assert firewall.intact(nft, TABLE)


def test_nft_can_restore_what_it_has_listed(
    nft: netlink.Socket, run: Run, tmp_path: Path
) -> None:
    firewall.install(nft, TABLE, (), PLAN)
    run(f"nft list ruleset >{tmp_path}/r; nft flush ruleset; nft -f {tmp_path}/r")
    assert LISTED in run("nft list ruleset")


def test_rules_are_written_when_they_say_something_else(
    nft: netlink.Socket, run: Run
) -> None:
    firewall.install(nft, TABLE, ())
    assert EMPTY in run("nft list ruleset")
    assert not group_rules.apply(nft, "lamina", Plan())
    assert group_rules.apply(nft, "lamina", PLAN)
    assert LISTED in run("nft list ruleset")
    assert not group_rules.apply(nft, "lamina", PLAN)
    run("nft flush chain ip lamina virtual")
    assert firewall.intact(nft, TABLE)
    assert group_rules.apply(nft, "lamina", PLAN)
    assert LISTED in run("nft list ruleset")
    assert group_rules.apply(nft, "lamina", Plan())
    assert EMPTY in run("nft list ruleset")


def test_rules_of_hundreds_of_members(nft: netlink.Socket, run: Run) -> None:
    many = tuple(f"10.201.0.{number}" for number in range(2, 250))
    virtual = tuple(
        Virtual(f"g{n}", f"10.201.1.{n}", many if n < 5 else ()) for n in range(250)
    )
    firewall.install(nft, TABLE, ())
    assert group_rules.apply(nft, "lamina", Plan(virtual))
    assert "mod 248" in run("nft list ruleset")
    assert not group_rules.apply(nft, "lamina", Plan(virtual))


def test_without_the_table_there_is_nothing_to_write(nft: netlink.Socket) -> None:
    with pytest.raises(netlink.NetlinkError, match="No such file"):
        group_rules.apply(nft, "lamina", PLAN)
