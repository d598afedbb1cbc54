"""What a container changed, and what is told of it: diff, commit, export, inspect."""

from __future__ import annotations

import io
import json
import os
import tarfile
from io import BytesIO
from pathlib import Path

from tests.end_to_end.containers.machine import (
    Machine,
    Terminal,
    until,
)


def test_diff_commit_and_the_new_image(lamina: Machine) -> None:
    script = (
        "echo x >> /etc/passwd; rm /etc/motd; mkdir -p /new/dir; echo a > /new/dir/f; "
        "rm -rf /data; mkdir /data"
    )
    run = ("run", "--network", "none", "--name", "work", "-v", "/vol", "busybox")
    lamina(*run, "sh", "-c", script)
    assert lamina.out("diff", "work").splitlines() == [
        *("C /data", "D /data/inner", "C /etc", "D /etc/motd", "C /etc/passwd"),
        *("A /new", "A /new/dir", "A /new/dir/f"),
    ]
    changes = ("-c", 'CMD ["cat", "/new/dir/f"]', "-c", "ENV K=v", "-c", "WORKDIR /new")
    lamina("commit", "-m", "note", "-a", "me", *changes, "work", "made:1")
    assert lamina.quiet("made:1") == "a"
    script = "pwd; echo $K; ls /data /etc/motd"
    found = lamina.quiet("made:1", "sh", "-c", script, code=1)
    assert found == "/new\nv\n/data:"
    assert "note" in lamina.out("history", "made:1")
    lamina("commit", "-c", "RUN true", "work", code=1)
    # The container can go and be changed no more; the image stays.
    lamina("rm", "-v", "work")
    assert lamina.quiet("made:1") == "a"
    lamina("rmi", "made:1")


def test_commit_of_a_running_container(lamina: Machine) -> None:
    run = ("run", "-d", "--network", "none", "--name", "on", "busybox", "sh", "-c")
    lamina(*run, "echo 1 > /file; sleep 1000")
    until(lambda: "A /file" in lamina.out("diff", "on"))
    lamina("commit", "on", "snap")
    lamina("exec", "on", "sh", "-c", "echo 2 > /file")
    assert lamina.quiet("snap", "cat", "/file") == "1"
    lamina("rmi", "snap")


def test_export_is_a_tar_of_all(lamina: Machine, tmp_path: Path) -> None:
    run = ("run", "--network", "none", "--name", "ex", "busybox", "sh", "-c")
    lamina(*run, "rm /etc/motd; echo hi > /hello")
    data = lamina("export", "ex").stdout
    with tarfile.open(fileobj=BytesIO(data)) as tar:
        names = tar.getnames()
    assert "hello" in names and "bin/busybox" in names and "etc/motd" not in names
    place = str(tmp_path / "files.tar")
    lamina("export", "-o", place, "ex")
    assert Path(place).read_bytes() == data == lamina("export", "-o-", "ex").stdout
    for wrong in ("/nowhere/files.tar", str(tmp_path)):
        said = lamina("export", "-o", wrong, "ex", code=1).stderr.decode()
        assert said.startswith(f"lamina: '{wrong}") and "cannot be written" in said
    assert list(tmp_path.iterdir()) == [Path(place)]


def test_names_that_would_steer_a_terminal(lamina: Machine) -> None:
    name = "/a\x1b[2Jb"
    lamina("run", "--name", "odd", "--network", "none", "busybox", "touch", name)
    assert lamina.out("diff", "odd") == f"A {name}"
    terminal = Terminal(lamina, "diff", "odd")
    terminal.wait_for(rb"A /a\x1b[2Jb")
    assert terminal.exit_code() == 0


def test_inspect_has_docker_s_shape(lamina: Machine) -> None:
    run = ("run", "-d", "--network", "none", "--name", "seen", "-m", "64m", "busybox")
    identity = lamina.out(*run, "sleep", "1000")
    found = json.loads(lamina.out("inspect", "seen"))[0]
    assert found["Id"] == identity
    assert found["Name"] == "/seen"
    assert (found["Path"], found["Args"]) == ("sleep", ["1000"])
    assert found["State"]["Status"] == "running"
    assert found["HostConfig"]["Memory"] == 64 << 20
    assert found["Config"]["Image"] == "busybox"


def test_inspect_says_what_was_asked_for_in_docker_s_types(lamina: Machine) -> None:
    flags = (
        *("--cap-add", "net_admin", "--cap-add", "ALL", "--cap-drop", "CAP_CHOWN"),
        *("--device", "/dev/null:/dev/x:r", "--ulimit", "nofile=5:6"),
        *("--ulimit", "core=-1", "--tmpfs", "/x", "--tmpfs", "/y:size=1m"),
        *("--mount", "type=volume,src=data,dst=/a,volume-nocopy,readonly"),
        *("--mount", "type=tmpfs,dst=/t,tmpfs-size=1m,tmpfs-mode=0700"),
        *("--mount", "type=bind,src=/tmp,dst=/b,bind-propagation=rslave"),
        *("-p", "127.0.0.1:8080:80", "--expose", "90/udp"),
    )
    lamina("create", "--name", "all", *flags, "busybox", "true")
    (found,) = json.loads(lamina.out("inspect", "all"))
    host = found["HostConfig"]
    assert host["CapAdd"] == ["CAP_NET_ADMIN", "ALL"]
    assert host["CapDrop"] == ["CAP_CHOWN"]
    assert host["Devices"] == [
        {
            "PathOnHost": "/dev/null",
            "PathInContainer": "/dev/x",
            "CgroupPermissions": "r",
        }
    ]
    assert host["Ulimits"] == [
        {"Name": "nofile", "Hard": 6, "Soft": 5},
        {"Name": "core", "Hard": -1, "Soft": -1},
    ]
    assert host["Tmpfs"] == {"/x": "", "/y": "size=1m"}
    volume, tmpfs, bind = host["Mounts"]
    assert volume == {
        **{"Type": "volume", "Source": "data", "Target": "/a", "ReadOnly": True},
        "VolumeOptions": {"NoCopy": True},
    }
    assert tmpfs["TmpfsOptions"] == {"SizeBytes": 1 << 20, "Mode": 0o700}
    assert bind["BindOptions"] == {"Propagation": "rslave"}
    assert "/proc/kcore" in host["MaskedPaths"]
    assert set(found["Config"]["ExposedPorts"]) == {"80/tcp", "90/udp"}
    assert found["Config"]["Labels"] == {}
    # What `--tmpfs` mounts is in HostConfig alone.
    assert [one["Destination"] for one in found["Mounts"]] == ["/a", "/b", "/t"]
    lamina("create", "--name", "bare", "--privileged", "busybox", "true")
    shown = lamina.out("inspect", "-f", "{{json .HostConfig.MaskedPaths}}", "bare")
    assert shown == "null"


def test_what_every_container_has_is_in_no_image(lamina: Machine) -> None:
    lamina("run", "--network", "none", "--name", "box", "busybox", "ls", "/.dockerenv")
    assert lamina.out("diff", "box") == ""
    with tarfile.open(fileobj=io.BytesIO(lamina("export", "box").stdout)) as tar:
        names = tar.getnames()
    assert "bin/busybox" in names
    assert not {".dockerenv", "etc/mtab", "etc/hosts"} & set(names)


def test_fields_that_scripts_ask_docker_for(lamina: Machine) -> None:
    """By Go's names as well, and those that are of no use here."""
    run = ("run", "-d", "--network", "none", "--name", "box", "-m", "64m")
    lamina(*run, "busybox", "sleep", "1000")
    style = "{{.ID}} {{.HostConfig.DNS}}{{.HostConfig.NanoCPUs}} {{.AppArmorProfile}}"
    identity = lamina.out("ps", "-q", "--no-trunc")
    assert lamina.out("inspect", "-f", style, "box") == f"{identity} []0 "
    style = "{{json .HostConfig.DeviceRequests}} {{.HostConfig.MemorySwap}}"
    assert lamina.out("inspect", "-f", style, "box") == f"null {128 << 20}"
    style = "{{json .Config.StopSignal}}{{.Config.ArgsEscaped}}"
    assert lamina.out("inspect", "-f", style, "box") == '""false'
    merged = lamina.out("inspect", "-f", "{{.GraphDriver.Data.MergedDir}}", "box")
    assert merged.startswith("/proc/")
    if os.geteuid() == 0:
        assert "busybox" in os.listdir(f"{merged}/bin")
    image = lamina.out("inspect", "-f", "{{.ID}}", "busybox")
    assert image.startswith("sha256:")


def test_filters(lamina: Machine) -> None:
    for name, label in (("aa", "x=1"), ("bb", "x=2")):
        run = ("run", "--network", "none", "--name", name, "-l", label, "busybox")
        lamina(*run, "true")

    def listed(*filters: str) -> str:
        words = [word for text in filters for word in ("-f", text)]
        return lamina.out("ps", "-a", "--format", "{{.Names}}", *words)

    assert listed() == "bb\naa"
    assert listed("name=a") == "aa"
    assert listed("label=x") == "bb\naa"
    assert listed("label=x=2") == "bb"
    assert listed("status=running") == ""
    assert listed("exited=0", "name=b") == "bb"
    assert listed("ancestor=busybox") == "bb\naa"
    lamina("ps", "-f", "nonsense=1", code=1)
