"""The programs that are compared, as the commands that do the same thing in each."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

from lamina.values import value

BUSYBOX = "localhost/bench/busybox"
DEBIAN = "localhost/bench/debian"


@value
class Engine:
    """Shell commands with places for {context}, {tag}, {fresh}, {image}, {file},
    {source}, {target}."""

    name: str
    build: str
    fresh: str
    run: str
    save: str
    load: str
    remove: str
    pull: str
    push: str
    # From one place to another without unpacking, where the engine can.
    copy: str = ""


DOCKER = Engine(
    name="docker",
    build="/usr/bin/docker build -q {fresh} -t {tag} {context}",
    fresh="--no-cache",
    run="/usr/bin/docker run --rm {image} {command}",
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
    run="podman --runtime runc --cgroup-manager cgroupfs run --rm {image} {command}",
    save="rm -f {file}; podman save -q -o {file} {image}",
    load="podman load -q -i {file}",
    remove="podman rmi -f {image}",
    pull="podman pull -q --tls-verify=false {image}",
    push="podman push -q --tls-verify=false {image}",
    copy="skopeo copy -q --src-tls-verify=false {source} {target}",
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
        save=f"{command} save -o {{file}} {{image}}",
        load=f"{command} load -q -i {{file}}",
        remove=f"{command} rmi -f {{image}}",
        pull=f"{command} pull -q {{image}}",
        push=f"{command} push -q {{image}}",
        copy=f"{command} copy -q {{source}} {{target}}",
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


def _answers(*command: str) -> bool:
    try:
        done = subprocess.run(command, capture_output=True, check=False)
    except OSError:
        return False
    return done.returncode == 0
