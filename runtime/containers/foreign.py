"""`run --runtime`: a container whose launch is another OCI runtime's, such as crun.

What Lamina decided (plan.py) is written down as a bundle; the keeper has the runtime
create and start it (keeper/foreign.py).
"""

from __future__ import annotations

import os
import shutil

from lamina.oci.files.ids import has_one_id
from lamina.runtime.bundles.bundle import to_config
from lamina.runtime.containers import process
from lamina.runtime.errors import ContainerError
from lamina.runtime.isolation import snapshot as snapshots
from lamina.runtime.isolation.namespaces import TYPES
from lamina.runtime.isolation.users import resolve_user
from lamina.runtime.keeper.record import write_file
from lamina.runtime.spec import DeviceRule, Namespace, Resources
from lamina.values import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from lamina.runtime.containers.options import Options
    from lamina.runtime.containers.state import Container
    from lamina.runtime.isolation.namespaces import Membership
    from lamina.runtime.isolation.snapshot import Snapshot
    from lamina.runtime.isolation.users import Identity
    from lamina.runtime.spec import Spec


def check(options: Options) -> str:
    """The path of the runtime that was asked for, "" for Lamina's own; raises
    ContainerError where that cannot be used."""
    name = options.runtime
    if name in ("", "lamina"):
        return ""
    found = shutil.which(name)
    if found is None:
        raise ContainerError(
            f"The runtime {name!r} was not found.",
            hint="Give an OCI runtime's path, or install it: apt-get install crun.",
        )
    if options.init:
        raise ContainerError(
            "`--init` is Lamina's own, and another runtime does not have it.",
            hint="Leave out `--init` or `--runtime`.",
        )
    if has_one_id():
        # Lamina's own lets software give files away there; these know no such thing.
        raise ContainerError(
            "Another runtime needs more than one id, and this user has a single one.",
            hint="Leave out `--runtime`; docs/rootless.md says how to get more ids.",
        )
    return os.path.realpath(found)


def write_bundle(
    program: str,
    place: str,
    container: Container,
    spec: Spec,
    found: tuple[Membership, Snapshot, str],
) -> dict[str, Any]:
    """Write the bundle into the container's directory; what the keeper is told of it.

    `found`: its namespaces, its root, and its cgroup.
    """
    spaces, snapshot, cgroup = found
    bundle = f"{place}/bundle"
    for name in ("", "/rootfs", "/mounts", "/namespaces"):
        os.makedirs(f"{bundle}{name}", mode=0o700, exist_ok=True)
    identity = _identity(snapshot, spec)
    ids = (identity.uid, identity.gid, identity.groups)
    profile = _profile(container)
    made = replace(_bundled(spec, bundle, spaces, identity), seccomp=profile)
    if snapshots.needs_user_xattr():
        # It could neither make nor limit cgroups; the keeper has it begin in these.
        made = replace(made, cgroup="", resources=Resources())
    else:
        made = replace(made, cgroup=f"/{cgroup.lstrip('/')}")
    write_file(f"{bundle}/config.json", to_config(made, f"{bundle}/rootfs", ids))
    return {
        "program": program,
        "namespaces": tuple(kind for kind, _ in spaces.joined),
    }


def _identity(snapshot: Snapshot, spec: Spec) -> Identity:
    """Who the process is, by the files of the container's root."""
    process = spec.process
    lowers = (snapshot.upper, *snapshot.lowers) if snapshot.upper else snapshot.lowers
    view = snapshots.mount(lowers)
    try:
        return resolve_user(view, process.user, process.groups)
    finally:
        os.close(view)


def _bundled(spec: Spec, bundle: str, spaces: Membership, identity: Identity) -> Spec:
    """The Spec with paths for what launch gets as descriptors."""
    process = spec.process
    if not any(pair.startswith("HOME=") for pair in process.env):
        process = replace(process, env=(*process.env, f"HOME={identity.home}"))
    mounts = []
    binds = 0
    for mount in spec.mounts:
        if mount.type == "bind":
            # What the keeper mounts there has the attributes already; some runtimes
            # set them anew, to what is said here.
            options = tuple(dict.fromkeys(("rbind", *mount.options)))
            source = f"{bundle}/mounts/{binds}"
            mount = replace(mount, source=source, options=options)  # noqa: PLW2901
            binds += 1
        mounts.append(mount)
    new = (Namespace(kind) for kind, _, flag in TYPES if spaces.new & flag)
    joined = (
        Namespace(kind, f"{bundle}/namespaces/{kind}") for kind, _ in spaces.joined
    )
    rules = (DeviceRule(False), *spec.resources.devices)
    return replace(
        spec,
        process=process,
        mounts=tuple(mounts),
        namespaces=(*new, *joined),
        resources=replace(spec.resources, devices=rules),
    )


def _profile(container: Container) -> dict[str, Any] | None:
    """The seccomp profile in the specification's form."""
    import json

    from lamina.runtime.isolation.seccomp import default_profile, resolve

    given = process.seccomp_profile(container.options)
    if given == "":
        return None
    profile = default_profile() if given is None else json.loads(given)
    return resolve(profile, process.capabilities(container.options))
