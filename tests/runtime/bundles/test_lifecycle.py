"""runtime.md of the runtime specification: State, Lifecycle, Operations, Errors.

Each test is named after the sentence with MUST that it is about. The cases are those
of opencontainers/runtime-tools, validation/.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.runtime.bundles.running import (
    created,
    exists,
    output,
    started,
    until,
    until_stopped,
)
from tests.runtime.oci import Failed, Runtime, base_config

pytestmark = pytest.mark.root


def test_state_has_the_properties(runtime: Runtime, busybox_root: Path) -> None:
    identity = created(
        runtime,
        busybox_root,
        "sleep",
        "1000",
        change=lambda config: config.update(annotations={"a.b": "c"}),
    )
    found = runtime.state(identity)
    assert found["ociVersion"] == "1.2.0"
    assert found["id"] == identity
    assert found["status"] == "created"
    assert exists(found["pid"])
    assert os.path.isabs(found["bundle"])
    assert found["annotations"] == {"a.b": "c"}


def test_status_goes_from_created_over_running_to_stopped(
    runtime: Runtime, busybox_root: Path
) -> None:
    identity = created(runtime, busybox_root, "sleep", "1000")
    assert runtime.state(identity)["status"] == "created"
    runtime("start", identity)
    assert runtime.state(identity)["status"] == "running"
    runtime("kill", identity, "KILL")
    until_stopped(runtime, identity)
    assert runtime.state(identity)["pid"] == 0
    runtime("delete", identity)
    with pytest.raises(Failed, match="does not exist"):
        runtime("state", identity)


def test_create_does_not_run_the_program(
    runtime: Runtime, busybox_root: Path, tmp_path: Path
) -> None:
    place = {"destination": "/v", "type": "bind", "source": str(tmp_path)}
    identity = created(
        runtime,
        busybox_root,
        *("touch", "/v/begun"),
        change=lambda c: c["mounts"].append({**place, "options": ["rbind"]}),
    )
    time.sleep(0.1)
    assert not (tmp_path / "begun").exists()
    runtime("start", identity)
    until((tmp_path / "begun").exists)


def test_create_needs_an_id_and_a_bundle(runtime: Runtime, tmp_path: Path) -> None:
    with pytest.raises(Failed, match="needs the ID"):
        runtime("create", "--bundle", str(tmp_path))
    with pytest.raises(Failed, match=r"cannot read .*config\.json"):
        runtime("create", "--bundle", str(tmp_path / "none"), runtime.new_id())


@pytest.mark.parametrize("identity", ["", ".", "..", "a/b", "../x", "a b", "ä", "x\n"])
def test_create_refuses_what_is_no_id(
    runtime: Runtime, busybox_root: Path, identity: str
) -> None:
    bundle = runtime.bundle(base_config(), busybox_root)
    with pytest.raises(Failed, match="invalid container ID"):
        runtime("create", "--bundle", str(bundle), identity)


def test_create_refuses_an_id_that_is_in_use(
    runtime: Runtime, busybox_root: Path
) -> None:
    identity = created(runtime, busybox_root, "sleep", "1000")
    bundle = runtime.bundle(base_config(), busybox_root)
    with pytest.raises(Failed, match="already exists"):
        runtime("create", "--bundle", str(bundle), identity)
    assert runtime.state(identity)["status"] == "created"


def test_a_deleted_id_may_be_used_again(runtime: Runtime, busybox_root: Path) -> None:
    identity = created(runtime, busybox_root, "true")
    runtime("delete", "--force", identity)
    bundle = runtime.bundle(base_config(), busybox_root)
    runtime("create", "--bundle", str(bundle), identity)


def test_later_changes_of_config_json_have_no_effect(
    runtime: Runtime, busybox_root: Path, tmp_path: Path
) -> None:
    place = {"destination": "/v", "type": "bind", "source": str(tmp_path)}
    config = base_config("sh", "-c", "echo $WHO > /v/who; exec sleep 1000")
    config["process"]["env"].append("WHO=first")
    config["mounts"].append({**place, "options": ["rbind"]})
    bundle = runtime.bundle(config, busybox_root)
    identity = runtime.new_id()
    runtime("create", "--bundle", str(bundle), identity)
    (bundle / "config.json").write_text("{}")
    runtime("start", identity)
    until(lambda: (tmp_path / "who").exists() and bool((tmp_path / "who").read_text()))
    assert (tmp_path / "who").read_text() == "first\n"
    runtime("exec", identity, "true")


@pytest.mark.parametrize("command", ["start", "state", "kill", "delete", "pause"])
def test_operations_need_an_id_that_exists(runtime: Runtime, command: str) -> None:
    with pytest.raises(Failed, match="needs the ID"):
        runtime(command)
    with pytest.raises(Failed, match="container does not exist"):
        runtime(command, runtime.new_id())


def test_starting_what_was_started_has_no_effect_and_is_an_error(
    runtime: Runtime, busybox_root: Path
) -> None:
    identity = started(runtime, busybox_root)
    pid = runtime.state(identity)["pid"]
    with pytest.raises(Failed, match="cannot start a container that is running"):
        runtime("start", identity)
    assert runtime.state(identity)["pid"] == pid
    runtime("kill", identity, "9")
    until_stopped(runtime, identity)
    with pytest.raises(Failed, match="cannot start a container that is stopped"):
        runtime("start", identity)


def test_killing_what_does_not_run_is_an_error(
    runtime: Runtime, busybox_root: Path
) -> None:
    identity = started(runtime, busybox_root, "true")
    until_stopped(runtime, identity)
    with pytest.raises(Failed, match="container not running"):
        runtime("kill", identity, "TERM")


@pytest.mark.parametrize("number", ["USR1", "SIGUSR1", "10", "usr1"])
def test_kill_sends_the_signal(
    runtime: Runtime, busybox_root: Path, tmp_path: Path, number: str
) -> None:
    place = {"destination": "/v", "type": "bind", "source": str(tmp_path)}
    script = (
        "trap 'echo got > /v/signal; exit 0' USR1; touch /v/ready; "
        "while :; do sleep 0.01; done"
    )
    identity = started(
        runtime,
        busybox_root,
        *("sh", "-c", script),
        change=lambda c: c["mounts"].append({**place, "options": ["rbind"]}),
    )
    until((tmp_path / "ready").exists)
    runtime("kill", identity, number)
    until((tmp_path / "signal").exists)


def test_what_is_no_signal(runtime: Runtime, busybox_root: Path) -> None:
    identity = started(runtime, busybox_root)
    for word in ("NONE", "65", "-1", ""):
        with pytest.raises(Failed, match=r"unknown signal|unknown flag"):
            runtime("kill", identity, word)


def test_deleting_what_runs_is_an_error_and_has_no_effect(
    runtime: Runtime, busybox_root: Path
) -> None:
    identity = started(runtime, busybox_root)
    with pytest.raises(Failed, match="that is not stopped: running"):
        runtime("delete", identity)
    assert runtime.state(identity)["status"] == "running"
    runtime("delete", "--force", identity)


def test_delete_removes_what_create_made_and_nothing_else(
    runtime: Runtime, busybox_root: Path
) -> None:
    identity = started(runtime, busybox_root)
    pid = runtime.state(identity)["pid"]
    cgroups = list(Path("/sys/fs/cgroup").glob(f"*/lamina-runtime/{identity}"))
    assert cgroups
    runtime("delete", "--force", identity)
    assert not exists(pid)
    assert not any(place.exists() for place in cgroups)
    assert os.listdir(runtime.root) == []
    assert (busybox_root / "bin/sh").exists()


def test_a_forced_delete_succeeds_when_nothing_is_there(runtime: Runtime) -> None:
    runtime("delete", "--force", "nothing-of-that-name")


def test_a_failed_create_leaves_nothing(runtime: Runtime, busybox_root: Path) -> None:
    for change in (
        {"process": {"args": ["/bin/nothere"], "cwd": "/"}},
        {"process": {"args": ["sh"], "cwd": "/proc/self/fd/3"}},
        {"mounts": [{"destination": "/x", "type": "bind", "source": "/no/such"}]},
        {"mounts": [{"destination": "/x", "type": "nosuchfs"}]},
        {"linux": {"namespaces": [{"type": "mount"}], "cgroupsPath": "/.."}},
        {"hooks": {"createRuntime": [{"path": "/bin/false"}]}},
        {"hooks": {"createContainer": [{"path": "/bin/false"}]}},
    ):
        config = base_config("true")
        config.update(change)
        identity = runtime.new_id()
        with pytest.raises(Failed):
            runtime(
                "create",
                "--bundle",
                str(runtime.bundle(config, busybox_root)),
                identity,
            )
        assert not (runtime.root / identity).exists()
        assert not list(Path("/sys/fs/cgroup").glob(f"*/lamina-runtime/{identity}"))


def test_a_command_that_is_missing_is_found_out_by_create(
    runtime: Runtime, busybox_root: Path
) -> None:
    """containerd and podman look for these words to say 127 and 126."""
    for command, words in (
        ("nothere", "executable file not found in $PATH"),
        ("/bin/nothere", "no such file or directory"),
        ("/etc/passwd", "permission denied"),
        ("/etc", "permission denied"),
    ):
        with pytest.raises(Failed):
            created(runtime, busybox_root, command)
        line = runtime.last_log()
        assert line["level"] == "error"
        assert words in line["msg"]
        assert command in line["msg"]


def test_a_script_without_an_interpreter_is_found_out_by_start(
    runtime: Runtime, tmp_path: Path, busybox_root: Path
) -> None:
    script = tmp_path / "script"
    script.write_text("#!/no/interpreter\n")
    script.chmod(0o755)
    place = {"destination": "/script", "type": "bind", "source": str(script)}
    identity = created(
        runtime,
        busybox_root,
        "/script",
        change=lambda c: c["mounts"].append({**place, "options": ["bind"]}),
    )
    with pytest.raises(Failed, match="interpreter or loader does not exist"):
        runtime("start", identity)
    until_stopped(runtime, identity)


def test_run_gives_the_exit_code_of_the_program(
    runtime: Runtime, busybox_root: Path
) -> None:
    for script, code in (("exit 7", 7), ("sh -c 'kill -9 $$'; exit $?", 137)):
        with pytest.raises(Failed) as failed:
            output(runtime, busybox_root, f"set +e; {script}")
        assert failed.value.code == code


def test_pause_and_resume(runtime: Runtime, busybox_root: Path) -> None:
    identity = started(runtime, busybox_root)
    runtime("pause", identity)
    assert runtime.state(identity)["status"] == "paused"
    with pytest.raises(Failed, match="paused"):
        runtime("exec", identity, "true")
    with pytest.raises(Failed, match="cannot pause a container that is paused"):
        runtime("pause", identity)
    runtime("resume", identity)
    assert runtime.state(identity)["status"] == "running"
    with pytest.raises(Failed, match="not paused"):
        runtime("resume", identity)


def test_a_paused_container_can_be_deleted(
    runtime: Runtime, busybox_root: Path
) -> None:
    identity = started(runtime, busybox_root)
    runtime("pause", identity)
    runtime("delete", "--force", identity)
    assert os.listdir(runtime.root) == []


def test_pid_file_and_list_and_ps(runtime: Runtime, busybox_root: Path) -> None:
    config = base_config("sh", "-c", "sleep 1000; true")
    identity = runtime.new_id()
    pid_file = runtime.place / "pid"
    runtime(
        *("create", "--bundle", str(runtime.bundle(config, busybox_root))),
        *("--pid-file", str(pid_file), identity),
    )
    pid = int(pid_file.read_text())
    assert runtime.state(identity)["pid"] == pid
    runtime("start", identity)
    until(lambda: len(json.loads(runtime("ps", "--format", "json", identity))) == 2)
    assert pid in json.loads(runtime("ps", "--format", "json", identity))
    assert "sleep 1000" in runtime("ps", identity)
    assert [row["id"] for row in json.loads(runtime("list", "-f", "json"))] == [
        identity
    ]
    assert runtime("list", "--quiet") == f"{identity}\n"
    assert runtime("list").splitlines()[1].split()[:3] == [
        identity,
        str(pid),
        "running",
    ]


def test_kill_all_reaches_those_without_a_pid_namespace(
    runtime: Runtime, busybox_root: Path
) -> None:
    """With the host's pids nothing else ends them."""

    def share(config: dict[str, dict[str, list[dict[str, str]]]]) -> None:
        spaces = config["linux"]["namespaces"]
        spaces[:] = [s for s in spaces if s["type"] != "pid"]

    script = "sleep 1000 & exec sleep 1000"
    identity = started(runtime, busybox_root, "sh", "-c", script, change=share)
    pids = json.loads(runtime("ps", "--format", "json", identity))
    until(lambda: len(json.loads(runtime("ps", "--format", "json", identity))) == 2)
    pids = json.loads(runtime("ps", "--format", "json", identity))
    runtime("kill", "--all", identity, "KILL")
    until(lambda: not any(map(exists, pids)))
    runtime("delete", identity)


def test_what_is_killed_in_the_middle_is_removed_by_a_forced_delete(
    runtime: Runtime, busybox_root: Path
) -> None:
    """`create` waits for a hook, and is killed there with kill -9."""
    config = base_config("true")
    marker = runtime.place / "hook-runs"
    script = f"touch {marker}; exec sleep 1000"
    hook = {"path": "/bin/sh", "args": ["sh", "-c", script], "timeout": 1000}
    config["hooks"] = {"createRuntime": [hook]}
    bundle = runtime.bundle(config, busybox_root)
    identity = runtime.new_id()
    with subprocess.Popen(
        runtime.command("create", "--bundle", str(bundle), identity),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as process:
        until(marker.exists)
        assert runtime.state(identity)["status"] == "creating"
        os.killpg(process.pid, signal.SIGKILL)
    runtime("delete", "--force", identity)
    assert not (runtime.root / identity).exists()
    assert not list(Path("/sys/fs/cgroup").glob(f"*/lamina-runtime/{identity}"))


def test_root_of_a_user_namespace_is_enough(
    runtime: Runtime, busybox_root: Path
) -> None:
    """As podman calls it for an ordinary user."""
    bundle = runtime.bundle(base_config("id", "-u"), busybox_root)
    words = runtime.command("run", "--bundle", str(bundle), runtime.new_id())
    done = subprocess.run(
        ["unshare", "-Urm", *words], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "0\n"), done.stderr


def test_an_ordinary_user_is_told_what_it_takes(runtime: Runtime) -> None:
    reached = subprocess.run([*nobody(), "test", "-x", runtime.program], check=False)
    if reached.returncode:
        pytest.skip("this checkout lies where users cannot look")
    done = subprocess.run(
        [*nobody(), runtime.program, "run", "box"],
        capture_output=True,
        text=True,
        check=False,
        cwd="/",
    )
    assert done.returncode == 255
    assert "user namespace in which you are root" in done.stderr


def nobody() -> list[str]:
    return ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]
