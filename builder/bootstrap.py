"""`bootstrap:debian/bookworm`: a base image from a distribution's own packages.

The engine is mmdebstrap, which gives the same bytes for the same packages when it
has SOURCE_DATE_EPOCH; that is the Date of the signed InRelease. The image is kept in
the store under its inputs: suite, packages, variant, and the digests of the InRelease
files. Mirrors and keyrings are those of the host's apt.
"""

from __future__ import annotations

import json
import os
import threading
import time
from typing import TYPE_CHECKING

from lamina.builder.apt_sources import (
    AptSource,
    Wanted,
    find_sources,
    parse_release,
)
from lamina.builder.errors import BootstrapFailed
from lamina.builder.events import Note, StepDone, StepFailed, StepOutput, StepStarted
from lamina.builder.state import DEFAULT_PATH
from lamina.oci.config import History, ImageConfig
from lamina.oci.digest import Digest
from lamina.oci.store import NEVER, Layer
from lamina.values import value

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Mapping

    from lamina.builder.events import Emit
    from lamina.oci.store import Image, Store
    from lamina.oci.workspace import Workspace

VARIANTS = ("minbase", "apt", "essential", "required", "important", "standard")
# What Debian calls the platforms that it has packages for.
DEBIAN_ARCHITECTURES = {
    "linux/386": "i386",
    "linux/amd64": "amd64",
    "linux/arm/v5": "armel",
    "linux/arm/v7": "armhf",
    "linux/arm64": "arm64",
    "linux/mips64le": "mips64el",
    "linux/ppc64le": "ppc64el",
    "linux/riscv64": "riscv64",
    "linux/s390x": "s390x",
}
# A change of what a bootstrap makes of the same inputs needs another version here.
VERSION = 1


@value
class Bootstrap:
    """What to make: `distribution/suite`, and how."""

    distribution: str
    suite: str
    variant: str = "minbase"
    include: tuple[str, ...] = ()
    mirror: str = ""
    snapshot: str = ""
    platform: str = ""

    @property
    def name(self) -> str:
        return f"bootstrap:{self.distribution}/{self.suite}"


def parse_bootstrap(
    text: str, flags: Mapping[str, str], platform: str = ""
) -> Bootstrap:
    """`debian/bookworm` and FROM's flags, for a platform or this machine's; raises
    BootstrapFailed."""
    distribution, _, suite = text.partition("/")
    plain = suite.replace("-", "").replace(".", "")
    if distribution not in ("debian", "ubuntu") or not plain.isalnum():
        raise BootstrapFailed(
            f"{text!r} names no suite of a distribution.",
            hint="Write bootstrap:debian/bookworm or bootstrap:ubuntu/noble.",
        )
    include = tuple(sorted({p for p in flags.get("include", "").split(",") if p}))
    for package in include:
        if not package.replace("+", "").replace("-", "").replace(".", "").isalnum():
            raise BootstrapFailed(f"{package!r} is not the name of a package.")
    variant = flags.get("variant", "") or "minbase"
    if variant not in VARIANTS:
        raise BootstrapFailed(
            f"There is no variant {variant!r}.",
            hint=f"The variants are {', '.join(VARIANTS)}.",
        )
    snapshot = flags.get("snapshot", "")
    if snapshot and not _is_snapshot(snapshot):
        raise BootstrapFailed(
            f"{snapshot!r} is not the name of a snapshot.",
            hint="Write it as 20260131T000000Z.",
        )
    mirror = flags.get("mirror", "")
    return Bootstrap(
        *(distribution, suite, variant, include, mirror, snapshot),
        _foreign(platform),
    )


def _foreign(platform: str) -> str:
    """`platform`, when it is one of Debian's and not this machine's."""
    from lamina.oci.platforms import host_platform

    if not platform or platform == str(host_platform()):
        return ""
    if platform not in DEBIAN_ARCHITECTURES:
        raise BootstrapFailed(
            f"Debian has no packages for {platform}.",
            hint=f"It has them for {', '.join(sorted(DEBIAN_ARCHITECTURES))}.",
        )
    return platform


def _is_snapshot(text: str) -> bool:
    day, middle, rest = text[:8], text[8:9], text[9:]
    return (
        day.isdigit() and middle == "T" and rest[:6].isdigit() and rest[6:] in ("", "Z")
    )


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
    if wanted.platform:
        from lamina.runtime.emulation import require_runnable

        require_runnable(wanted.platform)
        _require("arch-test")
    with store.workspace() as workspace:
        sources = find_sources(_archive(wanted), workspace.path)
        key = _key({"wanted": _fields(wanted), "sources": [s.key for s in sources]})
        with store.alone(key):
            image = _known(store, key) or _make(store, wanted, sources, workspace, emit)
    for memo in (key, name):
        store.remember("bootstrap", memo, image.id.encode())
    return image


def _archive(wanted: Bootstrap) -> Wanted:
    return Wanted(wanted.distribution, wanted.suite, wanted.mirror, wanted.snapshot)


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
    from lamina.oci.apply import Limits, apply

    date = parse_release(sources[0].release).date
    directory = workspace.directory("root")
    skeleton = f"{workspace.path}/skeleton"
    process = _start(wanted, sources, date, workspace.path)
    log = _Log(process, emit)
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
            raise _failed(process.returncode, output) from error
        raise
    output = log.end()
    if process.wait():
        raise _failed(process.returncode, output)
    layer = Layer(
        applied.diff_id, applied.diff_id, applied.bytes, applied.entries, NEVER
    )
    store.publish_layer(directory, layer, skeleton)
    return store.put_image(_config(wanted, layer.diff_id, date), (layer.content,))


class _Log:
    """Passes on what mmdebstrap says while it works, and keeps it."""

    def __init__(self, process: subprocess.Popen[bytes], emit: Emit) -> None:
        self._lines: list[bytes] = []
        self._process = process
        self._emit = emit
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def _read(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            self._lines.append(line)
            self._emit(StepOutput(-1, line))

    def end(self) -> str:
        """All that was said, once nobody can say more."""
        self._thread.join()
        return b"".join(self._lines).decode(errors="replace")


def _start(
    wanted: Bootstrap, sources: tuple[AptSource, ...], date: int, place: str
) -> subprocess.Popen[bytes]:
    import subprocess

    command = [
        *_ending_with_us(),
        *("mmdebstrap", f"--variant={wanted.variant}", "--format=tar"),
        # Device nodes are the runtime's to make; an unprivileged store can't hold them.
        "--skip=output/dev",
        *([f"--include={','.join(wanted.include)}"] if wanted.include else []),
        *_architecture(wanted),
        *(wanted.suite, "-"),
        *(source.line for source in sources),
    ]
    environment = {
        "PATH": DEFAULT_PATH,
        "SOURCE_DATE_EPOCH": str(date),
        "LC_ALL": "C.UTF-8",
        "TMPDIR": place,
    }
    return subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
        umask=0o022,
    )


def _architecture(wanted: Bootstrap) -> tuple[str, ...]:
    """For packages of another machine: their scripts run through its emulator."""
    if not wanted.platform:
        return ()
    return (f"--architectures={DEBIAN_ARCHITECTURES[wanted.platform]}",)


def _ending_with_us() -> tuple[str, ...]:
    """The start of a command that dies with this process, and its mounts with it.

    For root mmdebstrap mounts /proc, /sys and more where everybody sees them, and
    does not clean up when it is killed. Without root it has namespaces of its own.
    """
    mortal = ("setpriv", "--pdeathsig=KILL")
    if os.geteuid():
        return mortal
    return (*mortal, "unshare", "--mount", "--pid", "--mount-proc", "--kill-child")


def _failed(code: int, output: str) -> BootstrapFailed:
    last = "\n".join(f"    {line}" for line in output.splitlines()[-15:])
    return BootstrapFailed(
        f"mmdebstrap ended with {code}.",
        excerpt=last,
        hint="Its last lines are above; the usual causes are the mirror, the names "
        "of packages, and a full disk.",
    )


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
