"""The files of `--values`: TOML, YAML and JSON to plain values, and the one door to
PyYAML.

YAML is read as version 1.2 has it: `no` is a text, `010` a ten and `22:30` no number.
Merges (`<<`) are not there. All three refuse a key that is there twice.
"""

from __future__ import annotations

from lamina.lang.source import RecipeError, Source, Span, decode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

LARGEST_FILE = 1 << 20
# Values in a file, each alias of YAML counted as all that it stands for.
MOST_VALUES = 100_000


def parse_values(name: str, data: bytes) -> dict[str, Any]:
    """The values in a file that is named *.toml, *.yaml, *.yml or *.json.

    Raises RecipeError at what cannot be read.
    """
    if len(data) > LARGEST_FILE:
        raise _wrong(Source(name, ""), 0, "A file of values holds at most 1 MiB.")
    source = decode(name, data)
    ending = name.lower().rpartition(".")[2]
    parse = _PARSERS.get(ending)
    if parse is None:
        raise _wrong(
            source,
            0,
            f"What {name!r} is written in cannot be told from its name.",
            hint="Call it *.toml, *.yaml or *.json.",
        )
    try:
        values = parse(source)
    except RecursionError:
        raise _wrong(source, 0, "The values are nested too deeply.") from None
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise _wrong(source, 0, "A file of values holds names and their values.")
    _measure(source, values)
    return values


def _measure(source: Source, values: object) -> None:
    """Refuse what grows beyond measure when its aliases are followed."""
    todo = [values]
    count = 0
    while todo:
        count += 1
        if count > MOST_VALUES:
            raise _wrong(source, 0, f"The file holds more than {MOST_VALUES:,} values.")
        item = todo.pop()
        if isinstance(item, dict):
            todo += item.values()
        elif isinstance(item, list):
            todo += item


def _toml(source: Source) -> Any:
    import re
    import tomllib

    try:
        return tomllib.loads(source.text)
    except tomllib.TOMLDecodeError as error:
        said, _, place = str(error).partition(" (at ")
        found = re.match(r"line (\d+), column (\d+)", place)
        at = len(source.text)
        if found:
            at = _offset(source.text, int(found[1]) - 1, int(found[2]) - 1)
        raise _wrong(source, at, f"{said}.") from None


def _json(source: Source) -> Any:
    import json

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        made = dict(pairs)
        if len(made) != len(pairs):
            names = [name for name, _ in pairs]
            twice = next(name for name in names if names.count(name) > 1)
            raise _wrong(source, 0, f"The key {twice!r} is there twice.")
        return made

    def refuse(name: str) -> None:
        raise _wrong(source, max(0, source.text.find(name)), f"{name} is no value.")

    try:
        return json.loads(source.text, object_pairs_hook=once, parse_constant=refuse)
    except json.JSONDecodeError as error:
        raise _wrong(source, error.pos, f"{error.msg}.") from None


def _yaml(source: Source) -> Any:
    import yaml

    try:
        return yaml.load(source.text, _loader(source))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        at = 0 if mark is None else mark.index
        said = error.problem or "This cannot be read"
        raise _wrong(source, at, f"{said[:1].upper()}{said[1:]}.") from None
    except yaml.reader.ReaderError as error:
        said = f"The character U+{error.character:04X} cannot be in YAML."
        raise _wrong(source, error.position, said) from None


def _loader(source: Source) -> Any:
    """PyYAML's safe loader, in Python (the other one ends the process when lists are
    nested 100,000 deep), with the scalars of YAML 1.2's core schema (section 10.3)."""
    import re

    import yaml

    class Loader(yaml.SafeLoader):
        """No merges, no dates, no key twice."""

        yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 (as in PyYAML)

        def flatten_mapping(self, node: Any) -> None:
            """Nothing is merged."""

        def construct_mapping(self, node: Any, deep: bool = False) -> Any:
            seen = set()
            for key, _ in node.value:
                at = key.start_mark.index
                if key.tag != "tag:yaml.org,2002:str":
                    raise _wrong(source, at, "A key is a text; put it in quotes.")
                if key.value in seen:
                    raise _wrong(source, at, f"The key {key.value!r} is there twice.")
                seen.add(key.value)
            return super().construct_mapping(node, deep)

    for tag, pattern, first in (
        ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
        ("null", r"~|null|Null|NULL|", "~nN\0"),
        ("int", r"[-+]?[0-9]+", "-+0123456789"),
        (
            "float",
            r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?",
            "-+.0123456789",
        ),
    ):
        # PyYAML looks an empty scalar up under "".
        firsts = ["" if sign == "\0" else sign for sign in first]
        Loader.add_implicit_resolver(
            f"tag:yaml.org,2002:{tag}", re.compile(rf"(?:{pattern})\Z"), firsts
        )
    Loader.add_constructor(
        "tag:yaml.org,2002:int", lambda _, node: _number(source, node)
    )
    return Loader


def _number(source: Source, node: Any) -> int:
    if len(node.value) > 1000:
        raise _wrong(source, node.start_mark.index, "A number is too long.")
    try:
        return int(node.value)
    except ValueError:
        raise _wrong(source, node.start_mark.index, "This is no number.") from None


def _offset(text: str, line: int, column: int) -> int:
    at = 0
    for _ in range(line):
        at = text.find("\n", at) + 1
    return min(len(text), at + column)


def _wrong(source: Source, at: int, message: str, hint: str = "") -> RecipeError:
    at = min(at, max(0, len(source.text) - 1))
    return RecipeError(message, Span(source, at, at + 1), hint=hint)


_PARSERS: dict[str, Callable[[Source], Any]] = {
    "toml": _toml,
    "json": _json,
    "yaml": _yaml,
    "yml": _yaml,
}
