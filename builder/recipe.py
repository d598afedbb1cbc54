"""RecipeInputs: all that a recipe's meaning depends on; and the way to its nodes."""

from __future__ import annotations

from lamina.values import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lamina.lang.grammar import ParseCache
    from lamina.lang.nodes import Recipe
    from lamina.lang.source import Source


@value
class ValuesFile:
    """A file of `--values` as it was read: TOML, YAML or JSON by its name's end."""

    name: str
    data: bytes


@value
class RecipeInputs:
    """All that a recipe's meaning depends on but the files that it includes.

    `name` is for messages, `data` the bytes as they were read and `path` where they
    lie ("" for stdin). `folder` is the only one that includes may come from, "" for
    none. `settings` are `--set` as given (`name=value`); they win over `values`, of
    which later ones win. `compat` asks for BuildKit's behaviour exactly.
    """

    name: str
    data: bytes
    path: str = ""
    folder: str = ""
    settings: tuple[str, ...] = ()
    values: tuple[ValuesFile, ...] = ()
    compat: bool = False


def read_source(inputs: RecipeInputs) -> Source:
    """The recipe's text. Raises RecipeError."""
    from lamina.lang.source import decode

    return decode(inputs.name, inputs.data)


def read_recipe(inputs: RecipeInputs, cache: ParseCache | None = None) -> Recipe:
    """The recipe, parsed; nothing has checked it. Raises RecipeError."""
    from lamina.lang.parser import parse

    return parse(read_source(inputs), cache)
