"""Launching: how commands start and fail, how they end, and who ends with whom."""

from __future__ import annotations

import os
import resource
import select
import signal
import subprocess
import sys
import threading
from contextlib import ExitStack
from pathlib import Path

import pytest

from lamina.runtime.errors import CommandNotFound, ContainerError, NotExecutable
from lamina.runtime.isolation.sandbox import ExitStatus
from lamina.runtime.isolation.snapshot import Snapshot, mount
from lamina.runtime.isolation.zygote import Options, Zygote
from lamina.runtime.spec import Process, Spec
from lamina.values import replace
from tests.runtime.launches import Bench, eventually, exists

pytestmark = pytest.mark.root


REPOSITORY = str(Path(__file__).parents[3])


def test_exit_codes_and_signals(bench: Bench) -> None:
    assert bench.run("sh", "-c", "exit 7")[0] == ExitStatus(7)
    killed, _ = bench.run("sh", "-c", "sh -c 'kill -9 $$'; exit $?")
    assert killed == ExitStatus(137)


def test_the_end_by_a_signal_is_told_apart(bench: Bench) -> None:
    with bench.start("sleep", "100") as sandbox:
        sandbox.kill(signal.SIGKILL)
        assert sandbox.wait() == ExitStatus(137, signal.SIGKILL)
        assert sandbox.wait() == ExitStatus(137, signal.SIGKILL)
        sandbox.kill()


def test_its_descriptor_is_readable_at_the_end(bench: Bench) -> None:
    with bench.start("cat", stdio=(pipe := os.pipe2(os.O_CLOEXEC))[:1] * 3) as sandbox:
        os.close(pipe[0])
        assert not select.select([sandbox], [], [], 0)[0]
        os.close(pipe[1])
        assert select.select([sandbox], [], [], 20)[0]
        assert sandbox.wait().code in (0, 1)


@pytest.mark.parametrize(
    ("command", "kind", "said"),
    [
        ("nothere", CommandNotFound, "'nothere' was not found in \\$PATH"),
        ("/no/where", CommandNotFound, "'/no/where' does not exist in the container"),
        ("/bin/sh/x", CommandNotFound, "does not exist in the container"),
        ("/etc/passwd", NotExecutable, "cannot be executed: Permission denied"),
        ("/etc", NotExecutable, "cannot be executed: Permission denied"),
        ("/lost", CommandNotFound, "its interpreter or loader does not exist"),
        ("/text", NotExecutable, "is not a program for this machine"),
        ("text", NotExecutable, "'text' is not executable: permission denied"),
    ],
)
def test_commands_that_cannot_start(
    bench: Bench, command: str, kind: type[ContainerError], said: str
) -> None:
    snapshot = bench.snapshot()
    for name, text, mode in (
        ("lost", "#!/no/such/interpreter\n", 0o755),
        ("text", "just text\n", 0o755),
        ("usr/text", "just text\n", 0o644),
    ):
        (bench.upper / name).parent.mkdir(exist_ok=True)
        (bench.upper / name).write_text(text)
        (bench.upper / name).chmod(mode)
    with pytest.raises(kind, match=said) as raised:
        bench.run(command, snapshot=snapshot, process={"env": ("PATH=/bin:/usr",)})
    assert raised.value.exit_code == (127 if kind is CommandNotFound else 126)


def test_what_is_wrong_with_the_process_is_said(bench: Bench) -> None:
    with pytest.raises(ContainerError, match="There is no user 'nobody'"):
        bench.run("true", process={"user": "nobody"})
    with pytest.raises(ContainerError, match="not a capability"):
        bench.run("true", process={"capabilities": ("CAP_FLY",)})
    with pytest.raises(ContainerError, match="arguments and the environment are too"):
        bench.run("true", "x" * (1 << 18))


def test_long_arguments_arrive(bench: Bench) -> None:
    texts = ("y" * 100_000, "z" * 30_000)
    _, text = bench.run("echo", *texts)
    assert text == " ".join(texts) + "\n"


def test_many_threads_launch_at_once(bench: Bench) -> None:
    codes: list[int] = []
    snapshots = [bench.snapshot() for _ in range(12)]

    def work(number: int) -> None:
        status, _ = bench.run("sh", "-c", f"exit {number}", snapshot=snapshots[number])
        codes.append(status.code)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(codes) == list(range(12))


def test_what_a_command_leaves_running_dies_with_it(bench: Bench) -> None:
    text = bench.sh("(sleep 7654 & sleep 7654 &) ; echo $$; setsid sleep 7654 & true")
    assert text == "1\n"
    sleeping = subprocess.run(
        ["pgrep", "-f", "^sleep 7654$"], capture_output=True, check=False
    )
    assert sleeping.stdout == b""


def test_mount_points_that_were_made_are_reported(bench: Bench, tmp_path: Path) -> None:
    lower = tmp_path / "bare"
    lower.mkdir()
    (lower / "true").write_bytes(Path("/bin/busybox").read_bytes())
    (lower / "true").chmod(0o755)
    snapshot = replace(bench.snapshot(), lowers=(str(lower),))
    with bench.start("/true", snapshot=snapshot) as sandbox:
        assert sandbox.wait() == ExitStatus(0)
        assert [(p, d) for p, d, *_ in sandbox.created] == [
            ("proc", True),
            ("dev", True),
            ("sys", True),
        ]


def test_a_root_that_is_already_mounted(bench: Bench) -> None:
    root = mount(bench.snapshot())
    try:
        assert bench.sh("touch /new; ls /new", snapshot=root) == "/new\n"
    finally:
        os.close(root)
    assert (bench.upper / "new").exists()


def test_a_root_without_changes(bench: Bench) -> None:
    _, text = bench.run("touch", "/x", snapshot=Snapshot((str(bench.root),)))
    assert "Read-only file system" in text


def test_the_old_way_of_mounting_layers(tmp_path: Path, busybox_root: Path) -> None:
    layers = []
    for number in range(130):
        layers.append(str(tmp_path / f"layer{number}"))
        Path(layers[-1]).mkdir()
        (Path(layers[-1]) / f"file{number}").touch()
    options = Options(keep=(str(tmp_path), str(busybox_root)), overlay="string")
    with Zygote.start(options) as zygote:
        bench = Bench(tmp_path, busybox_root, zygote)
        snapshot = bench.snapshot()
        snapshot = replace(snapshot, lowers=(*layers, *snapshot.lowers))
        assert (
            bench.sh("touch /new; ls -d /file* | wc -l", snapshot=snapshot) == "130\n"
        )
        assert os.listdir(bench.upper) == ["new"]


# Life and death of the zygote

OWNER = """
import os, sys
sys.path.insert(0, {path!r})
from pathlib import Path
from lamina.runtime.isolation.zygote import Options, Zygote
from tests.runtime.launches import Bench
zygote = Zygote.start(Options(keep=({place!r}, {root!r})))
bench = Bench(Path({place!r}), Path({root!r}), zygote)
script = "trap '' TERM; sleep 1000 & wait"
sandboxes = [bench.start("sh", "-c", script) for _ in range(3)]
print(zygote.pid, *(s.pid for s in sandboxes), flush=True)
sys.stdin.read()
"""


def start_owner(bench: Bench) -> tuple[subprocess.Popen[str], list[int]]:
    program = OWNER.format(
        path=REPOSITORY, place=str(bench.place), root=str(bench.root)
    )
    owner = subprocess.Popen(
        [sys.executable, "-c", program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert owner.stdout is not None
    return owner, [int(word) for word in owner.stdout.readline().split()]


def finish(owner: subprocess.Popen[str]) -> None:
    owner.kill()
    owner.wait()
    for stream in (owner.stdin, owner.stdout):
        assert stream is not None
        stream.close()


def test_when_the_owner_is_killed_all_die(bench: Bench) -> None:
    owner, pids = start_owner(bench)
    assert len(pids) == 4
    assert all(map(exists, pids))
    owner.kill()
    assert eventually(lambda: not any(map(exists, pids)))
    finish(owner)


def test_when_the_zygote_is_killed_all_die(bench: Bench) -> None:
    owner, pids = start_owner(bench)
    os.kill(pids[0], signal.SIGKILL)
    assert eventually(lambda: not any(map(exists, pids)))
    finish(owner)


def test_a_killed_zygote_is_replaced(bench: Bench, tmp_path: Path) -> None:
    with Zygote.start(Options(keep=(str(tmp_path),))) as zygote:
        alone = Bench(tmp_path, bench.root, zygote)
        with alone.start("sleep", "1000") as sandbox:
            os.kill(zygote.pid, signal.SIGKILL)
            with pytest.raises(ContainerError, match="was killed"):
                sandbox.wait()
        with pytest.raises(ContainerError, match="was killed"):
            alone.run("true")
        assert alone.run("true")[0] == ExitStatus(0)


def test_threads_that_see_it_killed_replace_it_once(bench: Bench) -> None:
    options = Options(keep=(str(bench.place), str(bench.root)))
    with Zygote.start(options) as zygote:
        alone = Bench(bench.place, bench.root, zygote)
        alone.run("true")
        snapshots = [alone.snapshot() for _ in range(6)]
        os.kill(zygote.pid, signal.SIGKILL)
        ends: list[object] = []

        def work(snapshot: Snapshot) -> None:
            try:
                ends.append(alone.run("true", snapshot=snapshot)[0])
            except ContainerError as error:
                ends.append(error)

        threads = [threading.Thread(target=work, args=(s,)) for s in snapshots]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(ends) == 6
        assert alone.run("true")[0] == ExitStatus(0)


def test_a_zygote_without_descriptors_to_spare_goes_on(bench: Bench) -> None:
    options = Options(keep=(str(bench.place), str(bench.root)), warm=False)
    with Zygote.start(options) as zygote, ExitStack() as running:
        alone = Bench(bench.place, bench.root, zygote)
        alone.run("true")
        resource.prlimit(zygote.pid, resource.RLIMIT_NOFILE, (24, 24))
        first = running.enter_context(alone.start("sleep", "1000"))
        with pytest.raises(ContainerError):
            while True:
                running.enter_context(alone.start("sleep", "1000"))
        assert exists(first.pid), "the others are not touched"
        first.kill()
        assert first.wait() == ExitStatus(137, 9)
        second = running.enter_context(alone.start("sleep", "1000"))
        assert exists(second.pid)


def test_nothing_of_it_shows_on_the_host(bench: Bench) -> None:
    with bench.start("sleep", "1000") as sandbox:
        mounted = Path(f"/proc/{sandbox.pid}/mountinfo").read_text()
        assert str(bench.place) in mounted
        assert str(bench.place) not in Path("/proc/self/mountinfo").read_text()
        sandbox.kill()
        sandbox.wait()
    assert str(bench.place) not in Path("/proc/self/mountinfo").read_text()


def test_the_owner_keeps_no_descriptors(bench: Bench) -> None:
    bench.run("true")
    before = sorted(os.listdir("/proc/self/fd"))
    for _ in range(3):
        bench.run("true")
        with pytest.raises(CommandNotFound):
            bench.run("nothere")
    assert sorted(os.listdir("/proc/self/fd")) == before


def test_closing_it_ends_everything(bench: Bench, tmp_path: Path) -> None:
    zygote = Zygote.start(Options(keep=(str(tmp_path),)))
    alone = Bench(tmp_path, bench.root, zygote)
    sandbox = alone.start("sleep", "1000")
    zygote.close()
    assert not exists(sandbox.pid)
    sandbox.close()
    with pytest.raises(ContainerError):
        alone.run("true")


def test_a_child_that_was_prepared_serves_the_first_launch(
    bench: Bench, tmp_path: Path
) -> None:
    with Zygote.start(Options(keep=(str(tmp_path), str(bench.root)))) as zygote:
        spec = Spec(Process(()), hostname="prepared")
        zygote.prepare(spec)
        zygote.prepare(spec, "host", own_cgroup=True)
        alone = Bench(tmp_path, bench.root, zygote)
        assert alone.sh("hostname", spec=spec) == "prepared\n"
        ours = os.readlink("/proc/self/ns/net")
        script = "readlink /proc/self/ns/net"
        assert alone.sh(script, spec=spec, network="host").strip() == ours
        assert alone.sh(script, spec=spec).strip() != ours
