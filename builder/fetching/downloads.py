"""What ADD fetches: files by http and https, each once in a build.

As with BuildKit: mode 0600, owner 0:0, the mtime that the server tells (none: 1970).
With `--checksum` the key of the step is known without the network; without it, the
server is asked whether the file that is here is still the one (validator.py).
"""

from __future__ import annotations

import hashlib
import threading
from typing import TYPE_CHECKING

from lamina import __version__
from lamina.builder.errors import DownloadFailed, Stopped
from lamina.builder.fetching.connections import Connections
from lamina.builder.fetching.fetched import FetchedFile
from lamina.builder.fetching.git_source import is_git, shown
from lamina.builder.fetching.kept import Kept, KeptFile
from lamina.builder.fetching.validator import seconds, validator
from lamina.builder.meter import Meter, Meters
from lamina.oci.digest import Digest
from lamina.oci.files.workspace import space_error
from lamina.values import EMPTY, value

if TYPE_CHECKING:
    from collections.abc import Mapping
    from email.message import Message
    from http.client import HTTPResponse
    from urllib.request import OpenerDirector, Request

    from lamina.builder.memos import Memos

_TIMEOUT = 60
_LARGEST = 8 << 30
_CHUNK = 1 << 18
_SCHEMES = ("http://", "https://")


@value
class Download:
    """A fetched file: its name in a directory, what holds it, and its digest."""

    file: FetchedFile
    digest: Digest


def is_remote(source: str) -> bool:
    """Whether ADD fetches this source from elsewhere."""
    return source.startswith(_SCHEMES) or is_git(source)


class Downloads:
    """The downloads of one build, kept in `directory`. `proxies` are addresses by the
    names that programs know: http_proxy, https_proxy, no_proxy, in any case.

    With `memos` (the store) a file stays for later builds, which ask its server only
    whether it is still that one. `limit` is the largest file (bytes, 0: 8 GiB).
    `secrets` are files by id: HTTP_AUTH_TOKEN_<host> and HTTP_AUTH_HEADER_<host> go to
    that host and to no other one.
    """

    def __init__(
        self,
        directory: str,
        proxies: Mapping[str, str],
        limit: int = 0,
        memos: Memos | None = None,
        secrets: Mapping[str, str] = EMPTY,
        *,
        meters: Meters | None = None,
    ) -> None:
        self._directory = directory
        self._proxies = {name.lower(): given for name, given in proxies.items()}
        self._limit = limit or _LARGEST
        self._kept = Kept(directory, memos)
        self._secrets = secrets
        self._meters = meters or Meters()
        self._done: dict[str, Download] = {}
        # One thread fetches an address, the others wait for it.
        self._lock = threading.Lock()
        self._fetching: dict[str, threading.Lock] = {}
        self._connections = Connections()

    def abort(self) -> None:
        """End what is being fetched, in whatever threads."""
        self._connections.abort()

    def digest(self, url: str, checksum: str) -> Digest:
        """The digest of what `url` gives: the checksum, or that of the download."""
        if checksum:
            return Digest.parse(checksum)
        return self.get(url, checksum).digest

    def get(self, url: str, checksum: str) -> Download:
        """The file at `url`. Raises DownloadFailed."""
        with self._lock:
            alone = self._fetching.setdefault(url, threading.Lock())
        with alone:
            return self._get(url, checksum)

    def _get(self, url: str, checksum: str) -> Download:
        if url not in self._done:
            known = self._kept.find(url)
            # A checksum is asked for to be sure, of what lay here as well.
            if known is not None and checksum and not self._kept.is_sound(known):
                known = None
            if known is None or not checksum or known.digest != checksum:
                known = self._fetch(url, known)
            self._done[url] = Download(
                FetchedFile(known.name, self._kept.path(known), known.mtime),
                known.digest,
            )
        found = self._done[url]
        if checksum and found.digest != checksum:
            raise DownloadFailed(
                f"{shown(url)} has the digest {found.digest}, not {checksum}.",
                hint="It changed, or the checksum is another file's.",
            )
        return found

    def _fetch(self, url: str, known: KeptFile | None) -> KeptFile:
        """The file as its server has it now; `known`, when that is the same one."""
        from http.client import HTTPException
        from urllib.error import HTTPError

        try:
            request = self._request(url, known)
            with self._meters.meter(shown(url)) as meter:
                try:
                    response = self._opener(url).open(request, timeout=_TIMEOUT)
                except HTTPError as error:
                    if error.code == 304 and known is not None:
                        error.close()
                        return known
                    raise
                with response:
                    return self._save(url, response, meter)
        except HTTPError as error:
            error.close()
            raise DownloadFailed(
                f"{shown(url)}: {error.code} {error.reason}.", hint=_hint(error.code)
            ) from error
        except (OSError, HTTPException, ValueError) as error:
            if self._meters.cancelled():
                raise Stopped(f"{shown(url)} was stopped with the build.") from error
            reason = getattr(error, "reason", None) or error
            reason = getattr(reason, "strerror", None) or reason
            raise DownloadFailed(
                f"{shown(url)} cannot be fetched: {reason}."
            ) from error

    def _request(self, url: str, known: KeptFile | None) -> Request:
        """The question; who asks is told to this host alone, wherever it redirects."""
        from urllib.parse import urlsplit
        from urllib.request import Request

        parts = urlsplit(url)
        host = parts.netloc.rpartition("@")[2]
        request = Request(parts._replace(netloc=host, fragment="").geturl())
        request.add_header("User-Agent", f"lamina/{__version__}")
        for name, content in known.validator.headers().items() if known else ():
            request.add_header(name, content)
        told = self._authorization(parts.hostname or "") or _basic(url)
        if told:
            request.add_unredirected_header("Authorization", told)
        return request

    def _authorization(self, host: str) -> str:
        for name, head in (("HTTP_AUTH_TOKEN_", "Bearer "), ("HTTP_AUTH_HEADER_", "")):
            path = self._secrets.get(name + host)
            if path:
                with open(path, encoding="utf-8") as file:
                    return head + file.read(1 << 16).strip()
        return ""

    def _save(self, url: str, response: HTTPResponse, meter: Meter) -> KeptFile:
        """Write the body to a file; one that ends early, or never, is an error."""
        headers = response.headers
        asked_by = validator(headers)
        expected = headers["Content-Length"] or ""
        total = int(expected) if expected.isdecimal() else 0
        self._check_size(url, total)
        content, size = hashlib.sha256(), 0
        meter.expect(total)
        with self._kept.new() as file:
            while data := response.read1(_CHUNK):
                content.update(data)
                size += len(data)
                self._check_size(url, size)
                meter.reach(size)
                try:
                    file.write(data)
                except OSError as error:
                    raise space_error(error, self._directory) from error
            if expected.isdecimal() and total != size:
                raise OSError(f"it ended after {size} of {expected} bytes")
        made = KeptFile(
            Digest.of_all(content),
            file_name(url) or _disposition(headers),
            int(seconds(headers["Last-Modified"]) or 0) * 1_000_000_000,
            asked_by,
        )
        self._kept.keep(url, file.name, made)
        return made

    def _check_size(self, url: str, size: int) -> None:
        if size > self._limit:
            raise DownloadFailed(
                f"{shown(url)} is larger than {self._limit} bytes.",
                hint="If that is what you want: --download-limit 100g, or as needed.",
            )

    def _opener(self, url: str) -> OpenerDirector:
        """What opens http and https only, wherever a server redirects to."""
        from urllib import request

        opener = request.OpenerDirector()
        # An explicit table: urllib would look for one in the environment.
        for handler in (
            request.ProxyHandler(self.proxies_for(url)),
            request.UnknownHandler(),
            *self._connections.handlers(),
            request.HTTPDefaultErrorHandler(),
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


def _disposition(headers: Message) -> str:
    """The name that a server gives to what has none in its address."""
    name = (headers.get_filename() or "").replace("\\", "/").rpartition("/")[2]
    return "" if name in (".", "..") or "\0" in name else name


def _basic(url: str) -> str:
    """The header for `user:password@` of an address."""
    import base64
    from urllib.parse import unquote, urlsplit

    parts = urlsplit(url)
    if parts.username is None:
        return ""
    plain = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return "Basic " + base64.b64encode(plain.encode()).decode()


def _hint(code: int) -> str:
    if code in (401, 403):
        return "Give a token: --secret id=HTTP_AUTH_TOKEN_<host>,src=FILE"
    return ""
