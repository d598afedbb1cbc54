"""What ADD fetches: files by http and https, each once in a build.

dockerfile.md 1.8: mode 0600, owner 0:0, the mtime that the server tells (none: 1970).
With `--checksum` the key of the step is known without the network.
"""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING

from lamina import __version__
from lamina.builder.errors import DownloadFailed
from lamina.oci.digest import Digest
from lamina.oci.workspace import space_error
from lamina.values import value

if TYPE_CHECKING:
    from collections.abc import Mapping
    from email.message import Message
    from http.client import HTTPResponse
    from urllib.request import OpenerDirector

    from lamina.builder.files import Fetched

_TIMEOUT = 60
_CHUNK = 1 << 18
_SCHEMES = ("http://", "https://")


@value
class Download:
    """A fetched file: its name in a directory, what holds it, and its digest."""

    file: Fetched
    digest: Digest


def is_remote(source: str) -> bool:
    """Whether ADD fetches this source from elsewhere."""
    return source.startswith((*_SCHEMES, "git://", "ssh://", "git@"))


class Downloads:
    """The downloads of one build, kept in `directory`. `proxies` are addresses by the
    names that programs know: http_proxy, https_proxy, no_proxy, in any case."""

    def __init__(self, directory: str, proxies: Mapping[str, str]) -> None:
        self._directory = directory
        self._proxies = {name.lower(): given for name, given in proxies.items()}
        self._done: dict[str, Download] = {}

    def digest(self, url: str, checksum: str) -> Digest:
        """The digest of what `url` gives: the checksum, or that of the download."""
        if checksum:
            return Digest.parse(checksum)
        return self.get(url, checksum).digest

    def get(self, url: str, checksum: str) -> Download:
        """The file at `url`. Raises DownloadFailed."""
        _check_kind(url)
        if url not in self._done:
            self._done[url] = self._fetch(url)
        found = self._done[url]
        if checksum and found.digest != checksum:
            raise DownloadFailed(
                f"{url} has the digest {found.digest}, not {checksum}.",
                hint="It changed, or the checksum is another file's.",
            )
        return found

    def _fetch(self, url: str) -> Download:
        from http.client import HTTPException
        from urllib.error import HTTPError
        from urllib.request import Request

        from lamina.builder.files import Fetched

        path = f"{self._directory}/download-{len(self._done)}"
        request = Request(url, headers={"User-Agent": f"lamina/{__version__}"})
        try:
            with self._opener(url).open(request, timeout=_TIMEOUT) as response:
                digest = _save(response, path)
                mtime = _last_modified(response.headers)
        except HTTPError as error:
            error.close()
            raise DownloadFailed(f"{url}: {error.code} {error.reason}.") from error
        except (OSError, HTTPException) as error:
            reason = getattr(error, "reason", None) or error
            raise DownloadFailed(f"{url} cannot be fetched: {reason}.") from error
        return Download(Fetched(file_name(url), path, mtime), digest)

    def _opener(self, url: str) -> OpenerDirector:
        """What opens http and https only, wherever a server redirects to."""
        from urllib import request

        opener = request.OpenerDirector()
        # An explicit table: urllib would look for one in the environment.
        for handler in (
            request.ProxyHandler(self.proxies_for(url)),
            request.UnknownHandler(),
            request.HTTPHandler(),
            request.HTTPSHandler(),
            request.HTTPDefaultErrorHandler(),
            request.HTTPRedirectHandler(),
            request.HTTPErrorProcessor(),
        ):
            opener.add_handler(handler)
        return opener

    def proxies_for(self, url: str) -> dict[str, str]:
        """The addresses of proxies by scheme, none for a host of no_proxy."""
        from urllib.parse import urlsplit

        host = urlsplit(url).hostname or ""
        without = self._proxies.get("no_proxy", "").split(",")
        if any(_covers(name.strip(), host) for name in without):
            return {}
        common = self._proxies.get("all_proxy", "")
        found = {
            scheme: self._proxies.get(f"{scheme}_proxy") or common
            for scheme in ("http", "https")
        }
        return {scheme: address for scheme, address in found.items() if address}


def _covers(name: str, host: str) -> bool:
    """Whether an entry of no_proxy means `host`: it, what is below it, or `*`."""
    plain = name.lstrip(".").lower()
    return bool(plain) and (plain in ("*", host) or host.endswith("." + plain))


def file_name(url: str) -> str:
    """The last part of an address's path, "" if it has none."""
    from urllib.parse import unquote, urlsplit

    name = unquote(urlsplit(url).path).rpartition("/")[2]
    return "" if name in (".", "..") or "\0" in name else name


def _check_kind(url: str) -> None:
    from urllib.parse import urlsplit

    if not url.startswith(_SCHEMES) or urlsplit(url).path.endswith(".git"):
        raise DownloadFailed(
            f"ADD cannot fetch the repository {url} yet.",
            hint="Clone it in a RUN with git, or beside the recipe and COPY it; ADD"
            " takes files from http:// and https:// addresses.",
        )


def _save(response: HTTPResponse, path: str) -> Digest:
    """Write the body to `path`; a body that ends early is an error."""
    content = hashlib.sha256()
    size = 0
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
    with open(os.open(path, flags, 0o600), "wb") as file:
        while data := response.read(_CHUNK):
            content.update(data)
            size += len(data)
            try:
                file.write(data)
            except OSError as error:
                raise space_error(error, path) from error
    expected = response.headers["Content-Length"]
    if expected is not None and expected.isdecimal() and int(expected) != size:
        raise OSError(f"it ended after {size} of {expected} bytes")
    return Digest("sha256:" + content.hexdigest())


def _last_modified(headers: Message) -> int:
    from email.utils import parsedate_to_datetime

    try:
        when = parsedate_to_datetime(headers["Last-Modified"] or "")
    except ValueError:
        return 0
    return int(when.timestamp()) * 1_000_000_000
