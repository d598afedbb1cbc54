"""What steps write, as text that cannot steer a terminal."""

from __future__ import annotations


def printable(data: bytes) -> str:
    """Output without control characters and escape sequences.

    A carriage return starts its line again, as progress bars mean it.
    """
    text = data.decode(errors="replace")
    lines = [line.rstrip("\r").rpartition("\r")[2] for line in text.split("\n")]
    return "\n".join(_plain(line) for line in lines)


def _plain(line: str) -> str:
    """`line` without control sequences (ECMA-48, 5.4)."""
    if line.isprintable():
        return line
    if "\x1b" in line:
        import re

        line = re.sub(
            r"\x1b(\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\)?|.)", "", line
        )
    return "".join(c for c in line if c.isprintable() or c == "\t")
