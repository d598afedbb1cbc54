from __future__ import annotations

import binascii

import pytest

from lamina.runtime.network import firewall, guest_rules, netlink, rules
from lamina.runtime.network.addresses import Subnet
from lamina.runtime.network.firewall import Element
from lamina.runtime.network.rules import Table
from lamina.values import replace
from tests.runtime.network.conftest import Run

pytestmark = pytest.mark.root

TABLE = Table("lamina", "lamina0", Subnet.parse("10.201.0.0/24"))
WEB = Element("", 8080, 6, "10.201.0.2", 80)
DNS = Element("127.0.0.1", 53, 17, "10.201.0.2", 5353)

LISTING = """\
table ip lamina {
	comment "lamina rules 2 for 10.201.0.0/24"
	map pub {
		type inet_proto . inet_service : ipv4_addr . inet_service
		elements = { tcp . 8080 : 10.201.0.2 . 80 }
	}

	map pub_at {
		type ipv4_addr . inet_proto . inet_service : ipv4_addr . inet_service
		elements = { 127.0.0.1 . udp . 53 : 10.201.0.2 . 5353 }
	}

	chain virtual {
	}

	chain fence {
	}

	chain shared {
	}

	chain raw {
		type filter hook prerouting priority raw; policy accept;
		iifname "lamina0" ip daddr 127.0.0.0/8 drop
		iifname "lamina0" ip saddr 127.0.0.0/8 drop
	}

	chain pre {
		type nat hook prerouting priority dstnat - 1; policy accept;
		iifname "lamina0" jump virtual
		jump fence
		ip daddr 127.0.0.0/8 return
		jump shared
		dnat ip to ip daddr . meta l4proto . th dport map @pub_at
		fib daddr type local dnat ip to meta l4proto . th dport map @pub
	}

	chain out {
		type nat hook output priority -101; policy accept;
		jump virtual
		jump shared
		dnat ip to ip daddr . meta l4proto . th dport map @pub_at
		fib daddr type local dnat ip to meta l4proto . th dport map @pub
	}

	chain post {
		type nat hook postrouting priority srcnat + 1; policy accept;
		ip saddr 10.201.0.0/24 oifname != "lamina0" masquerade
		ip saddr 10.201.0.0/24 ip daddr 10.201.0.0/24 ct status dnat masquerade
		ip saddr 127.0.0.0/8 oifname "lamina0" masquerade
	}

	chain forward {
		type filter hook forward priority filter; policy accept;
		iifname "lamina0" accept
		oifname "lamina0" ct state established,related accept
		oifname "lamina0" ct status dnat accept
		oifname "lamina0" drop
	}
}
"""


def test_nft_reads_what_we_mean(nft: netlink.Socket, run: Run) -> None:
    firewall.install(nft, TABLE, (WEB, DNS))
    assert run("nft list ruleset") == LISTING
    assert firewall.intact(nft, TABLE)


def test_the_version_of_the_rules_counts_their_changes() -> None:
    """Rules of another Lamina are replaced if `_VERSION` went up with them."""
    content = b"".join(message.body for message in rules.contents(TABLE))
    assert (firewall._VERSION, f"{binascii.crc32(content):08x}") == (2, "5fe5f55c")


def test_a_table_is_replaced_in_one_go(nft: netlink.Socket, run: Run) -> None:
    firewall.install(nft, TABLE, (WEB,))
    elsewhere = Table("lamina", "lamina0", Subnet.parse("10.201.7.0/24"))
    assert not firewall.intact(nft, elsewhere)
    firewall.install(nft, elsewhere, ())
    assert firewall.intact(nft, elsewhere)
    assert "elements" not in run("nft list ruleset")


def test_a_port_is_led_and_led_elsewhere(nft: netlink.Socket, run: Run) -> None:
    firewall.install(nft, TABLE, ())
    firewall.publish(nft, "lamina", (DNS, WEB))
    other = Element("", 8080, 6, "10.201.0.3", 81)
    firewall.publish(nft, "lamina", (other, DNS))
    assert "{ tcp . 8080 : 10.201.0.3 . 81 }" in run("nft list map ip lamina pub")
    firewall.withdraw(nft, "lamina", (other,))
    firewall.withdraw(nft, "lamina", (other, DNS))
    assert "elements" not in run("nft list ruleset")


def test_no_table_is_no_error_when_removing(nft: netlink.Socket) -> None:
    assert not firewall.intact(nft, TABLE)
    firewall.uninstall(nft, "lamina")
    firewall.withdraw(nft, "lamina", (WEB,))
    guest_rules.dismiss(nft, "lamina0")


def test_a_batch_is_all_or_nothing(nft: netlink.Socket, run: Run) -> None:
    firewall.install(nft, TABLE, ())
    with pytest.raises(netlink.NetlinkError):
        firewall.install(nft, TABLE, (WEB, WEB))
    assert firewall.intact(nft, TABLE)


def test_our_rules_among_iptables_rules(nft: netlink.Socket, run: Run) -> None:
    run("iptables -P FORWARD DROP; iptables -A FORWARD -i x -j ACCEPT")
    before = run("iptables -S FORWARD")
    assert not guest_rules.admitted(nft, "lamina0")
    guest_rules.admit(nft, "lamina0")
    guest_rules.admit(nft, "lamina0")
    assert run("iptables -S FORWARD").splitlines()[1:] == [
        '-A FORWARD -i lamina0 -m comment --comment "lamina: lamina0" -j ACCEPT',
        '-A FORWARD -o lamina0 -m comment --comment "lamina: lamina0" -j ACCEPT',
        "-A FORWARD -i x -j ACCEPT",
    ]
    assert not guest_rules.admitted(nft, "lamina00")
    guest_rules.dismiss(nft, "lamina0")
    assert run("iptables -S FORWARD") == before


def test_our_rules_are_known_again_after_iptables_restore(
    nft: netlink.Socket, run: Run
) -> None:
    run("iptables -P FORWARD DROP")
    guest_rules.admit(nft, "lamina0")
    run("iptables-save | iptables-restore")
    assert guest_rules.admitted(nft, "lamina0")
    guest_rules.dismiss(nft, "lamina0")
    assert "lamina0" not in run("iptables -S")


def test_without_iptables_nothing_has_to_be_admitted(nft: netlink.Socket) -> None:
    assert guest_rules.admitted(nft, "lamina0")


LISTING6 = """\
table ip6 lamina_x {
	comment "lamina rules 2 for 10.201.0.0/24"
	chain post {
		type nat hook postrouting priority srcnat + 1; policy accept;
		ip6 saddr fd00:9::/64 oifname != "lm0" masquerade
	}

	chain forward {
		type filter hook forward priority filter; policy accept;
		iifname "lm0" accept
		oifname "lm0" ct state established,related accept
		oifname "lm0" drop
	}
}
"""
INTERNAL = """\
	chain forward {
		type filter hook forward priority filter; policy accept;
		iifname "lm0" oifname "lm0" accept
		iifname "lm0" drop
		oifname "lm0" drop
	}
"""


APART = """\
	chain forward {
		type filter hook forward priority filter; policy accept;
		iifname "lamina0" oifname "lamina0" ct state established,related accept
		iifname "lamina0" oifname "lamina0" ct status dnat accept
		iifname "lamina0" oifname "lamina0" drop
		iifname "lamina0" accept
"""


def test_those_who_are_to_stay_apart_have_no_way_over_the_host(
    nft: netlink.Socket, run: Run
) -> None:
    firewall.install(nft, replace(TABLE, icc=False), ())
    listed = run("nft list ruleset")
    assert APART in listed and 'iifname "lamina0" jump virtual' not in listed


def test_nft_reads_what_we_mean_of_ipv6_and_of_internal_ones(
    nft: netlink.Socket, run: Run
) -> None:
    subnet = Subnet.parse("10.201.0.0/24")
    six = Table("lamina_x", "lm0", subnet, subnet6="fd00:9::/64")
    firewall.install(nft, six, ())
    assert run("nft list table ip6 lamina_x") == LISTING6
    assert firewall.intact(nft, six)
    run("nft flush chain ip6 lamina_x post")
    assert not firewall.intact(nft, six)
    inside = replace(six, internal=True)
    firewall.install(nft, inside, ())
    for family in ("ip", "ip6"):
        listed = run(f"nft list table {family} lamina_x")
        assert INTERNAL in listed and "oifname !=" not in listed
    firewall.uninstall(nft, "lamina_x")
    assert run("nft list ruleset") == ""
