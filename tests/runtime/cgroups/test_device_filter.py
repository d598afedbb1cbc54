"""Which devices a cgroup lets be opened."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lamina.runtime.cgroups import device_filter
from lamina.runtime.cgroups.cgroup import Cgroup
from lamina.runtime.spec import DeviceRule, Resources
from tests.runtime.cgroups.inside import (
    PYTHON,
    Maker,
    inside,
)

TRY_DEVICES = """
import os, stat, sys
for major, minor in ((1, 3), (1, 7), (5, 0), (1, 1), (1, 11), (10, 229)):
    path = f"{sys.argv[1]}/{major}-{minor}"
    os.mknod(path, stat.S_IFCHR | 0o600, os.makedev(major, minor))
    try:
        os.close(os.open(path, os.O_RDWR))
        print("opened", end=" ")
    except OSError as error:
        print(error.strerror.split()[-1], end=" ")
"""


@pytest.mark.root
class TestDevices:
    def test_only_harmless_ones_can_be_opened(
        self, create: Maker, tmp_path: Path
    ) -> None:
        """null, full, tty (without a terminal); mem, kmsg and fuse are refused."""
        out = self.attempt(create(), tmp_path)
        assert out[:2] == ["opened", "opened"]
        assert out[2] in ("opened", "address")
        assert out[3:] == ["permitted"] * 3

    def test_one_can_be_added(self, create: Maker, tmp_path: Path) -> None:
        extra = (DeviceRule(True, "c", 1, 11), DeviceRule(True, "c", 10, 229, "m"))
        out = self.attempt(create(Resources(devices=extra)), tmp_path)
        assert out[3:] == ["permitted", "opened", "permitted"]

    def test_all_can_be_allowed(self, create: Maker, tmp_path: Path) -> None:
        rules = (DeviceRule(True), DeviceRule(False, "c", 10, 229, "rw"))
        out = self.attempt(create(Resources(devices=rules)), tmp_path)
        assert (out[4], out[5]) == ("opened", "permitted")

    def attempt(self, group: Cgroup, folder: Path) -> list[str]:
        process = inside(
            group, PYTHON, "-I", "-S", "-c", TRY_DEVICES, os.fspath(folder)
        )
        out, err = process.communicate()
        assert not err
        return out.decode().split()


class TestFolding:
    def test_accesses_of_one_node_come_together(self) -> None:
        rules = (
            DeviceRule(True, "c", 1, 3, "r"),
            DeviceRule(True, "c", 1, 3, "w"),
            DeviceRule(False, "c", 1, 3, "r"),
        )
        node = ("c", 1, 3)
        assert device_filter.fold(rules) == device_filter.Access(False, ((node, "w"),))

    def test_a_rule_for_all_begins_anew(self) -> None:
        rules = (DeviceRule(True, "c", 1, 3), DeviceRule(True))
        assert device_filter.fold(rules) == device_filter.Access(True, ())

    def test_v1_takes_one_exception_a_line(self) -> None:
        access = device_filter.fold((DeviceRule(True, "b", 8, None, "rm"),))
        assert device_filter.v1_writes(access) == (
            ("devices.deny", ("a",)),
            ("devices.allow", ("b 8:* mr",)),
        )

    def test_v2_is_whole_instructions(self) -> None:
        program = device_filter.v2_program(device_filter.rules_for(()))
        assert len(program) % 8 == 0
