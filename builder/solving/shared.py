"""What other machines made: how a build asks for it, and nobody to be asked."""

from __future__ import annotations

from lamina.values import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Protocol

    from lamina.builder.solving.cachekey import CacheKey
    from lamina.builder.solving.layers import Layers

    class SharedCaches(Protocol):
        """The caches that `--cache-from` names (builder/sharing/imports.py)."""

        def find(self, key: CacheKey, max_age: int) -> Found | None:
            """What a step with this key made somewhere; `max_age` as in `lookup`.

            Its layers are promised, and come with `bring`.
            """
            ...

        def files(self, memo: str) -> str | None:
            """The digest of files that somebody chose from a stage with this memo."""
            ...

        def bring(self, layers: Iterable[str]) -> None:
            """Have these layers in the store; raises LayersLost."""
            ...

        def listing(self, files: str) -> bytes | None:
            """The list of the files whose digest is `files`, as explain.py packs it."""
            ...

        def cache_mount(self, name: str) -> str | None:
            """A new folder with what a cache mount of this name held somewhere."""
            ...

        def likest(self, key: CacheKey, name: str) -> tuple[str, str] | None:
            """The fields of the key that a step `name` had somewhere, the nearest to
            `key`, and who has it."""
            ...

        def stop(self) -> None:
            """End what is being fetched."""
            ...


@value
class Found:
    """What a step added, when (seconds since 1970), and which cache says so."""

    layers: Layers
    created: int
    source: str


class Nobody:
    """No other caches."""

    def find(self, _key: CacheKey, _max_age: int) -> Found | None:
        return None

    def files(self, _memo: str) -> str | None:
        return None

    def bring(self, _layers: Iterable[str]) -> None:
        """All that is known is here."""

    def listing(self, _files: str) -> bytes | None:
        return None

    def cache_mount(self, _name: str) -> str | None:
        return None

    def likest(self, _key: CacheKey, _name: str) -> tuple[str, str] | None:
        return None

    def stop(self) -> None:
        """Nothing comes."""
