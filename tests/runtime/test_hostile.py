"""Images and commands that try to get out: one hostile input each, and a canary.

The numbers are those of the CVEs that the same input was in other runtimes. Each runs
on the zygote's launches and on `lamina-runtime`; docs/security.md has the whole list.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lamina.runtime.errors import CommandNotFound, ContainerError
from lamina.runtime.isolation.seccomp import compile_profile, default_profile
from lamina.runtime.isolation.snapshot import Snapshot
from lamina.runtime.isolation.zygote import Zygote
from lamina.runtime.spec import (
    DEFAULT_CAPABILITIES,
    DEFAULT_MOUNTS,
    Mount,
    Process,
    Spec,
)
from lamina.values import replace
from tests.runtime.launches import Bench as ZygoteBench
from tests.runtime.oci import BundleBench

pytestmark = pytest.mark.root

Bench = ZygoteBench | BundleBench


@pytest.fixture(params=["zygote", "bundle"])
def bench(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    busybox_root: Path,
    shared_zygote: Zygote,
) -> Iterator[Bench]:
    """Where a container is launched: as Lamina does it, and as engines have it done."""
    if request.param == "zygote":
        yield ZygoteBench(tmp_path, busybox_root, shared_zygote)
        return
    bundles = BundleBench(tmp_path, busybox_root)
    yield bundles
    bundles.close()


@pytest.fixture
def canary(tmp_path: Path) -> Path:
    """A directory of the host; a container that changes it has got out."""
    directory = tmp_path / "canary"
    directory.mkdir()
    (directory / "alive").write_text("yes")
    return directory


def untouched(canary: Path) -> bool:
    return os.listdir(canary) == ["alive"] and (canary / "alive").read_text() == "yes"


def image(bench: Bench, prepare: Callable[[Path], None]) -> Snapshot:
    """The busybox root with one more layer, that `prepare` makes."""
    layer = bench.place / f"layer{bench.runs}"
    layer.mkdir()
    prepare(layer)
    snapshot = bench.snapshot()
    return replace(snapshot, lowers=(str(layer), *snapshot.lowers))


def out_of_root(path: Path) -> str:
    return "../" * 20 + str(path).lstrip("/")


def test_proc_self_exe_cannot_be_written(bench: Bench) -> None:
    """CVE-2019-5736: a command that is our interpreter opens it, to write it later."""
    attack = (
        "#!/proc/self/exe\n"
        "import os\n"
        "fd = os.open('/proc/self/exe', os.O_RDONLY)\n"
        "os.set_inheritable(fd, True)\n"
        # While it runs it is busy; its mode could be changed, were it not sealed.
        "exe = f'/proc/self/fd/{fd}'\n"
        "script = f'chmod 755 {exe} && echo out; exec 9<>{exe} && echo out'\n"
        "os.execv('/bin/sh', ['sh', '-c', script])\n"
    )

    def prepare(layer: Path) -> None:
        (layer / "evil").write_text(attack)
        (layer / "evil").chmod(0o755)

    library = Path(os.__file__).parent
    places = {"/lib", "/lib64", "/usr/lib", str(library)}
    mounts = [Mount(p, "bind", p, ("ro",)) for p in sorted(places) if os.path.isdir(p)]
    spec = Spec(Process(()), mounts=(*DEFAULT_MOUNTS, *mounts))
    snapshot = image(bench, prepare)
    _, text = bench.run("/evil", spec=spec, snapshot=snapshot)
    assert "out" not in text.split()
    assert "Read-only file system" in text


@pytest.mark.parametrize("number", range(3, 13))
def test_a_working_directory_that_is_a_descriptor(bench: Bench, number: int) -> None:
    """CVE-2024-21626."""
    with pytest.raises(ContainerError, match="working directory"):
        bench.run("ls", "..", process={"cwd": f"/proc/self/fd/{number}"})


def test_exec_with_such_a_working_directory(bench: Bench) -> None:
    """CVE-2024-21626, of exec."""
    with bench.start("sleep", "1000") as container:
        for number in range(3, 13):
            process = Process(("ls", ".."), cwd=f"/proc/self/fd/{number}/")
            with pytest.raises(ContainerError, match="working directory"):
                bench.enter(container, process)  # type: ignore[arg-type]
        container.kill()
        container.wait()


def test_a_directory_of_the_image_that_leads_out(bench: Bench, canary: Path) -> None:
    """CVE-2021-30465: what is mounted below such a link stays inside."""

    def prepare(layer: Path) -> None:
        (layer / "data").symlink_to(out_of_root(canary))

    source = bench.place / "hosts"
    source.write_text("mounted\n")
    mounts = (
        Mount("/data/hosts", "bind", str(source)),
        Mount("/data/scratch", "tmpfs", "tmpfs"),
    )
    spec = Spec(Process(()), mounts=(*DEFAULT_MOUNTS, *mounts))
    snapshot = image(bench, prepare)
    assert bench.sh("cat /data/hosts", spec=spec, snapshot=snapshot) == "mounted\n"
    assert untouched(canary)


@pytest.mark.parametrize("name", ["proc", "dev", "sys"])
def test_links_where_proc_dev_and_sys_have_to_be(
    bench: Bench, canary: Path, name: str
) -> None:
    """CVE-2019-19921, CVE-2023-27561."""
    bare = bench.place / "bare"
    bare.mkdir()
    (bare / name).symlink_to(out_of_root(canary))
    snapshot = replace(bench.snapshot(), lowers=(str(bare),))
    with pytest.raises(ContainerError, match=f"The image's /{name} is not a directory"):
        bench.run("true", snapshot=snapshot)
    assert untouched(canary)


def test_a_file_where_proc_has_to_be(bench: Bench) -> None:
    bare = bench.place / "bare"
    bare.mkdir()
    (bare / "proc").touch()
    snapshot = replace(bench.snapshot(), lowers=(str(bare),))
    with pytest.raises(ContainerError, match="The image's /proc is not a directory"):
        bench.run("true", snapshot=snapshot)


def test_a_null_device_that_is_something_else(bench: Bench) -> None:
    """CVE-2025-31133: masks are made from /dev/null, but not from the image's."""

    def prepare(layer: Path) -> None:
        (layer / "dev").mkdir()
        (layer / "dev/null").symlink_to("/proc/sys/kernel/core_pattern")

    mounts = tuple(m for m in DEFAULT_MOUNTS if not m.destination.startswith("/dev"))
    spec = Spec(Process(()), mounts=mounts)
    snapshot = image(bench, prepare)
    script = "cat /proc/keys /proc/timer_list"
    if isinstance(bench, BundleBench):
        # Where nothing is mounted on /dev, the devices are to be in the root's own.
        with pytest.raises(ContainerError, match="device node /dev/null: File exists"):
            bench.sh(script, spec=spec, snapshot=snapshot)
        return
    assert bench.sh(script, spec=spec, snapshot=snapshot) == ""


@pytest.mark.parametrize("make", ["zero", "fifo", "large", "link out"])
def test_user_files_that_are_traps(bench: Bench, canary: Path, make: str) -> None:
    """CVE-2024-9676, CVE-2024-9341: /etc/passwd without end, or a link out."""
    (canary / "alive").write_text("root:x:0:0::/root:\nvictim:x:7:7::/:\n")

    def prepare(layer: Path) -> None:
        passwd = layer / "etc/passwd"
        passwd.parent.mkdir()
        if make == "zero":
            passwd.symlink_to("/dev/zero")
        elif make == "fifo":
            os.mkfifo(passwd)
        elif make == "large":
            os.truncate(os.open(passwd, os.O_CREAT | os.O_WRONLY), 1 << 30)
        else:
            passwd.symlink_to(out_of_root(canary / "alive"))

    with pytest.raises(ContainerError, match=r"/etc/passwd"):
        bench.run("true", snapshot=image(bench, prepare), process={"user": "victim"})


@pytest.mark.parametrize(
    "user", ["4294967296:4294967296", "4294967295", "0:4294967295", "-1", "99999999999"]
)
def test_ids_that_wrap_around_to_root(bench: Bench, user: str) -> None:
    """CVE-2024-40635; CVE-2026-30892 of crun: what is hardly a number is none."""
    with pytest.raises(ContainerError):
        bench.run("true", process={"user": user})


def test_modules_in_the_image_are_never_imported(bench: Bench) -> None:
    """CVE-2019-14271: not even by an interpreter that has an error to report."""

    def prepare(layer: Path) -> None:
        for folder in (Path(os.__file__).parent, Path("/")):
            place = layer / str(folder).lstrip("/")
            place.mkdir(parents=True, exist_ok=True)
            for name in ("traceback", "linecache", "encodings", "io", "codecs"):
                (place / f"{name}.py").write_text("open('/pwned', 'w')\n")

    with pytest.raises(CommandNotFound):
        bench.run("nothere", snapshot=image(bench, prepare))
    assert not (bench.upper / "pwned").exists()


def test_init_cannot_be_looked_into(bench: Bench) -> None:
    if isinstance(bench, BundleBench):
        pytest.skip("an engine brings its own init")
    script = "readlink /proc/1/exe /proc/1/fd/2 || cat /proc/1/maps /proc/1/environ"
    _, text = bench.run("sh", "-c", script, process={"init": True})
    assert text.count("Permission denied") == 2
    assert "/proc/1/" in text
    assert "python" not in text
    script = "tr '\\0' '|' < /proc/1/cmdline; ps | grep -c [p]ython || true"
    text = bench.sh(script, process={"init": True})
    assert text == "lamina-init|0\n"


def test_the_filter_is_on(bench: Bench) -> None:
    bpf = compile_profile(default_profile(), DEFAULT_CAPABILITIES)
    text = bench.sh("grep Seccomp: /proc/self/status", bpf=bpf)
    assert text == "Seccomp:\t2\n"
    status, _ = bench.run("unshare", "-U", "true", bpf=bpf)
    assert status.code != 0
    for user, nnp in (("app", False), ("app", True), ("", True)):
        process = {"user": user, "no_new_privileges": nnp}
        script = "grep -E 'Seccomp:|CapEff' /proc/self/status"
        text = bench.sh(script, bpf=bpf, process=process)
        caps = "0" * 16 if user else "00000000a80425fb"
        assert text == f"CapEff:\t{caps}\nSeccomp:\t2\n"


def test_mounting_inside_is_not_allowed(bench: Bench) -> None:
    for script in (
        "mount -t tmpfs x /tmp",
        "mount -o remount,rw /sys",
        "umount /proc/keys",
        "umount /sys/fs/cgroup",
    ):
        status, text = bench.run("sh", "-c", script)
        assert status.code != 0, text


def test_a_volume_over_proc_changes_no_setting_of_the_host(
    bench: Bench, canary: Path
) -> None:
    """CVE-2019-16884, CVE-2025-52881: what is written to /proc goes to a real one."""
    setting = canary / "sys/net/ipv4/ip_forward"
    setting.parent.mkdir(parents=True)
    setting.write_text("0")
    (canary / "1").mkdir()
    (canary / "1/oom_score_adj").write_text("0")
    mounts = (*DEFAULT_MOUNTS, Mount("/proc", "bind", str(canary)))
    spec = Spec(Process(()), mounts=mounts, sysctl={"net.ipv4.ip_forward": "1"})
    assert bench.sh("true", spec=spec, process={"oom_score_adj": 5}) == ""
    assert setting.read_text() == "0"
    assert (canary / "1/oom_score_adj").read_text() == "0"


def test_a_shared_volume_that_changes_while_it_is_mounted_on(
    bench: Bench, canary: Path
) -> None:
    """CVE-2021-30465, CVE-2024-45310, CVE-2026-47766 of crun, the race: one container
    swaps a directory for a link out; nothing is mounted or made there."""
    shared = bench.place / "shared"
    (shared / "d").mkdir(parents=True)
    (shared / "out").symlink_to(out_of_root(canary))
    swap = "cd /v; while :; do mv d e; mv out d; mv d out; mv e d; done"
    volume = Mount("/v", "bind", str(shared))
    base = Spec(Process(()), mounts=(*DEFAULT_MOUNTS, volume))
    inner = Mount("/v/d/inner", "tmpfs", "tmpfs")
    victim = replace(base, mounts=(*base.mounts, inner))
    with bench.start("sh", "-c", swap, spec=base) as attacker:
        for _ in range(25):
            with contextlib.suppress(ContainerError):
                bench.run("touch", "/v/d/inner/x", spec=victim)
            assert untouched(canary)
        attacker.kill()
        attacker.wait()


def test_a_daemon_does_not_outlive_its_step(bench: Bench) -> None:
    seconds = str(10_000_000 + os.getpid())
    bench.sh(f"(setsid sh -c 'trap \"\" TERM HUP; sleep {seconds}' &) & sleep 0.05")
    found = subprocess.run(
        ["pgrep", "-f", f"sleep {seconds}"], capture_output=True, check=False
    )
    assert found.stdout == b""


@pytest.mark.parametrize("script", ["kill -9 -1", "kill -TERM 1", "kill -STOP -1"])
def test_signals_do_not_leave_the_container(bench: Bench, script: str) -> None:
    status, _ = bench.run("sh", "-c", f"{script}; exit 0")
    assert status.code == 0
    assert bench.run("true")[0].code == 0


def test_the_mount_options_are_from_a_list(bench: Bench) -> None:
    """CVE-2024-9407."""
    for options in (("rw,dev",), ("size=1m,uid=0",), ("bind-propagation=shared",)):
        mount = Mount("/x", "tmpfs", "tmpfs", options)
        spec = Spec(Process(()), mounts=(*DEFAULT_MOUNTS, mount))
        # In a bundle the kernel hears each word by itself, and refuses it.
        refusal = "unknown option|Unknown parameter|Bad value"
        with pytest.raises(ContainerError, match=refusal):
            bench.run("true", spec=spec)


def test_setup_does_not_wait_for_a_hostile_root(bench: Bench) -> None:
    """Nothing in the root is opened that could block."""

    def prepare(layer: Path) -> None:
        (layer / "etc").mkdir()
        for name in ("etc/passwd", "etc/group", "etc/hosts"):
            os.mkfifo(layer / name)

    source = bench.place / "hosts"
    source.write_text("x")
    mounts = (*DEFAULT_MOUNTS, Mount("/etc/hosts", "bind", str(source)))
    begin = time.monotonic()
    with pytest.raises(ContainerError, match="not a regular file"):
        bench.run(
            "true",
            spec=Spec(Process(()), mounts=mounts),
            snapshot=image(bench, prepare),
        )
    assert time.monotonic() - begin < 60
