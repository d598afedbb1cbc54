"""JSON without the module `json`, which costs each call of a runtime 8 ms.

The scanner is the one in C that `json` itself uses; what an engine hands over is read
with a limit and with an error that says where it is from.
"""

from __future__ import annotations

import os
from _json import make_scanner

from lamina.runtime.errors import ContainerError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_LIMIT = 16 << 20
_SPACE = " \t\n\r"


class InvalidJson(ContainerError):
    """A document that is no JSON, or not of the form that it has to have."""


class _Scanner:
    """What the scanner in C asks for: json.JSONDecoder's attributes."""

    strict = True
    object_hook = None
    object_pairs_hook = None
    parse_float = float
    parse_int = int
    parse_constant = float
    memo: dict[str, str] = {}  # noqa: RUF012 (as json's)


def loads(data: bytes, name: str) -> Any:
    """The document in `data`; raises InvalidJson, in which it is called `name`."""
    try:
        text = data.decode("utf-8").lstrip(_SPACE)
        found, end = make_scanner(_Scanner())(text, 0)  # type: ignore[arg-type]
    except StopIteration:
        raise InvalidJson(f"{name} is not JSON") from None
    except (ValueError, RecursionError) as error:
        raise InvalidJson(f"{name} is not JSON: {error}") from None
    if text[end:].strip(_SPACE):
        raise InvalidJson(f"{name} is not JSON: more follows after its end")
    return found


def load_file(path: str, name: str = "") -> Any:
    """The document in a file; raises InvalidJson, and ContainerError without one."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            data = read_all(fd)
        finally:
            os.close(fd)
    except OSError as error:
        raise ContainerError(f"cannot read {path}: {error.strerror}") from error
    return loads(data, name or path)


def read_all(fd: int) -> bytes:
    """What is left to read, at most 16 MiB; raises InvalidJson."""
    pieces = []
    size = 0
    while piece := os.read(fd, 1 << 16):
        pieces.append(piece)
        size += len(piece)
        if size > _LIMIT:
            raise InvalidJson("a document of more than 16 MiB is not read")
    return b"".join(pieces)
