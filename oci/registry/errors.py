"""What can go wrong between here and a registry.

    RegistryError
    ├── Unreachable        no answer, or a connection that broke: worth another try
    │   ├── NoTls          the other end speaks plain HTTP
    │   └── Untrusted      its certificate is not signed by anybody known here
    ├── Refused            an answer that is not what was asked for
    │   ├── Unauthorized   401, 403: credentials are missing, wrong or too weak
    │   └── Missing        404: no such repository, tag or blob (also a NotFound)
    └── CredentialError    credentials that can be neither read nor kept

No message holds a password, a token or the query of an address.
"""

from __future__ import annotations

from lamina.errors import LaminaError
from lamina.oci.errors import NotFound


class RegistryError(LaminaError):
    """Anything that a registry, or the way to it, did not do."""

    # Whether the same request may succeed in a moment; whether that is known soon; and
    # when, as the server says.
    passing = False
    brief = False
    after: float | None = None


class Unreachable(RegistryError):
    """No answer came, or it broke off."""

    passing = True


class NoTls(Unreachable):
    """TLS was spoken to a server that speaks plain HTTP."""

    passing = False


class Untrusted(Unreachable):
    """The server's certificate does not prove who it is."""

    passing = False


class Refused(RegistryError):
    """The registry answered with an error."""

    status = 0


class Unauthorized(Refused):
    """The registry wants credentials, or others than those it got."""


class Missing(Refused, NotFound):
    """The registry does not have it."""


class CredentialError(RegistryError):
    """Credentials that could not be read, asked for, or kept."""
