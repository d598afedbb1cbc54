"""oci.registry.connection.hosts and address: who is asked, how, and by way of whom."""

from __future__ import annotations

from pathlib import Path

import pytest

from lamina.oci.reference import parse_reference
from lamina.oci.registry.connection.address import is_exempt, is_loopback, shown
from lamina.oci.registry.connection.hosts import Registries, read_registries
from lamina.oci.registry.connection.request import Proxies, Tls
from lamina.oci.registry.errors import RegistryError
from lamina.oci.registry.session import Session


@pytest.mark.parametrize(
    ("registry", "url", "guess"),
    [
        ("registry.test", "https://registry.test", False),
        ("registry.test:5000", "https://registry.test:5000", False),
        ("localhost:5000", "https://localhost:5000", True),
        ("127.0.0.1:5000", "https://127.0.0.1:5000", True),
        ("[::1]:5000", "https://[::1]:5000", True),
        ("10.0.0.1", "https://10.0.0.1", False),
    ],
)
def test_tls_unless_it_is_loopback(registry: str, url: str, guess: bool) -> None:
    host = Registries().host(registry)
    assert (host.url, host.guess, host.tls) == (url, guess, Tls())


def test_docker_io_is_served_elsewhere() -> None:
    host = Registries().host("docker.io")
    assert host.name == "docker.io"
    assert host.url.startswith("https://registry-1.")


def write(tmp_path: Path, text: str) -> str:
    path = tmp_path / "registries.toml"
    path.write_text(text)
    return str(path)


def test_a_file(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        """
        [registry."lan:5000"]
        http = true
        mirrors = ["https://mirror.test/prefix/", "http://10.0.0.2:80/v2/"]
        [registry."secure.test"]
        ca = "ca.pem"
        cert = "/abs/me.pem"
        key = "me.key"
        [registry."mirror.test"]
        verify = false
        [registry."closed.test"]
        blocked = true
        """,
    )
    found = read_registries((path, str(tmp_path / "none")), ())
    assert found.host("lan:5000").url == "http://lan:5000"
    first, second = found.mirrors("lan:5000")
    assert (first.name, first.url) == ("mirror.test", "https://mirror.test/prefix")
    assert not first.tls.verify
    assert second.url == "http://10.0.0.2:80"
    tls = found.host("secure.test").tls
    assert tls.authorities == (f"{tmp_path}/ca.pem",)
    assert tls.client == ("/abs/me.pem", f"{tmp_path}/me.key")
    with pytest.raises(RegistryError, match=r"closed.test is not asked"):
        found.host("closed.test")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("registry = 1", "not a table"),
        ("[other]", "means nothing"),
        ('[registry."a"]\nhttps = true', "means nothing"),
        ('[registry."a"]\nhttp = "yes"', "wrong type"),
        ('[registry."a"]\nmirrors = ["mirror.test"]', "address of a mirror"),
        ('[registry."a"]\nmirrors = ["file:///x"]', "address of a mirror"),
        ('[registry."a"]\ncert = "x"', "go together"),
        ("[registry", "cannot be read"),
    ],
)
def test_files_that_say_nothing(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(RegistryError, match=message):
        read_registries((write(tmp_path, text),))


def test_credentials_are_looked_for_at_all_that_is_asked() -> None:
    """Also where the registry itself is not, and only its mirrors are."""
    tables: dict[str, dict[str, object]] = {
        "one.test": {"mirrors": ["https://mirror.test/of/one"]},
        "two.test": {"mirrors": ["https://mirror.test/of/two"], "blocked": True},
    }
    asked: list[str] = []

    def find(registry: str, _repository: str) -> None:
        asked.append(registry)

    with Session(Registries(tables), find) as session:
        session.prepare(parse_reference("one.test/app"))
        assert asked == ["mirror.test", "one.test"]
        session.prepare(parse_reference("two.test/app"))
    assert asked[2:] == ["mirror.test"]


def test_certs_d(tmp_path: Path) -> None:
    folder = tmp_path / "lan:5000"
    folder.mkdir()
    for name in ("ca.crt", "other.crt", "client.cert", "client.key", "notes.txt"):
        (folder / name).touch()
    tls = read_registries((), (str(tmp_path),)).host("lan:5000").tls
    assert tls.authorities == (f"{folder}/ca.crt", f"{folder}/other.crt")
    assert tls.client == (f"{folder}/client.cert", f"{folder}/client.key")
    assert read_registries((), (str(tmp_path),)).host("lan:5001").tls == Tls()


@pytest.mark.parametrize(
    ("host", "no_proxy", "exempt"),
    [
        ("registry.test", "", False),
        ("registry.test", "*", True),
        ("registry.test", "test", True),
        ("registry.test", ".test", True),
        ("registry.test", "registry.test", True),
        ("registry.test", "registry.test:443", True),
        ("registry.test", "registry.test:80", False),
        ("registry.test", "other, registry.test", True),
        ("myregistry.test", "registry.test", False),
        ("10.1.2.3", "10.0.0.0/8", True),
        ("11.1.2.3", "10.0.0.0/8", False),
        ("127.0.0.1", "", True),
        ("::1", "", True),
    ],
)
def test_who_is_reached_without_a_proxy(host: str, no_proxy: str, exempt: bool) -> None:
    assert is_exempt(host, 443, no_proxy) is exempt


def test_proxies() -> None:
    proxies = Proxies("http://web.test:1", "http://me:pw@secure.test:2", "lan")
    assert proxies.choose("http://registry.test/v2/") == "http://web.test:1"
    assert "secure.test" in proxies.choose("https://registry.test/v2/")
    assert proxies.choose("https://a.lan/v2/") == ""
    assert "pw" not in repr(proxies)


def test_loopback_and_what_only_looks_like_it() -> None:
    assert is_loopback("localhost:5000")
    assert not is_loopback("localhost.test")
    assert not is_loopback("127.0.0.1.test")


def test_what_is_shown_of_an_address() -> None:
    assert shown("https://me:pw@h:1/p?signature=x#y") == "https://h:1/p"
