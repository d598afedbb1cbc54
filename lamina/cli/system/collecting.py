"""The collection that comes after builds, now and then, and that nobody waits for.

`<store>/gc` says by its time when the next one is due; what it holds is why the last
one could not be done. A process of its own collects, as oci/store/durability.py brings
layers to the disk.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from typing import TYPE_CHECKING

from lamina.cli.telling import warn
from lamina.errors import LaminaError

if TYPE_CHECKING:
    from lamina.cli.settings import Settings
    from lamina.cli.system.gc_settings import GcSettings
    from lamina.oci.garbage.policy import Collected
    from lamina.oci.store.store import Store

_STAMP = "gc"
# When it is not known how often is wanted, or that is not to be done.
_USUAL = 3600
_PROGRAM = (
    "import sys; sys.path.insert(0, {!r}); "
    "from lamina.cli.system.collecting import main; main(sys.argv[1:])"
)
# Superseded images stay for a day whatever happens: somebody may know their IDs.
_YOUNG = 24 * 3600


def collect_later(settings: Settings) -> None:
    """Collect in a process of its own, if that is due; say why the last one failed.

    lamina/cli/building/build.py has a look first, at the price of one system call.
    """
    path = f"{settings.root}/{_STAMP}"
    with contextlib.suppress(OSError):
        with open(path, encoding="utf-8", errors="replace") as file:
            text = file.read(4096)
        if text:
            warn(text)
        if is_due(os.stat(path), time.time()):
            _start(settings)
        return
    # The first build of a store has nothing to collect.
    with contextlib.suppress(OSError):
        _stamp(settings.root, _USUAL)


def is_due(stamp: os.stat_result, now: float) -> bool:
    """Whether the time has come; or the clock was ahead when the stamp was made."""
    return stamp.st_mtime <= now or stamp.st_ctime > now + _USUAL


def _start(settings: Settings) -> None:
    _stamp(settings.root, _USUAL)
    import lamina

    package = os.path.dirname(os.path.dirname(os.path.abspath(lamina.__file__)))
    quiet = [(os.POSIX_SPAWN_OPEN, fd, os.devnull, os.O_RDWR, 0) for fd in range(3)]
    program = [sys.executable, "-I", "-c", _PROGRAM.format(package), settings.root]
    os.posix_spawn(
        sys.executable, program, settings.environment, file_actions=quiet, setsid=True
    )


def _stamp(root: str, seconds: int, text: str = "") -> None:
    """The next one is due in so many seconds."""
    path = f"{root}/{_STAMP}"
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    due = time.time() + seconds
    os.utime(path, (due, due))


def main(arguments: list[str]) -> None:
    """The program of the process: collect in the store that is named."""
    from lamina.cli.settings import settings_from

    os.nice(19)
    os.chdir("/")
    settings = settings_from(dict(os.environ), arguments[0])
    try:
        seconds, text = collect_now(settings).interval, ""
    except LaminaError as error:
        seconds, text = _USUAL, _told(error)
    with contextlib.suppress(OSError):
        _stamp(settings.root, seconds, text)


def _told(error: LaminaError) -> str:
    where = f" ({error.place})" if error.place else ""
    return f"the build cache is not collected: {error.message}{where}"


def collect_now(settings: Settings) -> GcSettings:
    """Collect what the configuration lets go; what it says."""
    from lamina.oci.errors import InUse
    from lamina.oci.store.store import Store

    store = Store.open(settings.root)
    try:
        wanted = gc_settings(settings)
        if wanted.enabled:
            with (
                contextlib.suppress(InUse),
                store.alone("collecting", lambda: True),
            ):
                collect_as(store, wanted)
        return wanted
    finally:
        store.close()


def gc_settings(settings: Settings) -> GcSettings:
    """What lamina.toml says, of the disk that holds the store."""
    from lamina.cli.registries.session import SYSTEM, config_folder
    from lamina.cli.system.gc_settings import FILE, read_gc

    files = (f"{SYSTEM}/{FILE}", f"{config_folder(settings)}/{FILE}")
    disk = os.statvfs(settings.root)
    return read_gc(files, disk.f_blocks * disk.f_frsize)


def collect_as(store: Store, wanted: GcSettings) -> Collected:
    """First what is old, then what is too much; all that went."""
    from lamina.builder.traces.retention import drop_logs
    from lamina.oci.garbage.collect import collect
    from lamina.oci.garbage.policy import ALWAYS, Policy
    from lamina.runtime.containers.state import containers

    now = int(time.time())
    keep = frozenset(container.image for container, _ in containers(store.root))
    old = now - wanted.max_age if wanted.max_age else 0
    too_old = Policy(images_before=old, cache_before=old, keep=keep)
    too_much = Policy(
        images_before=now - _YOUNG,
        cache_before=ALWAYS,
        space=wanted.space,
        keep=keep,
    )
    collected = collect(store, too_old).and_also(collect(store, too_much))
    drop_logs(store)
    return collected
