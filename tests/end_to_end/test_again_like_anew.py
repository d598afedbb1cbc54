"""A build with a full cache is the build of a machine that has none.

One machine builds a context again and again while somebody works in it; after each
change a new machine builds it too, and both have the same image.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.end_to_end.machines import Machines

pytestmark = pytest.mark.slow

NAMES = ("a", "b", "d/x", "d/y", "e/s/z", "e/w", "link")
# What a recipe may do with the files; each stands alone.
STEPS = (
    "COPY . .",
    "COPY d ./d2/",
    "COPY --if-exists a b ./t/",
    "COPY --link . ./linked/",
    "COPY --exclude=**/x . ./less/",
    "COPY --parents e/s/* d ./far/",
    "COPY --chmod=640 e ./modes",
    "COPY --chown=5:6 --chmod=u=rwX,go= d ./owners",
    "ADD . ./added",
    "RUN --mount=type=bind,target=/b cp -r /b ./bound",
    "RUN --mount=type=bind,source=e,target=/b,rw touch /b/new; find /b | sort > /seen",
    "RUN find . -exec stat -c '%n %a %u %g %F' {} + | sort > /list",
    "RUN find . -name x -exec rm {} +; mkdir -p made; echo $((1+1)) > made/f",
    "RUN rm -rf d; mkdir d; echo new > d/n",
    "RUN chmod -R g+w .; ln -sf made link2; ln -f /etc/passwd users",
)
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
        steps = self._dice.choices(STEPS, k=self._dice.randrange(1, 4))
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


@pytest.mark.parametrize("seed", range(4))
def test_a_cached_build_is_as_one_without_cache(
    machines: Machines, tmp_path: Path, seed: int
) -> None:
    dice = random.Random(seed)
    folder = tmp_path / "context"
    worker = Worker(folder, dice)
    worker.begin()
    old = machines.new()
    recipe = worker.recipe()
    built = 0
    for _ in range(12):
        worker.work()
        recipe = worker.recipe() if dice.random() < 0.3 else recipe
        flags = ("build", "-q", "--source-date-epoch", "1700000000", "-f", "-", folder)
        ours = old.run(*flags, given=recipe, code=None)
        anew = machines.new().run(*flags, given=recipe, code=None)
        assert (ours.code, ours.out) == (anew.code, anew.out), (recipe, ours, anew)
        built += not ours.code
    assert built > 3
    old.check()
