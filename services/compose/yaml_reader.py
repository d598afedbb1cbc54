"""YAML to Nodes, and a plain tree to YAML: a door to PyYAML.

PyYAML's parser (libyaml where it was built with it) gives events; what they mean is
decided here, as the reference implementation's library does: the scalars of YAML 1.2,
besides octal numbers as 0644; `yes`, `22:22` and dates are texts; merges (`<<`) work.
Nothing recurses in C, so that no depth of nesting ends the process.
"""

from __future__ import annotations

import re

from lamina.services.compose.nodes import NO_KEYS, Node, Source
from lamina.services.errors import ComposeError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

LARGEST_FILE = 4 << 20
# Values in a document, each alias counted as all that it stands for.
MOST_VALUES = 200_000
DEEPEST = 60

_TAG = "tag:yaml.org,2002:"
_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_BOOLS = {
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_NUMBER = re.compile(
    r"[-+]?(?:0[xX](?P<hex>[0-9a-fA-F_]+)|0[bB](?P<bin>[01_]+)|0o?(?P<oct>[0-7_]+)"
    r"|(?P<int>[0-9][0-9_]*))"
)
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_BASES = {"hex": 16, "bin": 2, "oct": 8, "int": 10}
_LONGEST_NUMBER = 60


def parse_yaml(name: str, data: bytes) -> list[Node]:
    """The documents in a file's bytes, those that hold nothing left out.

    Raises ComposeError at what cannot be read.
    """
    import yaml

    source, text = _decode(name, data)
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        composer = _Composer(source, yaml.parse(text, Loader=loader))
        return composer.documents()
    except yaml.MarkedYAMLError as error:
        raise _unreadable(source, error) from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position)
        column = error.position - text.rfind("\n", 0, error.position) - 1
        character = error.character
        shown = character if isinstance(character, int) else ord(character)
        raise Node("", source, line, column).error(
            f"The character U+{shown:04X} cannot be in YAML."
        ) from None


def write_yaml(tree: Any) -> str:
    """A tree of plain values as YAML that `parse_yaml` reads back."""
    import yaml

    text: str = yaml.safe_dump(
        tree, sort_keys=False, allow_unicode=True, default_flow_style=False, width=1000
    )
    return text


def _decode(name: str, data: bytes) -> tuple[Source, str]:
    if len(data) > LARGEST_FILE:
        limit = LARGEST_FILE >> 20
        raise ComposeError(f"A compose file holds at most {limit} MiB.", place=name)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        shown = data.decode(errors="replace")
        before = data[: error.start].decode().split("\n")
        hint = "Save the file as UTF-8."
        if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
            hint = "The file looks like UTF-16. Save it as UTF-8."
        source = Source(name, tuple(shown.split("\n")))
        raise Node("", source, len(before) - 1, len(before[-1])).error(
            f"Byte 0x{data[error.start]:02x} is not valid UTF-8.", hint=hint
        ) from None
    # YAML's line breaks; only an excerpt is made of these lines.
    return Source(name, tuple(re.split("\r\n|[\n\r\x85\u2028\u2029]", text))), text


def _unreadable(source: Source, error: Any) -> ComposeError:
    mark = error.problem_mark or error.context_mark
    line, column = (0, 0) if mark is None else (mark.line, mark.column)
    said = error.problem or "this cannot be read"
    text = source.lines[line] if line < len(source.lines) else ""
    hint = ""
    if "\t" in text[: column + 1]:
        hint = "YAML is indented with blanks; a tab cannot begin a value."
    elif "mapping values are not allowed" in said:
        hint = "Is the line indented as it should be? A text with `: ` needs quotes."
    elif "${" in text:
        hint = "Within braces and brackets a ${...} needs quotes."
    return Node("", source, line, column).error(f"This is no YAML: {said}.", hint=hint)


class _Composer:
    """Makes Nodes of one file's events. `anchors` hold a value and what it weighs;
    None is one that is not complete yet."""

    def __init__(self, source: Source, events: Iterator[Any]) -> None:
        self.source = source
        self.events = events
        self.anchors: dict[str, tuple[Node, int] | None] = {}
        self.weight = 0

    def documents(self) -> list[Node]:
        found = []
        for event in self.events:
            name = type(event).__name__
            if name == "DocumentStartEvent":
                self.anchors = {}
                self.weight = 0
                node = self.compose(next(self.events), 0)
                if node.value is not None:
                    found.append(node)
        return found

    def compose(self, event: Any, depth: int) -> Node:
        name = type(event).__name__
        if name == "AliasEvent":
            return self.alias(event)
        before = self.weight
        self.add(event, 1)
        if event.anchor:
            self.anchors[event.anchor] = None
        if depth > DEEPEST:
            raise self.at(event, None).error("The values are nested too deeply.")
        if name == "ScalarEvent":
            node = self.scalar(event)
        elif name == "SequenceStartEvent":
            node = self.sequence(event, depth)
        else:
            node = self.mapping(event, depth)
        if event.anchor:
            self.anchors[event.anchor] = node, self.weight - before
        return node

    def add(self, event: Any, weight: int) -> None:
        self.weight += weight
        if self.weight > MOST_VALUES:
            raise self.at(event, None).error(
                f"The file holds more than {MOST_VALUES:,} values.",
                hint="Each alias counts as all that it stands for.",
            )

    def at(self, event: Any, value: Any) -> Node:
        mark = event.start_mark
        tag = self.tag(event)
        return Node(value, self.source, mark.line, mark.column, tag, NO_KEYS, "")

    def tag(self, event: Any) -> str:
        given = getattr(event, "tag", None)
        return given[1:] if given in ("!reset", "!override") else ""

    def alias(self, event: Any) -> Node:
        if event.anchor not in self.anchors:
            raise self.at(event, None).error(f"There is no anchor &{event.anchor}.")
        known = self.anchors[event.anchor]
        if known is None:
            raise self.at(event, None).error(f"*{event.anchor} would hold itself.")
        node, weight = known
        self.add(event, weight)
        return node

    def scalar(self, event: Any) -> Node:
        tag, text = event.tag, event.value
        node = self.at(event, text)
        if tag is None:
            if event.style:
                return self.checked(node)
            found = resolve(text)
            if type(found) is str:
                return self.checked(node)
            return Node(found, *node.position, node.tag, NO_KEYS, text)
        return self.tagged(node, tag, text)

    def checked(self, node: Node) -> Node:
        try:
            node.value.encode()
        except UnicodeEncodeError:
            raise node.error("This holds half a surrogate pair.") from None
        if "\0" in node.value:
            raise node.error("This holds a NUL, which ends a text elsewhere.")
        return node

    def tagged(self, node: Node, tag: str, text: str) -> Node:
        if tag in ("!", _TAG + "str"):
            return self.checked(node)
        if node.tag:
            return Node(resolve(text), *node.position, node.tag, written=text)
        found = resolve(text)
        wanted = _TYPES.get(tag.removeprefix(_TAG))
        if wanted is None:
            raise _unknown_tag(node, tag)
        if wanted is float and type(found) is int:
            found = float(found)
        if type(found) is not wanted:
            short = tag.removeprefix(_TAG)
            raise node.error(f"{text!r} is no !!{short}.")
        return Node(found, *node.position, written=text)

    def sequence(self, event: Any, depth: int) -> Node:
        node = self.at(event, [])
        self.collection(node, event, "seq")
        while True:
            inner = next(self.events)
            if type(inner).__name__ == "SequenceEndEvent":
                return node
            item = self.compose(inner, depth + 1)
            if item.tag != "reset":
                node.value.append(item)

    def mapping(self, event: Any, depth: int) -> Node:
        node = self.at(event, {})
        self.collection(node, event, "map")
        keys: dict[str, tuple[int, int]] = {}
        merged: list[Node] = []
        while True:
            inner = next(self.events)
            if type(inner).__name__ == "MappingEndEvent":
                break
            key = self.compose(inner, depth + 1)
            item = self.compose(next(self.events), depth + 1)
            if key.value == "<<" and not getattr(inner, "style", None):
                merged += self.merges(item)
                continue
            name = self.key(key)
            if name in node.value:
                first = self.source.place(*keys[name])
                raise key.error(
                    f"The key {name!r} is there twice, first in line {first.line}."
                )
            keys[name] = key.line, key.column
            node.value[name] = item
        for other in merged:
            for name, item in other.value.items():
                if name not in node.value:
                    node.value[name] = item
                    keys[name] = other.keys.get(name, (other.line, other.column))
        return Node(node.value, *node.position, node.tag, keys)

    def collection(self, node: Node, event: Any, kind: str) -> None:
        if event.tag not in (None, "!", _TAG + kind) and not node.tag:
            raise _unknown_tag(node, event.tag)

    def merges(self, item: Node) -> list[Node]:
        found = item.value if isinstance(item.value, list) else [item]
        for other in found:
            if not isinstance(other.value, dict):
                raise other.error("`<<` merges mappings, and this is none.")
        return found

    def key(self, key: Node) -> str:
        if type(key.value) is not str:
            raise key.error(
                "A key has to be a text.", hint=f'Put it in quotes: "{key.written}".'
            )
        return key.value


def _unknown_tag(node: Node, tag: str) -> ComposeError:
    shown = "!!" + tag.removeprefix(_TAG) if tag.startswith(_TAG) else tag
    return node.error(
        f"The tag {shown} means nothing here.", hint="There are !reset and !override."
    )


_TYPES: dict[str, type] = {
    "int": int,
    "float": float,
    "bool": bool,
    "null": type(None),
}


def resolve(text: str) -> str | int | float | bool | None:
    """What a plain scalar means."""
    if text in _NULLS:
        return None
    if text in _BOOLS:
        return _BOOLS[text]
    if text[0] not in "-+.0123456789" or len(text) > _LONGEST_NUMBER:
        return text
    found = _NUMBER.fullmatch(text)
    if found and found.lastgroup:
        digits = found[found.lastgroup].replace("_", "")
        if digits:
            number = int(digits, _BASES[found.lastgroup])
            number = -number if text[0] == "-" else number
            return number if -(1 << 63) <= number < 1 << 64 else float(number)
    if _FLOAT.fullmatch(text):
        return _finite(text)
    return text


def _finite(text: str) -> str | int | float:
    number = float(text)
    if number in (float("inf"), float("-inf")):
        return text
    # 08 is no octal number.
    return int(number) if text.lstrip("-+").isdigit() else number
