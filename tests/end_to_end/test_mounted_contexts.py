"""`RUN --mount=type=bind` of many files of a context: their copy is kept, and what did
not change is not copied again; a step sees what is there, with its time."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tests.end_to_end.bases import Lamina, project

COUNT = 100
LOOK = "find . -type f -exec stat -c '%n %i %Y' {} + | sort > /seen"


@pytest.fixture
def app(tmp_path: Path) -> Path:
    files = {f"tree__d{n % 7}__f{n}": f"{n}\n" for n in range(COUNT)}
    text = f"FROM busybox\nRUN --mount=type=bind,source=tree,target=/b cd /b; {LOOK}\n"
    folder = project(tmp_path / "app", text, **files)
    for path in folder.rglob("*"):
        os.utime(path, (1_000_000_000, 1_000_000_000))
    return folder


def seen(lamina: Lamina, app: Path, *flags: str) -> dict[str, tuple[str, int]]:
    """The inode and the time of each file, as a step saw them that ran just now."""
    lines = (lamina.files(app, "--no-cache", *flags) / "seen").read_text().splitlines()
    rows = [line.split() for line in lines]
    return {name[2:]: (inode, int(time)) for name, inode, time in rows}


def test_what_did_not_change_is_not_copied_again(lamina: Lamina, app: Path) -> None:
    first = seen(lamina, app)
    assert len(first) == COUNT
    assert seen(lamina, app) == first
    (app / "tree/d3/f3").write_text("another\n")
    (app / "tree/d4/new").write_text("new\n")
    (app / "tree/d5/f5").unlink()
    second = seen(lamina, app)
    assert {*second} == {*first, "d4/new"} - {"d5/f5"}
    same = {name for name in first if second.get(name) == first[name]}
    assert same == {*first} - {"d3/f3", "d5/f5"}
    lamina.check()


def test_a_step_sees_the_times_of_now(lamina: Lamina, app: Path) -> None:
    """For `make`: also where a layer of the same files has others."""
    first = seen(lamina, app)
    os.utime(app / "tree/d0/f0", (1_111_111_111, 1_111_111_111))
    second = seen(lamina, app)
    assert {name for name in first if second[name] != first[name]} == {"d0/f0"}
    assert second["d0/f0"][1] == 1_111_111_111
    # A directory's, and a link's.
    (app / "tree/link").symlink_to("d0")
    recipe = app / "Recipe"
    recipe.write_text(recipe.read_text().replace("find . -type f", "find d1 link"))
    for now in (1_222_222_222, 1_333_333_333):
        for name in ("d1", "link"):
            os.utime(app / "tree" / name, (now, now), follow_symlinks=False)
        lines = (lamina.files(app, "--no-cache") / "seen").read_text().splitlines()
        times = {line.split()[0]: line.split()[2] for line in lines}
        assert (times["d1"], times["link"]) == (str(now), str(now))


def test_a_copy_of_the_same_is_no_other_layer(lamina: Lamina, app: Path) -> None:
    """The layer of a COPY, and its files with other times."""
    recipe = (app / "Recipe").read_text()
    (app / "Recipe").write_text("FROM busybox\nCOPY tree /tree\n")
    image = lamina.build(app, "--source-date-epoch", "1500000000")
    copied = lamina.files(app)
    for path in app.rglob("*"):
        os.utime(path, (1_111_111_111, 1_111_111_111))
    (app / "Recipe").write_text(recipe)
    assert {time for _, time in seen(lamina, app).values()} == {1_111_111_111}
    (app / "Recipe").write_text("FROM busybox\nCOPY tree /tree\n")
    assert lamina.build(app, "--source-date-epoch", "1500000000") == image
    assert (copied / "tree/d0/f0").stat().st_mtime == 1_000_000_000


def test_nothing_is_written_to_what_is_kept(lamina: Lamina, app: Path) -> None:
    first = seen(lamina, app)
    recipe = (app / "Recipe").read_text()
    changed = "for f in d*/f*; do echo more >> $f; done; touch new; rm -r d1"
    written = recipe.replace("target=/b", "target=/b,rw").replace(LOOK, changed)
    (app / "Recipe").write_text(written)
    lamina.build(app, "--no-cache")
    (app / "Recipe").write_text(recipe)
    assert seen(lamina, app) == first
    lamina.check()


@pytest.mark.root("a step with all privileges")
def test_not_even_by_a_step_that_may_do_anything(lamina: Lamina, app: Path) -> None:
    """Nor to a stage that has but one layer."""
    first = seen(lamina, app)
    recipe = (app / "Recipe").read_text()
    writes = (
        "mount -o remount,rw,bind /b; touch new; for f in d*/*; do echo x > $f; done"
    )
    insecure = recipe.replace("RUN", "RUN --security=insecure")
    (app / "Recipe").write_text(
        "FROM scratch AS one\nCOPY tree /\n"
        + insecure.replace(LOOK, f"{writes}; true")
        + insecure.partition("\n")[2]
        .replace("source=tree", "from=one")
        .replace(LOOK, f"{writes}; true")
    )
    lamina.build(app, "--allow", "security.insecure", "--no-cache")
    (app / "Recipe").write_text(recipe)
    assert seen(lamina, app) == first
    lamina.check()


def test_it_goes_when_the_cache_does(lamina: Lamina, app: Path) -> None:
    first = seen(lamina, app)
    before = {*os.listdir(lamina.store / "layers")}
    lamina.run("system", "prune", "-af", "--filter", "type=source.local")
    (copy,) = before - {*os.listdir(lamina.store / "layers")}
    assert lamina.run("build", "--progress=plain", app).ran == []
    assert {*seen(lamina, app)} == {*first}
    assert copy in os.listdir(lamina.store / "layers")
    lamina.check()


def test_builds_that_mount_the_same_at_once(lamina: Lamina, app: Path) -> None:
    for path in app.rglob("*"):
        os.utime(path, (1_444_444_444, 1_444_444_444))
    folders = []
    for number in range(4):
        folder = app.parent / f"app{number}"
        shutil.copytree(app, folder)
        text = (app / "Recipe").read_text()
        (folder / "Recipe").write_text(f"{text}RUN echo {number}\n")
        folders.append(folder)
    started = [lamina.start("build", "-q", folder) for folder in folders]
    for process in started:
        assert process.communicate()[1] == b""
        assert process.returncode == 0
    lamina.check()
