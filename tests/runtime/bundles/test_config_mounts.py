"""config.md of the runtime specification: the root and the mounts.

Each test is named after the property. The cases are those of opencontainers/
runtime-tools, validation/.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from lamina.runtime import syscalls
from tests.runtime.bundles.configs import Show, linux, mounts
from tests.runtime.bundles.running import created
from tests.runtime.oci import Failed, Runtime, base_config

pytestmark = pytest.mark.root


@pytest.mark.parametrize("version", ["", "2.0.0", "0.5.0", "1", "x", None, 1])
def test_an_oci_version_that_is_not_supported(
    runtime: Runtime, busybox_root: Path, version: Any
) -> None:
    with pytest.raises(Failed, match="ociVersion"):
        created(
            runtime, busybox_root, "true", change=lambda c: c.update(ociVersion=version)
        )


def test_root_readonly(show: Show) -> None:
    readonly = {"path": "rootfs", "readonly": True}
    text = show("touch /x 2>&1 || true", lambda c: c.update(root=readonly))
    assert "Read-only file system" in text


def test_root_path_is_relative_to_the_bundle(
    runtime: Runtime, busybox_root: Path
) -> None:
    bundle = runtime.bundle(base_config("cat", "/etc/passwd"), busybox_root)
    config = json.loads((bundle / "config.json").read_text())
    config["root"]["path"] = os.path.relpath(busybox_root, bundle)
    (bundle / "config.json").write_text(json.dumps(config))
    text = runtime("run", "--bundle", str(bundle), runtime.new_id())
    assert text == (busybox_root / "etc/passwd").read_text()


def test_mounts_are_made_in_their_order(show: Show, tmp_path: Path) -> None:
    (tmp_path / "first").mkdir()
    (tmp_path / "first/below").mkdir()
    (tmp_path / "second").mkdir()
    (tmp_path / "second/file").write_text("second\n")
    rows = mounts(
        {
            "destination": "/v",
            "type": "bind",
            "source": str(tmp_path / "first"),
            "options": ["rbind"],
        },
        {
            "destination": "/v/below",
            "source": str(tmp_path / "second"),
            "options": ["bind", "ro"],
        },
    )
    assert show("cat /v/below/file", rows) == "second\n"


def options_of(show: Show, place: str, row: dict[str, Any]) -> list[str]:
    script = f"grep ' {place} ' /proc/self/mountinfo | tail -1"
    return show(script, mounts({"destination": place, **row})).split()[5].split(",")


@pytest.mark.parametrize(
    ("options", "has"),
    [
        (["ro"], {"ro", "relatime"}),
        (["nosuid", "nodev", "noexec"], {"rw", "nosuid", "nodev", "noexec"}),
        (["noatime"], {"noatime"}),
        (["nodiratime"], {"nodiratime"}),
        (["nosymfollow"], {"nosymfollow"}),
        (["ro", "rw"], {"rw"}),
        (["nosuid", "suid"], {"rw"}),
        (["rro"], {"ro"}),
        (["rnosuid", "rnodev", "rnoexec", "rnoatime"], {"nosuid", "noexec", "noatime"}),
    ],
)
@pytest.mark.parametrize("kind", ["bind", "tmpfs"])
def test_mount_options(
    show: Show, tmp_path: Path, kind: str, options: list[str], has: set[str]
) -> None:
    row = {"type": "tmpfs", "source": "tmpfs", "options": options}
    if kind == "bind":
        row = {"type": "bind", "source": str(tmp_path), "options": ["rbind", *options]}
    found = options_of(show, "/there", row)
    assert has <= set(found)
    assert "suid" not in found
    assert ("nosuid" in found) == ("nosuid" in has)


def test_ro_is_the_mount_s_alone_and_rro_is_for_all_below(
    show: Show, tmp_path: Path
) -> None:
    (tmp_path / "below").mkdir()
    script = (
        "touch /v/x 2>/dev/null && echo top;"
        "touch /v/below/x 2>/dev/null && echo below; true"
    )
    with mounted_tmpfs(tmp_path / "below"):
        for option, text in (("ro", "below\n"), ("rro", ""), ("rw", "top\nbelow\n")):
            row = {
                "destination": "/v",
                "type": "bind",
                "source": str(tmp_path),
                "options": ["rbind", option],
            }
            assert show(script, mounts(row)) == text


class mounted_tmpfs:
    """A tmpfs on a directory of the host, for as long as the block lasts."""

    def __init__(self, place: Path) -> None:
        self._place = str(place)

    def __enter__(self) -> None:
        syscalls.mount("tmpfs", self._place, "tmpfs", 0)

    def __exit__(self, *_: object) -> None:
        syscalls.umount2(self._place, syscalls.MNT_DETACH)


def test_an_option_that_nobody_knows(runtime: Runtime, busybox_root: Path) -> None:
    for row in (
        {"type": "tmpfs", "options": ["nosuchoption=1"]},
        {"type": "bind", "source": "/tmp", "options": ["bind", "nosuchoption"]},
    ):
        with pytest.raises(Failed, match="nosuchoption"):
            change = mounts({"destination": "/x", **row})
            created(runtime, busybox_root, "true", change=change)


def test_tmpcopyup(show: Show) -> None:
    row = {
        "destination": "/etc",
        "type": "tmpfs",
        "options": ["tmpcopyup", "mode=0755"],
    }
    script = "stat -f -c %T /etc; ls /etc; cat /etc/passwd; touch /etc/new"
    text = show(script, mounts(row))
    assert text.startswith("tmpfs\n")
    assert "group\npasswd\nroot:x:0" in text


@pytest.mark.parametrize("kind", ["idmap", "ridmap", ""])
def test_idmapped_mounts(show: Show, tmp_path: Path, kind: str) -> None:
    tmp_path.chmod(0o755)
    (tmp_path / "file").touch()
    os.chown(tmp_path / "file", 1000, 1001)
    rows = [{"containerID": 0, "hostID": 5000, "size": 65536}]
    row = {
        "destination": "/v",
        "type": "bind",
        "source": str(tmp_path),
        "options": ["bind", *([kind] if kind else [])],
        "uidMappings": rows,
        "gidMappings": rows,
    }
    assert show("stat -c %u:%g /v/file", mounts(row)) == "6000:6001\n"


@pytest.mark.parametrize(
    ("option", "field"),
    [("rprivate", ""), ("rslave", "master:"), ("rshared", "shared:")],
)
def test_propagation_of_a_mount(
    show: Show, tmp_path: Path, option: str, field: str
) -> None:
    row = {
        "destination": "/v",
        "type": "bind",
        "source": str(tmp_path),
        "options": ["rbind", option],
    }
    with mounted_tmpfs(tmp_path):
        syscalls.mount("", str(tmp_path), "", syscalls.MS_SHARED)
        found = show("grep ' /v ' /proc/self/mountinfo", mounts(row)).split()
    optional = found[6 : found.index("-")]
    assert [word for word in optional if word.startswith(field or "x")] == optional
    assert bool(optional) == bool(field)


@pytest.mark.parametrize(
    ("named", "field"),
    [("shared", "shared:"), ("private", ""), ("unbindable", "unbindable")],
)
def test_rootfs_propagation(show: Show, named: str, field: str) -> None:
    script = "grep ' / / ' /proc/self/mountinfo || grep ' / ' /proc/self/mountinfo"
    rows = show(script, linux(rootfsPropagation=named)).splitlines()
    found = next(row.split() for row in rows if row.split()[4] == "/")
    optional = found[6 : found.index("-")]
    assert bool(optional) == bool(field)
    assert not optional or optional[0].startswith(field)
