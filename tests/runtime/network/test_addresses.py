from __future__ import annotations

from pathlib import Path

import pytest

from lamina.runtime.errors import NetworkError
from lamina.runtime.network.addresses import (
    OUT,
    STANDBY,
    Leased,
    Subnet,
    Wish,
    lease,
    leases,
    living,
    owner,
    read,
    release,
    write,
)
from lamina.runtime.owner import Owner
from lamina.values import replace

SUBNET = Subnet.parse("10.1.2.0/29")
ME = Owner.of("me")
DEAD = replace(ME, start=ME.start + 1)


def test_a_subnet_is_named_by_any_address_in_it() -> None:
    assert str(Subnet.parse("10.1.2.5/29")) == "10.1.2.0/29"
    assert SUBNET.gateway == "10.1.2.1"
    assert "10.1.2.7" in SUBNET
    assert "10.1.2.8" not in SUBNET
    assert SUBNET.overlaps(Subnet.parse("10.0.0.0/8"))
    assert not SUBNET.overlaps(Subnet.parse("10.1.2.8/29"))


def test_addresses_go_round(tmp_path: Path) -> None:
    given = [lease(str(tmp_path), SUBNET, ME) for _ in range(3)]
    assert given == ["10.1.2.2", "10.1.2.3", "10.1.2.4"]
    release(str(tmp_path), "10.1.2.2")
    assert lease(str(tmp_path), SUBNET, ME) == "10.1.2.5"
    assert lease(str(tmp_path), SUBNET, ME) == "10.1.2.6", "the last: .7 is broadcast"
    assert lease(str(tmp_path), SUBNET, ME) == "10.1.2.2", "the one that rested"


def test_when_all_are_taken_it_says_so(tmp_path: Path) -> None:
    for _ in range(5):
        lease(str(tmp_path), SUBNET, ME)
    with pytest.raises(NetworkError, match="All 5 addresses") as caught:
        lease(str(tmp_path), SUBNET, ME)
    assert "lamina ps" in caught.value.hint


def test_the_dead_make_room(tmp_path: Path) -> None:
    for _ in range(4):
        lease(str(tmp_path), SUBNET, ME)
    assert lease(str(tmp_path), SUBNET, DEAD) == "10.1.2.6"
    assert "10.1.2.6" not in leases(str(tmp_path))
    assert lease(str(tmp_path), SUBNET, ME) == "10.1.2.6"


def test_a_lease_that_was_cut_short_is_nobodys(tmp_path: Path) -> None:
    address = lease(str(tmp_path), SUBNET, ME)
    (tmp_path / address).write_text(str(ME)[:-3])
    assert owner(str(tmp_path), address) is None
    assert leases(str(tmp_path)) == {}


def test_release_is_idempotent(tmp_path: Path) -> None:
    address = lease(str(tmp_path), SUBNET, ME)
    assert release(str(tmp_path), address)
    assert not release(str(tmp_path), address)


def test_a_new_subnet_begins_at_its_beginning(tmp_path: Path) -> None:
    lease(str(tmp_path), SUBNET, ME)
    assert lease(str(tmp_path), Subnet.parse("10.9.9.0/24"), ME) == "10.9.9.2"


def test_a_lease_says_of_which_group_and_whether_it_is_led_to(tmp_path: Path) -> None:
    wish = Wish(names=("web-1", "www"), group="web", shared=("www",))
    address = lease(str(tmp_path), SUBNET, ME, wish)
    known = read(str(tmp_path), address)
    assert known == Leased(
        address, ME, ("web-1", "www"), group="web", shared=("www",), rotation=OUT
    )
    write(str(tmp_path), replace(known, rotation=STANDBY))
    assert read(str(tmp_path), address) == replace(known, rotation=STANDBY)
    plain = lease(str(tmp_path), SUBNET, ME)
    assert read(str(tmp_path), plain) == Leased(plain, ME)
    lease(str(tmp_path), SUBNET, DEAD)
    assert [one.address for one in living(str(tmp_path))] == [address, plain]
