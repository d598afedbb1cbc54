"""Redirects and other hosts, with the header watched: none is told a secret."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from lamina.values import replace
from tests.end_to_end.bases import Lamina
from tests.oci.registry.server import Answer, Asked, Server, forward
from tests.registries import PASSWORD, USER, registry


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_to_another_host_is_told_no_secret(
    owner: Lamina, tmp_path: Path, status: int
) -> None:
    """CVE-2020-15157, with a registry that has a password: blobs lie elsewhere."""
    env = {"XDG_CONFIG_HOME": str(tmp_path / "config")}
    with registry(tmp_path / "r", password=True) as address:
        inner = forward(address)

        def elsewhere(asked: Asked) -> Answer:
            """A store of blobs that asks nobody who they are, and would like to."""
            headers = {**asked.headers, "authorization": _basic()}
            return inner(replace(asked, headers=headers))

        with Server(elsewhere) as store:

            def redirecting(asked: Asked) -> Answer:
                if asked.method == "GET" and "/blobs/" in asked.path:
                    target = {"Location": f"{store.url}{asked.path}"}
                    return Answer(status, b"", target)
                return inner(asked)

            with Server(redirecting) as server:
                login = ("login", "-u", USER, "--password-stdin", server.address)
                owner.run(*login, given=PASSWORD, env=env)
                name = f"{server.address}/secret:1"
                owner.run("tag", "large", name)
                owner.run("push", "-q", name, env=env)
                other = Lamina(tmp_path, tmp_path / "other" / "store")
                done = other.run("pull", name, env=env)
                assert any(a.authorization for a in server.asked)
            assert len(store.asked) == 3  # the config and two layers
            for asked in store.asked:
                assert "authorization" not in asked.headers
                assert PASSWORD not in str(asked.headers)
    assert PASSWORD not in done.out + done.err
    assert _basic() not in done.out + done.err


def _basic() -> str:

    return "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()


def test_another_host_that_asks_for_a_password_gets_none(
    owner: Lamina, tmp_path: Path
) -> None:
    env = {"XDG_CONFIG_HOME": str(tmp_path / "config")}
    challenge = {"WWW-Authenticate": 'Basic realm="please"'}
    with (
        registry(tmp_path / "r", password=True) as address,
        Server(lambda asked: Answer(401, b"", challenge)) as thief,
    ):
        inner = forward(address)

        def redirecting(asked: Asked) -> Answer:
            if asked.method == "GET" and "/blobs/" in asked.path:
                return Answer(307, b"", {"Location": f"{thief.url}{asked.path}"})
            return inner(asked)

        with Server(redirecting) as server:
            login = ("login", "-u", USER, "--password-stdin", server.address)
            owner.run(*login, given=PASSWORD, env=env)
            owner.run("tag", "large", f"{server.address}/secret:1")
            owner.run("push", "-q", f"{server.address}/secret:1", env=env)
            other = Lamina(tmp_path, tmp_path / "other" / "store")
            done = other.run("pull", f"{server.address}/secret:1", code=1, env=env)
        assert thief.asked
        assert not [a for a in thief.asked if "authorization" in a.headers]
    assert PASSWORD not in done.out + done.err
