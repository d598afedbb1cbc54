"""Images go between Lamina and Docker, Podman and Skopeo, the programs themselves.

What they save, Lamina loads and runs; what it saves, they load and run; and it is
the same image: the config and the diff_ids.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.busybox import make_image, open_store

pytestmark = pytest.mark.root("it asks dockerd and podman")

PROJECT = Path(__file__).parents[2]
# Docker's names are those of the whole machine.
NAME = f"lamina-exchange-{os.getpid()}:1"
SAY = ("cat", "/data/inner/file")
SAID = "from the image\n"


def call(*words: str, stdin: bytes = b"") -> str:
    """What a program prints; it has to succeed."""
    environment = {**os.environ, "PYTHONPATH": str(PROJECT)}
    done = subprocess.run(
        words, input=stdin, capture_output=True, env=environment, check=False
    )
    assert done.returncode == 0, f"{' '.join(words)}\n{done.stderr.decode()}"
    return done.stdout.decode(errors="surrogateescape")


class Lamina:
    """The command on a store of its own."""

    def __init__(self, root: Path) -> None:
        self.root = str(root)

    def __call__(self, *words: str, stdin: bytes = b"") -> str:
        program = (sys.executable, "-m", "lamina", "--root", self.root)
        return call(*program, *words, stdin=stdin)

    def document(self, name: str = NAME) -> dict[str, object]:
        found = json.loads(self("inspect", "--type", "image", name))[0]
        return {key: found[key] for key in ("Id", "RootFS")}


class Podman:
    """podman with storage of its own, and limits that this machine may set."""

    def __init__(self, root: Path) -> None:
        self._program = (
            *("podman", "--root", f"{root}/root", "--runroot", f"{root}/run"),
            *("--storage-driver", "vfs", "--events-backend", "file"),
            *("--cgroup-manager", "cgroupfs", "--runtime", "runc"),
        )

    def __call__(self, *words: str) -> str:
        return call(*self._program, *words)

    def run(self, *words: str) -> str:
        limits = ("--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024")
        return self("run", "--rm", "--network", "none", *limits, *words)


@pytest.fixture
def lamina(tmp_path: Path) -> Lamina:
    """Lamina with a busybox image of two layers."""
    store = open_store(tmp_path)
    make_image(store, NAME, labels={"html": "<&>"}, env=("PATH=/bin", "A=ä"))
    store.close()
    return Lamina(tmp_path / "store")


@pytest.fixture
def other(tmp_path: Path) -> Lamina:
    """Lamina with an empty store."""
    return Lamina(tmp_path / "other")


@pytest.fixture
def docker() -> Iterator[None]:
    """Docker, without the image afterwards."""
    yield
    subprocess.run(("docker", "rmi", "-f", NAME), capture_output=True, check=False)


@pytest.fixture
def podman() -> Iterator[Podman]:
    # It wants a path of at most 50 characters, which pytest's are not.
    with tempfile.TemporaryDirectory() as folder:
        found = Podman(Path(folder))
        yield found
        found("rmi", "--all", "--force")


@pytest.mark.usefixtures("docker")
def test_docker_loads_runs_and_gives_back(
    lamina: Lamina, other: Lamina, tmp_path: Path
) -> None:
    archive = str(tmp_path / "ours.tar")
    lamina("save", "-o", archive, NAME)
    assert call("docker", "load", "-i", archive) == f"Loaded image: {NAME}\n"
    (found,) = json.loads(call("docker", "inspect", NAME))
    ours = lamina.document()
    assert {key: found[key] for key in ours} == ours
    assert call("docker", "run", "--rm", "--network", "none", NAME, *SAY) == SAID
    back = str(tmp_path / "theirs.tar")
    call("docker", "save", "-o", back, NAME)
    assert other("load", "-i", back) == f"Loaded image: {NAME}\n"
    assert other.document() == ours
    assert other("run", "--rm", "--network", "none", NAME, *SAY) == SAID
    assert other("system", "check", "-q") == ""


# Whiteouts, an opaque directory, links, a device, names that are no text, holes, and
# what only an extended header can say.
ODD = r"""FROM NAME
RUN mkdir -p /odd/gone /odd/again && echo 1 >/odd/gone/a && echo 1 >/odd/again/old
RUN rm -r /odd/gone /odd/again /etc/motd && mkdir /odd/again && echo 2 >/odd/again/new
RUN cd /odd && ln -s /no/where link && mkfifo pipe && mknod null c 1 3
RUN cd /odd && echo x >one && ln one two && chown 4000000:7 one && chmod 4711 one
RUN cd /odd && touch "$(printf 'a\377b\nc')" && long=$(printf '%0200d' 0) \
 && mkdir -p $long/$long && touch $long/$long/f
RUN cd /odd && dd if=/dev/zero of=holes bs=1 count=1 seek=3000000 2>/dev/null
"""
LIST = (
    "cd / && find odd etc/passwd data -exec stat -c '%n %F %f %u %g %t:%T' {} + | sort;"
    "find odd -type f -exec md5sum {} + | sort; readlink odd/link; stat -c %h odd/two"
)


@pytest.mark.usefixtures("docker")
def test_odd_files_are_the_same_there_and_back(
    lamina: Lamina, other: Lamina, podman: Podman, tmp_path: Path
) -> None:
    (tmp_path / "context").mkdir()
    (tmp_path / "context/Dockerfile").write_text(ODD.replace("NAME", NAME))
    name = f"{NAME}-odd"
    lamina("build", "-q", "-t", name, str(tmp_path / "context"))
    listed = lamina("run", "--rm", "--network", "none", name, "sh", "-c", LIST)
    assert "odd/again/new regular file" in listed and "odd/again/old" not in listed
    assert "odd/gone" not in listed
    assert "odd/null character special file 21a4 0 0 1:3" in listed
    assert "odd/two regular file 89c9 4000000 7" in listed and listed.endswith("2\n")
    assert "a\udcff" in listed
    archive, back = str(tmp_path / "ours.tar"), str(tmp_path / "theirs.tar")
    lamina("save", "-o", archive, name)
    call("docker", "load", "-q", "-i", archive)
    try:
        run = ("docker", "run", "--rm", "--network", "none", name, "sh", "-c", LIST)
        assert call(*run) == listed
        call("docker", "save", "-o", back, name)
    finally:
        call("docker", "rmi", "-f", name)
    podman("load", "-q", "-i", archive)
    assert podman.run(name, "sh", "-c", LIST) == listed
    other("load", "-i", back)
    assert other.document(name) == lamina.document(name)
    assert other("run", "--rm", "--network", "none", name, "sh", "-c", LIST) == listed
    # A layer that was unpacked gives its tar back, byte for byte.
    assert other("system", "check", "-q") == ""


@pytest.mark.usefixtures("docker")
def test_what_docker_built_keeps_its_id(other: Lamina, tmp_path: Path) -> None:
    """A config as Docker writes it, nulls and all, through a pipe."""
    (tmp_path / "context").mkdir()
    (tmp_path / "context/Dockerfile").write_text(
        'FROM scratch\nCOPY file /etc/file\nENV A=b\nCMD ["/bin/sh"]\n'
        "LABEL a='<b>'\nEXPOSE 80\nHEALTHCHECK --interval=5s CMD true\n"
    )
    (tmp_path / "context/file").write_text("text")
    call("docker", "build", "-q", "-t", NAME, str(tmp_path / "context"))
    identity = call("docker", "inspect", "-f", "{{.Id}}", NAME).strip()
    saved = subprocess.run(
        ("docker", "save", NAME), capture_output=True, check=True
    ).stdout
    assert other("load", stdin=saved) == f"Loaded image: {NAME}\n"
    assert other.document()["Id"] == identity
    shown = json.loads(other("inspect", NAME))[0]["Config"]
    theirs = json.loads(call("docker", "inspect", NAME))[0]["Config"]
    assert {key: shown.get(key) for key in theirs} == theirs


@pytest.mark.parametrize("form", ["docker-archive", "oci"])
def test_podman_loads_and_runs(
    lamina: Lamina, podman: Podman, tmp_path: Path, form: str
) -> None:
    archive = str(tmp_path / "ours.tar")
    lamina("save", "--format", form, "-o", archive, NAME)
    podman("load", "-q", "-i", archive)
    (found,) = json.loads(podman("inspect", NAME))
    ours = lamina.document()
    assert f"sha256:{found['Id']}" == ours["Id"]
    assert {"Type": "layers", "Layers": found["RootFS"]["Layers"]} == ours["RootFS"]
    assert podman.run(NAME, *SAY) == SAID


def test_podman_reads_zstd(lamina: Lamina, podman: Podman, tmp_path: Path) -> None:
    archive = str(tmp_path / "ours.tar")
    lamina("save", "--format", "oci", "--compression", "zstd", "-o", archive, NAME)
    podman("load", "-q", "-i", archive)
    assert (
        f"sha256:{json.loads(podman('inspect', NAME))[0]['Id']}"
        == (lamina.document()["Id"])
    )


@pytest.mark.parametrize("form", ["docker-archive", "oci-archive", "oci-dir"])
def test_what_podman_saves_is_loaded_and_run(
    lamina: Lamina, other: Lamina, podman: Podman, tmp_path: Path, form: str
) -> None:
    archive, back = str(tmp_path / "ours.tar"), str(tmp_path / "theirs")
    lamina("save", "-o", archive, NAME)
    podman("load", "-q", "-i", archive)
    podman("save", "-q", "--format", form, "-o", back, NAME)
    other("load", "-i", back)
    assert other.document() == lamina.document()
    assert other("run", "--rm", "--network", "none", NAME, *SAY) == SAID


@pytest.mark.parametrize("form", ["docker-archive", "oci-archive", "oci"])
def test_skopeo_copies_there_and_back(
    lamina: Lamina, other: Lamina, tmp_path: Path, form: str
) -> None:
    ours, back = str(tmp_path / "ours"), str(tmp_path / "theirs")
    chosen = "oci-dir" if form == "oci" else form
    lamina("save", "--format", chosen, "-o", ours, NAME)
    call("skopeo", "copy", "-q", f"{form}:{ours}", f"{form}:{back}:{NAME}")
    assert other("load", "-i", back) == f"Loaded image: {NAME}\n"
    assert other.document() == lamina.document()
    assert other("run", "--rm", "--network", "none", NAME, *SAY) == SAID


def test_a_pipe_from_one_to_the_other(lamina: Lamina, other: Lamina) -> None:
    saved = subprocess.run(
        (sys.executable, "-m", "lamina", "--root", lamina.root, "save", NAME),
        capture_output=True,
        cwd=PROJECT,
        check=True,
    ).stdout
    assert other("load", stdin=saved) == f"Loaded image: {NAME}\n"
    assert other.document() == lamina.document()
