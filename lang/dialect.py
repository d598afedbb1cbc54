"""Which language a recipe is written in: Dockerfile, or Lamina's own on top of it.

A Dockerfile never changes its meaning: what Lamina adds is there in a file that is
called Recipe, or that has a `# lamina:` line in its heading.
"""

from __future__ import annotations

from lamina.lang.source import RecipeError, Source, Span
from lamina.lang.suggest import did_you_mean
from lamina.values import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from lamina.lang.quirks import Quirk

# What stands after `# lamina:`, and what may stand after its `=`.
SETTINGS: dict[str, tuple[str, ...]] = {
    "extended": (),
    "scrub": (),
    "compat": ("buildkit",),
    "template": ("jinja2", "none"),
}
VARIABLE = "var"
SWITCH = "Name the file Recipe, or write `# lamina: extended` above the first FROM."


@value
class Dialect:
    """`extended`: Lamina's own instructions and flags are there. `compat`: what
    `lang.quirks` lists is done as BuildKit does it."""

    extended: bool = False
    compat: bool = False

    def keeps(self, quirk: Quirk) -> bool:
        """Whether that is done as BuildKit does it."""
        return self.compat


DOCKERFILE = Dialect()
EXTENDED = Dialect(extended=True)


@value
class Heading:
    """One `# lamina: ...` line: `name`, and what follows its `=` or, of a variable,
    its blank. `start` and `end` are where the text after the colon stands."""

    name: str
    value: str
    start: int
    end: int


def heading(text: str) -> tuple[Heading, ...]:
    """The `# lamina:` lines among the comments and blank lines that a text starts
    with; further down they are plain comments."""
    return tuple(_headings(text))


def _headings(text: str) -> Iterator[Heading]:
    at = 1 if text.startswith("\ufeff") else 0
    while at < len(text):
        end = text.find("\n", at)
        end = len(text) if end < 0 else end
        line = text[at:end].strip()
        if line and not line.startswith("#"):
            return
        setting = lamina_setting(line)
        if setting is not None:
            stop = at + len(text[at:end].rstrip())
            name, given = _parted(setting)
            yield Heading(name, given, stop - len(setting), stop)
        at = end + 1


def lamina_setting(comment: str) -> str | None:
    """What follows `# lamina:`; None of any other comment."""
    if not comment.startswith("#"):
        return None
    text = comment[1:].lstrip()
    return text[len("lamina:") :].strip() if text.startswith("lamina:") else None


def _parted(setting: str) -> tuple[str, str]:
    words = setting.split(None, 1)
    if words and words[0] == VARIABLE:
        return VARIABLE, "".join(words[1:])
    name, _, given = setting.partition("=")
    return name.strip(), given.strip()


def is_recipe_name(name: str) -> bool:
    """Whether a file of that name is extended without saying so: `Recipe`,
    `Recipe.*`, `*.recipe`, in any folder."""
    base = name.rsplit("/", 1)[-1]
    return base == "Recipe" or base.startswith("Recipe.") or base.endswith(".recipe")


def dialect_of(name: str, text: str, compat: bool = False) -> Dialect:
    """The dialect of a file by its name and its heading; `compat` is the option.

    Raises RecipeError for a `# lamina:` line that means nothing.
    """
    found = heading(text)
    for setting in found:
        _check_setting(setting, name, text)
    # Who asks for BuildKit's behaviour asks for nothing beyond it.
    extends = any(setting.name != "compat" for setting in found)
    return Dialect(
        extended=extends or is_recipe_name(name),
        compat=compat or any(setting.name == "compat" for setting in found),
    )


def _check_setting(setting: Heading, name: str, text: str) -> None:
    if setting.name == VARIABLE:
        return  # its grammar is the templates'
    span = Span(Source(name, text), setting.start, setting.end)
    known = SETTINGS.get(setting.name)
    if known is None:
        everything = [*SETTINGS, VARIABLE]
        word = setting.name.partition(" ")[0]
        raise RecipeError(
            f"`# lamina:` knows no {word!r}.",
            span,
            hint=did_you_mean(word, everything) or f"It knows {', '.join(everything)}.",
        )
    if setting.value not in (known or ("",)):
        raise RecipeError(
            f"`# lamina: {setting.name}` cannot be {setting.value!r}.",
            span,
            hint=" or ".join(
                f"Write `# lamina: {setting.name}{f'={word}' if word else ''}`"
                for word in known or ("",)
            )
            + ".",
        )


def foreign_syntax(text: str) -> str | None:
    """The frontend that a file names in one of the ways that only files of other
    languages can: `// syntax=image`, and JSON with a `syntax`."""
    text = text.removeprefix("\ufeff")
    if text.startswith("#!"):
        text = text.partition("\n")[2]
    if text.startswith("//"):
        found = directive(text[1:].partition("\n")[0])
        return found[1].split(" ", 1)[0] if found and found[0] == "syntax" else None
    if not text.lstrip().startswith("{"):
        return None
    import json

    try:
        syntax = json.loads(text).get("syntax")
    except (ValueError, RecursionError):
        return None
    return syntax if isinstance(syntax, str) else None


def directive(text: str) -> tuple[str, str] | None:
    """The key, in lower case, and value of a comment `# key=value`."""
    key, equals, given = text[1:].partition("=")
    key = key.strip().lower()
    if not equals or not given.strip() or not (key.isascii() and key.isalnum()):
        return None
    return key, given.strip()
