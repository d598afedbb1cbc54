"""squash: the layers that a build added as one, like a file system copied once.

`build` leaves the base's layers as they are, so that images share them; `all` makes
one layer of those too. Files are hard links to the layers' own: nothing is copied.

With an epoch every file of the squashed layer carries it: which of them a step wrote
and which it brought along with older times is not told apart any more.
"""

from __future__ import annotations

import os
import stat

from lamina.builder.solving.graph import BaseOp
from lamina.builder.solving.layers import Layers
from lamina.oci.config import History
from lamina.oci.digest import Digest
from lamina.oci.store.store import Layer
from lamina.values import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lamina.builder.solving.graph import Graph
    from lamina.oci.config import ImageConfig
    from lamina.oci.files.workspace import Workspace
    from lamina.oci.store.store import Store


_OPAQUE = b"y"


def base_layers(graph: Graph, tip: int) -> int:
    """How many layers the step `tip` has from the image that its stage stands on."""
    step = graph.steps[tip]
    while not isinstance(step.operation, BaseOp):
        step = graph.steps[step.parent]
    return len(step.operation.layers)


def squash(
    store: Store, config: ImageConfig, layers: Layers, kept: int, epoch: int | None
) -> tuple[ImageConfig, Layers]:
    """The config and the layers with all but the first `kept` made one.

    The lines of history stay, where they say something, and call the squashed layers
    empty; one more tells what was done.
    """
    below, above = layers[:kept], layers[kept:]
    if len(above) < 2:
        return config, layers
    with store.workspace() as workspace:
        content = _merged(store, workspace, below, above, epoch)
    return replace(config, history=_history(config.history, kept, above)), (
        *below,
        content,
    )


def _history(
    history: tuple[History, ...], kept: int, above: Layers
) -> tuple[History, ...]:
    found = []
    seen = 0
    for entry in history:
        seen += not entry.empty_layer
        if seen <= kept:
            found.append(entry)
        elif entry.created_by or entry.comment:
            found.append(replace(entry, empty_layer=True))
    return (*found, History(comment=f"squashed {len(above)} layers"))


def _merged(
    store: Store, workspace: Workspace, below: Layers, above: Layers, epoch: int | None
) -> Digest:
    from lamina.oci.layers.pack import Times, pack

    directory = workspace.directory("squashed")
    roots = tuple(store.layer_path(layer) for layer in reversed(below))
    merge = _Merge(directory, roots, f"{store.xattrs}.overlay.opaque")
    for layer in above:
        merge.add(store.layer_path(layer))
    packed = pack(directory, Times(epoch, 0), None, store.xattrs)
    made = Layer(packed.content, packed.diff_id, packed.bytes, packed.entries, 0)
    return store.publish_layer(directory, made, epoch=epoch).content


class _Merge:
    """A changeset that grows by one layer after the other, the lowest first."""

    def __init__(self, target: str, below: tuple[str, ...], opaque: str) -> None:
        self._target = target
        self._below = below
        self._opaque = opaque
        self._times: dict[str, tuple[int, int]] = {}

    def add(self, layer: str) -> None:
        self._times.clear()
        self._directory(layer, "")
        # Last, for putting files into a directory gives it another time.
        for path, times in self._times.items():
            os.utime(f"{self._target}{path}", ns=times)

    def _directory(self, layer: str, path: str) -> None:
        """Add the directory at `path`, "" or with a leading slash, and all in it."""
        source, target = f"{layer}{path}", f"{self._target}{path}"
        status = os.lstat(source)
        before = _mode(target)
        if self._is_opaque(source) and before is not None:
            self._remove(target)
            before = None
        if before is None or not stat.S_ISDIR(before):
            self._remove(target)
            os.mkdir(target)
            # What lies below is hidden: by this layer's mark, or by a removal before.
            if self._is_opaque(source) or before is not None:
                self._hide(path, target)
        _dress(source, target, status)
        self._times[path] = (status.st_atime_ns, status.st_mtime_ns)
        with os.scandir(source) as entries:
            for entry in entries:
                inner = f"{path}/{entry.name}"
                if entry.is_dir(follow_symlinks=False):
                    self._directory(layer, inner)
                else:
                    self._file(layer, inner)

    def _file(self, layer: str, path: str) -> None:
        source, target = f"{layer}{path}", f"{self._target}{path}"
        self._remove(target)
        if _is_whiteout(os.lstat(source)) and not self._is_below(path):
            return
        os.link(source, target, follow_symlinks=False)

    def _remove(self, path: str) -> None:
        from shutil import rmtree

        mode = _mode(path)
        if mode is None:
            return
        if stat.S_ISDIR(mode):
            rmtree(path)
        else:
            os.unlink(path)

    def _hide(self, path: str, target: str) -> None:
        if self._is_below(path):
            os.setxattr(target, self._opaque, _OPAQUE)

    def _is_below(self, path: str) -> bool:
        """Whether the layers that stay have something there, hidden or not."""
        return any(os.path.lexists(f"{root}{path}") for root in self._below)

    def _is_opaque(self, path: str) -> bool:
        try:
            return os.getxattr(path, self._opaque, follow_symlinks=False) == _OPAQUE
        except OSError:
            return False


def _mode(path: str) -> int | None:
    try:
        return os.lstat(path).st_mode
    except FileNotFoundError:
        return None


def _is_whiteout(status: os.stat_result) -> bool:
    """overlayfs's: a character device 0:0."""
    return stat.S_ISCHR(status.st_mode) and status.st_rdev == 0


def _dress(source: str, target: str, status: os.stat_result) -> None:
    """Owner, mode and attributes of a directory, but not its mark."""
    os.chown(target, status.st_uid, status.st_gid)
    os.chmod(target, stat.S_IMODE(status.st_mode))
    for name in os.listxattr(source):
        if ".overlay." not in name:
            os.setxattr(target, name, os.getxattr(source, name))
