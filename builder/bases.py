"""Where a FROM finds its base: the store, an archive, a distribution's packages.

`scratch` and the names of stages never come here. Registries have their place in
`find_base`, before the error.
"""

from __future__ import annotations

import os

from lamina.builder.errors import UnknownBase, placed
from lamina.builder.plan import Base
from lamina.errors import LaminaError
from lamina.oci.store import Image, Store

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lamina.builder.events import Emit
    from lamina.builder.plan import BaseRequest
    from lamina.oci.digest import Digest


class BaseFinder:
    """Finds bases in `store`; `pull` asks again where a base may have moved on.

    `found` tells, by name, which image each base was.
    """

    def __init__(self, store: Store, emit: Emit, *, pull: bool) -> None:
        self.found: dict[str, Digest] = {}
        self._store = store
        self._emit = emit
        self._pull = pull

    def __call__(self, request: BaseRequest) -> Base:
        try:
            name, image = self._find(request)
        except LaminaError as error:
            raise placed(error, request.span) from error
        self.found[name] = image.id
        return Base(image.config, image.layers)

    def _find(self, request: BaseRequest) -> tuple[str, Image]:
        kind, _, rest = request.name.partition(":")
        if kind == "bootstrap":
            from lamina.builder.bootstrap import (
                bootstrap_image,
                memo_key,
                parse_bootstrap,
            )

            wanted = parse_bootstrap(rest, request.flags)
            image = bootstrap_image(self._store, wanted, self._emit, again=self._pull)
            return f"bootstrap:{memo_key(wanted)}", image
        if kind in ("oci-layout", "docker-archive"):
            return request.name, self._from_archive(kind, rest)
        identity = self._store.resolve_id(request.name)
        if identity is None:
            raise _unknown(request)
        return request.name, self._store.image(identity)

    def _from_archive(self, kind: str, place: str) -> Image:
        """The image in an archive, loaded once for each state of the file."""
        key = f"{kind}:{os.path.abspath(place)}:{_stamp(place)}"
        known = self._store.recall("archive", key)
        if known is not None and (identity := self._store.resolve_id(known.decode())):
            return self._store.image(identity)
        from lamina.oci.archive import load_base

        image = load_base(self._store, kind, place)
        self._store.remember("archive", key, image.id.encode())
        return image


def _stamp(place: str) -> tuple[int, ...]:
    """What changes with an archive; of a layout's folder its index, which others
    may write over without a trace in the folder itself."""
    path = place
    if not os.path.lexists(path) and ":" in place:
        path = place.rpartition(":")[0]
    try:
        found = os.stat(f"{path}/index.json" if os.path.isdir(path) else path)
    except OSError:
        return ()
    return (found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


def _unknown(request: BaseRequest) -> UnknownBase:
    """An error that says where it was looked for and what would provide it."""
    name = request.name
    hint = (
        f"Load it (`lamina load -i FILE`, from `docker save {name}`), or build it "
        f"under this name (`lamina build -t {name}`)."
    )
    distribution = name.rpartition("/")[2].partition(":")[0]
    if distribution in ("debian", "ubuntu"):
        suite = name.partition(":")[2] or "bookworm"
        hint += f" Or make it from packages: FROM bootstrap:{distribution}/{suite}"
    return UnknownBase(
        f"The base {name!r} is neither a stage above nor an image in the store.",
        request.span,
        hint=hint,
    )
