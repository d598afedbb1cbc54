"""`lamina-runtime`: an OCI runtime that others call: argv in, an exit code out.

`create`, `exec` and `run` end in a process of a container, so they are carried out by
an interpreter that this one becomes first: sealed, bare, from a read-only copy of
itself (isolation/interpreter.py, CVE-2019-5736). The rest is done right here.
"""

from __future__ import annotations

import os
import sys

from lamina.errors import LaminaError
from lamina.oci.files.writing import write_all
from lamina.runtime.bundles.flags import Line, Usage, help_text, parse
from lamina.runtime.errors import ContainerError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, NoReturn

_SEALED = frozenset(("create", "exec", "run"))
_ROOT = "/run/lamina-runtime"


def main() -> NoReturn:
    """The program."""
    sys.exit(_guarded(sys.argv[1:], _first))


def sealed_main(argv: list[str]) -> NoReturn:
    """The program, in the interpreter that it became."""
    os._exit(_guarded(argv, _second))


def _guarded(argv: list[str], carry_out: Callable[[list[str], Line], int]) -> int:
    """Carry out; an error is a line in the log, and an exit code."""
    from lamina.runtime.bundles.log import Log

    line = Line({})
    try:
        line = parse(argv)
        return carry_out(argv, line)
    except LaminaError as error:
        Log(line).error(error)
        return 1 if isinstance(error, Usage) else _code(line, error)
    except OSError as error:
        Log(line).error(ContainerError(f"{error}"))
        return 1
    except KeyboardInterrupt:
        return 130


def _code(line: Line, error: LaminaError) -> int:
    """runc's: 1, and of `run` and `exec` 255 where the command could not start."""
    return 255 if line.command in ("run", "exec") else 1


def _first(argv: list[str], line: Line) -> int:
    if line.on("help") or not (line.command or line.on("version")):
        _say(help_text(line.command))
        return 0
    if line.on("version"):
        from lamina import __version__
        from lamina.runtime.bundles.config import VERSION

        _say(f"lamina-runtime version {__version__}\nspec: {VERSION}\n")
        return 0
    if line.command in _SEALED:
        _seal(argv)
    return _OPERATIONS[line.command](line)


def _seal(argv: list[str]) -> NoReturn:
    from lamina.runtime.errors import NotPermitted
    from lamina.runtime.isolation.interpreter import become_sealed

    try:
        become_sealed("lamina.runtime.bundles.program", argv, "jeepney")
    except PermissionError:
        raise NotPermitted(
            "this user may not make containers",
            hint="It takes root, or a user namespace in which you are root: podman "
            "makes one for its users, `unshare -Urm` by hand.",
        ) from None


def _second(_argv: list[str], line: Line) -> int:
    return _OPERATIONS[line.command](line)


def _say(text: str) -> None:
    write_all(1, text.encode("utf-8", "surrogateescape"))


def _json(found: Any) -> None:
    from lamina.oci.json_writer import text

    _say(f"{text(found)}\n")


def _root(line: Line) -> str:
    """Where containers are known: `--root`, or a place for the user."""
    given = line.text("root")
    if given:
        return os.path.abspath(given)
    own = os.environ.get("XDG_RUNTIME_DIR", "")
    if own and (os.geteuid() != 0 or _is_in_user_namespace()):
        return f"{own}/lamina-runtime"
    return _ROOT


def _is_in_user_namespace() -> bool:
    """Whether root here is a user outside, who may not write to /run."""
    with open("/proc/self/uid_map", "rb", buffering=0) as file:
        return file.read(64).split() != [b"0", b"0", b"4294967295"]


def _identity(line: Line, words: int = 1) -> str:
    """The ID, of at most so many words; raises Usage."""
    if not line.words:
        raise Usage(f"{line.command} needs the ID of a container")
    if words and len(line.words) > words:
        raise Usage(f"{line.command} does not take {line.words[words]!r}")
    return line.words[0]


def _request(line: Line) -> Any:
    from lamina.runtime.bundles.creation import Request

    return Request(
        _identity(line),
        line.text("bundle") or ".",
        line.text("console-socket"),
        line.text("pid-file"),
        line.number("preserve-fds"),
        systemd=line.on("systemd-cgroup"),
    )


def _create(line: Line) -> int:
    from lamina.runtime.bundles.creation import Creation
    from lamina.runtime.bundles.log import Log

    made = Creation(_root(line), _request(line))
    made.run()
    for warning in made.warnings:
        Log(line).warn(warning)
    return 0


def _run(line: Line) -> int:
    from lamina.runtime.bundles.foreground import run
    from lamina.runtime.bundles.log import Log

    log = Log(line)
    detached, keep = line.on("detach"), line.on("keep")
    return run(_root(line), _request(line), detached, keep, log.warn)


def _start(line: Line) -> int:
    from lamina.runtime.bundles.log import Log
    from lamina.runtime.bundles.operations import start

    start(_root(line), _identity(line), Log(line).warn)
    return 0


def _state(line: Line) -> int:
    from lamina.runtime.bundles import state

    root = _root(line)
    known = state.load(root, _identity(line))
    _json(state.as_json(known, state.status(root, known)))
    return 0


def _kill(line: Line) -> int:
    from lamina.runtime.bundles.operations import kill, signal_number

    identity = _identity(line, 2)
    number = signal_number(line.words[1] if len(line.words) > 1 else "TERM")
    kill(_root(line), identity, number, line.on("all"))
    return 0


def _delete(line: Line) -> int:
    from lamina.runtime.bundles.log import Log
    from lamina.runtime.bundles.operations import delete

    delete(_root(line), _identity(line), line.on("force"), Log(line).warn)
    return 0


def _exec(line: Line) -> int:
    from lamina.runtime.bundles.entering import Entry
    from lamina.runtime.bundles.foreground import execute

    identity = _identity(line, 0)
    groups = tuple(g for text in line.texts("additional-gids") for g in text.split(","))
    if not all(g.isdecimal() for g in groups):
        raise Usage("--additional-gids takes numbers")
    entry = Entry(
        identity,
        line.text("process"),
        line.words[1:],
        line.texts("env"),
        line.text("cwd"),
        line.text("user"),
        tuple(map(int, groups)),
        line.texts("cap"),
        line.on("tty"),
        line.on("no-new-privs"),
        line.text("apparmor"),
        line.text("process-label"),
        line.text("console-socket"),
        line.text("pid-file"),
        line.text("cgroup"),
        line.number("preserve-fds"),
        line.on("detach"),
        line.on("ignore-paused"),
    )
    return execute(_root(line), entry)


def _list(line: Line) -> int:
    from lamina.runtime.bundles import state

    root = _root(line)
    found = []
    for identity in state.identities(root):
        try:
            known = state.load(root, identity)
        except ContainerError:
            continue  # it goes meanwhile
        found.append(state.as_json(known, state.status(root, known)))
    if line.on("quiet"):
        _say("".join(f"{row['id']}\n" for row in found))
    elif line.text("format") == "json":
        _json(found)
    else:
        names = ("id", "pid", "status", "bundle", "created", "owner")
        rows = [names, *(tuple(str(row[name]) for name in names) for row in found)]
        _say(_columns([tuple(w.upper() for w in rows[0]), *rows[1:]]))
    return 0


def _columns(rows: list[tuple[str, ...]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = (
        "  ".join(word.ljust(width) for word, width in zip(row, widths, strict=True))
        for row in rows
    )
    return "".join(f"{text.rstrip()}\n" for text in lines)


def _ps(line: Line) -> int:
    from lamina.runtime.bundles.usage import processes, table

    pids = processes(_root(line), _identity(line, 0))
    if line.text("format") == "json":
        _json(pids)
    else:
        _say(table(pids))
    return 0


def _pause(line: Line) -> int:
    from lamina.runtime.bundles.operations import pause

    pause(_root(line), _identity(line))
    return 0


def _resume(line: Line) -> int:
    from lamina.runtime.bundles.operations import resume

    resume(_root(line), _identity(line))
    return 0


def _update(line: Line) -> int:
    from lamina.runtime.bundles.usage import update

    _identity(line)
    update(_root(line), line)
    return 0


def _events(line: Line) -> int:
    from lamina.runtime.bundles.usage import events

    text = line.text("interval").removesuffix("s") or "5"
    try:
        interval = float(text)
    except ValueError:
        raise Usage(f"--interval {text!r} is not a number of seconds") from None
    events(_root(line), _identity(line), interval, line.on("stats"), _json)
    return 0


def _features(_line: Line) -> int:
    from lamina.runtime.bundles.features import features

    _json(features())
    return 0


def _spec(line: Line) -> int:
    import json

    from lamina.runtime.bundles.template import template

    path = os.path.join(line.text("bundle") or ".", "config.json")
    try:
        with open(path, "x", encoding="utf-8") as file:
            json.dump(template(line.on("rootless")), file, indent="\t")
    except FileExistsError:
        raise ContainerError(f"{path} is there already") from None
    return 0


_OPERATIONS: dict[str, Callable[[Line], int]] = {
    "create": _create,
    "start": _start,
    "run": _run,
    "state": _state,
    "kill": _kill,
    "delete": _delete,
    "exec": _exec,
    "list": _list,
    "ps": _ps,
    "pause": _pause,
    "resume": _resume,
    "update": _update,
    "events": _events,
    "features": _features,
    "spec": _spec,
}
