"""A COPY of what was mostly copied before: linked where it is the same, and only there,
with the digests that a copy from nothing has."""

from __future__ import annotations

import os
from pathlib import Path

from tests.end_to_end.bases import Lamina, project


def inodes(lamina: Lamina, known: set[str]) -> dict[str, int]:
    """The files of the one layer that is not known yet."""
    (name,) = set(os.listdir(lamina.store / "layers")) - known
    known.add(name)
    top = lamina.store / "layers" / name
    return {
        str(path.relative_to(top)): path.lstat().st_ino
        for path in top.rglob("*")
        if path.is_file() and not path.is_symlink()
    }


def fresh(lamina: Lamina, folder: Path, number: int) -> str:
    """The same build on a store that knows nothing."""
    other = Lamina(lamina.place, lamina.place / f"fresh{number}" / "store").with_base()
    return other.build(folder, "--source-date-epoch", "1700000000")


def test_only_what_changed_is_copied(lamina: Lamina, tmp_path: Path) -> None:
    names = ("a", "b", "in__c", "in__d", "in__e", "twin", "one", "other")
    folder = project(tmp_path / "app", "", **{f"s__{n}": f"{n:8}" for n in names})
    (folder / "Recipe").write_text("FROM scratch\nCOPY --chmod=u=rwX,go=rX s /to/\n")
    os.link(folder / "s/twin", folder / "s/twin2")
    # Two files that differ in nothing, not even in time, and are two.
    (folder / "s/other").write_text("same")
    (folder / "s/one").write_text("same")
    for name in ("one", "other"):
        os.utime(folder / "s" / name, (1, 1))
    known = set(os.listdir(lamina.store / "layers"))
    epoch = ("--source-date-epoch", "1700000000")
    assert lamina.build(folder, *epoch) == fresh(lamina, folder, 0)
    first = inodes(lamina, known)

    status = (folder / "s/a").stat()
    (folder / "s/a").write_text("changed!")
    os.utime(folder / "s/a", ns=(status.st_atime_ns, status.st_mtime_ns))
    (folder / "s/b").rename(folder / "s/bb")
    (folder / "s/in/c").chmod(0o755)
    os.utime(folder / "s/in/d", (5, 5))
    assert lamina.build(folder, *epoch) == fresh(lamina, folder, 1)
    second = inodes(lamina, known)
    same = {name for name in second if first.get(name) == second[name]}
    assert same == {"to/in/e", "to/one", "to/other"}
    assert second["to/one"] != second["to/other"]
    assert second["to/twin"] == second["to/twin2"] != first["to/twin"]
    files = lamina.files(folder)
    assert (files / "to/a").read_text() == "changed!"
    assert (files / "to/in/c").stat().st_mode & 0o777 == 0o755

    # What stands on a layer changes nothing in it; a layer that went is no loss.
    (folder / "Recipe").write_text(
        "FROM busybox\nCOPY --chmod=u=rwX,go=rX s /to/\nRUN echo x >> /to/in/e\n"
    )
    lamina.build(folder)
    assert (folder / "s/in/e").read_text() == "in__e   "
    lamina.check()
    lamina.run("system", "prune", "-a", "-f", code=None)
    (folder / "s/new").write_text("new")
    lamina.with_base()
    assert (lamina.files(folder) / "to/new").read_text() == "new"
    lamina.check()


def test_linking_disturbs_no_copy_of_a_stage(lamina: Lamina, tmp_path: Path) -> None:
    """A new name changes a file's ctime while another build reads it."""
    recipe = (
        "FROM scratch AS one\nCOPY s /s/\nFROM busybox\nCOPY --from=one /s /t/\n"
        "RUN ls /t | wc -l > /n\n"
    )
    folders = [project(tmp_path / str(n), recipe) for n in range(3)]
    for folder in folders:
        (folder / "s").mkdir()
        for number in range(1500):
            (folder / f"s/{number}").write_text(str(number))
            os.utime(folder / f"s/{number}", (9, 9))
    for turn in range(3):
        for number, folder in enumerate(folders):
            (folder / "s/0").write_text(f"{turn} {number}")
        builds = [lamina.start("build", "-q", folder) for folder in folders]
        for process in builds:
            _, err = process.communicate(timeout=120)
            assert process.returncode == 0, err
    lamina.check()
