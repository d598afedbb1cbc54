"""Projects as people write them, built by BuildKit and by Lamina: the images are equal.

What compiles or installs is a line of shell in them; all around it is as in the
Dockerfiles of such projects. Compared are the configuration and every file.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.busybox import make_image, open_store
from tests.end_to_end.bases import DOCKER, Lamina, known_to_docker

pytestmark = [
    pytest.mark.root("it asks dockerd"),
    pytest.mark.slow,
    pytest.mark.skipif("LAMINA_NO_DOCKER" in os.environ, reason="no dockerd runs here"),
]

BASE = f"lamina-projects-{os.getpid()}:1"

PROJECTS = sorted(Path(__file__).with_name("projects").iterdir())
# What Docker's steps leave of what is mounted in them.
MOUNT_POINTS = (
    *("", "dev", "proc", "sys", "etc/hosts", "etc/resolv.conf", "scripts"),
    *("root", "root/.cache", "root/.cache/pip", "root/.cache/go-build"),
    *("go", "go/pkg", "go/pkg/mod"),
)


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lamina]:
    """The command on a store with a base that Docker has too."""
    place = tmp_path_factory.mktemp("projects")
    store = open_store(place)
    make_image(store, BASE, env=("PATH=/usr/local/bin:/usr/bin:/bin",))
    store.close()
    with known_to_docker(place, BASE) as command:
        yield command


def project(place: Path, text: str) -> Path:
    """A context with a bit of everything, some of it ignored."""
    files = {
        "go.mod": "module x\n",
        "package.json": "{}\n",
        "requirements.txt": "flask\n",
        "Cargo.toml": "[package]\n",
        "src/a.txt": "a\n",
        "src/b.txt": "b\n",
        "public/index.html": "<p>\n",
        "scripts/build.sh": 'echo "$@"\n',
        "node_modules/big/x": "never\n",
        "docs/README.md": "kept\n",
        "docs/other.md": "never\n",
        ".env": "never\n",
        ".git/HEAD": "never\n",
        ".dockerignore": "# what stays here\n.git\n**/node_modules\n*.md\ndocs/*\n"
        "!docs/README.md\n.env*\nDockerfile\n",
    }
    for name, content in files.items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_text(content)
    (place / "scripts/build.sh").chmod(0o750)
    (place / "src/link").symlink_to("a.txt")
    (place / "src/private").mkdir(mode=0o700)
    with tarfile.open(place / "archive.tar.gz", "w:gz") as archive:
        archive.add(place / "src", "inside")
    named = re.sub(r"(?m)^(FROM.*) base( AS .*|)$", rf"\1 {BASE}\2", text, flags=re.I)
    (place / "Dockerfile").write_text(named)
    return place


def files(archive: Path) -> dict[str, tuple[object, ...]]:
    """Of every file: kind, mode, owner and content."""
    found: dict[str, tuple[object, ...]] = {}
    with tarfile.open(archive) as opened:
        for member in opened:
            content: object = member.linkname
            if member.isfile():
                file = opened.extractfile(member)
                assert file is not None
                content = file.read()
            name = member.name.removeprefix("./").strip("/")
            owner = (member.uid, member.gid)
            if name not in MOUNT_POINTS:
                found[name] = (member.type, member.mode, *owner, content)
    return found


def meaning(config: dict[str, Any]) -> dict[str, object]:
    """What is said of containers, less what says nothing."""
    names = ("Hostname", "Domainname", "Image", "ArgsEscaped")
    return {k: v for k, v in config.items() if v and k not in names}


def by_docker(folder: Path, out: Path, *flags: str) -> dict[str, object]:
    env = {**os.environ, "DOCKER_BUILDKIT": "1"}

    def call(*words: str | Path) -> str:
        done = subprocess.run(
            [DOCKER, *words], env=env, text=True, capture_output=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    call("build", "-q", "-o", f"type=tar,dest={out}", *flags, folder)
    image = call("build", "-q", *flags, folder)
    config = json.loads(call("inspect", image))[0]["Config"]
    call("rmi", "-f", image)
    return meaning(config)


@pytest.mark.parametrize("file", PROJECTS, ids=lambda file: file.stem)
def test_a_project_is_the_same_image(both: Lamina, tmp_path: Path, file: Path) -> None:
    folder = project(tmp_path / "app", file.read_text())
    flags = ("--build-arg", "VERSION=1.2", "--build-arg", "COMMIT=abc")
    theirs, ours = tmp_path / "theirs.tar", tmp_path / "ours.tar"
    expected = by_docker(folder, theirs, *flags)
    both.run("build", "-o", f"type=tar,dest={ours}", *flags, folder)
    found, wanted = files(ours), files(theirs)
    names = {*found, *wanted}
    pairs = {name: (found.get(name), wanted.get(name)) for name in names}
    assert {n: pair for n, pair in pairs.items() if pair[0] != pair[1]} == {}
    assert meaning(both.config(both.build(folder, *flags))) == expected
