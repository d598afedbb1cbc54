"""oci.registry.connection.transport: TLS, proxies, and what is wrong with them."""

from __future__ import annotations

import base64
import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lamina.oci.reference import parse_reference
from lamina.oci.registry.connection.address import leaves_tls
from lamina.oci.registry.connection.hosts import Registries
from lamina.oci.registry.connection.request import Proxies, Request, Tls
from lamina.oci.registry.connection.transport import Transport
from lamina.oci.registry.errors import (
    Refused,
    RegistryError,
    Unreachable,
    Untrusted,
)
from lamina.oci.registry.session import Session
from lamina.oci.registry.transfers.remote import look_up
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


@pytest.mark.parametrize(
    ("url", "target", "leaves"),
    [
        ("https://one.example/v2/", "http://two.example/v2/", True),
        ("https://one.example/v2/", "http://one.example/v2/", True),
        ("https://one.example/v2/", "https://two.example/v2/", False),
        ("http://one.example/v2/", "http://two.example/v2/", False),
        ("https://one.example/v2/", "http://127.0.0.1:5000/v2/", False),
    ],
)
def test_who_leaves_tls(url: str, target: str, leaves: bool) -> None:
    assert leaves_tls(url, target) is leaves


def test_an_upload_never_leaves_tls(authority: Authority) -> None:
    place = {"Location": "http://registry.example/v2/app/blobs/uploads/1"}
    answer = Answer(202, b"", place)
    with Server(lambda asked: answer, tls_of(authority)) as server:
        registries = Registries({server.address: {"ca": str(authority.ca)}})
        with Session(registries, patience=HURRY) as session:
            target = session.target(parse_reference(f"{server.address}/app:1"))
            with pytest.raises(Refused, match="without TLS"):
                target.begin_upload()


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


class Tunnel:
    """A proxy that only connects, as one for TLS does; `asked` are its heads."""

    def __init__(self, target: str, tls: ssl.SSLContext | None = None) -> None:
        self.asked: list[str] = []
        self._target = target
        self._tls = tls
        self._listening = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._serve, daemon=True).start()

    def __enter__(self) -> Tunnel:
        return self

    def __exit__(self, *_: object) -> None:
        self._listening.close()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._listening.getsockname()[1]}"

    def _serve(self) -> None:
        while True:
            try:
                inner, _ = self._listening.accept()
            except OSError:
                return
            threading.Thread(target=self._connect, args=(inner,), daemon=True).start()

    def _connect(self, inner: socket.socket) -> None:
        with contextlib.suppress(OSError), inner:
            if self._tls is not None:
                inner = self._tls.wrap_socket(inner, server_side=True)
            head = b""
            while b"\r\n\r\n" not in head:
                head += inner.recv(1)
            self.asked.append(head.decode())
            inner.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            host, _, port = self._target.partition(":")
            with socket.create_connection((host, int(port))) as far, inner:
                back = threading.Thread(target=_pour, args=(far, inner), daemon=True)
                back.start()
                _pour(inner, far)
                back.join()


def _pour(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(1 << 16):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_tls_goes_through_a_proxy_untouched(
    authority: Authority,
    secure: Server,
    scheme: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The proxy, which may speak TLS itself, sees a name and nothing else."""
    # The proxy is one of those that the system trusts.
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.ca))
    tls = tls_of(authority) if scheme == "https" else None
    name = secure.address.replace("127.0.0.1", "registry.localtest")
    with Tunnel(secure.address, tls) as tunnel:
        proxies = Proxies(https=f"{scheme}://me:word@{tunnel.address}")
        transport = Transport(proxies)
        # It is the far end whose certificate counts, and that is for another name.
        with pytest.raises(Untrusted, match=r"registry\.localtest"):
            get(transport, f"https://{name}/v2/")
        assert get(transport, f"https://{name}/v2/", Tls(verify=False)) == 200
        transport.close()
    pair = base64.b64encode(b"me:word").decode()
    for head in tunnel.asked:
        assert head.startswith(f"CONNECT {name} HTTP/1.")
        assert f"Basic {pair}" in head
        assert "/v2/" not in head


def test_a_proxy_that_is_not_trusted(authority: Authority, secure: Server) -> None:
    with Tunnel(secure.address, tls_of(authority)) as tunnel:
        transport = Transport(Proxies(https=f"https://{tunnel.address}"))
        with pytest.raises(
            Untrusted, match=r"The proxy on the way to .* not trusted: "
        ):
            get(transport, "https://registry.localtest/v2/", Tls(verify=False))
        transport.close()


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
