"""A store of its own with one image in it: busybox, a few files, two layers."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from lamina.oci.config import ImageConfig
from lamina.oci.layers.pack import Times, pack
from lamina.oci.platforms import host_platform
from lamina.oci.reference import parse_reference
from lamina.oci.store.store import Image, Layer, Store
from lamina.runtime.isolation import userns
from lamina.values import replace

BUSYBOX = "/bin/busybox"


def open_store(root: Path) -> Store:
    return Store.open(str(root / "store"))


def make_base(place: Path, **images: Mapping[str, object]) -> None:
    """The store of `open_store(place)` with the images named, for whom `lamina` runs.

    An ordinary user's is made by another process: in it the user is root, and owns
    files as root, and a process that has become that cannot go back.
    """
    if os.geteuid() == 0:
        store = open_store(place)
        for name, changes in images.items():
            make_image(store, name, **changes)
        store.close()
        return
    program = "import sys; from tests import busybox; busybox.main(*sys.argv[1:])"
    command = (sys.executable, "-c", program, str(place), repr(images))
    subprocess.run(command, check=True, cwd=Path(__file__).parents[1])


def main(place: str, images: str) -> None:
    """`make_base` as root of a user namespace."""
    userns.enter()
    make_base(Path(place), **ast.literal_eval(images))


def make_image(store: Store, name: str = "busybox", **changes: object) -> Image:
    """busybox with its applets, /etc/passwd and /etc/group; `changes` of its config."""
    with store.workspace() as space:
        tools = _tools(space.directory("tools"))
        files = _files(space.directory("files"))
        layers = [publish(store, tools), publish(store, files)]
    platform = host_platform()
    config = ImageConfig(
        architecture=platform.architecture,
        os="linux",
        env=("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",),
        cmd=("sh",),
        diff_ids=tuple(layer.diff_id for layer in layers),
    )
    image = store.put_image(
        replace(config, **changes), [layer.content for layer in layers]
    )
    store.tag(parse_reference(name), image.id)
    return image


def publish(store: Store, directory: str) -> Layer:
    packed = pack(directory, Times(None, 0), None, store.xattrs)
    layer = Layer(packed.content, packed.diff_id, packed.bytes, packed.entries, 0)
    return store.publish_layer(directory, layer)


def _tools(place: str) -> str:
    os.makedirs(f"{place}/bin")
    shutil.copy(BUSYBOX, f"{place}/bin/busybox")
    applets = subprocess.check_output([BUSYBOX, "--list"], text=True).split()
    for name in applets:
        if name != "busybox":
            os.link(f"{place}/bin/busybox", f"{place}/bin/{name}")
    return place


def _files(place: str) -> str:
    os.makedirs(f"{place}/etc")
    os.mkdir(f"{place}/tmp")
    os.chmod(f"{place}/tmp", 0o1777)
    os.makedirs(f"{place}/data/inner")
    Path(f"{place}/etc/passwd").write_text(
        "root:x:0:0:root:/root:/bin/sh\nguest:x:1000:1000::/home/guest:/bin/sh\n"
    )
    Path(f"{place}/etc/group").write_text(
        "root:x:0:\nguest:x:1000:\nextra:x:50:guest\n"
    )
    Path(f"{place}/etc/motd").write_text("welcome\n")
    Path(f"{place}/data/inner/file").write_text("from the image\n")
    return place
