"""Keychain: the one door to the system's keyring, PyPI's `keyring`, an extra.

A keyring keeps one secret for a service and a user; here the service is the registry,
the user is always ours, and the secret is JSON with the registry's user in it.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from lamina.oci.registry.credentials.credential import Credential
from lamina.oci.registry.errors import CredentialError

if TYPE_CHECKING:
    from keyring.backend import KeyringBackend

_USER = "lamina"


def available() -> bool:
    """Whether there is a keyring that really keeps things."""
    return _backend() is not None


def fetch(registry: str) -> Credential | None:
    """The credential for a registry; raises CredentialError when it is locked away."""
    backend = _backend()
    if backend is None:
        return None
    data = _asked(lambda: backend.get_password(_service(registry), _USER))
    if data is None:
        return None
    try:
        fields = json.loads(data)
        return Credential(
            fields["user"], fields.get("password", ""), fields.get("identity", "")
        )
    except (ValueError, TypeError, LookupError, AttributeError) as error:
        raise CredentialError(
            f"What the keyring has for {registry} is damaged.",
            hint=f"`lamina logout {registry}`, and log in again.",
        ) from error


def keep(registry: str, credential: Credential) -> None:
    """Put a credential into the keyring. Raises CredentialError."""
    backend = _backend()
    if backend is None:
        raise CredentialError("There is no keyring on this system.")
    fields = {"user": credential.user, "password": credential.password}
    if credential.identity:
        fields["identity"] = credential.identity
    data = json.dumps(fields)
    _asked(lambda: backend.set_password(_service(registry), _USER, data))


def forget(registry: str) -> bool:
    """Take the credential out of the keyring; whether there was one."""
    backend = _backend()
    if backend is None or fetch(registry) is None:
        return False
    _asked(lambda: backend.delete_password(_service(registry), _USER))
    return True


def _service(registry: str) -> str:
    return f"lamina:{registry}"


def _backend() -> KeyringBackend | None:
    """The best keyring of this system; None: not installed, or none that keeps."""
    try:
        import keyring
    except ImportError:
        return None
    backend = keyring.get_keyring()
    # From 1 on keyring recommends them; below are plain files and none at all.
    try:
        usable = float(backend.priority) >= 1
    except (RuntimeError, ValueError):
        usable = False
    return backend if usable else None


def _asked(ask: Any) -> Any:
    try:
        return ask()
    except Exception as error:  # each backend has errors of its own
        raise CredentialError(
            f"The system's keyring refuses: {type(error).__name__}.",
            hint="Unlock it, or use a credential helper.",
        ) from error
