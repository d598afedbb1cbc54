"""Bases in files beside the store: `oci-layout:DIR[:TAG]`, `docker-archive:FILE`."""

from __future__ import annotations

import os

from lamina.builder.errors import OutsideContext, UnknownBase

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lamina.builder.planning.base import BaseRequest
    from lamina.oci.store.store import Image, Store

KINDS = ("oci-layout", "docker-archive")
# What makes each of the two.
_MADE_BY = {
    "oci-layout": "`lamina save --format oci-dir -o FOLDER NAME`",
    "docker-archive": "`lamina save -o FILE NAME`, `docker save -o FILE NAME`",
}


class ArchivedBases:
    """Loads bases from archives into `store`, each once for each state of its file.

    Names are looked up from `folder`, the context's, so that a recipe means the same
    wherever one stands. With `elsewhere` the recipe is a stranger's, and reads only
    what the command line names.
    """

    def __init__(self, store: Store, folder: str, *, elsewhere: bool) -> None:
        self._store = store
        self._folder = folder or os.curdir
        self._elsewhere = elsewhere

    def find(self, request: BaseRequest) -> Image:
        """The image that a base's name means. Raises UnknownBase, OutsideContext and
        what load_base raises."""
        kind, _, rest = request.name.partition(":")
        if self._elsewhere and not request.named:
            raise OutsideContext(
                f"{rest} is on this machine, and the recipe is not from here.",
                hint="Name it for it: --build-context NAME=oci-layout://FOLDER.",
            )
        place = os.path.abspath(os.path.join(self._folder, rest))
        path = _path(place)
        if not path:
            raise UnknownBase(
                f"There is no {rest!r} in {os.path.abspath(self._folder)}.",
                request.span,
                hint=f"{_MADE_BY[kind]} makes one. Names are looked up in the folder "
                "of the context.",
            )
        return self._loaded(kind, place, path, request.platform)

    def _loaded(self, kind: str, place: str, path: str, platform: str) -> Image:
        key = f"{kind}:{place}:{_stamp(path)}" + (f":{platform}" if platform else "")
        known = self._store.recall("archive", key)
        if known is not None and (identity := self._store.resolve_id(known.decode())):
            return self._store.image(identity)
        from lamina.oci.archives.load import load_base

        image = load_base(self._store, kind, place, platform)
        self._store.remember("archive", key, image.id.encode())
        return image


def _path(place: str) -> str:
    """The file or folder of `PATH[:NAME][@DIGEST]`; "" when there is none."""
    without_digest = place.partition("@sha256:")[0]
    for path in (place, without_digest, without_digest.rpartition(":")[0]):
        if path and os.path.lexists(path):
            return path
    return ""


def _stamp(path: str) -> tuple[int, ...]:
    """What changes with an archive; of a layout's folder its index, which others
    may write over without a trace in the folder itself."""
    try:
        found = os.stat(f"{path}/index.json" if os.path.isdir(path) else path)
    except OSError:
        return ()
    return (found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
