"""The Spec of a step: its process and limits, and the files written for it."""

from __future__ import annotations

from lamina.runtime.spec import DEFAULT_MOUNTS, Mount, Process, Spec
from lamina.values import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lamina.builder.inputs.build import BuildInputs
    from lamina.builder.solving.graph import RunOp
    from lamina.runtime.containers.uplink import Uplink

HOSTNAME = "lamina"
# BuildKit's: a recipe may write /etc/hostname into its image.
ETC_FILES = ("resolv.conf", "hosts")
# The address that stands for the machine, as in Docker.
GATEWAY = "host-gateway"


def etc_files(kind: str, uplink: Uplink | None, inputs: BuildInputs) -> dict[str, str]:
    """The texts of the files in /etc that a network of this kind needs."""
    from lamina.runtime.network import resolver_files

    resolver = resolver_files.host_resolv_conf()
    gateway = "127.0.0.1"
    if kind == "host":
        # Here the machine's own resolver can be reached.
        resolver = resolver_files.read_text("/etc/resolv.conf")
    else:
        servers = uplink.nameservers if uplink is not None else ()
        resolver = resolver_files.resolv_conf(resolver, servers)
        if kind == "default" and uplink is not None and uplink.endpoint is not None:
            gateway = uplink.endpoint.gateway
    extra = [(n, gateway if at == GATEWAY else at) for n, at in inputs.hosts]
    hosts = resolver_files.hosts(HOSTNAME, ("127.0.0.1",), extra)
    return {"resolv.conf": resolver, "hosts": hosts}


def step_spec(
    operation: RunOp,
    inputs: BuildInputs,
    env: tuple[str, ...],
    files: tuple[Mount, ...],
) -> Spec:
    """What to run; `env` are variables of secrets, `files` those in /etc."""
    own = {pair.partition("=")[0] for pair in operation.env}
    proxies = tuple(
        f"{name}={given}" for name, given in inputs.proxies.items() if name not in own
    )
    process = Process(
        args=operation.args,
        env=(*operation.env, *proxies, *env),
        cwd=operation.cwd,
        user=operation.user,
        rlimits=inputs.ulimits,
    )
    mounts = _sized(inputs.shm_size) if inputs.shm_size else DEFAULT_MOUNTS
    spec = Spec(process, hostname=HOSTNAME, mounts=(*mounts, *files))
    if operation.security == "insecure":
        from lamina.runtime.isolation.privileged import privileged

        return privileged(spec)
    return spec


def _sized(shm_size: int) -> tuple[Mount, ...]:
    """The usual mounts with another size of /dev/shm (bytes)."""
    return tuple(
        replace(
            mount,
            options=(
                *(o for o in mount.options if not o.startswith("size=")),
                f"size={shm_size}",
            ),
        )
        if mount.destination == "/dev/shm"
        else mount
        for mount in DEFAULT_MOUNTS
    )
