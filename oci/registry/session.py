"""Session: all that one command does with registries, by references."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from lamina.oci.registry.connection.endpoint import Endpoint
from lamina.oci.registry.connection.hosts import Host, Registries
from lamina.oci.registry.connection.request import Proxies
from lamina.oci.registry.connection.retry import Patience
from lamina.oci.registry.connection.transport import Transport
from lamina.oci.registry.errors import RegistryError
from lamina.oci.registry.repository import Repository

if TYPE_CHECKING:
    from lamina.oci.reference import Reference
    from lamina.oci.registry.credentials.credential import Credential

# By the registry's name and a repository.
Find = Callable[[str, str], "Credential | None"]


def nobody(_registry: str, _repository: str) -> None:
    """For a session without credentials."""


class Session:
    """Connections, tokens and what is configured; threads share it. Close it."""

    def __init__(
        self,
        registries: Registries = Registries(),  # noqa: B008
        find: Find = nobody,
        proxies: Proxies = Proxies(),  # noqa: B008
        patience: Patience = Patience(),  # noqa: B008
    ) -> None:
        self._registries = registries
        self._find = find
        self._transport = Transport(proxies)
        self._patience = patience
        self._endpoints: dict[Host, Endpoint] = {}
        self._lock = threading.Lock()

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End all connections."""
        self._transport.close()

    def endpoint(self, registry: str) -> Endpoint:
        """The registry's own host."""
        return self._endpoint(self._registries.host(registry))

    def sources(self, reference: Reference) -> tuple[Repository, ...]:
        """Where to pull from: mirrors in their order, then the registry itself.

        A blocked one is not asked, which is an error where it has no mirrors.
        """
        hosts = self._registries.mirrors(reference.registry)
        try:
            hosts = (*hosts, self._registries.host(reference.registry))
        except RegistryError:
            if not hosts:
                raise
        return tuple(
            Repository(self._endpoint(host), reference.repository, "pull")
            for host in hosts
        )

    def prepare(self, reference: Reference) -> None:
        """Look now for the credentials of all that may be asked for `reference`."""
        for source in self.sources(reference):
            source.endpoint.prepare(source.scope)

    def target(self, reference: Reference) -> Repository:
        """Where to push to."""
        endpoint = self.endpoint(reference.registry)
        return Repository(endpoint, reference.repository, "pull,push")

    def _endpoint(self, host: Host) -> Endpoint:
        with self._lock:
            if host not in self._endpoints:
                self._endpoints[host] = Endpoint(
                    host, self._transport, self._patience, self._find
                )
            return self._endpoints[host]
