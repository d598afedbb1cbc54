"""`lamina diff IMAGE IMAGE`: the files and the config that differ."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from lamina.cli.formats.tables import human_size, one_line
from lamina.cli.opened import opened

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lamina.cli.settings import Settings
    from lamina.oci.store.compare import ConfigChange, FileChange


def diff_images(names: Sequence[str], style: str, settings: Settings) -> int:
    """Print what was (A)dded, (C)hanged and (D)eleted from the first to the second.

    `style` is "" or json: one object a line.
    """
    from lamina.oci.store.compare import compare_configs, compare_files

    with opened(settings, adds=False) as store:
        one, two = (store.resolve(name) for name in names)
        files = list(compare_files(store, one, two))
    fields = compare_configs(one.config, two.config)
    if style == "json":
        _print_json(files, fields)
        return 0
    for change in files:
        print(_text(change))
    for field in fields:
        print(f"~ {field.field}")
        for sign, texts in (("-", field.before), ("+", field.after)):
            for text in texts:
                print(f"  {sign} {one_line(text)}")
    print(_sum(files, fields))
    return 0


def _text(change: FileChange) -> str:
    """Kind, what it costs, path, what changed: `C     +3B  /etc/motd  content`."""
    grown = change.after - change.before
    size = f"{'+' if grown > 0 else '-'}{human_size(abs(grown))}" if grown else ""
    what = f"  ({', '.join(change.what)})" if change.what else ""
    return f"{change.kind} {size:>8}  {one_line(change.path)}{what}"


def _print_json(files: Sequence[FileChange], fields: Sequence[ConfigChange]) -> None:
    for change in files:
        document = {**change.__dict__, "what": list(change.what)}
        print(json.dumps(document, separators=(",", ":")))
    for field in fields:
        document = {"kind": "config", **field.__dict__}
        print(json.dumps(document, separators=(",", ":")))


def _sum(files: Sequence[FileChange], fields: Sequence[ConfigChange]) -> str:
    if not files and not fields:
        return "no difference"
    parts = []
    for kind, word in (("A", "added"), ("C", "changed"), ("D", "removed")):
        number = sum(change.kind == kind for change in files)
        if number:
            parts.append(f"{number} {word}")
    grown = sum(change.after - change.before for change in files)
    if grown:
        parts.append(f"{'+' if grown > 0 else '-'}{human_size(abs(grown))}")
    if fields:
        parts.append(f"{len(fields)} of the config")
    return ", ".join(parts)
