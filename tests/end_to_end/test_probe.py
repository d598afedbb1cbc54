"""Nothing that Docker denies is allowed: a probe in both, line by line.

tests/runtime/probe.c lists what a process can see, open, mount, signal and call. What
it can do in a container of Lamina's, or in one that docker has `lamina-runtime` launch,
it has to be able to do in a container of docker's own.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from tests.end_to_end.bases import PROJECT, Lamina
from tests.end_to_end.test_engines import Engine, call, docker, image
from tests.runtime.people import open_to_all

pytestmark = pytest.mark.root("it asks dockerd")

__all__ = ["docker", "image"]

_SOURCE = Path(__file__).parents[1] / "runtime/probe.c"
# What Debian's docker (20.10) denies and docker allows since version 23, for ptrace(2)
# does the same and is allowed.
_SINCE_ALLOWED = {("call", "process_vm_readv")}
# Its own cgroup of version 2, to be read: on a hybrid machine docker does not show it.
_OWN_CGROUP = "/sys/fs/cgroup/unified/"

Verdicts = dict[tuple[str, str], str]


@pytest.fixture(scope="session")
def probe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program, alone in a tar."""
    place = tmp_path_factory.mktemp("probe")
    subprocess.run(
        ("gcc", "-O1", "-static", "-o", place / "probe", _SOURCE), check=True
    )
    with tarfile.open(place / "probe.tar", "w") as tar:
        tar.add(place / "probe", "probe")
    return place / "probe.tar"


@pytest.fixture(scope="session")
def theirs(probe: Path) -> Verdicts:
    """What docker's own container allows."""
    if shutil.which("docker") is None:
        pytest.skip("there is no docker")
    return in_docker(probe, "docker", "run")


def in_docker(probe: Path, *run: str) -> Verdicts:
    program = probe.parent / "probe"
    name = "lamina-probe"
    words = (*run[:-1], "import", str(probe), name)
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"docker does not answer: {done.stderr}")
    assert program.exists()
    words = (*run, "--rm", "--network", "none", name, "/probe")
    return verdicts(subprocess.check_output(words, text=True))


@pytest.fixture(scope="session")
def theirs_beside(docker_itself: Engine, image: Path, probe: Path) -> Verdicts:
    """What docker allows a process that `exec` starts."""
    name = "lamina-probe-beside"
    volume = f"{probe.parent}:/p:ro"
    docker_itself("import", str(image), name)
    started = docker_itself(
        *("run", "-d", "--rm", "--network", "none", "-v", volume, name),
        *("sleep", "1000"),
    )
    done = docker_itself("exec", started.stdout.strip(), "/p/probe")
    docker_itself("rm", "--force", started.stdout.strip())
    docker_itself("rmi", "--force", name)
    return verdicts(done.stdout)


@pytest.fixture(scope="session")
def docker_itself() -> Engine:
    if call("docker", "version").returncode:
        pytest.skip("docker does not answer")
    return lambda *words, **options: call("docker", *words, **options)


def verdicts(text: str) -> Verdicts:
    found: Verdicts = {}
    for line in text.splitlines():
        kind, name, verdict = line.split(" ", 2)
        found[kind, name] = verdict
    assert len(found) > 1000
    return found


def allowed_beyond(ours: Verdicts, theirs: Verdicts) -> set[tuple[str, str]]:
    return {
        key
        for key, verdict in ours.items()
        if verdict == "yes"
        and theirs.get(key) != "yes"
        and not (key[0] == "read" and key[1].startswith(_OWN_CGROUP))
    } - _SINCE_ALLOWED


def test_a_container_of_lamina_s(lamina: Lamina, probe: Path, theirs: Verdicts) -> None:
    lamina.run("import", str(probe), "probe")
    words = ("run", "--rm", "--network", "none", "probe", "/probe")
    ours = verdicts(lamina.run(*words).out)
    assert allowed_beyond(ours, theirs) == set()


def test_a_container_on_lamina_runtime(
    docker: Engine, probe: Path, theirs: Verdicts, tmp_path: Path
) -> None:
    name = "lamina-probe-of-ours"
    assert docker("import", str(probe), name).returncode == 0
    done = docker("run", "--rm", "--network", "none", name, "/probe")
    docker("rmi", "--force", name)
    assert allowed_beyond(verdicts(done.stdout), theirs) == set()


def test_a_step_of_a_build(
    lamina: Lamina, probe: Path, theirs: Verdicts, tmp_path: Path
) -> None:
    lamina.run("import", str(probe), "probe")
    recipe = 'FROM probe\nRUN --network=none ["/probe"]\n'
    (tmp_path / "Dockerfile").write_text(recipe)
    done = lamina.run("build", "--progress=plain", "--no-cache", str(tmp_path))
    lines = (line.partition(" ")[2] for line in done.err.splitlines())
    rows = (line.partition(" ")[2] for line in lines if line[:1].isdigit())
    text = "\n".join(row for row in rows if row.endswith(" yes") or " no E" in row)
    assert allowed_beyond(verdicts(text), theirs) == set()


def test_a_process_of_exec(
    lamina: Lamina, probe: Path, theirs_beside: Verdicts
) -> None:
    volume = f"{probe.parent}:/p:ro"
    run = ("run", "-d", "--network", "none", "--name", "probed", "-v", volume)
    lamina.run(*run, "busybox", "sleep", "1000")
    ours = verdicts(lamina.run("exec", "probed", "/p/probe").out)
    lamina.run("rm", "-f", "probed")
    assert allowed_beyond(ours, theirs_beside) == set()


_AS_USER = """
set -e
lamina() { "$0" -m lamina "$@"; }
lamina import "$1" probe >/dev/null
lamina run --rm --network none probe /probe
"""


@pytest.mark.parametrize("ids", [(), ("--one-id",)])
def test_an_ordinary_user_s_container(
    probe: Path, theirs: Verdicts, ids: tuple[str, ...]
) -> None:
    """In a user namespace it can do no more than root's in docker."""
    open_to_all(probe.parent)
    words = (f"{PROJECT}/tests/as-user", *ids, "sh", "-c", _AS_USER)
    done = call(*words, sys.executable, str(probe))
    assert done.returncode == 0, done.stderr
    assert allowed_beyond(verdicts(done.stdout), theirs) == set()
