"""The package archives that the host's apt trusts, and their signed InRelease files.

sources.list(5), both forms; the InRelease is fetched by apt's own helper, so that
apt's proxies and transports are used. mmdebstrap checks the signature.
"""

from __future__ import annotations

import calendar
import glob
import os
import time
from typing import TYPE_CHECKING

from lamina.builder.errors import BootstrapFailed
from lamina.oci.digest import Digest
from lamina.values import value

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lamina.builder.bases.request import Bootstrap

_KEYRINGS = "/usr/share/keyrings"
# Where an archive is kept as it was at any time: below these, by that time.
_SNAPSHOTS = {
    "debian": "http://snapshot.debian.org/archive/debian",
    "ubuntu": "https://snapshot.ubuntu.com/ubuntu",
}
_COMPONENTS = {"debian": "main", "ubuntu": "main universe"}
_HELPER = "/usr/lib/apt/apt-helper"


@value
class AptSource:
    """One suite of an archive; `release` is the text of its InRelease."""

    uri: str
    suite: str
    components: str
    options: str
    release: str

    @property
    def line(self) -> str:
        options = f" [{self.options}]" if self.options else ""
        return f"deb{options} {self.uri} {self.suite} {self.components}"

    @property
    def key(self) -> tuple[str, str, str, str]:
        digest = Digest.of(self.release.encode())
        return (self.uri, self.suite, self.components, digest)


@value
class Release:
    """What an InRelease says: origin, codename, its Date in seconds since 1970."""

    origin: str
    codename: str
    date: int


def parse_release(text: str) -> Release:
    """The head of an InRelease; raises BootstrapFailed."""
    fields: dict[str, str] = {}
    for line in text.splitlines():
        name, colon, rest = line.partition(":")
        if colon and not line.startswith(" "):
            fields.setdefault(name, rest.strip())
        if name == "SHA256":
            break
    try:
        parsed = time.strptime(fields["Date"], "%a, %d %b %Y %H:%M:%S %Z")
    except (KeyError, ValueError) as error:
        raise BootstrapFailed("An InRelease file has no Date.") from error
    origin, codename = fields.get("Origin", ""), fields.get("Codename", "")
    return Release(origin, codename, calendar.timegm(parsed))


def find_sources(wanted: Bootstrap, workspace: str) -> tuple[AptSource, ...]:
    """The archives of a suite: itself, then its updates and security where they are."""
    sources = []
    for uri, suite, required in _candidates(wanted):
        options = _options(wanted)
        release = _fetch(f"{uri}/dists/{suite}/InRelease", workspace)
        if release is None:
            if required:
                raise BootstrapFailed(
                    f"{uri} has no suite {suite!r}.",
                    hint="Look for a typing error, or name a mirror that has it: "
                    "--mirror=URL.",
                )
            continue
        components = _COMPONENTS[wanted.distribution]
        sources.append(AptSource(uri, suite, components, options, release))
    return tuple(sources)


def _candidates(wanted: Bootstrap) -> Iterator[tuple[str, str, bool]]:
    """(uri, suite, whether it has to be there), the suite itself first."""
    main, security = archives(wanted)
    yield main, wanted.suite, True
    yield main, f"{wanted.suite}-updates", False
    if security:
        yield security, f"{wanted.suite}-security", False


def archives(wanted: Bootstrap) -> tuple[str, str]:
    """Where a suite is, and where its security updates are ("": nobody knows).

    Debian keeps those in an archive beside the other one, Ubuntu in the same.
    """
    apart = "-security" if wanted.distribution == "debian" else ""
    if not wanted.mirror and not wanted.snapshot:
        main, security = host_mirrors(wanted.distribution)
        return main, security or ("" if apart else main)
    root = wanted.mirror.rstrip("/") or _SNAPSHOTS[wanted.distribution]
    time = f"/{wanted.snapshot}" if wanted.snapshot else ""
    return f"{root}{time}", f"{root}{apart}{time}"


def _options(wanted: Bootstrap) -> str:
    keyring = _keyring(wanted.distribution)
    options = [f"signed-by={keyring}"] if os.path.exists(keyring) else []
    if wanted.snapshot:
        options.append("check-valid-until=no")
    return " ".join(options)


def _keyring(distribution: str) -> str:
    return f"{_KEYRINGS}/{distribution}-archive-keyring.gpg"


def host_mirrors(distribution: str, etc: str = "/etc/apt") -> tuple[str, str]:
    """The host's mirror of a distribution and that of its security updates, or ""."""
    main = security = ""
    for uri in _host_uris(etc):
        path = uri.rstrip("/").rpartition("/")[2]
        if path == distribution:
            main = main or uri.rstrip("/")
        if path == f"{distribution}-security":
            security = security or uri.rstrip("/")
    if not main:
        raise BootstrapFailed(
            f"The host's apt has no mirror of {distribution}.",
            hint="Name one: --mirror=URL. Its keys have to be in "
            f"{_keyring(distribution)}.",
        )
    return main, security


def _host_uris(etc: str) -> Iterator[str]:
    for path in [f"{etc}/sources.list", *sorted(glob.glob(f"{etc}/sources.list.d/*"))]:
        if not path.endswith((".list", ".sources")) or not os.path.isfile(path):
            continue
        with open(path, encoding="utf-8", errors="replace") as file:
            for line in file:
                yield from _uris_of(line.strip())


def _uris_of(line: str) -> Iterator[str]:
    if line.startswith("URIs:"):
        yield from line.removeprefix("URIs:").split()
    elif line.startswith("deb "):
        rest = line.removeprefix("deb ").strip()
        if rest.startswith("["):
            rest = rest.partition("]")[2].strip()
        yield from rest.split()[:1]


def _fetch(url: str, workspace: str) -> str | None:
    """The text behind `url`, by apt's own helper; None when it is not there."""
    import subprocess

    target = f"{workspace}/InRelease"
    command = (_HELPER, "download-file", url, target)
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise BootstrapFailed(
            "A bootstrap needs apt, which is not installed.",
            hint="Use a base from an archive or another image instead.",
        ) from None
    if done.returncode:
        said = done.stdout + done.stderr
        if "404" in said or "File not found" in said:
            return None
        told = "; ".join(complaints(said)) or said.strip()
        told = told.removeprefix(f"Failed to fetch {url}").strip(" .")
        raise BootstrapFailed(
            f"{url} cannot be fetched: {told}.",
            hint="Look at the network, or name another mirror: --mirror=URL.",
        )
    with open(target, encoding="utf-8") as file:
        return file.read()


def complaints(said: str) -> tuple[str, ...]:
    """What apt and mmdebstrap say is wrong, each once, without what follows of it."""
    found = [line[2:].strip() for line in said.splitlines() if line.startswith("E:")]
    after = ("Download Failed", "setup failed", "mmdebstrap failed to run")
    return tuple(dict.fromkeys(f for f in found if not f.startswith(after)))
