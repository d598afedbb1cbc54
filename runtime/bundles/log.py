"""What the runtime has to say to who calls it: on stderr, and in the file of `--log`.

Engines read the last JSON line of that file (`level`, `msg`, `time`).
"""

from __future__ import annotations

import os
import time

from lamina.errors import LaminaError
from lamina.oci import json_writer
from lamina.runtime.errors import CommandNotFound, NotExecutable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lamina.runtime.bundles.flags import Line


class Log:
    """`--log` and `--log-format` of a command line."""

    def __init__(self, line: Line) -> None:
        self._path = line.text("log")
        self._json = line.text("log-format") == "json"

    def error(self, error: LaminaError) -> None:
        self._write("error", sentence(error), error.hint)

    def warn(self, text: str) -> None:
        self._write("warning", text)

    def _write(self, level: str, text: str, hint: str = "") -> None:
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        if self._json:
            row = json_writer.text({"level": level, "msg": text, "time": now})
        else:
            said = json_writer.text(text)
            row = f"time={json_writer.text(now)} level={level} msg={said}"
        if self._path:
            self._append(f"{row}\n".encode())
        more = f"\n  {hint}" if hint else ""
        os.write(2, f"lamina-runtime: {text}{more}\n".encode("utf-8", "replace"))

    def _append(self, data: bytes) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        try:
            fd = os.open(self._path, flags, 0o644)
            try:
                os.write(fd, data)
            finally:
                os.close(fd)
        except OSError:
            return  # it is said on stderr all the same


def sentence(error: LaminaError) -> str:
    """The message, with the words that engines look for to find their exit codes:
    127 and 126 (moby, daemon/start_unix.go; podman, libpod/oci_util.go)."""
    text = str(error)
    if isinstance(error, CommandNotFound):
        known = ("executable file not found", "no such file or directory")
        if not any(words in text for words in known):
            path = "in $PATH" in text
            words = "executable file not found in $PATH" if path else known[1]
            return f"{text}: {words}"
    elif isinstance(error, NotExecutable) and "permission denied" not in text.lower():
        return f"{text}: permission denied"
    elif isinstance(error, NotExecutable):
        return text.replace("Permission denied", "permission denied")
    return text
