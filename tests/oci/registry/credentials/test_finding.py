"""Credentials: found where others keep them, kept where it is safe."""

from __future__ import annotations

import json
import os
import resource
import signal
import stat
import threading
from pathlib import Path
from typing import Any

import pytest

from lamina.oci.registry.credentials.credential import Credential, encoded
from lamina.oci.registry.credentials.finding import Credentials
from lamina.oci.registry.errors import CredentialError

ME = Credential("me", "secret word")
HOST = "registry.test:5000"

# Keeps what it is given in a file beside it, and notes how it was called.
HELPER = """#!/bin/sh
here=$(dirname "$0")
echo "$0 $*" >> "$here/calls"
case "$1" in
list) echo '{}' ;;
store) cat > "$here/kept" ;;
get)
    if [ -f "$here/kept" ]; then cat "$here/kept"
    else echo "credentials not found in native keychain"; exit 1; fi ;;
erase) rm -f "$here/kept" ;;
esac
"""


class Home:
    """A user's files, and programs that only this user has."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.own = place / "config" / "credentials.json"
        self.docker = place / "config.json"
        self.podman = place / "auth.json"
        self.bin = place / "bin"
        self.bin.mkdir()

    def credentials(self) -> Credentials:
        others = (str(self.docker), str(self.podman))
        path = f"{self.bin}:{os.environ['PATH']}"
        return Credentials(str(self.own), others, {"PATH": path})

    def has(self, file: Path, **document: Any) -> None:
        file.write_text(json.dumps(document))

    def helper(self, name: str, text: str = HELPER) -> None:
        program = self.bin / f"docker-credential-{name}"
        program.write_text(text)
        program.chmod(0o755)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def test_nobody_is_known(home: Home) -> None:
    assert home.credentials().find(HOST) is None


@pytest.mark.parametrize(
    ("key", "registry"),
    [
        (HOST, HOST),
        (f"https://{HOST}", HOST),
        (f"https://{HOST}/v1/", HOST),
        (f"http://{HOST}/v2/", HOST),
        ("https://index.docker.io/v1/", "docker.io"),
        ("index.docker.io", "docker.io"),
        ("docker.io", "docker.io"),
    ],
)
def test_auths_of_docker(home: Home, key: str, registry: str) -> None:
    home.has(home.docker, auths={"other.test": {}, key: {"auth": encoded(ME)}})
    assert home.credentials().find(registry) == ME
    assert home.credentials().find("other.test") is None
    assert home.credentials().find("registry.test") is None


def test_the_longest_namespace_wins(home: Home) -> None:
    """As Podman keeps them: one login for a team, another one for one repository."""

    def auth(user: str) -> dict[str, str]:
        return {"auth": encoded(Credential(user, "word"))}

    home.has(
        home.podman,
        auths={
            f"{HOST}/team/app": auth("app"),
            f"{HOST}/team": auth("team"),
            HOST: auth("all"),
            "docker.io/team": auth("hub"),
        },
    )
    known = home.credentials()

    def user(registry: str, repository: str = "") -> str:
        found = known.find(registry, repository)
        return found.user if found else ""

    assert user(HOST, "team/app") == "app"
    assert user(HOST, "team/app/part") == "app"
    assert user(HOST, "team/application") == "team"
    assert user(HOST, "teams/app") == user(HOST) == "all"
    assert user("docker.io", "team/app") == "hub"
    assert user("docker.io", "library/debian") == ""


def test_an_identity_token(home: Home) -> None:
    entry = {"auth": encoded(Credential("me", "")), "identitytoken": "refresh"}
    home.has(home.docker, auths={HOST: entry})
    found = home.credentials().find(HOST)
    assert found is not None
    assert found.identity == "refresh"


def test_the_first_file_that_knows_wins(home: Home) -> None:
    home.has(home.podman, auths={HOST: {"auth": encoded(ME)}})
    assert home.credentials().find(HOST) == ME
    other = Credential("docker", "knows")
    home.has(home.docker, auths={HOST: {"auth": encoded(other)}})
    assert home.credentials().find(HOST) == other


@pytest.mark.parametrize("text", ["{", "\0", '{"auths": {"registry.test:5000": '])
def test_a_file_that_is_damaged(home: Home, text: str) -> None:
    home.docker.write_text(text)
    with pytest.raises(CredentialError, match="it is not JSON"):
        home.credentials().find(HOST)


@pytest.mark.parametrize("auth", ["!", "bWU=", encoded(ME)[:-3]])
def test_an_entry_that_is_damaged(home: Home, auth: str) -> None:
    home.has(home.docker, auths={HOST: {"auth": auth}})
    try:
        found = home.credentials().find(HOST)
    except CredentialError as error:
        assert auth not in str(error)
    else:
        assert found is None or found.password != ME.password


# Helpers


@pytest.mark.parametrize(
    "document", [{"credsStore": "tests"}, {"credHelpers": {HOST: "tests"}}]
)
def test_a_helper_keeps_and_gives(home: Home, document: dict[str, Any]) -> None:
    home.helper("tests")
    home.has(home.docker, **document)
    known = home.credentials()
    assert known.find(HOST) is None
    kept = known.keep(HOST, ME)
    assert kept.kind == "helper"
    assert known.find(HOST) == Credential("me", "secret word")
    assert "secret" not in home.own.read_text()
    assert "secret" not in (home.bin / "calls").read_text()
    assert known.forget(HOST)
    assert known.find(HOST) is None
    assert not (home.bin / "kept").exists()


def test_a_helper_is_used_when_it_is_there(home: Home) -> None:
    home.helper("pass")
    kept = home.credentials().keep(HOST, ME)
    assert kept.name == "docker-credential-pass"
    assert home.credentials().find(HOST) == ME


def test_a_helper_is_asked_before_what_an_older_login_left(home: Home) -> None:
    home.helper("tests")
    older = {HOST: {"auth": encoded(Credential("old", "older"))}}
    home.has(home.docker, credsStore="tests", auths=older)
    known = home.credentials()
    assert known.find(HOST) == Credential("old", "older")
    known.keep(HOST, ME)
    assert known.find(HOST) == ME


def test_a_helper_for_tokens(home: Home) -> None:
    home.helper("tests", '#!/bin/sh\necho \'{"Username":"<token>","Secret":"t"}\'\n')
    home.has(home.docker, credsStore="tests")
    found = home.credentials().find(HOST)
    assert found is not None
    assert (found.identity, found.password) == ("t", "")


@pytest.mark.parametrize(
    "text",
    [
        "#!/bin/sh\necho secret word\n",
        "#!/bin/sh\necho secret word; exit 3\n",
        "#!/nonexistent\n",
    ],
)
def test_a_helper_that_fails_tells_no_secret(home: Home, text: str) -> None:
    home.helper("tests", text)
    home.has(home.docker, credsStore="tests")
    with pytest.raises(CredentialError) as caught:
        home.credentials().find(HOST)
    assert "secret" not in f"{caught.value} {caught.value.hint}"


@pytest.mark.parametrize("name", ["missing", "../../bin/sh", "a b", "x;y"])
def test_a_helper_that_is_none(home: Home, name: str) -> None:
    home.has(home.docker, credsStore=name)
    with pytest.raises(CredentialError):
        home.credentials().find(HOST)


# The last resort


def test_a_file_that_only_the_user_reads(home: Home) -> None:
    known = home.credentials()
    assert known.keep(HOST, ME).kind == "file"
    assert known.keep("docker.io", Credential("hub", "x")).kind == "file"
    assert stat.S_IMODE(home.own.stat().st_mode) == 0o600
    assert stat.S_IMODE(home.own.parent.stat().st_mode) == 0o700
    assert known.find(HOST) == ME
    assert known.find("docker.io") == Credential("hub", "x")
    assert known.forget(HOST)
    assert known.find(HOST) is None
    assert not known.forget(HOST)
    assert known.find("docker.io") is not None
    assert os.listdir(home.own.parent) == ["credentials.json"]


def test_the_newest_credential_counts(home: Home) -> None:
    known = home.credentials()
    known.keep(HOST, ME)
    home.helper("pass")
    known.keep(HOST, Credential("me", "newer"))
    assert known.find(HOST) == Credential("me", "newer")
    assert "auths" not in home.own.read_text()


def test_eight_logins_at_once(home: Home) -> None:
    known = home.credentials()
    names = [f"registry{number}.test" for number in range(8)]
    threads = [threading.Thread(target=known.keep, args=(n, ME)) for n in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [known.find(name) for name in names] == [ME] * 8


def test_a_link_to_the_file_stays_one(home: Home) -> None:
    elsewhere = home.place / "dotfiles.json"
    home.own.parent.mkdir()
    home.own.symlink_to(elsewhere)
    home.credentials().keep(HOST, ME)
    assert home.own.is_symlink()
    assert stat.S_IMODE(elsewhere.stat().st_mode) == 0o600


def test_a_disk_that_is_full_keeps_no_half_of_a_secret(home: Home) -> None:
    """As root the quota of a file's size stands for the disk."""
    home.credentials().keep(HOST, ME)
    before = home.own.read_text()
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before), limit[1]))
    try:
        with pytest.raises(CredentialError, match="cannot be written"):
            home.credentials().keep("other.test", ME)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
        signal.signal(signal.SIGXFSZ, handler)
    assert home.own.read_text() == before
    assert os.listdir(home.own.parent) == [home.own.name]


def test_a_login_that_cannot_be_kept_loses_no_older_one(home: Home) -> None:
    home.has(home.docker, credsStore="test")
    home.helper("test", HELPER)
    known = home.credentials()
    known.keep(HOST, ME)
    fails = HELPER.replace('store) cat > "$here/kept"', "store) exit 1")
    home.helper("test", fails)
    with pytest.raises(CredentialError):
        known.keep(HOST, Credential("other", "word"))
    assert known.find(HOST) == ME


def test_a_helper_that_is_gone_keeps_nobody_logged_in(home: Home) -> None:
    home.has(home.docker, credsStore="test")
    home.helper("test")
    known = home.credentials()
    known.keep(HOST, ME)
    home.docker.unlink()
    (home.bin / "docker-credential-test").unlink()
    with pytest.raises(CredentialError, match="not installed"):
        known.forget(HOST)
    assert known.find(HOST) is None
    assert known.keep(HOST, ME).kind == "file"


# The keyring


def test_a_keyring(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """PyPI's keyring with a backend of the test's: that is how it is told which."""
    import keyring
    from keyring.backend import KeyringBackend

    class Memory(KeyringBackend):
        priority = 5
        kept: dict[tuple[str, str], str] = {}  # noqa: RUF012

        def get_password(self, service: str, username: str) -> str | None:
            return self.kept.get((service, username))

        def set_password(self, service: str, username: str, password: str) -> None:
            self.kept[service, username] = password

        def delete_password(self, service: str, username: str) -> None:
            del self.kept[service, username]

    monkeypatch.setattr(keyring, "get_keyring", Memory)
    known = home.credentials()
    assert known.keep(HOST, ME).kind == "keyring"
    assert known.find(HOST) == ME
    assert json.loads(home.own.read_text()) == {"credHelpers": {HOST: "keyring"}}
    assert known.forget(HOST)
    assert Memory.kept == {}
    Memory.priority = 0
    assert known.keep(HOST, ME).kind == "file"
