"""Documents that `inspect` commands print: JSON, or what `--format` makes of each."""

from __future__ import annotations

import json
import sys

from lamina.errors import LaminaError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any


def as_json(found: object, indent: int | None = None) -> str:
    """As JSON, for people and programs; a byte that is no text, in a path or an
    argument, as the replacement character, as Go writes it."""
    separators = None if indent else (",", ":")
    text = json.dumps(found, indent=indent, ensure_ascii=False, separators=separators)
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def show_each(
    names: Iterable[str], document: Callable[[str], Mapping[str, Any]], style: str
) -> int:
    """Print the document of each name, then what could not be found; 1 for such."""
    from lamina.cli.telling import print_error

    found, errors = [], []
    for name in names:
        try:
            found.append(document(name))
        except LaminaError as error:
            errors.append(error)
    if not style:
        print(as_json(found, indent=4))
    else:
        for one in found:
            print(formatted(one, style))
    sys.stdout.flush()
    for missing in errors:
        print_error(missing)
    return 1 if errors else 0


def formatted(document: Mapping[str, Any], style: str) -> str:
    """A document as `--format` asks: `json`, or a template."""
    if style == "json":
        return as_json(document)
    from lamina.cli.formats.template import render, unescape

    return render(unescape(style), document)
