"""oci.registry.auth and endpoint: who is told which secret."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import pytest

from lamina.errors import LaminaError
from lamina.oci.registry.credentials.credential import Credential
from lamina.oci.registry.errors import Refused, RegistryError, Unauthorized
from lamina.oci.registry.repository import Repository
from lamina.oci.registry.session import Session
from tests.oci.registry.conftest import HURRY
from tests.oci.registry.images import ONE, add_image
from tests.oci.registry.server import Answer, Asked, Images, Server

ME = Credential("me", "secret word")
BASIC = "Basic " + base64.b64encode(b"me:secret word").decode()


def session(known: Credential | None = ME) -> Session:
    return Session(find=lambda registry, repository: known, patience=HURRY)


def repository(server: Server, known: Credential | None = ME) -> Repository:
    return Repository(session(known).endpoint(server.address), "app", "pull")


@pytest.fixture
def images() -> Images:
    made = Images()
    add_image(made, ONE)
    return made


class Guard:
    """Lets in who has the right header, and challenges all others."""

    def __init__(self, inner: Images, challenge: str, right: str) -> None:
        self.challenge = challenge
        self.right = right
        self._inner = inner

    def __call__(self, asked: Asked) -> Answer:
        if asked.authorization == self.right:
            return self._inner(asked)
        return Answer(401, b"", {"WWW-Authenticate": self.challenge})


class Tokens:
    """A token service; `given` are the tokens that it gave."""

    def __init__(self, life: int = 300) -> None:
        self.life = life
        self.given = 0

    def __call__(self, asked: Asked) -> Answer:
        self.given += 1
        document = {"token": f"t{self.given}", "expires_in": self.life}
        return Answer(200, json.dumps(document).encode())


@pytest.fixture
def tokens() -> Iterator[Server]:
    with Server(Tokens()) as server:
        yield server


def bearer(realm: str) -> str:
    return f'Bearer realm="{realm}/token",service="it",scope="repository:app:pull"'


def test_basic(images: Images) -> None:
    with Server(Guard(images, 'Basic realm="it"', BASIC)) as server:
        found = repository(server)
        found.manifest("1")
        found.manifest("1")
        said = [a.authorization for a in server.asked if "/manifests/" in a.path]
    assert said == ["", BASIC, BASIC]


def test_basic_with_a_wrong_password_is_asked_once(images: Images) -> None:
    with Server(Guard(images, 'Basic realm="it"', "Basic other")) as server:
        with pytest.raises(Unauthorized, match="does not let 'me'") as caught:
            repository(server).manifest("1")
        assert len(server.paths()) == 2
    assert "secret" not in str(caught.value) + caught.value.hint


def test_without_credentials(images: Images) -> None:
    with (
        Server(Guard(images, 'Basic realm="it"', BASIC)) as server,
        pytest.raises(Unauthorized, match="wants credentials") as caught,
    ):
        repository(server, None).manifest("1")
    assert "lamina login" in caught.value.hint


def test_a_token_for_credentials(images: Images, tokens: Server) -> None:
    with Server(Guard(images, bearer(tokens.url), "Bearer t1")) as server:
        found = repository(server)
        found.manifest("1")
        found.manifest("1")
    (asked,) = tokens.asked
    query = parse_qs(urlsplit(asked.path).query)
    assert query == {
        "service": ["it"],
        "scope": ["repository:app:pull"],
        "account": ["me"],
    }
    assert asked.authorization == BASIC


def test_an_anonymous_token(images: Images, tokens: Server) -> None:
    with Server(Guard(images, bearer(tokens.url), "Bearer t1")) as server:
        repository(server, None).manifest("1")
    assert tokens.asked[0].authorization == ""
    assert "account" not in tokens.asked[0].path


def test_a_refresh_token_goes_into_a_form(images: Images, tokens: Server) -> None:
    with Server(Guard(images, bearer(tokens.url), "Bearer t1")) as server:
        repository(server, Credential("<token>", identity="refresh me")).manifest("1")
    (asked,) = tokens.asked
    assert asked.method == "POST"
    assert asked.path == "/token"
    form = parse_qs(asked.body.decode())
    assert form["grant_type"] == ["refresh_token"]
    assert form["refresh_token"] == ["refresh me"]


def test_a_token_that_was_taken_back(images: Images, tokens: Server) -> None:
    guard = Guard(images, bearer(tokens.url), "Bearer t1")
    with Server(guard) as server:
        found = repository(server)
        found.manifest("1")
        guard.right = "Bearer t2"
        found.manifest("1")


def test_a_token_is_renewed_when_it_ends(images: Images) -> None:
    """Of a life of no seconds a token of the default life is made: token.md."""
    from lamina.oci.registry.connection.authorizer import Authorizer
    from lamina.oci.registry.connection.request import Request, Tls
    from lamina.oci.registry.connection.transport import Transport

    now = 0.0
    transport = Transport()
    with Server(Tokens(life=100)) as service:
        challenge = Answer(401, b"", {"WWW-Authenticate": bearer(service.url)})
        with Server(lambda asked: challenge) as server:
            found = Authorizer(
                "it", transport, Tls(), lambda repository: None, clock=lambda: now
            )
            response = transport.send(Request("GET", server.url), Tls())
            assert found.answer(response, ("s",), "") == "Bearer t1"
            now = 89.0
            assert found.header(("s",)) == "Bearer t1"
            now = 91.0
            assert found.header(("s",)) == ""
            assert found.answer(response, ("s",), "") == "Bearer t2"
    transport.close()


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_another_host_is_never_told(images: Images, status: int) -> None:
    """CVE-2020-15157, its first half: the header does not follow a redirect."""
    guard = Guard(images, 'Basic realm="it"', BASIC)
    with Server(images) as elsewhere:

        def redirect(asked: Asked) -> Answer:
            answer = guard(asked)
            if answer.status != 200:
                return answer
            return Answer(status, b"", {"Location": elsewhere.url + asked.path})

        with Server(redirect) as server:
            repository(server).manifest("1")
        (asked,) = elsewhere.asked
    assert "authorization" not in asked.headers
    assert "cookie" not in asked.headers


def test_another_host_gets_no_answer_to_its_challenge(images: Images) -> None:
    """The second half: a foreign 401 with a realm of its own is no reason to log in."""
    with Server(Tokens()) as thief:
        foreign = Answer(401, b"", {"WWW-Authenticate": bearer(thief.url)})
        with Server(lambda asked: foreign) as elsewhere:
            away = Answer(307, b"", {"Location": f"{elsewhere.url}/x?signature=s3cret"})
            with (
                Server(lambda asked: away) as server,
                pytest.raises(Refused) as caught,
            ):
                repository(server).manifest("1")
        assert not thief.asked
        assert "s3cret" not in str(caught.value)


def test_the_same_host_on_another_port_is_another_host(images: Images) -> None:
    with Server(images) as elsewhere:
        assert elsewhere.address.startswith("127.0.0.1:")
        away = Answer(302, b"", {"Location": f"{elsewhere.url}/v2/app/manifests/1"})
        guard = Guard(images, 'Basic realm="it"', BASIC)

        def handle(asked: Asked) -> Answer:
            return away if asked.authorization else guard(asked)

        with Server(handle) as server:
            repository(server).manifest("1")
        assert [a.authorization for a in elsewhere.asked] == [""]


def test_redirects_in_circles() -> None:
    with (
        Server(lambda asked: Answer(302, b"", {"Location": asked.path})) as server,
        pytest.raises(Refused, match="in circles"),
    ):
        repository(server).manifest("1")


@pytest.mark.parametrize(
    "target", ["file:///etc/passwd", "ftp://127.0.0.1/x", "http://[x"]
)
def test_redirects_to_what_is_no_web(target: str) -> None:
    with (
        Server(lambda asked: Answer(302, b"", {"Location": target})) as server,
        pytest.raises(Refused, match="no web address"),
    ):
        repository(server).manifest("1")


@pytest.mark.parametrize(
    "realm", ["", "file:///etc/passwd", "realm", "https://", "https://h:99999/"]
)
def test_realms_that_are_none(images: Images, realm: str) -> None:
    challenge = f'Bearer realm="{realm}"'
    with (
        Server(Guard(images, challenge, "never")) as server,
        pytest.raises(RegistryError, match="no place to get a token from"),
    ):
        repository(server).manifest("1")


@pytest.mark.parametrize(
    "body",
    [b"", b"{}", b'{"token": 1}', b'{"token": "a\\r\\nb: c"}', b"[]", b"x" * 99999],
)
def test_tokens_that_are_none(images: Images, body: bytes) -> None:
    with Server(lambda asked: Answer(200, body)) as service:
        challenge = bearer(service.url)
        with (
            Server(Guard(images, challenge, "never")) as server,
            pytest.raises(Exception, match="token") as caught,
        ):
            repository(server).manifest("1")
    assert isinstance(caught.value, LaminaError)


@pytest.mark.parametrize("life", ["1e999", "1" + "0" * 400, "true", "-7", '"60"'])
def test_a_token_whose_life_is_none(images: Images, life: str) -> None:
    body = f'{{"token": "t", "expires_in": {life}}}'.encode()
    with Server(lambda asked: Answer(200, body)) as service:
        guard = Guard(images, bearer(service.url), "Bearer t")
        with Server(guard) as server:
            assert repository(server).manifest("1").document


def test_a_refusal_says_why(images: Images) -> None:
    """What no login mends: quotas, policies, addresses that are not let in."""
    said = b'{"errors":[{"code":"DENIED","message":"the quota is\\nused up."}]}'
    answer = Answer(403, said, {"Content-Type": "application/json"})
    with Server(lambda asked: answer) as server:
        with pytest.raises(Unauthorized, match=r"refuses this: the quota is used up\."):
            repository(server, None).manifest("1")
        with pytest.raises(Unauthorized, match=r"'me' do this: the quota is used up\."):
            repository(server).manifest("1")


@pytest.mark.parametrize("status", [401, 404, 418])
def test_an_error_that_is_nothing_but_brackets(status: int) -> None:
    answer = Answer(status, b"[" * 16_000, {"Content-Type": "application/json"})
    with Server(lambda asked: answer) as server, pytest.raises(RegistryError):
        repository(server).manifest("1")


def test_a_length_that_is_no_number() -> None:
    answer = Answer(200, b"{}", {"Content-Length": "9" * 5000})
    with Server(lambda asked: answer) as server, pytest.raises(LaminaError):
        repository(server).manifest("1")


def test_a_credential_never_prints_its_secret() -> None:
    assert "secret" not in repr(ME)
    assert "refresh" not in repr(Credential("me", identity="refresh me"))
