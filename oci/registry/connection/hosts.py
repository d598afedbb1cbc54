"""Hosts: where a registry is really asked, and how it is trusted.

registries.toml:

    [registry."docker.io"]
    mirrors = ["https://mirror.example"]   # asked first, for pulls

    [registry."registry.lan:5000"]
    http = true                            # plain HTTP
    ca = "/etc/lamina/lan.pem"             # an authority beside the system's
    cert = "me.pem"                        # a client certificate and its key
    key = "me.key"
    verify = false                         # take any certificate

    [registry."registry.example"]
    blocked = true                         # never ask it, only its mirrors

Paths are relative to the file. `/etc/docker/certs.d/HOST[:PORT]/` is read as Docker
reads it: `*.crt` are authorities, `NAME.cert` and `NAME.key` a client's.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from lamina.oci.registry.connection.address import is_loopback, is_web
from lamina.oci.registry.connection.request import Tls
from lamina.oci.registry.errors import RegistryError
from lamina.values import EMPTY, replace, value

# Where docker.io is served: the one name that is not its own host's.
_HUB_HOST = "registry-1.docker.io"
_KEYS = {
    "mirrors": list,
    "http": bool,
    "ca": str,
    "cert": str,
    "key": str,
    "verify": bool,
    "blocked": bool,
}


@value
class Host:
    """A server that has a registry's content: the address that `/v2/` comes after.

    `name` is what credentials are kept under. `guess` says that the scheme is not
    settled: on loopback, plain HTTP serves where no TLS is spoken.
    """

    name: str
    url: str
    tls: Tls = Tls()
    guess: bool = False


@value
class Registries:
    """What is configured: tables by registry, and folders as certs.d."""

    tables: Mapping[str, Mapping[str, Any]] = EMPTY
    certificates: tuple[str, ...] = ()

    def host(self, registry: str) -> Host:
        """The registry's own host; raises RegistryError when it is blocked."""
        table = self.tables.get(registry, EMPTY)
        if table.get("blocked"):
            raise RegistryError(f"registries.toml says that {registry} is not asked.")
        server = _HUB_HOST if registry == "docker.io" else registry
        scheme = "http" if table.get("http") else "https"
        guess = scheme == "https" and "http" not in table and is_loopback(server)
        return Host(
            registry, f"{scheme}://{server}", self._tls(registry, server), guess
        )

    def mirrors(self, registry: str) -> tuple[Host, ...]:
        """Those to be asked before it for what is pulled."""
        found = []
        for written in self.tables.get(registry, EMPTY).get("mirrors", ()):
            address = written.rstrip("/").removesuffix("/v2")
            authority = address.partition("://")[2].partition("/")[0]
            host = replace(self.host(authority), url=address, guess=False)
            found.append(host)
        return tuple(found)

    def _tls(self, registry: str, server: str) -> Tls:
        table = self.tables.get(registry, EMPTY)
        authorities = [table["ca"]] if table.get("ca") else []
        client = (table["cert"], table["key"]) if table.get("cert") else None
        for folder in self.certificates:
            for name in dict.fromkeys((registry, server)):
                more, pair = _certs_d(f"{folder}/{name}")
                authorities += more
                client = client or pair
        return Tls(tuple(authorities), client, table.get("verify", True))


def read_registries(
    files: tuple[str, ...], certificates: tuple[str, ...] = ("/etc/docker/certs.d",)
) -> Registries:
    """What `files` say, later ones over earlier ones; those not there are left out.

    Raises RegistryError for what is not as the head of this module shows.
    """
    tables: dict[str, Mapping[str, Any]] = {}
    for path in files:
        if os.path.exists(path):
            tables.update(_read(path))
    return Registries(tables, certificates)


def _read(path: str) -> dict[str, Mapping[str, Any]]:
    import tomllib

    try:
        with open(path, "rb") as file:
            document = tomllib.load(file)
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise RegistryError(f"{path} cannot be read: {reason}.") from error
    for key in document:
        if key != "registry":
            raise RegistryError(
                f"{path} has {key!r}, which means nothing.",
                hint='Tables are written [registry."HOST:PORT"].',
            )
    tables = document.get("registry", {})
    if not isinstance(tables, dict):
        raise RegistryError(f"`registry` in {path} is not a table of registries.")
    return {name: _checked(path, name, table) for name, table in tables.items()}


def _checked(path: str, name: str, table: Any) -> Mapping[str, Any]:
    where = f'[registry."{name}"] in {path}'
    if not isinstance(table, dict):
        raise RegistryError(f"{where} is not a table.")
    for key, given in table.items():
        if key not in _KEYS:
            raise RegistryError(
                f"{where} has {key!r}, which means nothing.",
                hint=f"It may have {', '.join(_KEYS)}.",
            )
        if type(given) is not _KEYS[key]:
            raise RegistryError(f"{where}: {key} has the wrong type.")
    for address in table.get("mirrors", ()):
        if not isinstance(address, str) or not is_web(address):
            raise RegistryError(
                f"{where}: {address!r} is not the address of a mirror.",
                hint="Write it with its scheme: https://HOST[:PORT].",
            )
    if bool(table.get("cert")) != bool(table.get("key")):
        raise RegistryError(f"{where}: cert and key go together.")
    folder = os.path.dirname(path)
    paths = {
        k: os.path.join(folder, table[k]) for k in ("ca", "cert", "key") if k in table
    }
    return {**table, **paths}


def _certs_d(folder: str) -> tuple[list[str], tuple[str, str] | None]:
    try:
        names = sorted(os.listdir(folder))
    except OSError:
        return [], None
    authorities = [f"{folder}/{name}" for name in names if name.endswith(".crt")]
    for name in names:
        key = f"{name.removesuffix('.cert')}.key"
        if name.endswith(".cert") and key in names:
            return authorities, (f"{folder}/{name}", f"{folder}/{key}")
    return authorities, None
