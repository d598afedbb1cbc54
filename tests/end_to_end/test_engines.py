"""Other engines run containers on `lamina-runtime`: docker, podman and buildah.

Each with a root of busybox, and with storage of its own. What is asked of docker is
asked of its own runtime too where the answers have to be the same.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.runtime.launches import make_root
from tests.runtime.oci import PROGRAM
from tests.runtime.people import open_to_all

pytestmark = pytest.mark.root("engines run as root")

# This machine's limits: engines set others, which takes a privilege it may lack.
_LIMITS = ("--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024")

Engine = Callable[..., subprocess.CompletedProcess[str]]


def call(*words: str, **options: object) -> subprocess.CompletedProcess[str]:
    given: dict[str, object] = {"stdin": subprocess.DEVNULL, **options}
    return subprocess.run(  # type: ignore[call-overload,no-any-return]
        words, capture_output=True, text=True, check=False, **given
    )


@pytest.fixture(scope="session")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root file system as a tar, for `import`."""
    place = tmp_path_factory.mktemp("engines")
    make_root(place / "root")
    subprocess.run(
        ("tar", "-C", place / "root", "-cf", place / "root.tar", "."), check=True
    )
    return place / "root.tar"


# podman


@pytest.fixture(scope="session")
def podman(image: Path) -> Iterator[Engine]:
    # It wants a path of at most 50 characters, which pytest's are not.
    with tempfile.TemporaryDirectory(prefix="lamina-podman.", dir="/var/tmp") as place:
        words = (
            *("podman", "--root", f"{place}/root", "--runroot", f"{place}/run"),
            *("--storage-driver", "vfs", "--events-backend", "file"),
            *("--cgroup-manager", "cgroupfs", "--runtime", PROGRAM),
        )

        def podman(*more: str, **options: object) -> subprocess.CompletedProcess[str]:
            return call(*words, *more, **options)

        done = podman("import", str(image), "box")
        assert done.returncode == 0, done.stderr
        yield podman
        podman("rm", "--all", "--force", "--time", "0")
        podman("rmi", "--all", "--force")


def run(engine: Engine, *words: str, **options: object) -> tuple[int, str]:
    """`run --rm` without a network: exit code and stdout."""
    done = engine("run", "--rm", "--network", "none", *_LIMITS, *words, **options)
    return done.returncode, done.stdout


def test_podman_runs_commands(podman: Engine) -> None:
    assert run(podman, "box", "echo", "said") == (0, "said\n")
    assert run(podman, "box", "sh", "-c", "exit 7")[0] == 7
    assert run(podman, "box", "nothere")[0] == 127
    assert run(podman, "box", "/etc/passwd")[0] == 126
    assert run(podman, "-i", "box", "cat", stdin=fed("fed\n")) == (0, "fed\n")
    code, text = run(podman, "-t", "box", "tty")
    assert (code, text.strip()) == (0, "/dev/pts/0")


def test_podman_options(podman: Engine, tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    (tmp_path / "file").write_text("of the host\n")
    _, text = run(
        podman,
        *("-u", "1000:1000", "-w", "/tmp", "-e", "A=b", "--hostname", "named"),
        *("-v", f"{tmp_path}:/v:ro", "--tmpfs", "/scratch", "--read-only"),
        *("--memory", "64m", "--pids-limit", "50", "--cap-drop", "all"),
        *("--security-opt", "no-new-privileges"),
        "box",
        *("sh", "-c"),
        "id -u; pwd; echo $A; hostname; cat /v/file; touch /v/x || touch /x || "
        "touch /scratch/x && echo wrote; grep CapEff /proc/self/status; "
        "cat /sys/fs/cgroup/pids/pids.max /sys/fs/cgroup/pids.max 2>/dev/null",
    )
    words = text.split("\n")
    assert words[:5] == ["1000", "/tmp", "b", "named", "of the host"]
    assert "wrote" in words
    assert "CapEff:\t0000000000000000" in words
    assert "50" in words


def test_podman_lives_with_a_container(podman: Engine) -> None:
    limits = ("--network", "none", *_LIMITS)
    done = podman("run", "-d", "--name", "lives", *limits, "box", "sleep", "1000")
    assert done.returncode == 0, done.stderr
    assert podman("exec", "lives", "sh", "-c", "exit 5").returncode == 5
    assert "sleep" in podman("top", "lives").stdout
    assert podman("exec", "-t", "lives", "tty").stdout.strip() == "/dev/pts/0"
    assert podman("pause", "lives").returncode == 0
    assert '"paused"' in podman("inspect", "lives").stdout
    assert podman("unpause", "lives").returncode == 0
    assert podman("stop", "-t", "0", "lives").returncode == 0
    found = json.loads(podman("inspect", "lives").stdout)[0]["State"]
    assert (found["Status"], found["ExitCode"]) == ("exited", 137)
    assert podman("start", "lives").returncode == 0
    assert podman("rm", "-f", "-t", "0", "lives").returncode == 0


def test_podman_shares_namespaces(podman: Engine) -> None:
    limits = ("--network", "none", *_LIMITS)
    podman("run", "-d", "--name", "first", *limits, "box", "sleep", "1000")
    code, text = run_in(podman, "first")
    assert (code, "sleep 1000" in text) == (0, True)
    podman("rm", "-f", "-t", "0", "first")


def run_in(podman: Engine, other: str) -> tuple[int, str]:
    joined = (f"--{kind}=container:{other}" for kind in ("pid", "ipc", "network"))
    done = podman("run", "--rm", *joined, *_LIMITS, "box", "ps")
    return done.returncode, done.stdout


def test_podman_with_a_user_namespace(podman: Engine) -> None:
    script = "id -u; cat /proc/self/uid_map"
    code, text = run(podman, "--uidmap", "0:100000:65536", "box", "sh", "-c", script)
    assert (code, text.split()) == (0, ["0", "0", "100000", "65536"])


def fed(text: str) -> int:
    reader, writer = os.pipe()
    os.write(writer, text.encode())
    os.close(writer)
    return reader


# buildah


def test_buildah_builds_with_it(image: Path, tmp_path: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="lamina-buildah.", dir="/var/tmp") as place:
        words = (
            *("buildah", "--root", f"{place}/root", "--runroot", f"{place}/run"),
            *("--storage-driver", "vfs"),
        )
        (tmp_path / "root.tar").write_bytes(image.read_bytes())
        (tmp_path / "Dockerfile").write_text(
            "FROM scratch\nADD root.tar /\nENV PATH=/bin\n"
            "RUN id -u > /who && hostname > /dev/null\n"
            "RUN test $(cat /who) = 0\n"
            "USER 1000\nRUN test $(id -u) = 1000\n"
        )
        done = call(
            *words,
            *("build", "--runtime", PROGRAM, "--network", "none", *_LIMITS),
            *("-t", "made", str(tmp_path)),
        )
        assert done.returncode == 0, done.stderr
        (tmp_path / "Dockerfile").write_text("FROM made\nUSER 0\nRUN exit 3\n")
        done = call(
            *words,
            *("build", "--runtime", PROGRAM, "--network", "none", *_LIMITS),
            str(tmp_path),
        )
        assert done.returncode != 0
        assert "exit status 3" in done.stderr
        call(*words, "rmi", "--all", "--force")


# docker


@pytest.fixture(scope="session")
def docker(image: Path) -> Iterator[Engine]:
    """The daemon that knows the runtime: the test run's own, or one more, whose bridge
    and rules are in a network of its own."""
    if os.environ.get("LAMINA_NO_DOCKER"):
        pytest.skip("no dockerd runs here")
    with contextlib.ExitStack() as stack:
        host = () if _knows_us() else ("--host", stack.enter_context(_daemon()))

        def docker(*more: str, **options: object) -> subprocess.CompletedProcess[str]:
            return call("docker", *host, *more, **options)

        name = f"lamina-engine-{os.getpid()}"
        done = docker("import", str(image), name)
        assert done.returncode == 0, done.stderr

        def on_ours(*more: str, **options: object) -> subprocess.CompletedProcess[str]:
            words = [name if word == "box" else word for word in more]
            if words[0] == "run":
                words[1:1] = ["--runtime", "lamina"]
            return docker(*words, **options)

        yield on_ours
        docker("rmi", "--force", name)


def _knows_us() -> bool:
    done = call("docker", "info", "--format", "{{json .Runtimes}}")
    if done.returncode:
        return False
    found = json.loads(done.stdout or "{}").get("lamina", {})
    path: str = found.get("path", "")
    return os.path.realpath(path) == os.path.realpath(PROGRAM)


@contextlib.contextmanager
def _daemon() -> Iterator[str]:
    """A dockerd in a network namespace of its own: its address."""
    with tempfile.TemporaryDirectory(prefix="lamina-dockerd.", dir="/var/tmp") as place:
        host = f"unix://{place}/socket"
        with open(f"{place}/log", "wb") as log:
            process = subprocess.Popen(
                (
                    *("unshare", "--net", "--", "dockerd", "--host", host),
                    *("--data-root", f"{place}/data", "--exec-root", f"{place}/exec"),
                    *("--pidfile", f"{place}/pid"),
                    *("--add-runtime", f"lamina={PROGRAM}"),
                ),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        try:
            deadline = time.monotonic() + 60
            while call("docker", "--host", host, "info").returncode:
                if process.poll() is not None or time.monotonic() > deadline:
                    pytest.skip("a second dockerd does not start here")
                time.sleep(0.1)
            yield host
        finally:
            process.terminate()
            process.wait()
            call("umount", f"{place}/exec/netns/default")


def test_docker_runs_commands(docker: Engine) -> None:
    assert run(docker, "box", "echo", "said") == (0, "said\n")
    assert run(docker, "box", "sh", "-c", "exit 7")[0] == 7
    assert run(docker, "box", "nothere")[0] == 127
    assert run(docker, "box", "/etc/passwd")[0] == 126
    assert run(docker, "-i", "box", "cat", stdin=fed("fed\n")) == (0, "fed\n")
    code, text = run(docker, "-t", "box", "tty")
    assert (code, text.strip()) == (0, "/dev/pts/0")
    assert "docker-init" in run(docker, "--init", "box", "cat", "/proc/1/cmdline")[1]


def test_docker_options(docker: Engine, tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    (tmp_path / "file").write_text("of the host\n")
    _, text = run(
        docker,
        *("-u", "1000:1000", "-w", "/made", "-e", "A=b", "--hostname", "named"),
        *("-v", f"{tmp_path}:/v:ro", "--tmpfs", "/scratch", "--read-only"),
        *("--memory", "64m", "--pids-limit", "50", "--cap-drop", "all"),
        *("--security-opt", "no-new-privileges", "--device", "/dev/zero:/dev/mine"),
        "box",
        *("sh", "-c"),
        "id -u; pwd; echo $A; hostname; cat /v/file; touch /v/x || touch /x || "
        "touch /scratch/x && echo wrote; grep CapEff /proc/self/status; "
        "stat -c %t:%T /dev/mine;"
        "cat /sys/fs/cgroup/pids/pids.max /sys/fs/cgroup/pids.max 2>/dev/null",
    )
    words = text.split("\n")
    assert words[:5] == ["1000", "/made", "b", "named", "of the host"]
    assert "wrote" in words
    assert "CapEff:\t0000000000000000" in words
    assert "1:5" in words
    assert "50" in words


def test_docker_privileged_and_the_host_s_namespaces(docker: Engine) -> None:
    script = "grep CapEff /proc/self/status; ls /dev | wc -l; mount -t tmpfs x /mnt"
    code, text = run(docker, "--privileged", "box", "sh", "-c", f"mkdir /mnt; {script}")
    assert code == 0
    assert int(text.split()[1], 16).bit_count() > 30
    done = docker(
        *("run", "--rm", "--pid", "host", "--ipc", "host", "--uts", "host"),
        *("--network", "host", *_LIMITS, "box"),
        *("sh", "-c", "hostname; readlink /proc/self/ns/ipc"),
    )
    name, ipc = done.stdout.split()
    assert name == os.uname().nodename
    assert ipc == os.readlink("/proc/self/ns/ipc")


def test_docker_lives_with_a_container(docker: Engine) -> None:
    name = f"lamina-lives-{os.getpid()}"
    limits = ("--network", "none", *_LIMITS)
    done = docker("run", "-d", "--name", name, *limits, "box", "sleep", "1000")
    assert done.returncode == 0, done.stderr
    assert docker("exec", name, "sh", "-c", "exit 5").returncode == 5
    assert docker("exec", "-t", name, "tty").stdout.strip() == "/dev/pts/0"
    assert "sleep 1000" in docker("top", name).stdout
    assert docker("pause", name).returncode == 0
    assert "Paused" in docker("ps").stdout
    assert docker("unpause", name).returncode == 0
    limit = ("--memory", "64m", "--memory-swap", "64m")
    assert docker("update", *limit, name).returncode == 0
    assert "64MiB" in docker("stats", "--no-stream", name).stdout
    assert docker("kill", "-s", "USR1", name).returncode == 0
    assert docker("stop", "-t", "0", name).returncode == 0
    state = "{{.State.Status}} {{.State.ExitCode}}"
    assert docker("inspect", "-f", state, name).stdout.split() == ["exited", "137"]
    assert docker("start", name).returncode == 0
    assert docker("rm", "-f", name).returncode == 0


def test_docker_gives_a_network(docker: Engine) -> None:
    done = docker("run", "--rm", *_LIMITS, "box", "ip", "-o", "addr")
    assert "eth0" in done.stdout


def test_nothing_is_left_of_docker_s_containers(docker: Engine, tmp_path: Path) -> None:
    for number in range(3):
        run(docker, "--cidfile", str(tmp_path / f"{number}"), "box", "true")
    for path in tmp_path.iterdir():
        identity = path.read_text()
        assert not list(Path("/sys/fs/cgroup").glob(f"*/docker/{identity}"))
        assert not list(Path("/run").glob(f"docker/runtime-*/moby/{identity}"))


_AS_USER = """
set -e
cd "$HOME"
podman() {
  command podman --root "$HOME/r" --runroot "$HOME/rr" --storage-driver vfs \\
    --events-backend file --cgroup-manager cgroupfs --runtime "$0" "$@"
}
podman import "$1" box >/dev/null
limits="--network none --ulimit nofile=1024:1024 --ulimit nproc=1024:1024"
podman run --rm $limits -u 5:6 -v "$HOME:/h:ro" box sh -c 'id -u; id -g; cat /h/r.x'
podman run -d --name lives $limits box sleep 1000 >/dev/null
podman exec lives sh -c 'exit 5' || echo "exec $?"
podman exec -t lives tty
podman stop -t 0 lives
podman rm lives
podman run --rm --pid host $limits box sh -c 'test $$ -ne 1 && echo beside'
"""


@pytest.mark.parametrize("flags", [(), ("--no-cgroups",)])
def test_podman_of_an_ordinary_user(image: Path, flags: tuple[str, ...]) -> None:
    """podman makes the user namespace, and what is in it is launched there."""
    open_to_all(image.parent)
    begin = 'echo "of the user" > "$HOME/r.x"'
    script = f"{begin}\n{_AS_USER}"
    as_user = Path(__file__).parents[1] / "as-user"
    done = call(str(as_user), *flags, "sh", "-c", script, PROGRAM, str(image))
    assert done.returncode == 0, done.stderr
    words = done.stdout.split("\n")
    assert words[:4] == ["5", "6", "of the user", "exec 5"]
    assert words[4].strip() == "/dev/pts/0"
    assert words[5:] == ["lives", words[6], "beside", ""]
