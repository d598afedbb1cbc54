"""Authorizer: answers the challenges of one registry, and of nobody else.

Basic is answered with the credentials. Bearer means a token from the realm that the
registry names (distribution, spec/auth/token.md, oauth.md): with the credentials,
or, where there are none, anonymously. Tokens are kept by scope until they expire.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from lamina.oci.registry.connection.address import is_web, leaves_tls, origin, shown
from lamina.oci.registry.connection.answer import refusal, small_body
from lamina.oci.registry.connection.challenge import parse_challenges
from lamina.oci.registry.connection.request import Request, Tls
from lamina.oci.registry.credentials.credential import Credential
from lamina.oci.registry.errors import Refused, RegistryError, Unauthorized
from lamina.oci.strict_json import parse_object
from lamina.oci.threads import NEVER, Stop
from lamina.values import value

if TYPE_CHECKING:
    from lamina.oci.registry.connection.challenge import Challenge
    from lamina.oci.registry.connection.transport import Response, Transport

Scope = tuple[str, ...]
# Of a token that does not say: token.md, "expires_in".
_EXPIRES = 60
# No command lasts longer than a year.
_LONGEST = 366 * 24 * 3600
_MAX_TOKEN = 64 << 10


@value
class _Token:
    header: str
    until: float

    def __repr__(self) -> str:
        return "_Token(...)"


class Authorizer:
    """The credentials and the tokens for one registry; threads share it.

    `find` gives the credential for a repository, when the first challenge comes.
    """

    def __init__(
        self,
        registry: str,
        transport: Transport,
        tls: Tls,
        find: Callable[[str], Credential | None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._registry = registry
        self._transport = transport
        self._tls = tls
        self._find = find
        self._clock = clock
        self._lock = threading.Lock()
        self._credentials: dict[str, Credential | None] = {}
        self._tokens: dict[Scope, _Token] = {}

    def header(self, scope: Scope) -> str:
        """What Authorization should say, "" as long as nothing was asked for."""
        token = self._tokens.get(scope)
        if token is None or token.until <= self._clock():
            return ""
        return token.header

    def answer(
        self, response: Response, scope: Scope, tried: str, stop: Stop = NEVER
    ) -> str:
        """Authorization for the same request again, after a 401 to `tried`.

        Raises Unauthorized when there is nothing (more) to be said, Stopped at `stop`.
        """
        with self._lock:
            fresh = self.header(scope)
            if fresh and fresh != tried:
                return fresh
            challenges = parse_challenges(response.headers.get("WWW-Authenticate", ""))
            token = self._answered(response, challenges, scope, tried, stop)
            self._tokens[scope] = token
            return token.header

    def credential(self, scope: Scope) -> Credential | None:
        """The credential for the repository of a scope, looked for once."""
        repository = _repository(scope)
        if repository not in self._credentials:
            self._credentials[repository] = self._find(repository)
        return self._credentials[repository]

    def _answered(
        self,
        response: Response,
        challenges: tuple[Challenge, ...],
        scope: Scope,
        tried: str,
        stop: Stop,
    ) -> _Token:
        for challenge in challenges:
            if challenge.scheme == "bearer":
                return self._fetch(response.url, challenge, scope, stop)
        known = self.credential(scope)
        for challenge in challenges:
            if challenge.scheme == "basic" and known is not None and known.user:
                header = known.basic()
                if header != tried:
                    return _Token(header, float("inf"))
        raise denied(self._registry, known)

    def _fetch(
        self, url: str, challenge: Challenge, scope: Scope, stop: Stop
    ) -> _Token:
        """A token from the realm of `challenge`, which `url` answered with."""
        realm = challenge.parameters.get("realm", "")
        self._check_realm(realm, url)
        asked = challenge.parameters.get("scope", "").split()
        wanted = tuple(dict.fromkeys((*scope, *asked)))
        service = challenge.parameters.get("service", "")
        known = self.credential(scope)
        if known is not None and known.identity:
            request = _refresh(realm, service, wanted, known)
        else:
            request = _basic(realm, service, wanted, known)
        began = self._clock()
        answer = self._transport.send(request, self._realm_tls(realm, url), stop)
        try:
            return self._token(answer, began, known)
        finally:
            answer.close()

    def _token(
        self, answer: Response, began: float, known: Credential | None
    ) -> _Token:
        if answer.status in (401, 403):
            raise denied(self._registry, known)
        if answer.status != 200:
            raise refusal(answer, f"a token for {self._registry}")
        what = f"the token of {shown(answer.url)}"
        document = parse_object(small_body(answer, _MAX_TOKEN), what)
        token = document.get("token") or document.get("access_token")
        if not isinstance(token, str) or not token or not _is_plain(token):
            raise Refused(f"{shown(answer.url)} gave no token.")
        seconds = document.get("expires_in")
        life = _EXPIRES
        if isinstance(seconds, int) and seconds > 0:
            life = min(seconds, _LONGEST)
        # A tenth is left, so that none expires on its way.
        return _Token(f"Bearer {token}", began + life * 0.9)

    def _check_realm(self, realm: str, url: str) -> None:
        """Credentials go out by TLS, unless the registry itself is without."""
        if not is_web(realm):
            raise Refused(f"{self._registry} names no place to get a token from.")
        if leaves_tls(url, realm):
            raise RegistryError(
                f"{self._registry} wants the password sent to {shown(realm)} "
                "without TLS; that is not done."
            )

    def _realm_tls(self, realm: str, url: str) -> Tls:
        """The registry's authorities hold for its realm; its client certificate and
        its lack of verification for its own host only."""
        if origin(realm)[1] == origin(url)[1]:
            return self._tls
        return Tls(self._tls.authorities)


def _repository(scope: Scope) -> str:
    """The repository that a scope opens; "" where it opens none."""
    kind, _, rest = scope[0].partition(":") if scope else ("", "", "")
    return rest.rpartition(":")[0] if kind == "repository" else ""


def _basic(realm: str, service: str, scope: Scope, known: Credential | None) -> Request:
    query: list[tuple[str, str]] = [("service", service)] if service else []
    query += [("scope", one) for one in scope]
    headers: dict[str, str] = {}
    if known is not None:
        query.append(("account", known.user))
        headers["Authorization"] = known.basic()
    separator = "&" if "?" in realm else "?"
    return Request("GET", f"{realm}{separator}{urlencode(query)}", headers)


def _refresh(realm: str, service: str, scope: Scope, known: Credential) -> Request:
    form: dict[str, Any] = {
        "grant_type": "refresh_token",
        "service": service,
        "client_id": "lamina",
        "scope": " ".join(scope),
        "refresh_token": known.identity,
    }
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    return Request("POST", realm, headers, urlencode(form).encode())


def _is_plain(token: str) -> bool:
    return token.isascii() and token.isprintable() and " " not in token


def denied(registry: str, known: Credential | None, reason: str = "") -> Unauthorized:
    """401 and 403 as a sentence: who was refused, why if that is said, and what to
    do."""
    because = f": {reason}" if reason else ""
    if known is None and reason:
        error = Unauthorized(
            f"{registry} refuses this{because}.",
            hint=f"`lamina login {registry}`, if an account may do more.",
        )
    elif known is None:
        error = Unauthorized(
            f"{registry} wants credentials for this.",
            hint=f"`lamina login {registry}`; or the name has a typing error, which "
            "registries do not tell from a private repository.",
        )
    else:
        who = f"{known.user!r}" if known.user else "the stored token"
        error = Unauthorized(
            f"{registry} does not let {who} do this{because}.",
            hint=f"`lamina login {registry}` again, or ask for access.",
        )
    error.status = 401
    return error
