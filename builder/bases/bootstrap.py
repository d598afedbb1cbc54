"""`bootstrap:debian/bookworm`: a base image from a distribution's own packages.

The engine is mmdebstrap, which gives the same bytes for the same packages when it
has SOURCE_DATE_EPOCH; that is the Date of the signed InRelease. The image is kept in
the store under its inputs: suite, packages, variant, and the digests of the InRelease
files. Mirrors and keyrings are those of the host's apt.
"""

from __future__ import annotations

import json
import os
import time
from typing import TYPE_CHECKING

from lamina.builder.bases.apt_sources import (
    AptSource,
    find_sources,
    parse_release,
)
from lamina.builder.bases.mmdebstrap import Log, failed, start
from lamina.builder.errors import BootstrapFailed
from lamina.builder.events import Note, StepDone, StepFailed, StepStarted
from lamina.builder.planning.state import DEFAULT_PATH
from lamina.oci.config import History, ImageConfig
from lamina.oci.digest import Digest
from lamina.oci.store.store import NEVER, Layer

if TYPE_CHECKING:
    from lamina.builder.bases.request import Bootstrap
    from lamina.builder.events import Emit
    from lamina.oci.files.workspace import Workspace
    from lamina.oci.store.store import Image, Store

# A change of what a bootstrap makes of the same inputs needs another version here.
VERSION = 1


def bootstrap_image(
    store: Store, wanted: Bootstrap, emit: Emit, *, again: bool = False
) -> Image:
    """The image that `wanted` describes, made when the store does not have it.

    An image made once is used until `again` (`--pull`) asks whether the archive has
    moved on. Raises BootstrapFailed.
    """
    name = memo_key(wanted)
    known = _known(store, name)
    if known is not None and not again:
        return known
    _require("mmdebstrap")
    _require_ids()
    if wanted.platform:
        from lamina.runtime.isolation.emulation import require_runnable

        require_runnable(wanted.platform)
        _require("arch-test")
    with store.workspace() as workspace:
        sources = find_sources(wanted, workspace.path)
        key = _key({"wanted": _fields(wanted), "sources": [s.key for s in sources]})
        with store.alone(key):
            image = _known(store, key) or _make(store, wanted, sources, workspace, emit)
    for memo in (key, name):
        store.remember("bootstrap", memo, image.id.encode())
    return image


def memo_key(wanted: Bootstrap) -> str:
    """What a store remembers the image of a bootstrap under."""
    return _key({"wanted": _fields(wanted)})


def _known(store: Store, key: str) -> Image | None:
    """The image of an earlier bootstrap, if it and its layers are still here."""
    row = store.recall("bootstrap", key)
    identity = store.resolve_id(row.decode()) if row else None
    if identity is None:
        return None
    image = store.image(identity)
    complete = all(store.layer(content) is not None for content in image.layers)
    return image if complete else None


def _fields(wanted: Bootstrap) -> dict[str, object]:
    fields = dict(wanted.__dict__)
    machine = fields.pop("platform") or os.uname().machine
    return {"version": VERSION, "machine": machine, **fields}


def _key(fields: dict[str, object]) -> str:
    return Digest.of(json.dumps(fields, sort_keys=True).encode())


def _require(program: str) -> None:
    from shutil import which

    if which(program) is None:
        raise BootstrapFailed(
            f"A bootstrap needs the program {program}, which is not installed.",
            hint=f"Install it: apt-get install {program}",
        )


def _require_ids() -> None:
    from lamina.oci.files.ids import has_one_id

    if has_one_id():
        raise BootstrapFailed(
            "Packages are installed as more than one user, and only your own id is "
            "mapped here.",
            hint="`sudo usermod --add-subuids 100000-165535 --add-subgids "
            "100000-165535 $USER` gives you more; or begin FROM an image.",
        )


def _make(
    store: Store,
    wanted: Bootstrap,
    sources: tuple[AptSource, ...],
    workspace: Workspace,
    emit: Emit,
) -> Image:
    label = f"FROM {wanted.name}: made from packages once, about half a minute"
    emit(Note(f"{wanted.name}: {', '.join(source.line for source in sources)}"))
    emit(StepStarted(-1, label))
    began = time.monotonic()
    try:
        image = _unpack(store, wanted, sources, workspace, emit)
    except BaseException:
        emit(StepFailed(-1, label, time.monotonic() - began))
        raise
    emit(StepDone(-1, label, time.monotonic() - began, True))
    return image


def _unpack(
    store: Store,
    wanted: Bootstrap,
    sources: tuple[AptSource, ...],
    workspace: Workspace,
    emit: Emit,
) -> Image:
    """Run mmdebstrap and unpack the tar that it writes, as it comes."""
    from lamina.oci.layers.apply import Limits, apply

    date = parse_release(sources[0].release).date
    directory = workspace.directory("root")
    skeleton = f"{workspace.path}/skeleton"
    process = start(wanted, sources, date, workspace.path)
    log = Log(process, emit)
    assert process.stdout is not None
    try:
        with open(skeleton, "wb") as record:
            applied = apply(
                process.stdout.read, directory, Limits(), store.xattrs, record
            )
    except BaseException as error:
        process.kill()
        output = log.end()
        if isinstance(error, Exception) and process.wait() not in (0, -9):
            raise failed(process.returncode, output) from error
        raise
    output = log.end()
    if process.wait():
        raise failed(process.returncode, output)
    layer = Layer(
        applied.diff_id, applied.diff_id, applied.bytes, applied.entries, NEVER
    )
    store.publish_layer(directory, layer, skeleton)
    return store.put_image(_config(wanted, layer.diff_id, date), (layer.content,))


def _config(wanted: Bootstrap, diff_id: Digest, date: int) -> ImageConfig:
    from lamina.oci.platforms import host_platform, parse_platform

    created = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(date))
    foreign = wanted.platform
    platform = parse_platform(foreign) if foreign else host_platform()
    return ImageConfig(
        architecture=platform.architecture,
        os=platform.os,
        variant=platform.variant,
        created=created,
        env=(f"PATH={DEFAULT_PATH}",),
        cmd=("bash",),
        diff_ids=(diff_id,),
        history=(History(created=created, created_by=f"FROM {wanted.name}"),),
    )
