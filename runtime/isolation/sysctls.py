"""Which kernel settings are a container's own; all others are the whole machine's."""

from __future__ import annotations

from lamina.runtime.errors import ContainerError

# Those of an IPC namespace: ipc_namespaces(7), and what runc and Docker let through.
_OF_IPC = (
    *("kernel.msgmax", "kernel.msgmnb", "kernel.msgmni", "kernel.sem"),
    *("kernel.shmall", "kernel.shmmax", "kernel.shmmni", "kernel.shm_rmid_forced"),
)


def check_sysctl(name: str, host_network: bool = False, host_ipc: bool = False) -> None:
    """Raise ContainerError for a setting that no namespace of the container holds.

    The kernel would take it, for everybody: /proc/sys shows the writer's namespaces
    and, beside them, the machine's own settings.
    """
    if name.startswith("net."):
        if not host_network:
            return
        raise ContainerError(
            f"The sysctl {name} would change the host: its network is used.",
            hint="Leave out `--network host`, or set it on the host.",
        )
    if name in _OF_IPC or name.startswith("fs.mqueue."):
        if not host_ipc:
            return
        raise ContainerError(
            f"The sysctl {name} would change the host: its IPC namespace is used.",
            hint="Leave out `--ipc host`, or set it on the host.",
        )
    raise ContainerError(
        f"The sysctl {name} is the whole machine's, not a container's.",
        hint="Those of containers are net.*, fs.mqueue.*, "
        + ", ".join(_OF_IPC[:-1])
        + f" and {_OF_IPC[-1]}.",
    )
