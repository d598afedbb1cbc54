"""Names of scopes, and limits as systemd has them."""

from __future__ import annotations

import pytest

from lamina.runtime.bundles.unit_annotations import unit_properties
from lamina.runtime.cgroups.parents import is_slice
from lamina.runtime.cgroups.scopes import (
    Scope,
    device_properties,
    properties,
    scope_of,
)
from lamina.runtime.errors import ContainerError
from lamina.runtime.spec import DeviceRule, Resources

INFINITY = 2**64 - 1


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("system.slice:docker:id", Scope("docker-id.scope", "system.slice")),
        ("a-b.slice::id", Scope("id.scope", "a-b.slice")),
        (":crio:id", Scope("crio-id.scope", "user.slice")),
        ("-:x:id", Scope("x-id.scope", "-.slice")),
        ("", Scope("lamina-own.scope", "user.slice")),
    ],
)
def test_a_path_is_a_unit(given: str, expected: Scope) -> None:
    assert scope_of(given, "own", "user.slice") == expected


@pytest.mark.parametrize(
    "given",
    [
        *("docker/id", "a:b", "a:b:c:d", "a.slice:b:", "a:b:c", "a--b.slice:b:c"),
        *(
            "a.slice/b.slice:c:d",
            "a.slice:b:c/d",
            "a.slice:b:c d",
            f"a.slice:b:{'c' * 250}",
        ),
        *("..:b:c", "-a.slice:b:c", ".slice:b:c"),
    ],
)
def test_what_is_no_unit(given: str) -> None:
    with pytest.raises(ContainerError):
        scope_of(given, "own", "system.slice")


def test_where_a_scope_lies() -> None:
    assert Scope("x.scope", "-.slice").path == "x.scope"
    assert Scope("x.scope", "a.slice").path == "a.slice/x.scope"
    assert Scope("x.scope", "a-b-c.slice").path == (
        "a.slice/a-b.slice/a-b-c.slice/x.scope"
    )


def test_which_parents_are_slices() -> None:
    assert is_slice("shop.slice")
    assert is_slice("shop-web.slice")
    assert not any(map(is_slice, ("/shop", "/shop.slice", "shop", "a/b.slice", "")))


def plain(resources: Resources, version: int = 2) -> dict[str, object]:
    return {name: value for name, (_, value) in properties(resources, version)}


def test_limits_are_properties() -> None:
    asked = Resources(memory=64 << 20, memory_swap=96 << 20, pids=50, cpu_shares=1024)
    assert plain(asked) == {
        "MemoryMax": 64 << 20,
        "MemorySwapMax": 32 << 20,
        "TasksMax": 50,
        "CPUWeight": 100,
    }
    assert plain(asked, 1) == {
        "MemoryMax": 64 << 20,
        "TasksMax": 50,
        "CPUShares": 1024,
    }
    assert plain(Resources()) == {}
    endless = Resources(memory=-1, memory_swap=-1, pids=-1, cpu_quota=-1)
    names = ("MemoryMax", "MemorySwapMax", "TasksMax", "CPUQuotaPerSecUSec")
    assert plain(endless) == dict.fromkeys(names, INFINITY)


@pytest.mark.parametrize(
    ("quota", "period", "expected"),
    [
        (50_000, 100_000, 500_000),
        (50_000, 0, 500_000),
        (1_000, 100_000, 10_000),
        # 1.25 per cent: a quota of 1 would be less than the container is to have.
        (1_250, 100_000, 20_000),
        (400_000, 100_000, 4_000_000),
    ],
)
def test_a_quota_is_rounded_up_to_whole_hundredths(
    quota: int, period: int, expected: int
) -> None:
    asked = Resources(cpu_quota=quota, cpu_period=period)
    assert plain(asked)["CPUQuotaPerSecUSec"] == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [("0", b"\x01"), ("0-2,7", b"\x87"), ("8", b"\x00\x01"), ("3,1", b"\x0a")],
)
def test_cpus_are_bits(text: str, expected: bytes) -> None:
    assert plain(Resources(cpuset_cpus=text))["AllowedCPUs"] == expected
    assert plain(Resources(unified={"cpuset.mems": text}))["AllowedMemoryNodes"] == (
        expected
    )


def test_files_of_version_2_are_properties() -> None:
    files = {
        "memory.high": "1000",
        "memory.max": "max",
        "cpu.max": "20000 50000",
        "pids.max": "7",
        "hugetlb.2MB.max": "0",
    }
    assert plain(Resources(unified=files)) == {
        "MemoryHigh": 1000,
        "MemoryMax": INFINITY,
        "CPUQuotaPerSecUSec": 400_000,
        "CPUQuotaPeriodUSec": 50_000,
        "TasksMax": 7,
    }


def test_devices_as_systemd_writes_them() -> None:
    rules = (DeviceRule(True, "c", 10, 200, "rw"), DeviceRule(True, "b", 8, None, "r"))
    found = dict(device_properties(rules))
    assert found["DevicePolicy"] == ("s", "strict")
    kind, rows = found["DeviceAllow"]
    assert kind == "a(ss)"
    assert isinstance(rows, list)
    expected = [("/dev/char/10:200", "rw"), ("block-8", "r"), ("char-*", "m")]
    assert all(row in rows for row in expected)
    assert device_properties((DeviceRule(True, "a"),)) == ()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("true", ("b", True)),
        ("'a text'", ("s", "a text")),
        ('"a"', ("s", "a")),
        ("uint64 90000000", ("t", 90000000)),
        ("-7", ("i", -7)),
        ("byte 255", ("y", 255)),
        ("['a.service', 'b.service']", ("as", ["a.service", "b.service"])),
    ],
)
def test_values_of_annotations(text: str, expected: tuple[str, object]) -> None:
    given = {"org.systemd.property.Some": text, "other": "x"}
    assert unit_properties(given) == (("Some", expected),)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "'a",
        "'a\\''",
        "uint64 -1",
        "byte 256",
        "word 1",
        "[1, 2]",
        "5000000000",
        "x",
    ],
)
def test_what_is_no_value(text: str) -> None:
    with pytest.raises(ContainerError, match="GVariant"):
        unit_properties({"org.systemd.property.Some": text})


@pytest.mark.parametrize("name", ["", "a", "A.B", "Ä" * 4, "Some Thing", "Sec1"])
def test_what_is_no_property(name: str) -> None:
    with pytest.raises(ContainerError, match="not a property"):
        unit_properties({f"org.systemd.property.{name}": "true"})
