"""What `ps` and `top` show of containers, as Docker words it."""

from __future__ import annotations

import os
import time

from lamina.errors import LaminaError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lamina.oci.store import Store
    from lamina.runtime.state import Container, State

COLUMNS = {
    "ID": "CONTAINER ID",
    "Image": "IMAGE",
    "Command": "COMMAND",
    "RunningFor": "CREATED",
    "Status": "STATUS",
    "Ports": "PORTS",
    "Names": "NAMES",
}
PROCESS_COLUMNS = ("UID", "PID", "PPID", "STIME", "TTY", "TIME", "CMD")
_COMMAND_WIDTH = 20
_FILTERS = ("name", "id", "status", "exited", "label", "ancestor")
_STATUSES = ("created", "running", "paused", "exited")


def row(
    store: Store, container: Container, state: State, whole: bool
) -> dict[str, str]:
    """One container's line, with the fields of docker's `--format`."""
    from lamina.cli.tables import ago

    created = container.created / 1e9
    command = " ".join(container.args)
    if not whole and len(command) > _COMMAND_WIDTH:
        command = command[: _COMMAND_WIDTH - 1] + "…"
    labels = sorted(container.config.labels.items())
    return {
        "ID": container.id if whole else container.short,
        "Image": image_name(store, container),
        "Command": f'"{command}"',
        "CreatedAt": time.strftime("%Y-%m-%d %H:%M:%S %z %Z", time.localtime(created)),
        "RunningFor": ago(created),
        "Status": status(state),
        "State": state.status,
        "Ports": ports(container, state),
        "Names": container.name,
        "Labels": ",".join(f"{key}={given}" for key, given in labels),
        "Networks": container.options.network,
        "Mounts": ",".join(text.split(":")[0] for text in container.options.binds),
    }


def image_name(store: Store, container: Container) -> str:
    """What the user called the image; its ID once the name means another one."""
    if store.resolve_id(container.image_name) == container.image:
        return container.image_name
    return container.image.removeprefix("sha256:")[:12]


def status(state: State) -> str:
    """`Up 5 minutes`, `Exited (0) 2 hours ago`, `Created`."""
    from lamina.cli.tables import ago, human_age

    if state.is_running:
        age = human_age(max(0.0, time.time() - state.started / 1e9))
        return f"Up {age}" + (" (Paused)" if state.status == "paused" else "")
    if state.status == "exited":
        return f"Exited ({state.exit_code}) {ago(state.finished / 1e9)}"
    return state.status.capitalize()


def ports(container: Container, state: State) -> str:
    """The published ports, and what is only exposed, of a container that runs."""
    if not state.is_running:
        return ""
    published = {text.partition("->")[2] for text in state.ports}
    exposed = [
        text if "/" in text else f"{text}/tcp"
        for text in container.config.exposed_ports
    ]
    return ", ".join(
        [*state.ports, *(text for text in exposed if text not in published)]
    )


def parse_filters(texts: list[str]) -> list[tuple[str, str]]:
    """`--filter` as (kind, value); raises LaminaError for what there is not."""
    filters = []
    for text in texts:
        key, _, wanted = text.partition("=")
        if key not in _FILTERS:
            raise LaminaError(f"Invalid filter {key!r}.", hint=", ".join(_FILTERS))
        if key == "status" and wanted not in _STATUSES:
            raise LaminaError(f"Invalid status {wanted!r}.", hint=", ".join(_STATUSES))
        filters.append((key, wanted))
    return filters


def matches(
    store: Store, container: Container, state: State, filters: list[tuple[str, str]]
) -> bool:
    """Whether a container passes `--filter`: all kinds, any of one kind."""
    kinds: dict[str, bool] = {}
    for key, wanted in filters:
        # Labels are the one kind of which all have to match.
        found = _matches(store, container, state, key, wanted)
        before = kinds.get(key, key == "label")
        kinds[key] = (before and found) if key == "label" else (before or found)
    return all(kinds.values())


def _matches(
    store: Store, container: Container, state: State, key: str, wanted: str
) -> bool:
    if key == "name":
        import re

        return re.search(wanted.removeprefix("/"), container.name) is not None
    if key == "id":
        return container.id.startswith(wanted)
    if key == "status":
        return state.status == wanted
    if key == "exited":
        return state.status == "exited" and str(state.exit_code) == wanted
    if key == "label":
        name, equals, given = wanted.partition("=")
        labels = container.config.labels
        return name in labels and (not equals or labels[name] == given)
    assert key == "ancestor"
    return store.resolve_id(wanted) == container.image


def processes(init: int) -> list[tuple[str, ...]]:
    """The lines of `top`: what is in the pid namespace of the process `init`."""
    space = os.stat(f"/proc/{init}/ns/pid").st_ino
    found = []
    for name in sorted((n for n in os.listdir("/proc") if n.isdecimal()), key=int):
        try:
            if os.stat(f"/proc/{name}/ns/pid").st_ino == space:
                found.append(_process(name))
        except OSError:
            continue  # it ended, or is another user's
    return found


def _process(pid: str) -> tuple[str, ...]:
    with open(f"/proc/{pid}/stat", "rb") as file:
        head, _, tail = file.read().rpartition(b")")
    with open(f"/proc/{pid}/cmdline", "rb") as file:
        words = file.read().rstrip(b"\0").replace(b"\0", b" ")
    fields = tail.split()
    ticks = os.sysconf("SC_CLK_TCK")
    seconds = (int(fields[11]) + int(fields[12])) // ticks
    boot = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
    started = time.localtime(boot + int(fields[19]) / ticks)
    command = words or b"[" + head.partition(b"(")[2] + b"]"
    return (
        str(os.stat(f"/proc/{pid}").st_uid),
        pid,
        fields[1].decode(),
        time.strftime("%H:%M", started),
        _terminal(int(fields[4])),
        f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}",
        command.decode(errors="replace"),
    )


def _terminal(number: int) -> str:
    """`pts/0` for the terminal's device number (proc_pid_stat(5), tty_nr)."""
    major, minor = number >> 8 & 0xFFF, number & 0xFF | number >> 12 & 0xFFF00
    return f"pts/{minor + (major - 136) * 256}" if 136 <= major < 144 else "?"
