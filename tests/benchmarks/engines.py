"""The programs that are compared, as the commands that do the same thing in each."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time

from lamina.values import value

BUSYBOX = "localhost/bench/busybox"
DEBIAN = "localhost/bench/debian"


@value
class Engine:
    """Shell commands with places for {context}, {tag}, {fresh}, {image}, {file},
    {source}, {target}, {flags}."""

    name: str
    build: str
    fresh: str
    run: str
    # A container that lives on, with {flags}.
    start: str
    # The command itself, for what all of them spell alike.
    program: str
    save: str
    load: str
    remove: str
    pull: str
    push: str
    # From one place to another without unpacking, where the engine can.
    copy: str = ""
    graph: str = ""


DOCKER = Engine(
    name="docker",
    build="/usr/bin/docker build -q {fresh} -t {tag} {context}",
    fresh="--no-cache",
    run="/usr/bin/docker run --rm {image} {command}",
    start="/usr/bin/docker run -d {flags} {image}",
    program="/usr/bin/docker",
    save="/usr/bin/docker save -o {file} {image}",
    load="/usr/bin/docker load -q -i {file}",
    remove="/usr/bin/docker rmi -f {image}",
    pull="/usr/bin/docker pull -q {image}",
    push="/usr/bin/docker push -q {image}",
)
# chroot isolation is Buildah's fastest, and crun refuses hybrid cgroups.
BUILDAH = Engine(
    name="buildah",
    build="buildah bud -q --isolation chroot --layers {fresh} -t {tag} {context}",
    fresh="--no-cache",
    run="podman --runtime runc --cgroup-manager cgroupfs run --rm "
    "--ulimit nofile=20000:20000 --ulimit nproc=32768:32768 {image} {command}",
    start="podman --runtime runc --cgroup-manager cgroupfs run -d "
    "--ulimit nofile=20000:20000 --ulimit nproc=32768:32768 {flags} {image}",
    program="podman --runtime runc --cgroup-manager cgroupfs",
    save="rm -f {file}; podman save -q -o {file} {image}",
    load="podman load -q -i {file}",
    remove="podman rmi -f {image}",
    pull="podman pull -q --tls-verify=false {image}",
    push="podman push -q --tls-verify=false {image}",
)
# Its store is Podman's; what it has to do besides transfers, Buildah does.
_SKOPEO = "skopeo copy -q --src-tls-verify=false --dest-tls-verify=false"
SKOPEO = Engine(
    name="skopeo",
    build="",
    fresh="",
    run="",
    start="",
    program="",
    save="",
    load=f"{_SKOPEO} docker-archive:{{file}} containers-storage:{{image}}",
    remove="podman rmi -f {image}",
    pull=f"{_SKOPEO} docker://{{image}} containers-storage:{{image}}",
    push=f"{_SKOPEO} containers-storage:{{image}} docker://{{image}}",
    copy=f"{_SKOPEO} {{source}} {{target}}",
)


# A runtime alone: it has bundles, and neither images nor builds. It refuses hybrid
# cgroups, so it sees those of the first version only.
CRUN = Engine(
    name="crun",
    build="",
    fresh="",
    run="unshare -m --propagation slave sh -c 'umount /sys/fs/cgroup/unified "
    "2>/dev/null; exec crun run --bundle {bundle} bench-crun'",
    start="",
    program="crun",
    save="",
    load="",
    remove="",
    pull="",
    push="",
)


def lamina(root: str) -> Engine:
    """Lamina itself, with a store of its own, started as a user starts it."""
    program = os.path.join(os.path.dirname(sys.executable), "lamina")
    command = f"{program} --root {root}"
    return Engine(
        name="lamina",
        build=f"{command} build -q {{fresh}} -t {{tag}} {{context}}",
        fresh="--no-cache",
        run=f"{command} run --rm {{image}} {{command}}",
        start=f"{command} run -d {{flags}} {{image}}",
        program=command,
        save=f"{command} save -o {{file}} {{image}}",
        load=f"{command} load -q -i {{file}}",
        remove=f"{command} rmi -f {{image}}",
        pull=f"{command} pull -q {{image}}",
        push=f"{command} push -q {{image}}",
        copy=f"{command} copy -q {{source}} {{target}}",
        graph=f"{command} graph",
    )


def peers() -> tuple[tuple[Engine, ...], tuple[str, ...]]:
    """The peers that answer here, and why others don't."""
    there, reasons = [], []
    if os.environ.get("LAMINA_NO_DOCKER") or not _answers("/usr/bin/docker", "info"):
        reasons.append("docker: no dockerd runs here")
    else:
        there.append(DOCKER)
    if shutil.which("buildah") and shutil.which("podman"):
        there.append(BUILDAH)
    else:
        reasons.append("buildah: not installed")
    return tuple(there), tuple(reasons)


def shell(command: str, *, folder: str | None = None) -> str:
    """What a command printed; raises RuntimeError with its last lines if it failed."""
    done = subprocess.run(
        command,
        shell=True,
        cwd=folder,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**os.environ, "DOCKER_BUILDKIT": "1"},
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{command}\n{done.stdout[-1500:]}")
    return done.stdout


def timed(command: str) -> tuple[float, int]:
    """The seconds that a command took, and the most memory (KiB) that one of its
    processes had; raises RuntimeError as `shell`."""
    began = time.perf_counter()
    with subprocess.Popen(
        ("sh", "-c", command),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**os.environ, "DOCKER_BUILDKIT": "1"},
    ) as process:
        assert process.stdout is not None
        said = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    took = time.perf_counter() - began
    if status:
        raise RuntimeError(f"{command}\n{said[-1500:].decode(errors='replace')}")
    return took, usage.ru_maxrss


def _answers(*command: str) -> bool:
    try:
        done = subprocess.run(command, capture_output=True, check=False)
    except OSError:
        return False
    return done.returncode == 0
