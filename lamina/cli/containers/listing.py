"""What `ps` shows of containers, as Docker words it."""

from __future__ import annotations

import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from lamina.oci.store.store import Store
    from lamina.runtime.containers.state import Container, State
    from lamina.runtime.containers.volumes import Volume

COLUMNS = {
    "ID": "CONTAINER ID",
    "Image": "IMAGE",
    "Command": "COMMAND",
    "RunningFor": "CREATED",
    "Status": "STATUS",
    "Ports": "PORTS",
    "Names": "NAMES",
}
_COMMAND_WIDTH = 20
MORE = {
    "CreatedAt": "CREATED AT",
    "State": "STATE",
    "Size": "SIZE",
    "Labels": "LABELS",
    "LocalVolumes": "LOCAL VOLUMES",
    "Networks": "NETWORKS",
    "Mounts": "MOUNTS",
    "Label": lambda name: name.rpartition(".")[2].translate({45: " ", 95: " "}),
}
_MOUNT_WIDTH = 15


def row(
    store: Store, container: Container, state: State, whole: bool, sized: bool = False
) -> dict[str, Any]:
    """One container's line, with the fields of docker's `--format`.

    `sized`: look how much it has changed, which takes a while.
    """
    from lamina.cli.formats.tables import ago
    from lamina.runtime.containers.endpoints import names_of
    from lamina.runtime.containers.volume_users import listed

    volumes = listed(store.root, container)
    created = container.created / 1e9
    labels = sorted(container.config.labels.items())
    return {
        "ID": container.id if whole else container.short,
        "Image": image_name(store, container),
        "Command": command(container, whole),
        "CreatedAt": time.strftime("%Y-%m-%d %H:%M:%S %z %Z", time.localtime(created)),
        "RunningFor": ago(created),
        "Status": status(state),
        "State": state.status,
        "Ports": ports(container, state),
        "Names": container.name,
        "Size": size(store, container) if sized else "",
        "Labels": ",".join(f"{key}={given}" for key, given in labels),
        "Label": lambda name: container.config.labels.get(name, ""),
        "Networks": ",".join(names_of(container.options)),
        "LocalVolumes": str(sum(volume.kind == "volume" for volume in volumes)),
        "Mounts": ",".join(_mount_name(volume, whole) for volume in volumes),
    }


def _mount_name(volume: Volume, whole: bool) -> str:
    """What is mounted: a volume's name, or a place."""
    name = volume.source or volume.destination
    if whole or len(name) <= _MOUNT_WIDTH:
        return name
    return f"{name[: _MOUNT_WIDTH - 1]}…"


def size(store: Store, container: Container) -> str:
    """The bytes of what it has changed, and of all that it sees without mounts."""
    from lamina.cli.formats.tables import human_size
    from lamina.cli.images.sizes import tree_size
    from lamina.runtime.containers.state import directory

    own = tree_size(f"{directory(store.root, container.id)}/upper")
    layers = [store.layer(content) for content in container.layers]
    every = own + sum(layer.bytes for layer in layers if layer)
    return f"{human_size(own)} (virtual {human_size(every)})"


def command(container: Container, whole: bool) -> str:
    """Its command line in quotes; only how it begins, unless `whole`."""
    from lamina.cli.formats.tables import one_line

    text = _command(container.args)
    if not whole and len(text) > _COMMAND_WIDTH:
        text = text[: _COMMAND_WIDTH - 1] + "…"
    return one_line(_quoted(text))


def _command(args: tuple[str, ...]) -> str:
    """The command line as docker shows it: what has blanks is quoted, all but the
    program."""
    rest = (f"'{arg}'" if " " in arg else arg for arg in args[1:])
    return " ".join((args[0], *rest))


def _quoted(text: str) -> str:
    """As Go quotes it; the rest of what does not print is for one_line."""
    return f'"{text.translate(_ESCAPES)}"'


_ESCAPES = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t"})


def image_name(store: Store, container: Container) -> str:
    """What the user called the image; its ID once the name means another one."""
    if store.resolve_id(container.image_name) == container.image:
        return container.image_name
    return container.image.removeprefix("sha256:")[:12]


def status(state: State) -> str:
    """`Up 5 minutes (healthy)`, `Exited (0) 2 hours ago`, `Created`."""
    from lamina.cli.formats.tables import ago, human_age

    if state.is_running:
        age = human_age(max(0.0, time.time() - state.started / 1e9))
        return f"Up {age}{_more(state)}"
    if state.status in ("exited", "restarting"):
        word = state.status.capitalize()
        return f"{word} ({state.exit_code}) {ago(state.finished / 1e9)}"
    return state.status.capitalize()


def _more(state: State) -> str:
    if state.status == "paused":
        return " (Paused)"
    if state.health is None:
        return ""
    health = state.health["status"]
    return " (health: starting)" if health == "starting" else f" ({health})"


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
