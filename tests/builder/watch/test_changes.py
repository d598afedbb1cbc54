"""builder.watch: real saves in real folders, each seen once it is whole."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lamina.builder.watch.changes import Changed, Changes
from lamina.builder.watch.errors import WatchLimit
from lamina.builder.watch.watcher import Area, hears

PATIENCE = 20.0


class Seen:
    """Changes of a folder, with what was seen of them."""

    def __init__(self, changes: Changes, root: Path) -> None:
        self.changes = changes
        self.root = root

    def of(self, action: Callable[[], object], *expected: str) -> set[str]:
        """The paths below the root that `action` changed: at least `expected`."""
        action()
        found: set[str] = set()
        while not set(expected) <= found:
            changed = self.changes.wait(PATIENCE)
            assert changed is not None, f"only {found} was seen"
            found |= {os.path.relpath(path, self.root) for path in changed.paths}
        return found

    def nothing_of(self, action: Callable[[], object]) -> bool:
        """Whether `action` is not seen: what is done after it is, by itself."""
        action()
        found = self.of((self.root / "after").touch, "after")
        return found == {"after"}


@pytest.fixture
def limits() -> list[WatchLimit]:
    return []


@pytest.fixture
def seen(tmp_path: Path, limits: list[WatchLimit]) -> Iterator[Seen]:
    root = tmp_path / "project"
    (root / "src" / "deep").mkdir(parents=True)
    (root / "ignored").mkdir()
    (root / "src" / "a.py").write_text("1")

    def wanted(path: str, _is_directory: bool) -> bool:
        return "ignored" not in path.split("/")

    with Changes(wanted, limits.append) as changes:
        changes.watch([Area(str(root))])
        yield Seen(changes, root)


def test_a_save_in_place(seen: Seen) -> None:
    file = seen.root / "src/a.py"
    assert seen.of(lambda: file.write_text("2"), "src/a.py") == {"src/a.py"}


def test_a_save_by_a_temporary_file_and_a_rename(seen: Seen) -> None:
    def save() -> None:
        (seen.root / "src/.a.tmp").write_text("2")
        os.rename(seen.root / "src/.a.tmp", seen.root / "src/a.py")

    assert seen.of(save, "src/a.py") == {"src/a.py", "src/.a.tmp"}


def test_a_save_as_vim_does_it(seen: Seen) -> None:
    def save() -> None:
        file = seen.root / "src/a.py"
        os.rename(file, f"{file}~")
        file.write_text("3")
        os.unlink(f"{file}~")

    assert "src/a.py" in seen.of(save, "src/a.py")


def test_links_modes_and_removals(seen: Seen) -> None:
    file = seen.root / "src/a.py"
    link = seen.root / "src/link"
    assert seen.of(lambda: file.chmod(0o755), "src/a.py")
    assert seen.of(lambda: link.symlink_to("a.py"), "src/link")
    assert seen.of(lambda: os.link(file, f"{file}.hard"), "src/a.py.hard")
    assert seen.of(file.unlink, "src/a.py")


def test_new_folders_are_seen_with_all_that_is_put_in_them(seen: Seen) -> None:
    def make() -> None:
        for number in range(100):
            folder = seen.root / f"new/{number}/x"
            folder.mkdir(parents=True)
            (folder / "file").write_text("1")

    wanted = [f"new/{number}/x/file" for number in range(100)]
    seen.of(make, *wanted)
    late = seen.root / "new/57/x/late"
    assert seen.of(late.touch, "new/57/x/late")


def test_a_folder_that_is_moved_in_and_out_again(seen: Seen, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    (tree / "inner").mkdir(parents=True)
    (tree / "inner/file").write_text("1")
    inside = seen.root / "tree"
    seen.of(lambda: os.rename(tree, inside), "tree/inner/file")
    seen.of((inside / "inner/more").touch, "tree/inner/more")
    seen.of(lambda: os.rename(inside, tree), "tree")
    assert seen.nothing_of((tree / "inner/unseen").touch)


def test_a_folder_that_is_renamed_keeps_being_watched(seen: Seen) -> None:
    seen.of(lambda: os.rename(seen.root / "src", seen.root / "lib"), "lib/a.py")
    assert seen.of((seen.root / "lib/deep/new").touch, "lib/deep/new")


def test_what_is_not_wanted_is_not_watched(seen: Seen) -> None:
    def write() -> None:
        (seen.root / "ignored/file").write_text("1")
        (seen.root / "src/ignored").mkdir()
        (seen.root / "src/ignored/file").write_text("1")

    assert seen.nothing_of(write)


def test_reading_is_no_change(seen: Seen) -> None:
    assert seen.nothing_of((seen.root / "src/a.py").read_bytes)


def test_an_area_without_what_is_below_it(seen: Seen) -> None:
    seen.changes.watch([Area(str(seen.root), deep=False)])
    assert seen.nothing_of(lambda: (seen.root / "src/a.py").write_text("4"))
    seen.changes.watch([Area(str(seen.root))])
    assert seen.of(lambda: (seen.root / "src/a.py").write_text("5"), "src/a.py")


def test_an_area_that_is_not_there_yet_or_comes_back(seen: Seen) -> None:
    later = seen.root.parent / "later"
    seen.changes.watch([Area(str(seen.root)), Area(str(later))])

    def make() -> None:
        later.mkdir()
        (later / "file").write_text("1")

    assert seen.of(make, "../later/file")
    seen.of(lambda: shutil.rmtree(later), "../later")
    assert seen.of(make, "../later/file")
    assert seen.of((later / "more").touch, "../later/more")


def test_a_checkout_misses_nothing(seen: Seen) -> None:
    def git(*args: str) -> None:
        options = ("-c", "user.name=n", "-c", "user.email=e", "-c", "gc.auto=0")
        subprocess.run(["git", *options, "-C", seen.root, *args], check=True)

    git("init", "-q")
    for number in range(2000):
        folder = seen.root / f"d{number % 50}/e{number % 7}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{number}").write_text("1")
    git("add", "-A")
    git("commit", "-q", "-m", "one")
    git("rm", "-rq", "--cached", ".")
    git("commit", "-q", "--allow-empty", "-m", "none")
    shutil.rmtree(seen.root / "d0")
    while seen.changes.wait(0.5):
        pass
    names = [f"d{n % 50}/e{n % 7}/{n}" for n in range(2000)]
    for number in range(1, 50):
        shutil.rmtree(seen.root / f"d{number}")
    (seen.root / "src/a.py").unlink()
    seen.of(lambda: git("checkout", "-qf", "HEAD~1"), *names)
    assert seen.of((seen.root / "d13/e6/13").touch, "d13/e6/13")


def test_a_full_queue_means_everything(seen: Seen) -> None:
    limit = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())

    def flood() -> Changed | None:
        # Nobody reads events while this holds what their reader waits for.
        with seen.changes._watcher._lock:
            for number in range(limit // 2 + 1000):
                os.close(os.open(seen.root / f"f{number}", os.O_CREAT | os.O_WRONLY))
        while changed := seen.changes.wait(PATIENCE):
            if changed.everything:
                return changed
        return None

    assert flood() is not None
    while seen.changes.wait(0.5):
        pass
    assert seen.of((seen.root / "src/late").touch, "src/late")


LIMITED = """
import os, sys
from lamina.builder.watch.changes import Changes
from lamina.builder.watch.watcher import Area

open("/proc/sys/user/max_inotify_watches", "w").write("20")
root, limits = sys.argv[1], []
with Changes(lambda path, _: True, limits.append) as changes:
    changes.watch([Area(root)])
    for number in range(40):
        open(f"{root}/d{number}/file", "w").close()
    seen = set()
    while len(seen) < 40:
        changed = changes.wait(20)
        assert changed is not None, sorted(seen)
        seen |= {path for path in changed.paths if path.endswith("/file")}
print(len(limits), limits[0])
"""


def test_where_the_kernel_watches_no_more_folders_they_are_looked_at(
    tmp_path: Path,
) -> None:
    for number in range(40):
        (tmp_path / f"d{number}").mkdir()
    alone = ("unshare", "--user", "--map-root-user")
    command = (*alone, sys.executable, "-c", LIMITED, tmp_path)
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert done.stdout.startswith("1 No more directories may be watched")


def test_who_waits_is_told_of_the_end(seen: Seen) -> None:
    timer = threading.Timer(0.1, seen.changes.close)
    timer.start()
    assert list(seen.changes) == []
    timer.join()


def test_whether_a_folder_tells_of_changes(tmp_path: Path) -> None:
    assert hears(str(tmp_path))
    assert os.listdir(tmp_path) == []


def test_gits_lock_is_waited_for_and_is_no_change(seen: Seen) -> None:
    (seen.root / ".git").mkdir()
    seen.of((seen.root / "before").touch, "before")
    lock = seen.root / ".git/index.lock"

    def check_out() -> None:
        lock.touch()
        (seen.root / "src/a.py").write_text("2")
        lock.unlink()

    assert "src/a.py" in seen.of(check_out, "src/a.py")
    found = seen.of((seen.root / "after").touch, "after")
    assert not any(path.startswith(".git/") for path in found)
