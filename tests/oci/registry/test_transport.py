"""oci.registry.transport: TLS, proxies, and what is wrong with them."""

from __future__ import annotations

import base64
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lamina.oci.reference import parse_reference
from lamina.oci.registry.errors import RegistryError, Unreachable, Untrusted
from lamina.oci.registry.hosts import Registries
from lamina.oci.registry.pull import look_up
from lamina.oci.registry.session import Session
from lamina.oci.registry.transport import Proxies, Request, Tls, Transport
from tests.oci.registry.conftest import HURRY
from tests.oci.registry.images import ONE, add_image
from tests.oci.registry.server import Answer, Asked, Images, Server, closed_port
from tests.registries import Authority


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def transport() -> Iterator[Transport]:
    found = Transport()
    yield found
    found.close()


@pytest.fixture
def secure(authority: Authority) -> Iterator[Server]:
    """A registry with a certificate of an authority that nobody knows."""
    images = Images()
    add_image(images, ONE)
    with Server(images, tls_of(authority)) as server:
        yield server


def tls_of(authority: Authority) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority.certificate, authority.key)
    return context


def get(transport: Transport, url: str, tls: Tls = Tls()) -> int:  # noqa: B008
    response = transport.send(Request("GET", url), tls)
    response.close()
    return response.status


def test_an_unknown_authority_is_not_trusted(
    transport: Transport, secure: Server
) -> None:
    with pytest.raises(Untrusted, match=r"is not trusted: .* issuer") as caught:
        get(transport, f"{secure.url}/v2/")
    assert "registries.toml" in caught.value.hint
    assert not secure.asked


def test_one_that_is_named_is(
    transport: Transport, secure: Server, authority: Authority
) -> None:
    assert get(transport, f"{secure.url}/v2/", Tls((str(authority.ca),))) == 200


def test_and_so_is_everybody_when_nobody_is_to_be_verified(
    transport: Transport, secure: Server
) -> None:
    assert get(transport, f"{secure.url}/v2/", Tls(verify=False)) == 200


def test_a_certificate_for_another_name(
    transport: Transport, secure: Server, authority: Authority
) -> None:
    url = secure.url.replace("127.0.0.1", "127.0.0.2")
    with pytest.raises(Unreachable):
        get(transport, f"{url}/v2/", Tls((str(authority.ca),)))


def test_a_client_shows_its_certificate(
    transport: Transport, authority: Authority
) -> None:
    context = tls_of(authority)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(authority.ca)
    pair = (str(authority.certificate), str(authority.key))
    with Server(Images(), context) as server:
        with pytest.raises(Unreachable):
            get(transport, f"{server.url}/v2/", Tls((str(authority.ca),)))
        known = Tls((str(authority.ca),), pair)
        assert get(transport, f"{server.url}/v2/", known) == 200


@pytest.mark.parametrize("text", ["", "no certificate"])
def test_an_authority_that_is_none(
    transport: Transport, tmp_path: Path, text: str
) -> None:
    path = tmp_path / "ca.pem"
    path.write_text(text)
    with pytest.raises(RegistryError, match="cannot be read"):
        get(transport, "https://127.0.0.1:1/", Tls((str(path),)))


def test_on_loopback_tls_comes_first(authority: Authority, secure: Server) -> None:
    tables = {secure.address: {"ca": str(authority.ca)}}
    reference = parse_reference(f"{secure.address}/app:1")
    with Session(Registries(tables), patience=HURRY) as session:
        look_up(session, reference)
    with Session(patience=HURRY) as session, pytest.raises(Untrusted):
        # Not trusted is not without TLS: nothing is sent in the clear instead.
        look_up(session, reference)


def test_nobody_there(transport: Transport) -> None:
    with closed_port() as address, pytest.raises(Unreachable, match="refused"):
        get(transport, f"http://{address}/v2/")
    with pytest.raises(Unreachable, match=r"'registry\.invalid' is not known"):
        get(transport, "http://registry.invalid/v2/")


def proxied(images: Images) -> Callable[[Asked], Answer]:
    def handle(asked: Asked) -> Answer:
        scheme, _, rest = asked.path.partition("://")
        assert scheme == "http"
        return images(Asked(asked.method, rest[rest.index("/") :], {}, b""))

    return handle


def test_by_way_of_a_proxy() -> None:
    images = Images()
    add_image(images, ONE)
    with Server(proxied(images)) as proxy:
        url = proxy.url.replace("http://", "http://me:pass%20word@")
        session = Session(
            Registries({"registry.test": {"http": True}}),
            proxies=Proxies(http=url),
            patience=HURRY,
        )
        with session:
            look_up(session, parse_reference("registry.test/app:1"))
        paths = proxy.paths()
        said = {asked.headers["proxy-authorization"] for asked in proxy.asked}
    assert all(path.startswith("http://registry.test/v2/app/") for path in paths)
    pair = base64.b64encode(b"me:pass word").decode()
    assert said == {f"Basic {pair}"}


def test_a_proxy_that_is_not_there() -> None:
    with closed_port() as address:
        transport = Transport(Proxies(http=f"http://me:secret@{address}"))
        with pytest.raises(Unreachable, match="proxy") as caught:
            get(transport, "http://registry.test/v2/")
    assert "secret" not in f"{caught.value}{caught.value.hint}"


def test_no_secret_in_what_is_printed() -> None:
    request = Request(
        "GET", "https://h/p?signature=secret", {"Authorization": "secret"}
    )
    assert "secret" not in repr(request)
