"""The command line of `lamina-runtime`, as runc and crun have it: argv to values.

By hand, since argparse takes 15 ms to import and `create` some 60 in all. Flags are
written `--name VALUE`, `--name=VALUE`, with one dash or two.
"""

from __future__ import annotations

from lamina.runtime.errors import ContainerError
from lamina.values import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

SWITCH, TEXT, LIST, NUMBER = "switch", "text", "list", "number"

# What precedes the command; the last four are others', who find themselves understood.
GLOBAL = {
    "root": TEXT,
    "log": TEXT,
    "log-format": TEXT,
    "debug": SWITCH,
    "version": SWITCH,
    "help": SWITCH,
    "systemd-cgroup": SWITCH,
    "rootless": TEXT,
    "criu": TEXT,
    "cgroup-manager": TEXT,
}
_CREATE = {
    "bundle": TEXT,
    "console-socket": TEXT,
    "pid-file": TEXT,
    "preserve-fds": NUMBER,
    "no-pivot": SWITCH,
    "no-new-keyring": SWITCH,
}
_EXEC = {
    "process": TEXT,
    "detach": SWITCH,
    "tty": SWITCH,
    "console-socket": TEXT,
    "pid-file": TEXT,
    "cwd": TEXT,
    "env": LIST,
    "user": TEXT,
    "additional-gids": LIST,
    "cap": LIST,
    "no-new-privs": SWITCH,
    "apparmor": TEXT,
    "process-label": TEXT,
    "cgroup": TEXT,
    "preserve-fds": NUMBER,
    "ignore-paused": SWITCH,
}
_UPDATE = {
    "resources": TEXT,
    "memory": TEXT,
    "memory-reservation": TEXT,
    "memory-swap": TEXT,
    "kernel-memory": TEXT,
    "kernel-memory-tcp": TEXT,
    "cpu-period": TEXT,
    "cpu-quota": TEXT,
    "cpu-burst": TEXT,
    "cpu-share": TEXT,
    "cpu-rt-period": TEXT,
    "cpu-rt-runtime": TEXT,
    "cpu-idle": TEXT,
    "cpuset-cpus": TEXT,
    "cpuset-mems": TEXT,
    "blkio-weight": TEXT,
    "pids-limit": TEXT,
}
# Each command: its flags, how its words are called, what it does.
COMMANDS: Mapping[str, tuple[Mapping[str, str], str, str]] = {
    "create": (_CREATE, "ID", "create a container from a bundle"),
    "start": ({}, "ID", "have the created container run its command"),
    "run": (
        {**_CREATE, "detach": SWITCH, "keep": SWITCH},
        "ID",
        "create a container and run it",
    ),
    "state": ({}, "ID", "print the state of a container"),
    "kill": ({"all": SWITCH}, "ID [SIGNAL]", "send a signal, SIGTERM by default"),
    "delete": ({"force": SWITCH}, "ID", "remove a container that has stopped"),
    "exec": (_EXEC, "ID COMMAND [ARG...]", "run one more process in a container"),
    "list": (
        {"format": TEXT, "quiet": SWITCH},
        "",
        "list the containers of this root directory",
    ),
    "ps": ({"format": TEXT}, "ID", "list the processes in a container"),
    "pause": ({}, "ID", "stop all processes of a container where they are"),
    "resume": ({}, "ID", "let them go on"),
    "update": (_UPDATE, "ID", "give a container other limits"),
    "events": (
        {"stats": SWITCH, "interval": TEXT},
        "ID",
        "print what a container uses, and when its memory is short",
    ),
    "features": ({}, "", "print what this runtime can do"),
    "spec": (
        {"bundle": TEXT, "rootless": SWITCH},
        "",
        "write a config.json to begin with",
    ),
}
_SHORT = {
    "b": "bundle",
    "d": "detach",
    "t": "tty",
    "p": "process",
    "e": "env",
    "u": "user",
    "g": "additional-gids",
    "c": "cap",
    "a": "all",
    "f": "format",
    "q": "quiet",
    "r": "resources",
    "v": "version",
    "h": "help",
}
# Where one letter means two things.
_SHORT_OF = {("delete", "f"): "force"}
# After whose first word nothing is ours any more.
_VERBATIM = frozenset(("exec",))


class Usage(ContainerError):
    """A command line that is not understood."""

    exit_code = 1


@value
class Line:
    """A command line: `command` is "" without one, `flags` are by their long names."""

    flags: Mapping[str, object]
    command: str = ""
    words: tuple[str, ...] = ()

    def text(self, name: str) -> str:
        return str(self.flags.get(name, ""))

    def on(self, name: str) -> bool:
        return bool(self.flags.get(name))

    def number(self, name: str) -> int:
        found = self.flags.get(name, 0)
        assert isinstance(found, int)
        return found

    def texts(self, name: str) -> tuple[str, ...]:
        found = self.flags.get(name, ())
        assert isinstance(found, tuple)
        return found


def parse(argv: list[str]) -> Line:
    """The line of `argv`, without the program's name; raises Usage."""
    found: dict[str, object] = {}
    rest = _flags(argv, "", GLOBAL, found)
    if not rest:
        return Line(found)
    command, *words = rest
    if command not in COMMANDS:
        raise Usage(
            f"unknown command {command!r}", hint="`lamina-runtime --help` lists them."
        )
    known = {"help": SWITCH, **COMMANDS[command][0]}
    plain: list[str] = []
    while words:
        words = _flags(words, command, known, found)
        if words and (command in _VERBATIM or words[0] == "--"):
            plain += words[1:] if words[0] == "--" and plain else words
            break
        plain += words[:1]
        words = words[1:]
    return Line(found, command, tuple(plain))


def _flags(
    words: list[str], command: str, known: Mapping[str, str], found: dict[str, object]
) -> list[str]:
    """Take the flags in front into `found`; what is left."""
    while words and words[0].startswith("-") and words[0] not in ("-", "--"):
        word, *words = words
        name, equals, given = word.lstrip("-").partition("=")
        name = _SHORT_OF.get((command, name)) or _SHORT.get(name, name)
        kind = known.get(name)
        if kind is None:
            raise Usage(f"unknown flag {word!r}", hint=_help_of(command))
        if kind == SWITCH:
            found[name] = given.lower() not in ("false", "0") if equals else True
            continue
        if not equals:
            if not words:
                raise Usage(f"the flag --{name} needs a value")
            given, *words = words
        _take(found, name, kind, given)
    return words


def _take(found: dict[str, object], name: str, kind: str, given: str) -> None:
    if kind == LIST:
        known = found.get(name, ())
        assert isinstance(known, tuple)
        found[name] = (*known, given)
    elif kind == NUMBER:
        if not given.isdecimal():
            raise Usage(f"--{name} {given!r} is not a number")
        found[name] = int(given)
    else:
        found[name] = given


def _help_of(command: str) -> str:
    return f"`lamina-runtime {command} --help` lists them.".replace("  ", " ")


def help_text(command: str = "") -> str:
    """What `--help` prints."""
    if not command:
        rows = "".join(f"  {name:<10}{row[2]}\n" for name, row in COMMANDS.items())
        flags = "".join(f"  --{name}\n" for name in GLOBAL)
        usage = "usage: lamina-runtime [FLAGS] COMMAND [FLAGS] [ID]\n"
        about = "An OCI runtime: containers from bundles (runtime-spec 1.2).\n"
        return f"{usage}\n{about}\ncommands:\n{rows}\nflags:\n{flags}"
    known, words, about = COMMANDS[command]
    kinds = {SWITCH: "", TEXT: " VALUE", LIST: " VALUE (several times)", NUMBER: " N"}
    flags = "".join(f"  --{name}{kinds[kind]}\n" for name, kind in known.items())
    usage = f"usage: lamina-runtime {command} [FLAGS] {words}".rstrip()
    return f"{usage}\n\n{about}\n" + (f"\nflags:\n{flags}" if flags else "")
