"""TLS: the authorities that the system trusts, with every Python alike."""

from __future__ import annotations

import ssl


def system_context() -> ssl.SSLContext:
    """A client's context that trusts whom the system trusts.

    Python 3.13 began to refuse authorities that lack extensions of RFC 5280, as those
    of companies often do; no other client of registries does.
    """
    context = ssl.create_default_context()
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context
