"""A build with a full cache is the build of a machine that has none.

One machine builds a context again and again while somebody works in it; after each
change a new machine builds it too, and both have the same images: each kind of step
after each kind of change, each step beside one that differs in a word, and by dice what
nobody thought of.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from tests.end_to_end.machines import Machines

pytestmark = [
    pytest.mark.slow,
    # What is built again is asked in the same way whoever builds.
    pytest.mark.skipif(os.geteuid() != 0, reason="asked when root runs the tests"),
]

NAMES = ("a", "b", "d/x", "d/y", "e/s/z", "e/w", "link")
# What a recipe may do with the files; each stands alone. Beside each the same with
# another word, which makes something else of the same files.
PAIRS = (
    ("COPY . .", "COPY . ./below/"),
    ("COPY d ./d2/", "COPY e ./d2/"),
    ("COPY --if-exists a b ./t/", "COPY --if-exists b a c ./t/"),
    ("COPY --link . ./linked/", "COPY --link . ./linked/again/"),
    ("COPY --exclude=**/x . ./less/", "COPY --exclude=**/y . ./less/"),
    ("COPY --parents e/s/* d ./far/", "COPY --parents ./e/./s/* d ./far/"),
    ("COPY --chmod=640 e ./modes", "COPY --chmod=600 e ./modes"),
    ("COPY --chown=5:6 d ./owners", "COPY --chown=5:7 d ./owners"),
    ("COPY --chown=5 --chmod=u=rwX,go= d o", "COPY --chown=5 --chmod=u=rX,go= d o"),
    ("ADD . ./added", "COPY . ./added"),
    ("COPY <<f ./f\none\nf", "COPY <<f ./f\ntwo\nf"),
    (
        "RUN --mount=type=bind,target=/b cp -r /b ./bound",
        "RUN --mount=type=bind,source=e,target=/b cp -r /b ./bound",
    ),
    (
        "RUN --mount=type=bind,source=e,target=/b,rw touch /b/n; find /b | sort > f",
        "RUN --mount=type=bind,source=e,target=/b touch /b/n; find /b | sort > f",
    ),
    (
        "RUN find . -exec stat -c '%n %a %u %g %F' {} + | sort > /list",
        "RUN find . -exec stat -c '%n %a %u %g' {} + | sort > /list",
    ),
    ("RUN find . -name x -exec rm {} +", "RUN find . -name y -exec rm {} +"),
    ("RUN rm -rf d; mkdir d; echo new > d/n", "RUN rm -rf d; mkdir d; echo n > d/n"),
    ("RUN <<f\necho one > f\nf", "RUN <<f\necho two > f\nf"),
    ("RUN chmod -R g+w .; ln -sf d link2", "RUN chmod -R g+w .; ln -sf e link2"),
    ("RUN ln -f /etc/passwd users", "RUN cp /etc/passwd users"),
)
STEPS = tuple(first for first, _ in PAIRS)
ENDS = (
    "",
    "FROM busybox\nCOPY --from=s /w /all\nRUN find /all | sort > /list\n",
    "FROM busybox\nCOPY --from=s /w/ /all/\nCOPY --link --from=s /w /again\n",
    "FROM busybox\nRUN --mount=type=bind,from=s,source=/w,target=/m cp -r /m /all\n",
)
IGNORED = ("", "a\n", "e\n!e/s\n", "**/x\n", "*\n!a\n!b\n!d\n!e\n", "d/*\n!d/y\n")


class Worker:
    """Somebody who works in a folder, by dice."""

    def __init__(self, folder: Path, dice: random.Random) -> None:
        self._folder = folder
        self._dice = dice
        self._acts: tuple[Callable[[Path], None], ...] = (
            *(self.write, self.write, self.drop, self.mode, self.touch),
            *(self.same_stamps, self.swap, self.share, self.point, self.ignore),
        )

    def begin(self) -> None:
        for name in NAMES[:-1]:
            self.write(self._folder / name)

    def work(self) -> None:
        for _ in range(self._dice.randrange(1, 4)):
            self._dice.choice(self._acts)(self._folder / self._dice.choice(NAMES))

    def recipe(self) -> str:
        steps = self._dice.sample(STEPS, self._dice.randrange(2, 6))
        lines = ("# lamina: extended", "FROM busybox AS s", "WORKDIR /w", *steps)
        return "\n".join((*lines, self._dice.choice(ENDS)))

    def write(self, path: Path) -> None:
        self.drop(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self._dice.choice(("one\n", "two\n", "three\n", "")))

    def drop(self, path: Path) -> None:
        path.unlink(missing_ok=True)

    def mode(self, path: Path) -> None:
        if path.is_file() and not path.is_symlink():
            path.chmod(self._dice.choice((0o644, 0o755, 0o600)))

    def touch(self, path: Path) -> None:
        if path.is_file():
            os.utime(path)

    def same_stamps(self, path: Path) -> None:
        """Another content of the same size, with the old time."""
        if path.is_file() and not path.is_symlink():
            before = path.stat()
            path.write_text(path.read_text().swapcase())
            os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))

    def swap(self, path: Path) -> None:
        other = self._folder / self._dice.choice(NAMES)
        if path.exists() and other.exists() and path != other:
            path.rename(self._folder / "aside")
            other.rename(path)
            (self._folder / "aside").rename(other)

    def share(self, path: Path) -> None:
        """One more name for a file."""
        other = self._folder / self._dice.choice(NAMES)
        if other.is_file() and not other.is_symlink() and path != other:
            self.drop(path)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.hardlink_to(other)

    def point(self, _: Path) -> None:
        link = self._folder / "link"
        self.drop(link)
        link.symlink_to(self._dice.choice(("a", "d", "e/s", "nowhere", "/etc")))

    def ignore(self, _: Path) -> None:
        (self._folder / ".dockerignore").write_text(self._dice.choice(IGNORED))


class Both:
    """A machine that has built before, beside a new one for each build."""

    def __init__(self, machines: Machines, folder: Path) -> None:
        self._machines = machines
        self._folder = folder
        self._old = machines.new()

    def build(self, recipe: str, *flags: str) -> tuple[int, str]:
        """How the build ended and its images' IDs, which are the same for both."""
        epoch = ("--source-date-epoch", "1700000000")
        command = ("build", "-q", *epoch, *flags, "-f", "-", str(self._folder))
        ours = self._old.run(*command, given=recipe, code=None)
        anew = self._machines.new().run(*command, given=recipe, code=None)
        assert (ours.code, ours.out) == (anew.code, anew.out), (recipe, ours, anew)
        return ours.code, ours.out

    def check(self) -> None:
        self._old.check()


def _stages(steps: Iterable[str], *, files: bool = True) -> str:
    """A stage for each step, on one that has `files` or none."""
    first = "# lamina: extended\nFROM busybox AS begun\nWORKDIR /w\n"
    first += "COPY . .\n" if files else ""
    return first + "".join(
        f"FROM begun AS s{number}\n{step}\n" for number, step in enumerate(steps)
    )


def _again(path: Path, text: str) -> None:
    """Another content of the same size, with the old time."""
    before = path.stat()
    assert len(text) == before.st_size
    path.write_text(text)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def _swap(one: Path, other: Path) -> None:
    one.rename(one.parent / "aside")
    other.rename(one)
    (one.parent / "aside").rename(other)


def _point(path: Path, target: str) -> None:
    path.unlink(missing_ok=True)
    path.symlink_to(target)


def _fill(path: Path) -> None:
    """An empty file where an empty directory was."""
    path.rmdir()
    path.touch()


def _share(one: Path, other: Path) -> None:
    """Two files of the same content as one with two names."""
    other.unlink()
    other.hardlink_to(one)


# What somebody does to the files, one after the other; each makes other images.
CHANGES: tuple[tuple[str, Callable[[Path], object]], ...] = (
    ("another content", lambda at: (at / "a").write_text("longer\n")),
    ("the same size and time", lambda at: _again(at / "a", "LONGER\n")),
    ("one that is deeper", lambda at: _again(at / "e/s/z", "E/S/Z\n")),
    ("two change places", lambda at: _swap(at / "a", at / "b")),
    ("two of one size do", lambda at: _swap(at / "d/x", at / "d/y")),
    ("a mode", lambda at: (at / "d/x").chmod(0o755)),
    ("a directory's mode", lambda at: (at / "e/s").chmod(0o700)),
    ("another name", lambda at: (at / "d/y").rename(at / "d/z")),
    ("another directory", lambda at: (at / "d/z").rename(at / "e/z")),
    ("a directory's name", lambda at: (at / "e/s").rename(at / "e/t")),
    ("and back", lambda at: (at / "e/t").rename(at / "e/s")),
    ("one that is new", lambda at: (at / "e/s/new").write_text("new\n")),
    ("a twin", lambda at: (at / "e/s/twin").write_text("new\n")),
    ("which becomes the same", lambda at: _share(at / "e/s/new", at / "e/s/twin")),
    ("one that is gone", lambda at: (at / "e/w").unlink()),
    ("an empty directory", lambda at: (at / "d/empty").mkdir()),
    ("an empty file instead", lambda at: _fill(at / "d/empty")),
    ("a link", lambda at: _point(at / "d/link", "x")),
    ("a link to elsewhere", lambda at: _point(at / "d/link", "z")),
    ("a link instead of a file", lambda at: _point(at / "a", "b")),
    ("what is ignored", lambda at: (at / ".dockerignore").write_text("e/s/new\n")),
    ("something else", lambda at: (at / ".dockerignore").write_text("e/s/twin\n")),
)


def _begin(at: Path) -> None:
    """So many files that a step that mounts them has a copy which is kept."""
    for name in (*NAMES[:-1], *(f"e/many/{number}" for number in range(70))):
        (at / name).parent.mkdir(parents=True, exist_ok=True)
        (at / name).write_text(f"{name}\n")


def test_each_change_reaches_each_step(machines: Machines, tmp_path: Path) -> None:
    folder = tmp_path / "context"
    _begin(folder)
    both = Both(machines, folder)
    recipe = _stages(STEPS, files=False)
    seen = {both.build(recipe, "--all")}
    for about, change in CHANGES:
        change(folder)
        built = both.build(recipe, "--all")
        assert not built[0]
        assert (built in seen) == (about == "and back"), about
        seen.add(built)
    for path in folder.rglob("*"):
        os.utime(path, follow_symlinks=False)
    assert both.build(recipe, "--all") == built
    both.check()


def test_each_word_of_a_step_counts(machines: Machines, tmp_path: Path) -> None:
    folder = tmp_path / "context"
    _begin(folder)
    both = Both(machines, folder)
    for steps in zip(*PAIRS, strict=True):
        for files in (False, True):
            code, out = both.build(_stages(steps, files=files), "--all")
            assert not code
            assert len({*out.split()}) > len(PAIRS)
    both.check()


@pytest.mark.parametrize("seed", range(2))
def test_by_dice(machines: Machines, tmp_path: Path, seed: int) -> None:
    dice = random.Random(seed)
    folder = tmp_path / "context"
    worker = Worker(folder, dice)
    worker.begin()
    both = Both(machines, folder)
    recipe = worker.recipe()
    built = 0
    for _ in range(12):
        worker.work()
        recipe = worker.recipe() if dice.random() < 0.3 else recipe
        built += not both.build(recipe)[0]
    assert built > 3
    both.check()
