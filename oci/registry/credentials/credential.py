"""Credential: who we are to one registry. It never prints its secret."""

from __future__ import annotations

import binascii

from lamina.oci.registry.errors import CredentialError
from lamina.values import value

# What docker-credential helpers give as a user name when the secret is a token.
TOKEN_USER = "<token>"
# The key that Docker keeps credentials of docker.io under.
HUB_KEY = "https://index.docker.io/v1/"


@value
class Credential:
    """A user and a password; or an `identity` token, which OAuth2 calls a refresh
    token and `docker login` gets from some registries."""

    user: str = ""
    password: str = ""
    identity: str = ""

    def __repr__(self) -> str:
        return f"Credential({self.user!r}, ...)"

    def basic(self) -> str:
        """The value of an Authorization header (RFC 7617)."""
        return "Basic " + encoded(self)


def encoded(credential: Credential) -> str:
    """`user:password` in base64, as `auths` of config.json keep it."""
    pair = f"{credential.user}:{credential.password}".encode()
    return binascii.b2a_base64(pair, newline=False).decode()


def decoded(auth: str, where: str) -> Credential:
    """The user and password of an `auth` field, `where` it is. Raises
    CredentialError."""
    try:
        text = binascii.a2b_base64(auth.encode()).decode()
    except (ValueError, UnicodeError):
        text = ""
    user, colon, password = text.partition(":")
    if not colon or not user:
        raise CredentialError(
            f"The credential for {where} is damaged.",
            hint="`lamina login` again, or take the entry out of the file.",
        )
    # Docker once padded with NUL.
    return Credential(user, password.rstrip("\0"))


def server_key(registry: str) -> str:
    """What a registry is called where credentials are kept."""
    return HUB_KEY if registry == "docker.io" else registry


def same_server(key: str, registry: str) -> bool:
    """Whether a key of `auths`, a host or an address of old, means `registry`."""
    name = key.partition("://")[2] or key
    name = name.rstrip("/").removesuffix("/v1").removesuffix("/v2")
    if name in ("index.docker.io", "registry-1.docker.io"):
        name = "docker.io"
    return name.lower() == registry.lower()
