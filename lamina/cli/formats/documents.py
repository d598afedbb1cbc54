"""Documents that `inspect` commands print: JSON, or what `--format` makes of each."""

from __future__ import annotations

import json
import sys

from lamina.errors import LaminaError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any


def show_each(
    names: Iterable[str], document: Callable[[str], Mapping[str, Any]], style: str
) -> int:
    """Print the document of each name, then what could not be found; 1 for such."""
    from lamina.cli.main import print_error

    found, errors = [], []
    for name in names:
        try:
            found.append(document(name))
        except LaminaError as error:
            errors.append(error)
    if not style:
        print(json.dumps(found, indent=4, ensure_ascii=False))
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
        return json.dumps(document, ensure_ascii=False, separators=(",", ":"))
    from lamina.cli.formats.template import render, unescape

    return render(unescape(style), document)
