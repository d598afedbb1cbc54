"""mmdebstrap, the program that makes a root of packages: its command, and its words.

It writes a tar of the root, the same bytes for the same packages and
SOURCE_DATE_EPOCH.
"""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

from lamina.builder.bases.apt_sources import complaints
from lamina.builder.bases.request import DEBIAN_ARCHITECTURES
from lamina.builder.errors import BootstrapFailed
from lamina.builder.events import StepOutput
from lamina.builder.planning.state import DEFAULT_PATH

if TYPE_CHECKING:
    import subprocess

    from lamina.builder.bases.apt_sources import AptSource
    from lamina.builder.bases.request import Bootstrap
    from lamina.builder.events import Emit


class Log:
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


def start(
    wanted: Bootstrap, sources: tuple[AptSource, ...], date: int, place: str
) -> subprocess.Popen[bytes]:
    import subprocess

    command = [
        *_ending_with_us(),
        *("mmdebstrap", f"--variant={wanted.variant}", "--format=tar"),
        # Device nodes are the runtime's to make; an unprivileged store can't hold them.
        "--skip=output/dev",
        *_included(wanted, place),
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


# mmdebstrap asks for what is included once all else is installed: half a minute late.
_LOOK_UP = """\
#!/bin/sh
export APT_CONFIG="$MMDEBSTRAP_APT_CONFIG"
for name in %s; do
  [ -n "$(apt-cache showpkg "$name")" ] || missing="$missing $name"
done
[ -z "$missing" ] || { echo "E: no package called$missing" >&2; exit 1; }
"""


def _included(wanted: Bootstrap, place: str) -> tuple[str, ...]:
    packages = wanted.include
    if wanted.distribution == "ubuntu" and wanted.variant != "essential":
        # Debian has them among the packages that it requires.
        packages = tuple(sorted({*packages, "apt", "ubuntu-keyring"}))
    if not packages:
        return ()
    look_up = f"{place}/look-up"
    with open(look_up, "w", encoding="ascii") as file:
        file.write(_LOOK_UP % " ".join(packages))
    os.chmod(look_up, 0o755)
    return (f"--include={','.join(packages)}", f"--extract-hook={look_up}")


def _architecture(wanted: Bootstrap) -> tuple[str, ...]:
    """For packages of another machine: their scripts run through its emulator."""
    if not wanted.platform:
        return ()
    return (f"--architectures={DEBIAN_ARCHITECTURES[wanted.platform]}",)


# dpkg waits for the disk after every package, for a root that is only read once more:
# an overlay with `volatile` does not. Where none can be mounted, the folder does.
_VOLATILE = """\
mkdir "$TMPDIR/lower" "$TMPDIR/upper" "$TMPDIR/work" "$TMPDIR/merged"
layers="lowerdir=$TMPDIR/lower,upperdir=$TMPDIR/upper,workdir=$TMPDIR/work"
mount -t overlay -o "$layers,volatile" bootstrap "$TMPDIR/merged" 2>/dev/null &&
  export TMPDIR="$TMPDIR/merged"
exec "$@"
"""


def _ending_with_us() -> tuple[str, ...]:
    """The start of a command that dies with this process, and its mounts with it.

    For root mmdebstrap mounts /proc, /sys and more where everybody sees them, and
    does not clean up when it is killed. Without root it has namespaces of its own.
    """
    mortal = ("setpriv", "--pdeathsig=KILL")
    if os.geteuid():
        return mortal
    apart = ("unshare", "--mount", "--pid", "--mount-proc", "--kill-child")
    return (*mortal, *apart, "sh", "-c", _VOLATILE, "sh")


# apt's own user cannot come into a workspace; the namespaces are around both.
_UNSANDBOXED = "W: Download is performed unsandboxed"


def failed(code: int, output: str) -> BootstrapFailed:
    """What went wrong, in the words of apt and mmdebstrap, after their last lines."""
    said = output.splitlines()
    lines = [line for line in said if not line.startswith(("I:", _UNSANDBOXED))]
    told = "; ".join(complaints(output)) or f"it ended with exit code {code}"
    return BootstrapFailed(
        f"mmdebstrap did not make the base: {told.rstrip('.')}.",
        excerpt="\n".join(f"    {line}" for line in lines[-15:]),
        hint=_way_on(output),
    )


def _way_on(output: str) -> str:
    if "no package called" in output:
        return (
            "Look for a typing error, or at another suite: https://packages.debian.org."
        )
    if "NO_PUBKEY" in output:
        return (
            "The archive is signed with a key that is not here: install its keyring "
            "to /usr/share/keyrings."
        )
    if "No space left" in output:
        return "A base takes a gigabyte while it is made. `lamina system prune` frees."
    return "The usual causes are the mirror, the names of packages, and a full disk."
