"""An image that a command needs and the store has not: from its registry."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from lamina.cli.registries.pull import fetch
from lamina.cli.registries.session import open_session
from lamina.cli.registries.transfers import view
from lamina.errors import LaminaError
from lamina.oci.errors import NotFound
from lamina.oci.reference import parse_reference

if TYPE_CHECKING:
    from lamina.cli.settings import Settings
    from lamina.oci.store.store import Image, Store


def pull_missing(
    store: Store,
    settings: Settings,
    name: str,
    when: str,
    platform: str = "",
    *,
    quiet: bool = False,
) -> Image:
    """The image `name` for `platform`, this machine's by default.

    It is pulled unless `when` (always, missing, never) says otherwise, or it was
    before; `quiet`: nothing is said of that. Raises LaminaError with Docker's exit code
    for what cannot be run, 125.
    """
    try:
        return _image(store, settings, name, when, platform, quiet)
    except LaminaError as error:
        error.exit_code = 125
        raise


def _image(
    store: Store,
    settings: Settings,
    name: str,
    when: str,
    platform: str,
    quiet: bool,
) -> Image:
    from lamina.oci.platforms import host_platform, parse_platform
    from lamina.oci.registry.errors import RegistryError
    from lamina.oci.registry.transfers.known import known_name

    reference = parse_reference(name)
    wanted = parse_platform(platform) if platform else host_platform()
    known = known_name(store, reference, wanted)
    if known is not None and when != "always" and reference.digest is not None:
        return store.image(known)
    if when == "never" and platform and store.resolve_any(name) is not None:
        from lamina.oci.store.image_index import require_platform

        return store.image(require_platform(store, name, platform))
    if when == "never":
        raise NotFound(
            f"Unable to find image {reference.familiar()!r} in the store "
            f"{store.root}, and no registry is asked for it.",
            hint="`lamina images` lists those that are here.",
        )
    if when == "missing" and not quiet:
        print(f"Unable to find image {reference.familiar()!r} locally", file=sys.stderr)
    shown = view(quiet)
    try:
        with open_session(settings) as session:
            pulled = fetch(store, session, reference, wanted, shown)
        # A container may run for months with the store open.
        store.settle()
    except RegistryError as error:
        hint = "`lamina build`, `load`, `import` and `bootstrap` make images, too."
        error.hint = f"{error.hint} {hint}".lstrip()
        raise
    finally:
        shown.close()
    if not quiet:
        print(f"Digest: {pulled.digest}", file=sys.stderr)
    return pulled.image
