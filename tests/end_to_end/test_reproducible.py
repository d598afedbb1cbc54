"""The same inputs give the same digest, on any machine, by any clock."""

from __future__ import annotations

import os
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

from tests.end_to_end.bases import Lamina, project

EPOCH = "1700000000"

RECIPE = """\
FROM busybox AS made
ENV LIST="c a b"
WORKDIR /made
RUN for i in $LIST; do echo $i > $i; done; mkdir -p deep/er; ln -s a link; ln a hard
RUN mv b moved; rm c; chmod 600 a; chown guest a; touch -d '2001-01-01' old
FROM busybox
LABEL of=tests
COPY . /srv/
COPY --from=made --chown=1000:50 /made /made/
COPY --chmod=755 <<run /usr/bin/
#!/bin/sh
echo run
run
ADD packed.tar /packed/
USER guest
WORKDIR /srv/new
RUN date +%s > /tmp/epoch-of-shell; echo $SOURCE_DATE_EPOCH > /tmp/epoch; rm /tmp/epoch*
RUN mkdir -p /tmp/a && echo > /tmp/a/z && echo > /tmp/a/b
"""


def write(place: Path, names: list[str]) -> Path:
    """The files of the build, made in the order of `names`."""
    folder = project(place, RECIPE)
    for name in names:
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"content of {name}\n")
        path.chmod(0o755 if name.endswith(".sh") else 0o644)
    (folder / "link").symlink_to("sub/a")
    with tarfile.open(folder / "packed.tar", "w") as tar:
        info = tarfile.TarInfo("inside")
        info.mtime = 1_600_000_000
        tar.addfile(info)
    return folder


NAMES = ["sub/a", "sub/b", "run.sh", "z", "é", "other/c"]


def explain(one: Lamina, other: Lamina, image: str, second: str) -> str:
    """Which layers differ, and in what: for the message of a failed test."""
    told = []
    for store, identity in ((one, image), (other, second)):
        out = store.place / f"{store.store.name}.tar"
        store.run("save", "-o", out, identity)
        folder = Path(f"{out}.files")
        folder.mkdir()
        subprocess.run(["tar", "-xf", out, "-C", folder], check=True)
        told.append(_layers(folder))
    return "\n".join(sorted(told[0] ^ told[1]))


def _layers(folder: Path) -> set[str]:
    found = set()
    for path in sorted(folder.rglob("*")):
        if path.is_file() and tarfile.is_tarfile(path):
            with tarfile.open(path) as tar:
                for info in tar:
                    reader = tar.extractfile(info) if info.isreg() else None
                    body = hash(reader.read()) if reader else ""
                    found.add(f"{info.get_info()} {body}")
        elif path.suffix == ".json":
            found.add(path.read_text())
    return found


def test_another_time_another_order_another_zone(
    lamina: Lamina, tmp_path: Path
) -> None:
    first = write(tmp_path / "first", NAMES)
    second = write(tmp_path / "second", NAMES[::-1])
    for number, name in enumerate(NAMES):
        os.utime(second / name, (number * 1_000_000, number * 1_000_000))
    other = Lamina(tmp_path, tmp_path / "elsewhere" / "store")
    other.store.parent.mkdir()
    other.with_base()
    env = {"SOURCE_DATE_EPOCH": EPOCH}
    image = lamina.build(first, env={**env, "TZ": "UTC"})
    before = os.umask(0o077)
    try:
        args = ("--jobs", "1")
        again = other.build(second, *args, env={**env, "TZ": "Asia/Tokyo"})
    finally:
        os.umask(before)
    assert image == again, explain(lamina, other, image, again)
    assert lamina.inspect(image)["Created"] == "2023-11-14T22:13:20Z"
    assert other.left_behind() == []


def test_without_the_cache(lamina: Lamina, tmp_path: Path) -> None:
    folder = write(tmp_path / "app", NAMES)
    flags = ("--source-date-epoch", EPOCH)
    image = lamina.build(folder, *flags)
    assert lamina.build(folder, *flags, "--no-cache") == image


def test_another_epoch_rebuilds_nothing(lamina: Lamina, tmp_path: Path) -> None:
    folder = write(tmp_path / "app", NAMES)
    image = lamina.build(folder, "--source-date-epoch", EPOCH)
    later = lamina.run("build", "--source-date-epoch", "1800000000", folder)
    assert later.ran == [] and later.out.strip() != image
    assert lamina.build(folder, "--source-date-epoch", EPOCH) == image


def test_a_clean_checkout_has_its_commit_for_an_epoch(
    lamina: Lamina, tmp_path: Path
) -> None:
    origin = write(tmp_path / "origin", NAMES)
    env = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_AUTHOR_DATE": f"{EPOCH} +0100",
        "GIT_COMMITTER_DATE": f"{EPOCH} +0100",
    }
    who = ("-c", "user.name=T", "-c", "user.email=t@example.org")
    for args in (("init", "-q"), ("add", "."), (*who, "commit", "-q", "-m", "one")):
        subprocess.run(["git", "-C", origin, *args], env=env, check=True)
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "-q", origin, clone], env=env, check=True)
    for folder in (origin, clone):
        (folder / ".dockerignore").write_text(".git\n.dockerignore\n")
        (folder / ".git/info/exclude").write_text(".dockerignore\n")
    other = Lamina(tmp_path, tmp_path / "elsewhere" / "store")
    other.store.parent.mkdir()
    other.with_base()
    first = lamina.run("build", origin)
    assert "epoch: 2023-11-14, commit " in first.err
    second = other.run("build", clone)
    assert first.out == second.out
    assert other.left_behind() == []
    (clone / "z").write_text("changed\n")
    changed = other.run("build", clone)
    assert "epoch: none, uncommitted changes" in changed.err


@pytest.mark.network
@pytest.mark.slow
def test_the_web_application(
    lamina: Lamina, debian: Path, certificates: tuple[str, ...], tmp_path: Path
) -> None:
    """apt, pip and our code, twice from nothing but the packages."""
    samples = Path(__file__).parents[2] / "samples"
    images = []
    for number in range(2):
        place = tmp_path / f"machine{number}"
        shutil.copytree(samples / "web", place / "web")
        store = Lamina(place, place / "store")
        shutil.copytree(debian, store.store, symlinks=True)
        images.append(
            (
                store,
                store.build(
                    place / "web", *certificates, env={"SOURCE_DATE_EPOCH": EPOCH}
                ),
            )
        )
    (one, image), (other, second) = images
    assert image == second, explain(one, other, image, second)
    assert one.left_behind() == other.left_behind() == []


def test_a_recipe_that_declares_the_epoch_is_told(
    lamina: Lamina, tmp_path: Path
) -> None:
    """As with docker, whose client passes the variable on."""
    folder = project(
        tmp_path / "app",
        "FROM busybox\nARG SOURCE_DATE_EPOCH\nRUN echo $SOURCE_DATE_EPOCH > /seen\n",
    )

    def seen(*flags: str, env: dict[str, str] | None = None) -> str:
        return (lamina.files(folder, *flags, env=env) / "seen").read_text().strip()

    variable = {"SOURCE_DATE_EPOCH": "1500000000"}
    assert seen("--source-date-epoch", "1400000000") == "1400000000"
    assert seen(env=variable) == "1500000000"
    assert seen("--source-date-epoch", "1400000000", env=variable) == "1400000000"
    given = ("--build-arg", "SOURCE_DATE_EPOCH=1600000000")
    assert seen(*given, env=variable) == "1600000000"
    assert seen() == "315532800"
    # Who does not ask runs nothing again for another time.
    text = "FROM busybox\nRUN echo $SOURCE_DATE_EPOCH > /seen\n"
    (folder / "Recipe").write_text(text)
    assert seen(env=variable) == "315532800"
    done = lamina.run("build", "--source-date-epoch", "1", folder)
    assert done.ran == []
