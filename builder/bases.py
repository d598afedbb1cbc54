"""Where a FROM finds its base: the store, an archive, a distribution's packages.

`scratch` and the names of stages never come here.
"""

from __future__ import annotations

import os

from lamina.builder.errors import UnknownBase, placed
from lamina.builder.plan import Base
from lamina.errors import LaminaError
from lamina.oci.errors import NotFound
from lamina.oci.image_index import platforms
from lamina.oci.store import Image, Store

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from lamina.builder.events import Emit
    from lamina.builder.plan import BaseRequest
    from lamina.builder.pulled import OpenSession
    from lamina.builder.sources import Sources
    from lamina.oci.digest import Digest


class BaseFinder:
    """Finds bases in `store` and beyond; `pull` asks where a base may have moved on.

    `registries` opens a session with them, None: they are not asked. `found` tells, by
    name, which image each base was, and `has_trees` that some are files from
    elsewhere, which `sources` has.
    """

    def __init__(
        self,
        store: Store,
        emit: Emit,
        *,
        pull: bool,
        registries: OpenSession | None = None,
        sources: Callable[[], Sources] | None = None,
    ) -> None:
        self.found: dict[str, Digest] = {}
        self.has_trees = False
        self._sources = sources
        self._store = store
        self._emit = emit
        self._pull = pull
        self._registries = registries

    def __call__(self, request: BaseRequest) -> Base:
        try:
            if request.tree:
                return self._tree(request)
            name, image = self._find(request)
        except LaminaError as error:
            raise placed(error, request.span) from error
        self.found[name] = image.id
        return Base(image.config, image.layers)

    def _tree(self, request: BaseRequest) -> Base:
        """The files at an address, as a base without a config."""
        from lamina.oci.config import ImageConfig

        assert self._sources is not None, "only a build fetches trees"
        self.has_trees = True
        tree = self._sources().tree(request.name)
        return Base(ImageConfig("", ""), (tree.layer,))

    def _find(self, request: BaseRequest) -> tuple[str, Image]:
        kind, _, rest = request.name.partition(":")
        if kind == "bootstrap":
            from lamina.builder.bootstrap import (
                bootstrap_image,
                memo_key,
                parse_bootstrap,
            )

            wanted = parse_bootstrap(rest, request.flags, request.platform)
            image = bootstrap_image(self._store, wanted, self._emit, again=self._pull)
            return f"bootstrap:{memo_key(wanted)}", image
        if kind in ("oci-layout", "docker-archive"):
            return request.name, self._from_archive(kind, rest, request.platform)
        return found_name(request), self._by_name(request)

    def _by_name(self, request: BaseRequest) -> Image:
        """The image in the store, or from its registry."""
        name, platform = request.name, request.platform
        identity = self._store.resolve_id(name, platform)
        if self._registries is None or (identity is not None and not self._pull):
            if identity is None:
                raise self._missing(request)
            return self._store.image(identity)
        from lamina.builder.pulled import pull_base, pulled_before
        from lamina.oci.registry.errors import RegistryError

        if not self._pull and (image := pulled_before(self._store, name, platform)):
            return image
        try:
            return pull_base(self._store, self._registries, name, platform, self._emit)
        except RegistryError as error:
            raise self._missing(request, error) from error

    def _missing(
        self, request: BaseRequest, error: LaminaError | None = None
    ) -> LaminaError:
        """An error that tells a base of another platform from one that is nowhere."""
        identity = self._store.resolve_any(request.name)
        if identity is None:
            return _unknown(request, error)
        there = ", ".join(platforms(self._store, identity))
        return NotFound(
            f"The base {request.name!r} is not here for {request.platform}.",
            hint=f"It is here for {there}. `lamina load` keeps all the platforms that "
            "an archive has.",
        )

    def _from_archive(self, kind: str, place: str, platform: str) -> Image:
        """The image in an archive, loaded once for each state of the file."""
        key = f"{kind}:{os.path.abspath(place)}:{_stamp(place)}"
        key += f":{platform}" if platform else ""
        known = self._store.recall("archive", key)
        if known is not None and (identity := self._store.resolve_id(known.decode())):
            return self._store.image(identity)
        from lamina.oci.archive import load_base

        image = load_base(self._store, kind, place, platform)
        self._store.remember("archive", key, image.id.encode())
        return image


def found_name(request: BaseRequest) -> str:
    """What a base is asked for by again: its name, and the platform if that counts."""
    return f"{request.name} {request.platform}".rstrip()


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


def _unknown(request: BaseRequest, error: LaminaError | None = None) -> UnknownBase:
    """An error that says where it was looked for and what would provide it; `error`
    is what its registry said."""
    name = request.name
    message = f"The base {name!r} is neither a stage above nor an image in the store"
    hint = (
        f"Load it (`lamina load -i FILE`, from `docker save {name}`), or build it "
        f"under this name (`lamina build -t {name}`)."
    )
    if error is not None:
        message = f"{message}, and its registry does not give it: {error.message}"
        hint = f"{error.hint} {hint}".lstrip()
    distribution = name.rpartition("/")[2].partition(":")[0]
    if distribution in ("debian", "ubuntu"):
        suite = name.partition(":")[2] or "bookworm"
        hint += f" Or make it from packages: FROM bootstrap:{distribution}/{suite}"
    return UnknownBase(f"{message.rstrip('.')}.", request.span, hint=hint)
