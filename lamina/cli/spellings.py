"""Docker's management commands: `lamina container ls` for `lamina ps`.

What is another spelling is spelled out before anything is imported for it; what there
is only in a group (`container prune`) is the group's own.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

_SAME_OF_CONTAINERS = (
    *("attach", "commit", "cp", "create", "diff", "exec", "export", "kill", "logs"),
    *("pause", "port", "ps", "rename", "restart", "rm", "run", "start", "stats"),
    *("stop", "top", "unpause", "update", "wait"),
)
_SAME_OF_IMAGES = ("build", "history", "import", "load", "pull", "push", "save", "tag")
# The build cache alone, and no images.
_PRUNE = tuple(
    word
    for kind in ("regular", "download", "git")
    for word in ("--filter", f"type={kind}")
)
_BUILDING = {"build": ("build",), "prune": ("system", "prune", *_PRUNE)}
GROUPS: dict[str, dict[str, tuple[str, ...]]] = {
    "container": {
        **{name: (name,) for name in _SAME_OF_CONTAINERS},
        **dict.fromkeys(("ls", "list"), ("ps",)),
        "remove": ("rm",),
        "inspect": ("inspect", "--type", "container"),
    },
    "image": {
        **{name: (name,) for name in _SAME_OF_IMAGES},
        **dict.fromkeys(("ls", "list"), ("images",)),
        **dict.fromkeys(("rm", "remove"), ("rmi",)),
        "inspect": ("inspect", "--type", "image"),
    },
    "builder": _BUILDING,
    "buildx": _BUILDING,
}


HELP = "help"


def about(words: tuple[str, ...]) -> str:
    """What a command line is for that something is another spelling of."""
    from lamina.cli.commands import COMMANDS

    return _CACHE if words[:2] == ("system", "prune") else COMMANDS[words[0]][1]


_CACHE = "Remove build cache that nothing needs"


def position_of_command(words: Sequence[str]) -> int:
    """Where the first word is that is no option of `lamina` itself."""
    position = 0
    while position < len(words) and words[position].startswith("-"):
        position += 2 if words[position] == "--root" else 1
    return position


def spelled_out(group: str, arguments: list[str]) -> list[str]:
    """`container ls -a` as `ps -a`; what is the group's own stays as it is. `help ps`
    is `ps --help`."""
    at = arguments.index(group)
    if group == HELP:
        return [*arguments[:at], *arguments[at + 1 :], "--help"]
    words = GROUPS[group].get(arguments[at + 1]) if at + 1 < len(arguments) else None
    if words is None:
        return arguments
    return [*arguments[:at], *words, *arguments[at + 2 :]]
