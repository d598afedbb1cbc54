"""A context, and a layer that is copied to.

The view is a plain directory here: a copy only needs its descriptor.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

from lamina.builder.ops.files import Arrival, Copied, copy_into
from lamina.builder.sources.choice import Choice
from lamina.builder.sources.context import open_context, open_root

OLD = 1_234_567_890_123_456_789


class Place:
    """A context, a view and the layer that copies go to."""

    def __init__(self, top: Path) -> None:
        self.context = top / "context"
        self.view = top / "view"
        self.upper = top / "upper"
        for directory in (self.context, self.view, self.upper):
            directory.mkdir()

    def copy(self, *sources: str, to: str, **how: object) -> Copied:
        """COPY from the context onto the view."""
        selecting = {k: how.pop(k) for k in ("exclude", "parents") if k in how}
        with open_context(str(self.context)) as context, self._opened() as view:
            items = context.select(Choice(sources, **selecting)).items  # type: ignore[arg-type]
            return copy_into(items, view, str(self.upper), _arrival(to, how))

    def copy_stage(self, *sources: str, to: str, **how: object) -> Copied:
        """COPY --from of a stage whose root is the context's folder."""
        fd = os.open(self.context, os.O_PATH)
        try:
            with open_root(fd, "the stage") as stage, self._opened() as view:
                items = stage.select(Choice(sources)).items
                return copy_into(items, view, str(self.upper), _arrival(to, how))
        finally:
            os.close(fd)

    def copy_onto_nothing(self, *sources: str, to: str) -> Copied:
        with open_context(str(self.context)) as context:
            items = context.select(Choice(sources)).items
            return copy_into(items, None, str(self.upper), Arrival(to))

    @contextlib.contextmanager
    def _opened(self) -> Iterator[int]:
        view = os.open(self.view, os.O_PATH | os.O_DIRECTORY)
        try:
            yield view
        finally:
            os.close(view)

    def layer(self) -> dict[str, str]:
        """Everything in the layer: `dir`, a link's target, or a file's content."""
        found = {}
        for path in sorted(self.upper.rglob("*")):
            name = str(path.relative_to(self.upper))
            if path.is_symlink():
                found[name] = f"-> {os.readlink(path)}"
            elif path.is_dir():
                found[name] = "dir"
            else:
                found[name] = path.read_text()
        return found

    def files(self) -> dict[str, str]:
        return {k: v for k, v in self.layer().items() if v != "dir"}

    def mode(self, name: str) -> int:
        return stat.S_IMODE((self.upper / name).lstat().st_mode)


def _arrival(to: str, how: dict[str, object]) -> Arrival:
    return Arrival(to, **how)  # type: ignore[arg-type]


def make(root: Path, **files: str) -> None:
    """Files by name, `__` for a slash; a value of `-> x` is a link, `dir` a folder."""
    for name, content in files.items():
        path = root / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        if content.startswith("-> "):
            path.symlink_to(content[3:])
        elif content == "dir":
            path.mkdir(exist_ok=True)
        else:
            path.write_text(content)


def empty(directory: Path) -> None:
    """Take away the folders in it."""
    for path in directory.iterdir():
        shutil.rmtree(path)
