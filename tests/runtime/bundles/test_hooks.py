"""Hooks (config.md, POSIX-platform Hooks): order, place, state on stdin, failures."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.runtime.bundles.running import created, until, until_stopped
from tests.runtime.oci import Failed, Runtime, base_config

pytestmark = pytest.mark.root

OUTSIDE = ("prestart", "createRuntime", "createContainer", "poststart", "poststop")


def hook(script: str, **more: Any) -> dict[str, Any]:
    return {"path": "/bin/sh", "args": ["sh", "-c", script], "env": [], **more}


def note(place: Path, name: str) -> dict[str, Any]:
    """A hook that adds its name and its state to a file."""
    return hook(f'read -r line; echo "{name} $line" >> {place}/notes')


def test_the_order_and_the_state(runtime: Runtime, busybox_root: Path) -> None:
    place = runtime.place
    hooks: dict[str, list[Any]] = {name: [note(place, name)] for name in OUTSIDE}
    hooks["poststop"].append(note(place, "second poststop"))
    # Inside there is no file of the host, but for a volume.
    hooks["startContainer"] = [note(Path("/v"), "startContainer")]

    def change(config: dict[str, Any]) -> None:
        config["hooks"] = hooks
        config["annotations"] = {"kept": "yes"}
        row = {"destination": "/v", "source": str(place), "options": ["bind"]}
        config["mounts"].append(row)

    command = "echo program >> /v/notes"
    identity = created(runtime, busybox_root, "sh", "-c", command, change=change)
    assert names(place) == ["prestart", "createRuntime", "createContainer"]
    pid = runtime.state(identity)["pid"]
    runtime("start", identity)
    until_stopped(runtime, identity)
    runtime("delete", identity)
    assert names(place)[3] == "startContainer"
    assert set(names(place)[4:6]) == {"program", "poststart"}
    assert names(place)[6:] == ["poststop", "second poststop"]
    seen = {}
    for line in (place / "notes").read_text().splitlines():
        name, brace, state = line.partition(" {")
        if brace:
            seen[name] = json.loads(f"{{{state}")
    statuses = {name: state["status"] for name, state in seen.items()}
    assert statuses == {
        "prestart": "creating",
        "createRuntime": "creating",
        "createContainer": "creating",
        "startContainer": "created",
        "poststart": "running",
        "poststop": "stopped",
        "second poststop": "stopped",
    }
    for state in seen.values():
        assert state["id"] == identity
        assert state["ociVersion"] == "1.2.0"
        assert state["annotations"] == {"kept": "yes"}
        assert os.path.isdir(state["bundle"])
    assert seen["prestart"]["pid"] == seen["poststart"]["pid"] == pid


def names(place: Path) -> list[str]:
    lines = (place / "notes").read_text().splitlines()
    return [line.partition(" {")[0] for line in lines]


def test_where_they_run(runtime: Runtime, busybox_root: Path) -> None:
    """createRuntime in the runtime's namespaces, createContainer in the container's,
    with the host's files and the container's mounts below the root's path."""
    place = runtime.place
    script = f"for n in net uts mnt; do readlink /proc/self/ns/$n; done > {place}"
    look = f"cat {busybox_root}/etc/motd > {place}/motd; ls /sys >> {place}/motd"
    (place / "motd.source").write_text("mounted\n")

    def change(config: dict[str, Any]) -> None:
        config["hooks"] = {
            "createRuntime": [hook(f"{script}/outside")],
            "createContainer": [hook(f"{script}/inside; {look}")],
        }
        source = str(place / "motd.source")
        row = {"destination": "/etc/motd", "source": source, "options": ["bind"]}
        config["mounts"].append(row)
        config["root"]["path"] = str(busybox_root)

    identity = created(runtime, busybox_root, "sleep", "1000", change=change)
    pid = runtime.state(identity)["pid"]
    kinds = ("net", "uts", "mnt")
    outside = (place / "outside").read_text().split()
    inside = (place / "inside").read_text().split()
    assert outside == [os.readlink(f"/proc/self/ns/{kind}") for kind in kinds]
    assert inside == [os.readlink(f"/proc/{pid}/ns/{kind}") for kind in kinds]
    text = (place / "motd").read_text()
    assert text.startswith("mounted\n")
    assert "devices" in text, "the host's /sys is what a hook sees"


def test_the_environment_is_the_hook_s_own(
    runtime: Runtime, busybox_root: Path
) -> None:
    script = f"/usr/bin/env > {runtime.place}/env"
    given = hook(script, env=["ONLY=this"])

    def change(config: dict[str, Any]) -> None:
        config["hooks"] = {"createRuntime": [given]}

    created(runtime, busybox_root, "true", change=change)
    lines = (runtime.place / "env").read_text().splitlines()
    assert {line.partition("=")[0] for line in lines} <= {"ONLY", "PWD", "_", "SHLVL"}
    assert "ONLY=this" in lines


@pytest.mark.parametrize("kind", ["prestart", "createRuntime", "createContainer"])
@pytest.mark.parametrize("script", ["echo why >&2; exit 3", "kill -9 $$"])
def test_one_that_fails_ends_the_creation(
    runtime: Runtime, busybox_root: Path, kind: str, script: str
) -> None:
    after = runtime.place / "after"
    rows = [hook(script), hook(f"touch {after}")]
    with pytest.raises(Failed, match=f"the {kind} hook /bin/sh failed with exit code"):
        created(
            runtime, busybox_root, "true", change=lambda c: c.update(hooks={kind: rows})
        )
    assert not after.exists()
    assert os.listdir(runtime.root) == []


def test_one_that_takes_too_long_is_killed(
    runtime: Runtime, busybox_root: Path
) -> None:
    rows = {"createRuntime": [hook("exec sleep 1000", timeout=1)]}
    with pytest.raises(Failed, match="took over 1 s"):
        created(runtime, busybox_root, "true", change=lambda c: c.update(hooks=rows))


def test_one_that_leaves_a_process_behind_is_not_waited_for(
    runtime: Runtime, busybox_root: Path
) -> None:
    rows = {"createRuntime": [hook("sleep 5 & exit 0")]}
    created(runtime, busybox_root, "true", change=lambda c: c.update(hooks=rows))


def test_a_start_hook_that_fails_ends_the_container(
    runtime: Runtime, busybox_root: Path
) -> None:
    rows = {"startContainer": [hook("exit 4")]}
    identity = created(
        runtime, busybox_root, "sleep", "1000", change=lambda c: c.update(hooks=rows)
    )
    with pytest.raises(Failed, match="startContainer hook /bin/sh failed"):
        runtime("start", identity)
    until_stopped(runtime, identity)


def test_a_poststart_hook_that_fails_ends_the_container(
    runtime: Runtime, busybox_root: Path
) -> None:
    rows = {"poststart": [hook("exit 4")]}
    identity = created(
        runtime, busybox_root, "sleep", "1000", change=lambda c: c.update(hooks=rows)
    )
    with pytest.raises(Failed, match="poststart hook /bin/sh failed"):
        runtime("start", identity)
    until_stopped(runtime, identity)


def test_a_poststop_hook_that_fails_is_a_warning(
    runtime: Runtime, busybox_root: Path
) -> None:
    after = runtime.place / "after"
    rows = {"poststop": [hook("exit 4"), hook(f"touch {after}")]}
    identity = created(
        runtime, busybox_root, "true", change=lambda c: c.update(hooks=rows)
    )
    assert "poststop hook /bin/sh failed" in runtime("delete", "--force", identity)
    assert runtime.last_log()["level"] == "warning"
    until(after.exists)


@pytest.mark.parametrize(
    "row",
    [
        {"path": "relative"},
        {"args": ["x"]},
        {"path": "/bin/true", "timeout": 0},
        {"path": "/bin/true", "timeout": -1},
        {"path": "/bin/true", "args": [1]},
    ],
)
def test_one_that_is_none(
    runtime: Runtime, busybox_root: Path, row: dict[str, Any]
) -> None:
    config = base_config("true")
    config["hooks"] = {"poststop": [row]}
    bundle = runtime.bundle(config, busybox_root)
    with pytest.raises(Failed, match=r"config\.json: "):
        runtime("create", "--bundle", str(bundle), runtime.new_id())
