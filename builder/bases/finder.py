"""Where a FROM finds its base: the store, an archive, a distribution's packages.

`scratch` and the names of stages never come here.
"""

from __future__ import annotations

from lamina.builder.bases.archived import KINDS, ArchivedBases
from lamina.builder.bases.unknown import unknown_base
from lamina.builder.errors import placed
from lamina.builder.planning.base import Base
from lamina.errors import LaminaError
from lamina.oci.errors import NotFound
from lamina.oci.store.image_index import platforms
from lamina.oci.store.images import SHOWN_DIGITS
from lamina.oci.store.store import Image, Store

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from lamina.builder.bases.pulled import OpenSession
    from lamina.builder.events import Emit
    from lamina.builder.fetching.trees import Trees
    from lamina.builder.planning.base import BaseRequest
    from lamina.oci.digest import Digest


class BaseFinder:
    """Finds bases in `store` and beyond; `pull` asks where a base may have moved on.

    `archived` finds those in files beside the store;
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
        archived: ArchivedBases | None = None,
        registries: OpenSession | None = None,
        trees: Callable[[], Trees] | None = None,
    ) -> None:
        self.found: dict[str, Digest] = {}
        self.has_trees = False
        self._trees = trees
        self._store = store
        self._emit = emit
        self._pull = pull
        self._archived = archived or ArchivedBases(store, "", elsewhere=False)
        self._registries = registries

    def __call__(self, request: BaseRequest) -> Base:
        try:
            if request.tree:
                return self._tree(request)
            name, image = self._find(request)
        except LaminaError as error:
            raise placed(error, request.span) from error
        self.found[name] = image.id
        return Base(image.config, image.layers, image.id)

    def _tree(self, request: BaseRequest) -> Base:
        """The files at an address, as a base without a config."""
        from lamina.oci.config import ImageConfig

        assert self._trees is not None, "only a build fetches trees"
        self.has_trees = True
        tree = self._trees().tree(request.name)
        return Base(ImageConfig("", ""), (tree.layer,))

    def _find(self, request: BaseRequest) -> tuple[str, Image]:
        kind, _, rest = request.name.partition(":")
        if kind == "bootstrap":
            from lamina.builder.bases.bootstrap import bootstrap_image, memo_key
            from lamina.builder.bases.request import parse_bootstrap

            wanted = parse_bootstrap(rest, request.flags, request.platform)
            image = bootstrap_image(self._store, wanted, self._emit, again=self._pull)
            return f"bootstrap:{memo_key(wanted)}", image
        if kind in KINDS:
            return request.name, self._archived.find(request)
        return found_name(request), self._by_name(request)

    def _by_name(self, request: BaseRequest) -> Image:
        """The image in the store, or from its registry."""
        name, platform = request.name, request.platform
        identity = self._store.resolve_id(name, platform, SHOWN_DIGITS)
        if self._registries is None or (identity is not None and not self._pull):
            if identity is None:
                raise self._missing(request)
            return self._store.image(identity)
        from lamina.builder.bases.pulled import pull_base, pulled_before
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
        identity = self._store.resolve_any(request.name, SHOWN_DIGITS)
        if identity is None:
            return unknown_base(request, error)
        there = ", ".join(platforms(self._store, identity))
        return NotFound(
            f"The base {request.name!r} is not here for {request.platform}.",
            hint=f"It is here for {there}. `lamina load` keeps all the platforms that "
            "an archive has.",
        )


def found_name(request: BaseRequest) -> str:
    """What a base is asked for by again: its name, and the platform if that counts."""
    return f"{request.name} {request.platform}".rstrip()
