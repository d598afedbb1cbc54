"""Detach keys: what is typed to leave a container's terminal and let it live on."""

from __future__ import annotations

from lamina.runtime.errors import ContainerError

DEFAULT = "ctrl-p,ctrl-q"


def parse_keys(text: str) -> bytes:
    """`ctrl-p,ctrl-q` as what a terminal sends; "" is none. Raises ContainerError.

    A key is a character, or `ctrl-` and one of a to z, @ [ \\ ] ^ _ (moby/term,
    ascii.go).
    """
    return b"".join(_key(name, text) for name in text.split(",")) if text else b""


def _key(name: str, text: str) -> bytes:
    if len(name) == 1 and name.isascii():
        return name.encode()
    plain = name.lower().removeprefix("ctrl-")
    if name.lower().startswith("ctrl-") and len(plain) == 1:
        code = ord(plain.upper()) - ord("@")
        if 0 <= code < 32:
            return bytes((code,))
    raise ContainerError(
        f"Invalid detach keys {text!r}: there is no key {name!r}.",
        hint="A list such as ctrl-p,ctrl-q: characters, and ctrl- with a letter or one "
        "of @ [ \\ ] ^ _.",
    )


class Escape:
    """Looks for the keys in what is typed, in however many pieces it comes."""

    def __init__(self, keys: bytes) -> None:
        self._keys = keys
        self._held = b""
        self.seen = False

    def feed(self, data: bytes) -> bytes:
        """What is to be passed on; the beginning of the keys is held back.

        Once the keys were typed `seen` is set, and nothing after them is passed on.
        """
        if not self._keys:
            return data
        data = self._held + data
        self._held = b""
        at = data.find(self._keys)
        if at >= 0:
            self.seen = True
            return data[:at]
        for length in range(min(len(self._keys) - 1, len(data)), 0, -1):
            if data.endswith(self._keys[:length]):
                self._held = data[-length:]
                return data[:-length]
        return data
