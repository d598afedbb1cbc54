"""Files of values in their three languages."""

from __future__ import annotations

from typing import Any

import pytest

from lamina.builder.inputs.values_file import parse_values
from lamina.lang.source import RecipeError

FILES = {
    "v.toml": b'name = "a"\n[web]\nports = [80, 443]\non = true\n',
    "v.yaml": b'name: a\nweb:\n  ports:\n  - 80\n  - 443\n  "on": true\n',
    "v.yml": b"{name: a, web: {ports: [80, 443], on: true}}",
    "v.json": b'{"name": "a", "web": {"ports": [80, 443], "on": true}}',
}


@pytest.mark.parametrize("name", FILES)
def test_the_same_in_each(name: str) -> None:
    assert parse_values(name, FILES[name]) == {
        "name": "a",
        "web": {"ports": [80, 443], "on": True},
    }


@pytest.mark.parametrize(
    ("scalar", "value"),
    [
        ("no", "no"),
        ("on", "on"),
        ("22:30", "22:30"),
        ("2026-01-02", "2026-01-02"),
        ("010", 10),
        ("0x10", "0x10"),
        ("1_000", "1_000"),
        ("1.0.0", "1.0.0"),
        ("3.10", 3.1),
        ("-1e3", -1000.0),
        ("~", None),
        ("", None),
        ("True", True),
        ("'true'", "true"),
        ("&a x", "x"),
    ],
)
def test_scalars_of_yaml(scalar: str, value: Any) -> None:
    found = parse_values("v.yaml", f"a: {scalar}\n".encode())["a"]
    assert found == value and type(found) is type(value)


def test_empty_files() -> None:
    assert parse_values("v.yaml", b"# nothing\n") == {}
    assert parse_values("v.toml", b"") == {}


LAUGHS = b"a: &a [x, x]\n" + b"".join(
    b"%c: &%c [*%c, *%c]\n" % (n + 1, n + 1, n, n) for n in range(ord("a"), ord("y"))
)


@pytest.mark.parametrize(
    ("name", "data", "message", "place"),
    [
        ("v.toml", b"a = 1\na = 2\n", "Cannot overwrite a value.", "2:6"),
        ("v.toml", b"a = [\n", "Invalid value.", "1:6"),
        ("v.json", b'{"a": 1, "a": 2}', "The key 'a' is there twice.", "1:1"),
        ("v.json", b'{"a": NaN}', "NaN is no value.", "1:7"),
        ("v.json", b"{\n,}", "Expecting property name", "2:1"),
        ("v.json", b"[1]", "A file of values holds names", "1:1"),
        ("v.yaml", b"a: 1\na: 2\n", "The key 'a' is there twice.", "2:1"),
        ("v.yaml", b"1: 2\n", "A key is a text; put it in quotes.", "1:1"),
        ("v.yaml", b"? [a]\n: 2\n", "A key is a text; put it in quotes.", "1:3"),
        ("v.yaml", b"a: [1\nb: 2", "Expected ',' or ']'", "2:2"),
        ("v.yaml", b"a: !!python/name:os.system x", "Could not determine", "1:4"),
        ("v.yaml", b"a: !x 1", "Could not determine", "1:4"),
        ("v.yaml", b"a: &a [*a]\n", "The file holds more than", "1:1"),
        ("v.yaml", LAUGHS, "The file holds more than 100,000 values.", "1:1"),
        ("v.yaml", b"a: " + b"9" * 5000, "A number is too long.", "1:4"),
        ("v.yaml", b"a: 1\n--- \nb: 2\n", "But found another document.", "2:1"),
        ("v.yaml", b"a: " + b"[" * 100000, "The values are nested too", "1:1"),
        ("v.json", b'{"a":' + b"[" * 100000, "The values are nested too", "1:1"),
        ("v.yaml", b"a: \x00", "The character U+0000 cannot be", "1:4"),
        ("v.yaml", b"a: \xff", "Byte 0xff is not valid UTF-8.", "1:4"),
        ("v.txt", b"a", "What 'v.txt' is written in", "1:1"),
        ("v.toml", b"#" * (1 << 21), "A file of values holds at most 1 MiB.", "1:1"),
    ],
)
def test_what_cannot_be_read(name: str, data: bytes, message: str, place: str) -> None:
    with pytest.raises(RecipeError) as caught:
        parse_values(name, data)
    assert caught.value.message.startswith(message)
    assert caught.value.place == f"{name}:{place}"
