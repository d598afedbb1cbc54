"""From what a user wrote to the text that is parsed: a template is rendered here.

A text without a single delimiter costs no import of a template engine, and a file that
is no template costs nothing at all.
"""

from __future__ import annotations

from lamina.lang.dialect import dialect_of, heading, is_recipe_name
from lamina.lang.source import RecipeError, Source, Span, unix_lines
from lamina.lang.templates.declarations import UnknownVariable, bind, declarations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from lamina.lang.lalr import ParseCache
    from lamina.lang.templates.declarations import Given

    # The template of that name, None when there is none; raises LaminaError for what
    # may not be read.
    Load = Callable[[str], Source | None]

DELIMITERS = ("{{", "{%")


def is_template(name: str, text: str) -> bool:
    """Whether a recipe is rendered before it is parsed: when it says so, and one that
    is called Recipe unless it says no."""
    said = [it.value for it in heading(text) if it.name == "template"]
    return said[-1] == "jinja2" if said else is_recipe_name(name)


def render(
    source: Source,
    given: Sequence[Given] = (),
    load: Load = lambda _: None,
    cache: ParseCache | None = None,
) -> Source:
    """What `source` says with these values; `load` finds the files that it includes.

    The lines up to the last `# lamina:` of the heading stay as they are. What was
    rendered has Unix line ends. Raises RecipeError in the template's own place,
    UnknownVariable.
    """
    variables = declarations(source, cache)
    if is_template(source.name, source.text):
        dialect_of(source.name, source.text)  # a line that means nothing is an error
    else:
        if variables:
            raise RecipeError(
                "A variable is declared, but this file is no template.",
                variables[0].place,
                hint="Write `# lamina: template=jinja2` above it.",
            )
        if given:
            raise UnknownVariable(
                f"{given[0].by} has nothing to go to: {source.name} is no template.",
                hint="Call the file Recipe, or write `# lamina: template=jinja2` at "
                "its top. An ARG takes its value from --build-arg.",
            )
        return source
    values = bind(variables, given)
    unix = unix_lines(source)
    start = _start(unix.text)
    if not any(sign in unix.text[start:] for sign in DELIMITERS):
        return source
    from lamina.lang.templates.template import render_template

    return render_template(unix, start, values, load)


def lines(source: Source) -> Iterator[tuple[str, Span]]:
    """The lines of a text, and where the first thing in each was written."""
    at = 0
    while at < len(source.text):
        end = source.text.find("\n", at)
        end = len(source.text) if end < 0 else end
        line = source.text[at:end]
        start = end - len(line.lstrip()) if line.strip() else at
        yield line, Span(source, start, start + 1)
        at = end + 1


def _start(text: str) -> int:
    """Where the line after the last `# lamina:` line of the heading begins."""
    ends = [it.end for it in heading(text)]
    if not ends:
        return 0
    end = text.find("\n", ends[-1])
    return len(text) if end < 0 else end + 1
