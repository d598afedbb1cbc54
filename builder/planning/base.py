"""Base: what a stage begins with, and how it is asked for."""

from __future__ import annotations

from collections.abc import Mapping

from lamina.oci.config import ImageConfig
from lamina.oci.digest import Digest
from lamina.values import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from lamina.lang.source import Span


@value
class Base:
    """A pinned base: its config, its layers bottom first, and the image's ID ("": of
    none)."""

    config: ImageConfig
    layers: tuple[Digest, ...]
    image: str = ""


@value
class BaseRequest:
    """A base as a recipe asks for it: the expanded name and FROM's flags."""

    name: str
    flags: Mapping[str, str]
    span: Span
    # What it has to be for; "" for whatever is there, this machine's first.
    platform: str = ""
    # `name` is the address of a tree, that of a named context.
    tree: bool = False
    # The command line names it (--build-context), and not the recipe.
    named: bool = False


if TYPE_CHECKING:
    Resolve = Callable[[BaseRequest], Base]


def scratch(platform: str) -> ImageConfig:
    system, architecture, variant = (*platform.split("/"), "")[:3]
    return ImageConfig(architecture, system, variant=variant, working_dir="/")
