"""Credential helpers: programs that keep secrets, `docker-credential-NAME`.

github.com/docker/docker-credential-helpers: one word says what to do (get, store,
erase, list), everything else goes through pipes, so no secret is ever in a list of
processes.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from lamina.oci.registry.credentials.credential import (
    TOKEN_USER,
    Credential,
    server_key,
)
from lamina.oci.registry.errors import CredentialError

if TYPE_CHECKING:
    from collections.abc import Mapping

_TIMEOUT = 60
# What helpers print, in Go's words, when they have nothing for a registry.
_NOTHING = "credentials not found in native keychain"


def exists(name: str, environment: Mapping[str, str]) -> bool:
    """Whether the program is installed."""
    return bool(_program(name, environment))


def works(name: str, environment: Mapping[str, str]) -> bool:
    """Whether it is there and has something to keep secrets with."""
    if not exists(name, environment):
        return False
    try:
        _run(name, "list", "", environment)
    except CredentialError:
        return False
    return True


def get(name: str, registry: str, environment: Mapping[str, str]) -> Credential | None:
    """What the helper has for a registry."""
    data = _run(name, "get", server_key(registry), environment)
    if data is None:
        return None
    try:
        fields = json.loads(data)
        user, secret = str(fields["Username"]), str(fields["Secret"])
    except (ValueError, LookupError, TypeError) as error:
        raise CredentialError(
            f"docker-credential-{name} gave an answer that cannot be read."
        ) from error
    if user == TOKEN_USER:
        return Credential(TOKEN_USER, "", secret)
    return Credential(user, secret)


def store(
    name: str, registry: str, credential: Credential, environment: Mapping[str, str]
) -> None:
    """Give a credential to the helper to keep."""
    fields: dict[str, Any] = {
        "ServerURL": server_key(registry),
        "Username": credential.user,
        "Secret": credential.password,
    }
    if credential.identity:
        fields.update(Username=TOKEN_USER, Secret=credential.identity)
    _run(name, "store", json.dumps(fields), environment)


def erase(name: str, registry: str, environment: Mapping[str, str]) -> None:
    """Let the helper forget a registry's credential."""
    _run(name, "erase", server_key(registry), environment)


def _program(name: str, environment: Mapping[str, str]) -> str:
    if not name.replace("-", "").replace("_", "").replace(".", "").isalnum():
        raise CredentialError(f"{name[:60]!r} is not the name of a credential helper.")
    for folder in environment.get("PATH", os.defpath).split(":"):
        path = f"{folder or '.'}/docker-credential-{name}"
        if os.path.isfile(path) and os.access(path, os.X_OK):
            return path
    return ""


def _run(name: str, word: str, text: str, environment: Mapping[str, str]) -> str | None:
    """What the helper prints; None when it has nothing."""
    import subprocess

    program = _program(name, environment)
    if not program:
        raise CredentialError(
            f"The credential helper docker-credential-{name} is not installed.",
            hint="Install it, or take it out of Docker's config.json.",
        )
    try:
        done = subprocess.run(
            [program, word],
            input=text.encode(),
            capture_output=True,
            env=dict(environment),
            timeout=_TIMEOUT,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CredentialError(
            f"docker-credential-{name} {word} did not end: {type(error).__name__}."
        ) from error
    output = done.stdout.decode("utf-8", "replace")
    if done.returncode == 0:
        return output
    if _NOTHING in output or (word == "erase" and not output.strip()):
        return None
    # Its output may hold a secret; how it ended does not.
    raise CredentialError(
        f"docker-credential-{name} {word} failed with exit code {done.returncode}.",
        hint=f"Try it: `echo HOST | docker-credential-{name} get`.",
    )
