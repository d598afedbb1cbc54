"""Endpoint: requests to one host, with its credentials, redirects and second tries.

Credentials are bound to the host: what it redirects to gets none, and a challenge
from there is never answered (CVE-2020-15157).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from lamina.oci.registry.connection.address import (
    is_web,
    joined,
    leaves_tls,
    origin,
    shown,
)
from lamina.oci.registry.connection.answer import refusal, what_is_said
from lamina.oci.registry.connection.authorizer import Authorizer, Scope, denied
from lamina.oci.registry.connection.request import Body, Request, Tls
from lamina.oci.registry.connection.retry import persistently
from lamina.oci.registry.errors import NoTls, Refused, Unreachable
from lamina.oci.threads import NEVER, Stop
from lamina.values import EMPTY, replace, value

if TYPE_CHECKING:
    from lamina.oci.registry.connection.hosts import Host
    from lamina.oci.registry.connection.retry import Patience
    from lamina.oci.registry.connection.transport import Response, Transport
    from lamina.oci.registry.credentials.credential import Credential

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_MAX_REDIRECTS = 6


@value
class Call:
    """A request as the protocol has it: `path` after the host's address (or a whole
    address, from Location); `expect` are the statuses that are no error; `what` names
    it in errors. One that is not `repeatable` is tried once."""

    method: str
    path: str
    scope: Scope
    what: str
    expect: tuple[int, ...] = (200,)
    headers: Mapping[str, str] = EMPTY
    body: bytes | Body | None = None
    repeatable: bool = True


class Endpoint:
    """One host. `find` gives the credential for a registry's name and a repository."""

    def __init__(
        self,
        host: Host,
        transport: Transport,
        patience: Patience,
        find: Callable[[str, str], Credential | None],
    ) -> None:
        self.name = host.name
        self.patience = patience
        self._host = host
        self._transport = transport
        self._lock = threading.Lock()
        self._authorizer = Authorizer(
            host.name, transport, host.tls, lambda name: find(host.name, name)
        )

    def call(self, call: Call, stop: Stop = NEVER) -> Response:
        """The answer to `call`, with a status that it expects; to be closed.

        Raises Refused (Missing, Unauthorized) and Unreachable, after as many tries
        as `patience` has; Stopped at `stop`.
        """
        if not call.repeatable:
            return self._checked(call, stop)
        return persistently(lambda: self._checked(call, stop), self.patience, stop)

    def prepare(self, scope: Scope) -> None:
        """Look for the credential now."""
        self._authorizer.credential(scope)

    def with_credential(self, credential: Credential) -> Endpoint:
        """The same host, for somebody else."""
        return Endpoint(
            self._host,
            self._transport,
            self.patience,
            lambda _registry, _repository: credential,
        )

    def settled(self) -> Endpoint:
        """The endpoint, once it is known whether it speaks TLS."""
        with self._lock:
            if self._host.guess:
                self._host = replace(self._guessed(), guess=False)
        return self

    @property
    def url(self) -> str:
        return self._host.url

    def _guessed(self) -> Host:
        """As Docker does on loopback: plain HTTP where nobody speaks TLS."""
        probe = Request("GET", f"{self._host.url}/v2/")
        try:
            self._transport.send(probe, self._host.tls).close()
        except NoTls:
            return replace(self._host, url=self._host.url.replace("https", "http", 1))
        except Unreachable:
            # The real request comes next, and says what is wrong.
            pass
        return self._host

    def _checked(self, call: Call, stop: Stop) -> Response:
        self.settled()
        response = self._authorized(call, stop)
        if response.status in call.expect:
            return response
        try:
            raise refusal(response, call.what)
        finally:
            response.close()

    def _authorized(self, call: Call, stop: Stop) -> Response:
        """Once as we are, and when that is not enough with what the challenge asks."""
        tried = self._authorizer.header(call.scope)
        response = self._followed(call, tried, stop)
        # One more after that: a token may have been taken back before its time.
        for _ in range(2):
            if response.status != 401 or not self._is_own(response.url):
                break
            response.close()
            tried = self._authorizer.answer(response, call.scope, tried, stop)
            response = self._followed(call, tried, stop)
        if response.status in (401, 403) and self._is_own(response.url):
            # Of a 401 there is nothing to say; 403 has reasons: quotas, policies.
            reason = what_is_said(response) if response.status == 403 else ""
            response.close()
            known = self._authorizer.credential(call.scope)
            raise denied(self.name, known, reason)
        return response

    def _followed(self, call: Call, authorization: str, stop: Stop) -> Response:
        url = call.path if "://" in call.path else self._host.url + call.path
        method, body = call.method, call.body
        for _ in range(_MAX_REDIRECTS):
            own = self._is_own(url)
            headers = dict(call.headers)
            if own and authorization:
                headers["Authorization"] = authorization
            tls = self._host.tls if own else Tls(self._host.tls.authorities)
            request = Request(method, url, headers, body)
            response = self._transport.send(request, tls, stop)
            target = response.headers.get("Location", "")
            if response.status not in _REDIRECTS or not target:
                return response
            response.close()
            url = self._redirected(url, target)
            if response.status == 303:
                method, body = "GET", None
        raise Refused(f"{self.name} redirects in circles for {call.what}.")

    def _redirected(self, url: str, target: str) -> str:
        """Where a redirect leads: by http or https, and not from TLS to none."""
        found = joined(url, target)
        if not is_web(found):
            raise Refused(f"{self.name} redirects to what is no web address.")
        if leaves_tls(url, found):
            raise Refused(
                f"{self.name} redirects to {shown(found)}, which is without TLS."
            )
        return found

    def _is_own(self, url: str) -> bool:
        return origin(url) == origin(self._host.url)
