"""`lamina info`: the store and the machine, in figures, as `docker info` has them."""

from __future__ import annotations

import os

from lamina import __version__

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from typing import Any

    from lamina.cli.settings import Settings

    Commands = argparse._SubParsersAction[argparse.ArgumentParser]

ABOUT = "Show figures of the store and the machine"
_UNIFIED = "/sys/fs/cgroup/cgroup.controllers"
# What a line of text is called, and the field it shows; a blank before it is kept.
_LINES = {
    "Version": "ServerVersion",
    "Store": "DockerRootDir",
    "Images": "Images",
    "Containers": "Containers",
    "  Running": "ContainersRunning",
    "  Paused": "ContainersPaused",
    "  Stopped": "ContainersStopped",
    "Operating system": "OperatingSystem",
    "Kernel": "KernelVersion",
    "Architecture": "Architecture",
    "Cgroups": "CgroupVersion",
    "CPUs": "NCPU",
    "Memory": "MemTotal",
}


def add(commands: Commands) -> None:
    """Register `info`, of `lamina` and of `lamina system`."""
    parser = commands.add_parser("info", help=ABOUT, description=f"{ABOUT}.")
    about = "json, template"
    parser.add_argument("-f", "--format", default="", metavar="TEMPLATE", help=about)
    parser.set_defaults(call=_info)


def _info(arguments: argparse.Namespace, settings: Settings) -> int:
    document = {**_of_store(settings), **_of_machine(settings)}
    if arguments.format:
        from lamina.cli.formats.documents import formatted

        print(formatted(document, arguments.format))
        return 0
    from lamina.cli.formats.tables import binary_size

    shown = {**document, "MemTotal": binary_size(document["MemTotal"])}
    width = max(map(len, _LINES)) + 3
    for name, field in _LINES.items():
        print(f"{name + ':':{width}}{shown[field]}")
    return 0


def _of_store(settings: Settings) -> dict[str, Any]:
    from lamina.cli.opened import opened
    from lamina.runtime.containers.state import containers

    with opened(settings, adds=False) as store:
        images = len(store.images())
        found = [state for _, state in containers(store.root)]
    paused = sum(state.status == "paused" for state in found)
    running = sum(state.is_active for state in found) - paused
    return {
        "Containers": len(found),
        "ContainersRunning": running,
        "ContainersPaused": paused,
        "ContainersStopped": len(found) - running - paused,
        "Images": images,
    }


def _of_machine(settings: Settings) -> dict[str, Any]:
    machine = os.uname()
    rights = ["name=seccomp,profile=builtin"]
    return {
        "Driver": "overlay",
        "LoggingDriver": "json-file",
        "CgroupDriver": "cgroupfs",
        "CgroupVersion": "2" if os.path.exists(_UNIFIED) else "1",
        "KernelVersion": machine.release,
        "OperatingSystem": _operating_system(),
        "OSType": "linux",
        "Architecture": machine.machine,
        "NCPU": len(os.sched_getaffinity(0)),
        "MemTotal": os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"),
        # docker's name for the folder with everything in it.
        "DockerRootDir": settings.root,
        "Name": machine.nodename,
        "ServerVersion": __version__,
        "SecurityOptions": rights + ["name=rootless"] * (os.geteuid() != 0),
        "DefaultRuntime": "lamina",
        # Scripts that know swarms ask whether this is one.
        "Swarm": {"LocalNodeState": "inactive"},
    }


def _operating_system() -> str:
    import platform

    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        return "Linux"
