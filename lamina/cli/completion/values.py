"""The values of flags and arguments: words, and the names of what there is."""

from __future__ import annotations

import argparse

from lamina.values import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from lamina.cli.settings import Settings

    Words = Iterable[tuple[str, str]]
    # The names of what there is in the store at this root, for a command.
    Names = Callable[[Settings, str], Words]


@value
class Candidates:
    """Words and what they mean. `more`: what the shell may offer itself: `files`,
    `directories`, nothing (`none`), or nothing and no blank after the word (`open`)."""

    words: tuple[tuple[str, str], ...] = ()
    more: str = "none"


NOTHING = Candidates()

_FILES = ("FILE", "PATH", "CONTEXT", "SRC", "DEST", "PLACE", "NAME=PLACE")
_DIRECTORIES = ("DIR",)
# Words that a flag takes, whichever command has it.
_WORDS = {
    "--restart": ("no", "always", "unless-stopped", "on-failure"),
    "--pull": ("always", "missing", "never"),
    "--log-driver": ("json-file", "local", "none"),
    "--ipc": ("private", "shareable", "none", "host", "container:"),
    "--pid": ("host", "container:"),
    "--uts": ("host",),
    "--cgroupns": ("private", "host"),
    "--userns": ("host",),
    "--network": ("bridge", "none", "host", "container:"),
    "--attach": ("stdin", "stdout", "stderr"),
    "--security-opt": ("no-new-privileges", "seccomp=", "systempaths=unconfined"),
    "--platform": ("linux/amd64", "linux/arm64", "linux/arm/v7", "linux/riscv64"),
    "--format": ("json", "table"),
    "--runtime": ("runc", "crun"),
    "--progress": ("auto", "plain", "tty", "json", "quiet"),
    "--mount": ("type=bind,", "type=volume,", "type=tmpfs,"),
    "--ulimit": ("nofile=", "nproc=", "core=", "memlock=", "stack="),
    "--log-opt": (
        *("max-size=", "max-file=", "mode=", "max-buffer-size=", "compress="),
        *("labels=", "labels-regex=", "env=", "env-regex=", "tag="),
    ),
}
_FILTERS = {
    "ps": (
        *("ancestor", "before", "exited", "expose", "health", "id", "is-task", "label"),
        *("name", "network", "publish", "since", "status", "volume"),
    ),
    "container prune": ("until", "label"),
    "image prune": ("until", "label", "dangling"),
    "images": ("before", "dangling", "label", "reference", "since", "until"),
    "volume ls": ("dangling", "driver", "label", "name"),
    "network ls": ("dangling", "driver", "id", "label", "name", "scope", "type"),
    "events": ("container", "event", "image", "label", "type"),
}
# Which containers a command can do something with, by their status; else any.
_STATUSES = {
    **dict.fromkeys(("attach", "exec", "pause", "port", "top"), ("running",)),
    **dict.fromkeys(("stop", "kill"), ("running", "paused", "restarting")),
    "start": ("created", "exited"),
    "unpause": ("paused",),
}


def with_prefix(start: str, words: Words) -> tuple[tuple[str, str], ...]:
    """Those that begin so."""
    return tuple((word, about) for word, about in words if word.startswith(start))


def values_of(
    action: argparse.Action,
    command: str,
    given: list[str],
    current: str,
    settings: Settings,
) -> Candidates:
    """What an argument or a flag's value that begins with `current` may be; `given`
    are the arguments before it."""
    metavar = action.metavar if isinstance(action.metavar, str) else ""
    words: list[tuple[str, str]] = []
    if action.choices is not None:
        words += [(str(word), "") for word in action.choices]
    for name in action.option_strings:
        words += [(word, "") for word in _WORDS.get(name, ())]
    words += _filters(action, command)
    words += _names(action, command, metavar, settings)
    words = [pair for pair in words if pair[0] not in given or action.option_strings]
    found = with_prefix(current, words)
    if any(word.endswith(("=", ":", ",")) for word, _ in found):
        return Candidates(found, "files" if metavar in _FILES else "open")
    if metavar in _FILES:
        return Candidates(found, "files")
    return Candidates(found, "directories" if metavar in _DIRECTORIES else "none")


def _filters(action: argparse.Action, command: str) -> Words:
    if "--filter" not in action.option_strings:
        return []
    return [(f"{name}=", "") for name in _FILTERS.get(command, ("label", "until"))]


def _names(
    action: argparse.Action, command: str, metavar: str, settings: Settings
) -> Iterator[tuple[str, str]]:
    """The names of what is there, as the argument or flag takes them."""
    flag = max(action.option_strings, key=len, default="")
    known = _BY_FLAG.get(flag) or _BY_METAVAR.get(metavar)
    if known is not None:
        yield from known(settings, command)
    elif metavar in ("NAME|ID", "CONTAINER|IMAGE"):
        yield from _containers(settings, command)
        yield from _images(settings, command)
    elif metavar in ("SRC", "DEST") and command == "cp":
        yield from ((f"{name}:", about) for name, about in _containers(settings, ""))


def _containers(settings: Settings, command: str) -> Words:
    from lamina.runtime.containers import state

    wanted = _STATUSES.get(command)
    return [
        (container.name, container.image_name)
        for container, found in state.containers(settings.root)
        if wanted is None or found.status in wanted
    ]


def _services(settings: Settings, _command: str) -> Words:
    """Those of the compose file that is found from here; none where none is read."""
    import os

    from lamina.services.compose.asked import Asked
    from lamina.services.compose.load import load
    from lamina.services.errors import ComposeError

    try:
        found = load(Asked(os.getcwd(), settings.environment))
    except ComposeError:
        return []
    return [(name, "") for name in sorted(found.tree.get("services") or ())]


def _scales(settings: Settings, command: str) -> Words:
    return [(f"{name}=", "") for name, _ in _services(settings, command)]


def _projects(settings: Settings, _command: str) -> Words:
    from lamina.services import observed

    names = {one.project for one in observed.all_of(settings.root)}
    return [(name, "") for name in sorted(names)]


def _images(settings: Settings, _command: str) -> Words:
    import os

    from lamina.oci.reference import parse_reference
    from lamina.oci.store.store import Store

    if not os.path.isdir(settings.root):
        return []
    store = Store.open(settings.root)
    try:
        names = sorted(store.references())
    finally:
        store.close()
    shown = [parse_reference(name).familiar() for name in names]
    # Who leaves `latest` away means it.
    return [(name.removesuffix(":latest"), "") for name in shown]


def _networks(settings: Settings, _command: str) -> Words:
    from lamina.runtime.network.definitions import definitions

    return [(found.name, "") for found in definitions(settings.root)]


def _volumes(settings: Settings, _command: str) -> Words:
    from lamina.runtime.volumes.stored import volumes

    return [(volume.name, "") for volume in volumes(settings.root)]


def _capabilities(_settings: Settings, _command: str) -> Words:
    from lamina.runtime.isolation.privileges import CAPABILITIES

    return [("ALL", ""), *((name, "") for name in CAPABILITIES)]


def _signals(_settings: Settings, _command: str) -> Words:
    names = "HUP INT QUIT ABRT KILL USR1 USR2 TERM CONT STOP WINCH"
    return [(name, "") for name in names.split()]


_BY_FLAG: dict[str, Names] = {
    **dict.fromkeys(("--network", "--net"), _networks),
    **dict.fromkeys(("--cap-add", "--cap-drop"), _capabilities),
    "--signal": _signals,
    "--volumes-from": _containers,
    "--project-name": _projects,
}
_BY_METAVAR: dict[str, Names] = {
    "NETWORK": _networks,
    "CONTAINER": _containers,
    **dict.fromkeys(("IMAGE", "NAME[:TAG]", "NAME[:TAG|@DIGEST]"), _images),
    "VOLUME": _volumes,
    "SERVICE": _services,
    "SERVICE=NUMBER": _scales,
}
