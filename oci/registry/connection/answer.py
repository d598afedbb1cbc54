"""Answers that are no good, as errors; and answers that are small documents."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from lamina.oci.registry.connection.address import authority, shown
from lamina.oci.registry.connection.retry import retry_after
from lamina.oci.registry.errors import Missing, Refused, RegistryError, Unauthorized

if TYPE_CHECKING:
    from lamina.oci.registry.connection.transport import Response

# RFC 9110 and 6585: what may succeed when it is tried again.
_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
_MAX_ERROR = 16 << 10
_MAX_SHOWN = 200


def small_body(response: Response, limit: int) -> bytes:
    """The whole body, or Refused when it is larger than `limit` bytes."""
    length = response.length
    if length is not None and length > limit:
        raise _too_large(response, length, limit)
    parts = bytearray()
    while part := response.read(min(limit + 1 - len(parts), 1 << 16)):
        parts += part
        if len(parts) > limit:
            raise _too_large(response, len(parts), limit)
    return bytes(parts)


def refusal(response: Response, what: str) -> Refused:
    """The error that an answer means; `what` was asked for."""
    status = response.status
    host = authority(response.url)
    said = what_is_said(response)
    detail = f": {said}" if said else ""
    error: Refused
    if status == 404:
        error = Missing(f"{host} has no {what}{detail}.")
    elif status in (401, 403):
        error = Unauthorized(f"{host} refuses {what}{detail}.")
    elif status == 429:
        error = Refused(
            f"{host} takes no more requests for now{detail}.",
            hint="Try later, or log in: registries grant accounts more.",
        )
    else:
        error = Refused(f"{host} answered {status} for {what}{detail}.")
    error.status = status
    error.passing = status in _PASSING
    error.after = retry_after(response.headers.get("Retry-After", ""))
    return error


def what_is_said(response: Response) -> str:
    """The registry's own words, on one line, harmless on a terminal."""
    if "json" not in response.headers.get("Content-Type", ""):
        return ""
    try:
        document = json.loads(small_body(response, _MAX_ERROR))
        error = document["errors"][0]
        text = str(error.get("message") or error.get("code") or "")
    except (RegistryError, ValueError, LookupError, TypeError, AttributeError):
        return ""
    except RecursionError:  # of brackets, and nothing but brackets
        return ""
    plain = "".join(c if c.isprintable() else " " for c in text)
    return plain.strip().rstrip(".")[:_MAX_SHOWN]


def _too_large(response: Response, size: int, limit: int) -> Refused:
    return Refused(
        f"{shown(response.url)} has {size} bytes or more; "
        f"no more than {limit} are read."
    )
