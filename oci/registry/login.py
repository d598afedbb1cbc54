"""login: ask a registry whether a credential is right."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.oci.registry.connection.endpoint import Call
from lamina.oci.registry.errors import Missing, RegistryError, Unauthorized

if TYPE_CHECKING:
    from lamina.oci.registry.credentials.credential import Credential
    from lamina.oci.registry.session import Session


def check(session: Session, registry: str, credential: Credential) -> None:
    """Raise Unauthorized unless `registry` lets in who has `credential`.

    Asked is `/v2/` (distribution-spec, end-1), which every registry answers.
    """
    endpoint = session.endpoint(registry).with_credential(credential)
    call = Call("GET", "/v2/", (), "its first page")
    try:
        endpoint.call(call).close()
    except Unauthorized as error:
        raise Unauthorized(
            f"{registry} does not know {credential.user!r} with this password.",
            hint="Many registries want an access token in place of the password.",
        ) from error
    except Missing as error:
        raise RegistryError(
            f"{registry} is no registry: it has no /v2/.",
            hint="Look for a typing error in its name or its port.",
        ) from error
