"""Credentials: where they are looked for, and where `login` keeps them.

Looked for in files of Docker's form (config.json), one after the other; in each in
Docker's order: `credHelpers` of the registry, `credsStore`, `auths`. What is kept by
Lamina lies in a file of the same form, the first of them; its `credHelpers` may say
`keyring`, which is the system's and no program.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

from lamina.oci.registry.credentials import helper, keychain
from lamina.oci.registry.credentials.config_file import change, read
from lamina.oci.registry.credentials.credential import (
    TOKEN_USER,
    Credential,
    decoded,
    encoded,
    same_server,
    server_key,
)
from lamina.oci.registry.errors import CredentialError
from lamina.values import EMPTY, value

KEYRING = "keyring"
# Docker's choice on Linux, in its order.
_DEFAULT_HELPERS = ("pass", "secretservice")


@value
class Kept:
    """Where a credential went: "helper", "keyring" or "file", and its name."""

    kind: str
    name: str


@value
class Credentials:
    """`own` is Lamina's file, `others` are read after it; helpers are looked for and
    run in `environment`."""

    own: str
    others: tuple[str, ...] = ()
    environment: Mapping[str, str] = EMPTY

    def find(self, registry: str, repository: str = "") -> Credential | None:
        """The credential for a registry, if there is one; raises CredentialError.

        Files of Podman may have one for some of its repositories: the longest name
        that `repository` is in counts (containers-auth.json(5)).
        """
        for path in (self.own, *self.others):
            found = self._in_file(path, registry, repository)
            if found is not None:
                return found
        return None

    def keep(self, registry: str, credential: Credential) -> Kept:
        """Keep a credential in the safest place there is, and forget an older one.

        A helper that Docker is configured for comes first, then one that is there,
        then the keyring; else it lies in `own`, which only the user can read.
        """
        older = _value_of(read(self.own).get("credHelpers"), registry)
        name = self._helper(registry)
        if name:
            helper.store(name, registry, credential, self.environment)
            kept = Kept("helper", f"docker-credential-{name}")
        elif keychain.available():
            keychain.keep(registry, credential)
            name, kept = KEYRING, Kept("keyring", "the system's keyring")
        else:
            kept = Kept("file", self.own)
        entry = _entry(credential) if kept.kind == "file" else None
        tables = {
            "credHelpers": (registry, name or None),
            "auths": (server_key(registry), entry),
        }
        change(self.own, registry, tables)
        if older != name:
            # The new one counts, whatever becomes of that one.
            with contextlib.suppress(CredentialError):
                self._erase(older, registry)
        return kept

    def forget(self, registry: str) -> bool:
        """Forget what `keep` kept; whether there was anything."""
        document = read(self.own)
        name = _value_of(document.get("credHelpers"), registry)
        entry = _value_of(document.get("auths"), registry)
        # Before a helper that is not there any more, or fails, ends this.
        none = (registry, None)
        change(self.own, registry, {"credHelpers": none, "auths": none})
        self._erase(name, registry)
        return name is not None or entry is not None

    def _erase(self, name: Any, registry: str) -> None:
        """Let a helper, or the keyring, forget a credential."""
        if name == KEYRING:
            keychain.forget(registry)
        elif isinstance(name, str):
            helper.erase(name, registry, self.environment)

    def _helper(self, registry: str) -> str:
        """The helper to keep a registry's credential with, or ""."""
        for path in self.others:
            document = read(path)
            name = _value_of(document.get("credHelpers"), registry)
            name = name or document.get("credsStore")
            if isinstance(name, str) and helper.exists(name, self.environment):
                return name
        for name in _DEFAULT_HELPERS:
            if helper.works(name, self.environment):
                return name
        return ""

    def _in_file(self, path: str, registry: str, repository: str) -> Credential | None:
        document = read(path)
        auths = document.get("auths")
        for name in _within(registry, repository):
            found = _from_entry(_value_of(auths, name), name, path)
            if found is not None:
                return found
        name = _value_of(document.get("credHelpers"), registry)
        if name == KEYRING:
            return keychain.fetch(registry)
        if isinstance(name, str) and name:
            return helper.get(name, registry, self.environment)
        store = document.get("credsStore")
        if isinstance(store, str) and store:
            found = helper.get(store, registry, self.environment)
            if found is not None:
                return found
        return _from_entry(_value_of(auths, registry), registry, path)


def _within(registry: str, repository: str) -> Iterator[str]:
    """The repository's name and those of the namespaces that it is in, the longest
    first."""
    while repository:
        yield f"{registry}/{repository}"
        repository = repository.rpartition("/")[0]


def _entry(credential: Credential) -> dict[str, str]:
    """What `auths` has for a credential."""
    entry = {"auth": encoded(credential)}
    if credential.identity:
        entry["identitytoken"] = credential.identity
    return entry


def _from_entry(entry: Any, name: str, path: str) -> Credential | None:
    """An entry of `auths`: `auth` in base64, or in the open; with a store it is {}."""
    if not isinstance(entry, dict):
        return None
    identity = str(entry.get("identitytoken") or "")
    if entry.get("auth"):
        found = decoded(str(entry["auth"]), f"{name} in {path}")
        return Credential(found.user, found.password, identity)
    if entry.get("username"):
        user, password = str(entry["username"]), str(entry.get("password", ""))
        return Credential(user, password, identity)
    return Credential(TOKEN_USER, "", identity) if identity else None


def _value_of(table: Any, registry: str) -> Any:
    if not isinstance(table, dict):
        return None
    for key, given in table.items():
        if same_server(key, registry):
            return given
    return None
