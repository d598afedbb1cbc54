"""RecipeInputs: all that a recipe's meaning depends on; and the way to its nodes.

A recipe that is a template may read other files. Which ones, and what was in them, is
part of what a reading gives, so that a build's record knows when one changed.
"""

from __future__ import annotations

import os

from lamina.errors import LaminaError
from lamina.oci.digest import Digest
from lamina.values import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from lamina.lang.lalr import ParseCache
    from lamina.lang.recipe import Recipe
    from lamina.lang.source import Source
    from lamina.lang.templates.declarations import Given

LARGEST_FILE = 1 << 20
# The digest of a file that is not there.
ABSENT = ""


class IncludeRefused(LaminaError):
    """A file that a recipe includes and may not, or that cannot be read."""


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


@value
class Reading:
    """A recipe's text, rendered, and the files that were read for it: the name below
    the folder and the content's digest (ABSENT when it was looked for in vain)."""

    source: Source
    files: tuple[tuple[str, str], ...]


def read(inputs: RecipeInputs, cache: ParseCache | None = None) -> Reading:
    """Decode and render. Raises RecipeError, and LaminaError for values that fit
    nowhere."""
    from lamina.lang.source import decode
    from lamina.lang.templates.render import render

    source = decode(inputs.name, inputs.data)
    files = _Files(inputs)
    source = render(source, _given(inputs), files.load, cache)
    return Reading(source, tuple(files.seen.items()))


def read_source(inputs: RecipeInputs, cache: ParseCache | None = None) -> Source:
    """The recipe's text, rendered."""
    return read(inputs, cache).source


def read_recipe(inputs: RecipeInputs, cache: ParseCache | None = None) -> Recipe:
    """The recipe, rendered and parsed; nothing has checked it."""
    return parse_reading(inputs, read(inputs, cache), cache)


def parse_reading(
    inputs: RecipeInputs, reading: Reading, cache: ParseCache | None = None
) -> Recipe:
    """The recipe in what was read. Raises RecipeError."""
    from lamina.lang.dialect import dialect_of
    from lamina.lang.parser import parse
    from lamina.lang.source import RecipeError

    source = reading.source
    dialect = dialect_of(source.name, source.text, inputs.compat)
    try:
        return parse(source, cache, dialect)
    except RecipeError as error:
        if source.origins and not error.hint and error.span.text.startswith("{#"):
            error.hint = "A comment of the template is {%# ... #%}."
        raise


def files_hold(inputs: RecipeInputs, files: Sequence[Sequence[str]]) -> bool:
    """Whether the files of an earlier reading are as they were then."""
    now = _Files(inputs)
    try:
        return all(now.digest(name) == digest for name, digest in files)
    except LaminaError:
        return False


def _given(inputs: RecipeInputs) -> tuple[Given, ...]:
    """What files and options say, those that win last."""
    if not inputs.values and not inputs.settings:
        return ()
    from lamina.lang.templates.declarations import Given, UnknownVariable

    given = []
    for file in inputs.values:
        from lamina.builder.inputs.values_file import parse_values

        found = parse_values(file.name, file.data)
        given.append(Given(file.name, "", None, found))
    for setting in inputs.settings:
        name, equals, text = setting.partition("=")
        if not equals:
            raise UnknownVariable(
                f"--set {setting!r} has no value.",
                hint=f"Write `--set {name}=VALUE`.",
            )
        given.append(Given(f"--set {name}", name, text))
    return tuple(given)


class _Files:
    """The files beside a recipe, and what was seen of them."""

    def __init__(self, inputs: RecipeInputs) -> None:
        self._inputs = inputs
        self.seen: dict[str, str] = {}

    def load(self, name: str) -> Source | None:
        """The template of that name."""
        from lamina.lang.source import decode

        data = self._read(name)
        self.seen[name] = ABSENT if data is None else _digest(data)
        if data is None:
            return None
        shown = os.path.join(os.path.dirname(self._inputs.name), name)
        return decode(shown, data)

    def digest(self, name: str) -> str:
        data = self._read(name)
        return ABSENT if data is None else _digest(data)

    def _read(self, name: str) -> bytes | None:
        """A file below the recipe's folder; None when there is none."""
        if not self._inputs.folder:
            raise IncludeRefused(
                f"{name!r} cannot be included: a recipe from stdin has no folder.",
                hint="Give a context beside it: `lamina build -f - .`",
            )
        parts = name.split("/")
        if not name or name.startswith("/") or ".." in parts or "\0" in name:
            raise IncludeRefused(
                f"{name!r} cannot be included: it is not below the recipe's folder.",
                hint="Name it from the recipe's folder on, without `..`.",
            )
        from lamina.runtime.paths import read_beneath

        root = os.open(self._inputs.folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            return read_beneath(root, name, LARGEST_FILE)
        except OSError as error:
            raise IncludeRefused(
                f"{name!r} cannot be included: {_reason(error)}.",
                hint="Only files of up to 1 MiB below the recipe's folder can.",
            ) from None
        finally:
            os.close(root)


def _reason(error: OSError) -> str:
    import errno

    if error.errno == errno.EXDEV:
        return "a link leads out of the recipe's folder"
    if error.errno == errno.ELOOP:
        return "its links lead in a circle"
    return error.strerror or str(error)


def _digest(data: bytes) -> str:
    return Digest.of(data).hex
