"""Images by way of a real registry, between Lamina and Docker, Podman and Skopeo."""

from __future__ import annotations

import json
import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from lamina.oci.digest import Digest
from tests.end_to_end.bases import Lamina, interrupt, project, tagged
from tests.end_to_end.test_exchange import Podman, call
from tests.oci.registry.server import Answer, Asked, Handle, Server, forward
from tests.registries import PASSWORD, USER, Authority, manifest_digest, registry

SAY = ("cat", "/data/inner/file")
SAID = "from the image\n"


@pytest.fixture
def podman() -> Iterator[Podman]:
    """podman wants a path of at most 50 characters for what runs."""
    with tempfile.TemporaryDirectory(prefix="lamina-podman.", dir="/var/tmp") as place:
        yield Podman(Path(place))


def run(lamina: Lamina, name: str) -> str:
    return lamina.run("run", "--rm", "--network", "none", name, *SAY).out


@pytest.mark.root("it asks dockerd and podman")
def test_what_is_pushed_others_pull(
    lamina: Lamina, other: Lamina, podman: Podman, address: str
) -> None:
    name = f"{address}/ours/busybox:1"
    lamina.run("tag", "busybox", name)
    identity = lamina.inspect("busybox")["Id"]
    pushed = lamina.run("push", name).out
    digest = manifest_digest(address, "ours/busybox", "1")
    assert f"1: digest: {digest}" in pushed

    assert run(other, name) == SAID
    assert other.inspect(name)["Id"] == identity
    assert other.inspect(name)["RepoDigests"] == [f"{address}/ours/busybox@{digest}"]

    raw = call("skopeo", "inspect", "--raw", "--tls-verify=false", f"docker://{name}")
    assert json.loads(raw)["config"]["digest"] == identity

    podman("pull", "-q", "--tls-verify=false", name)
    assert f"sha256:{json.loads(podman('inspect', name))[0]['Id']}" == identity
    assert podman.run(name, *SAY) == SAID

    call("docker", "pull", "-q", name)
    try:
        (found,) = json.loads(call("docker", "image", "inspect", name))
        assert found["Id"] == identity
        assert found["RepoDigests"] == [f"{address}/ours/busybox@{digest}"]
        ran = call("docker", "run", "--rm", "--network", "none", name, *SAY)
        assert ran == SAID
    finally:
        call("docker", "rmi", "-f", name)


@pytest.mark.root("it asks dockerd and podman")
def test_what_others_push_is_pulled_and_keeps_its_digest(
    lamina: Lamina, other: Lamina, podman: Podman, address: str, tmp_path: Path
) -> None:
    archive = tmp_path / "busybox.tar"
    lamina.run("save", "-o", archive, "busybox")
    names = {tool: f"{address}/{tool}/busybox:1" for tool in ("skopeo", "podman")}
    names["docker"] = f"{address}/docker/busybox:1"
    call(
        *("skopeo", "copy", "-q", "--dest-tls-verify=false"),
        *(f"docker-archive:{archive}", f"docker://{names['skopeo']}"),
    )
    podman("load", "-q", "-i", str(archive))
    podman("push", "-q", "--tls-verify=false", "busybox", names["podman"])
    lamina.run("tag", "busybox", names["docker"])
    lamina.run("save", "-o", archive, names["docker"])
    call("docker", "load", "-i", str(archive))
    try:
        call("docker", "push", "-q", names["docker"])
    finally:
        call("docker", "rmi", "-f", names["docker"])

    identity = lamina.inspect("busybox")["Id"]
    for tool, name in names.items():
        digest = manifest_digest(address, f"{tool}/busybox", "1")
        assert f"Digest: {digest}" in other.run("pull", name).out
        assert other.inspect(name)["Id"] == identity
        assert run(other, name) == SAID
        # Neither their gzip nor ours: what was pulled is what goes on.
        again = f"{address}/again/{tool}:2"
        other.run("tag", name, again)
        other.run("push", "-q", again)
        assert manifest_digest(address, f"again/{tool}", "2") == digest
        other.run("rmi", name, again)
    other.check()


def test_a_registry_with_a_password_and_an_authority_of_its_own(
    lamina: Lamina, other: Lamina, tmp_path: Path
) -> None:
    authority = Authority(tmp_path)
    config = tmp_path / "config"
    env = {"XDG_CONFIG_HOME": str(config), "HOME": str(tmp_path / "home")}
    with registry(tmp_path / "r", password=True, authority=authority) as address:
        name = f"{address}/app:1"
        lamina.run("tag", "busybox", name)
        refused = lamina.run("push", name, code=1, env=env).err
        assert "certificate" in refused
        assert "registries.toml" in refused
        (config / "lamina").mkdir(parents=True)
        (config / "lamina" / "registries.toml").write_text(
            f'[registry."{address}"]\nca = "{authority.ca}"\n'
        )
        assert (
            f"lamina login {address}" in lamina.run("push", name, code=1, env=env).err
        )
        login = ("login", "-u", USER, "--password-stdin", address)
        wrong = lamina.run(*login, given="wrong", code=1, env=env)
        assert USER in wrong.err
        done = lamina.run(*login, given=PASSWORD + "\n", env=env)
        kept = config / "lamina" / "credentials.json"
        assert str(kept) in done.err
        assert PASSWORD not in done.out + done.err
        assert stat.S_IMODE(kept.stat().st_mode) == 0o600
        lamina.run("push", name, env=env)
        pulled = other.run("pull", name, env=env).out
        assert run(other, name) == SAID
        # Skopeo sees the same by the same authority and password.
        (tmp_path / "certs").mkdir()
        (tmp_path / "certs" / "ca.crt").write_bytes(authority.ca.read_bytes())
        trusting = ("--cert-dir", tmp_path / "certs", "--creds", f"{USER}:{PASSWORD}")
        raw = call(
            "skopeo", "inspect", "--raw", *map(str, trusting), f"docker://{name}"
        )
        assert f"Digest: {Digest.of(raw.encode())}" in pulled
        # What Docker and Podman know is known here; and what is forgotten is not.
        lamina.run("logout", address, env=env)
        assert "auths" not in kept.read_text()
        other.run("pull", name, code=1, env=env)
        docker = tmp_path / "home" / ".docker" / "config.json"
        docker.parent.mkdir(parents=True)
        docker.write_text(json.dumps({"credHelpers": {address: "tests"}}))
        (tmp_path / "bin").mkdir()
        helper = tmp_path / "bin" / "docker-credential-tests"
        helper.write_text(
            "#!/bin/sh\n"
            f'[ "$1" = get ] && [ "$(cat)" = "{address}" ] || exit 1\n'
            f"""echo '{{"Username": "{USER}", "Secret": "{PASSWORD}"}}'\n"""
        )
        helper.chmod(0o755)
        env["PATH"] = f"{tmp_path}/bin:{os.environ['PATH']}"
        other.run("pull", name, env=env)


def test_builds_find_their_bases(lamina: Lamina, other: Lamina, address: str) -> None:
    name = f"{address}/base:1"
    lamina.run("tag", "busybox", name)
    lamina.run("push", "-q", name)
    recipe = f"FROM {name}\nRUN echo built > /x\n"
    folder = project(other.place / "context", recipe)
    never = other.run("build", "--pull=never", folder, code=1).err
    assert "neither a stage above nor an image in the store" in never
    first = other.run("build", folder)
    assert "pulled" in first.err
    second = other.run("build", folder)
    assert second.out == first.out
    assert second.ran == []
    assert "pulled" not in second.err
    # The tag moves on: only who asks gets the new one.
    moved = project(other.place / "new", f"FROM {name}\nRUN echo new > /new\n")
    lamina.run("build", "-t", name, moved)
    lamina.run("push", "-q", name)
    assert other.run("build", folder).out == first.out
    assert other.run("build", "--pull", folder).out != first.out
    digest = manifest_digest(address, "base", "1")
    project(folder, f"FROM {address}/base@{digest}\nRUN cat /new\n")
    other.run("build", folder)
    missing = project(folder, f"FROM {address}/nothing:1\n")
    error = other.run("build", missing, code=1).err
    assert "its registry does not give it" in error
    assert "Recipe:1:6" in error


def test_what_is_built_for_two_machines_is_pushed_as_one(
    lamina: Lamina, other: Lamina, address: str
) -> None:
    name = f"{address}/two:1"
    folder = project(lamina.place / "two", "FROM scratch\nCOPY Recipe /\n")
    platforms = ("--platform", "linux/amd64,linux/arm64")
    nameless = lamina.run("build", "--push", folder, code=1).err
    assert "needs a name" in nameless
    lamina.run("build", *platforms, "--push", "-t", name, folder)
    digest = manifest_digest(address, "two", "1")
    (found,) = json.loads(lamina.run("inspect", "--remote", name).out)
    assert found["Digest"] == digest
    assert [entry["Platform"] for entry in found["Manifests"]] == [
        "linux/amd64",
        "linux/arm64",
    ]
    pulled = other.run("pull", "--platform", "linux/arm64", name).out
    assert f"Digest: {digest}" in pulled
    assert other.inspect(name)["Architecture"] == "arm64"
    raw = call("skopeo", "inspect", "--raw", "--tls-verify=false", f"docker://{name}")
    assert len(json.loads(raw)["manifests"]) == 2
    # The same names again, from the store: nothing is sent but the index.
    assert digest in lamina.run("push", name).out


def test_the_worst_network(lamina: Lamina, other: Lamina, address: str) -> None:
    """Push and pull through a proxy that breaks everything once."""
    lamina.run("push", "-q", tagged(lamina, address, "plain"))
    with Server(_bad(address)) as server:
        lamina.run("push", tagged(lamina, server.address, "bad"))
    assert manifest_digest(address, "bad", "1") == manifest_digest(
        address, "plain", "1"
    )
    with Server(_bad(address)) as server:
        other.run("pull", f"{server.address}/bad:1")
        assert any(a.headers.get("range") for a in server.asked)
    other.check()


def _bad(address: str) -> Handle:
    """The registry at `address`, with each kind of request spoiled at first."""
    inner = forward(address)
    spoiled: dict[str, int] = {}

    def handle(asked: Asked) -> Answer:
        kind = asked.path.split("/")[-2 if "/uploads/" not in asked.path else -3]
        kind += " large" if len(asked.body) > 200_000 else ""
        number = spoiled.get(asked.method + kind, 0)
        spoiled[asked.method + kind] = number + 1
        if asked.method == "PUT" and "large" in kind and number < 1:
            _send_half(address, asked)
            return Answer(0)
        if number == 1:
            return Answer(503)
        if number == 2:
            return Answer(429, b"", {"Retry-After": "1"})
        answer = inner(asked)
        if asked.method == "GET" and len(answer.body) > 200_000 and number < 5:
            return Answer(
                answer.status, answer.body, answer.headers, cut=len(answer.body) // 2
            )
        return answer

    return handle


def _send_half(address: str, asked: Asked) -> None:
    """Break an upload off in its middle; this registry then knows nothing of it."""
    import socket

    host, _, port = address.partition(":")
    with socket.create_connection((host, int(port))) as connection:
        head = f"PATCH {asked.path} HTTP/1.1\r\nHost: {asked.headers['host']}\r\n"
        head += f"Content-Length: {len(asked.body)}\r\n\r\n"
        half = len(asked.body) // 2
        connection.sendall(head.encode() + asked.body[:half])


def test_a_pull_that_is_killed_leaves_nothing(
    lamina: Lamina, other: Lamina, address: str
) -> None:
    lamina.run("push", "-q", tagged(lamina, address, "killed"))
    inner = forward(address)

    def slow(asked: Asked) -> Answer:
        answer = inner(asked)
        if len(answer.body) > 200_000:
            return Answer(answer.status, answer.body, answer.headers, pause=3)
        return answer

    with Server(slow) as server:
        process = other.start("pull", f"{server.address}/killed:1")
        while not any("/blobs/" in path for path in server.paths()):
            assert process.poll() is None
        process.kill()
        process.communicate()
        second = other.start("pull", f"{server.address}/killed:1")
        while len([path for path in server.paths() if "/blobs/" in path]) < 3:
            assert second.poll() is None
        assert interrupt(second).code == 130
    assert other.run("images", "-q").out == ""
    other.run("pull", f"{address}/killed:1")
    other.check()
    assert os.listdir(other.store / "tmp") == []


def test_two_pulls_at_once_share_their_layers(
    lamina: Lamina, other: Lamina, address: str
) -> None:
    lamina.run("push", "-q", tagged(lamina, address, "shared"))
    inner = forward(address)

    def slow(asked: Asked) -> Answer:
        answer = inner(asked)
        if len(answer.body) > 200_000:
            return Answer(answer.status, answer.body, answer.headers, pause=1)
        return answer

    with Server(slow) as server:
        name = f"{server.address}/shared:1"
        pulls = [other.start("pull", name) for _ in range(3)]
        for process in pulls:
            _, err = process.communicate(timeout=60)
            assert process.returncode == 0, err.decode()
        blobs = [path for path in server.paths() if "/blobs/" in path]
    config = other.inspect(name)["Id"]
    layers = [path for path in blobs if config not in path]
    assert len(layers) == len(set(layers)) == 2


def test_every_tag_of_a_repository(lamina: Lamina, other: Lamina, address: str) -> None:
    folder = project(lamina.place / "tags", "FROM scratch\nCOPY Recipe /\n")
    for number in (1, 2, 3):
        project(folder, f"FROM scratch\nCOPY Recipe /\nLABEL n={number}\n")
        lamina.run("build", "-t", f"{address}/tags:{number}", folder)
    assert "3: digest: " in lamina.run("push", "--all-tags", f"{address}/tags").out
    names = [f"{address}/tags:{number}" for number in (1, 2, 3)]
    assert other.run("pull", "-a", "-q", f"{address}/tags").out.split() == names
    assert "neither tag nor digest" in other.run("pull", "-a", names[0], code=1).err
    listed = other.run("images", "--format", "{{.Repository}}:{{.Tag}}").out.split()
    assert sorted(listed) == names


def test_by_digest(lamina: Lamina, other: Lamina, address: str) -> None:
    lamina.run("push", "-q", tagged(lamina, address, "digests"))
    digest = manifest_digest(address, "digests", "1")
    name = f"{address}/digests@{digest}"
    assert f"Digest: {digest}" in other.run("pull", name).out
    assert other.run("pull", "-q", name).out.strip() == name
    assert run(other, name) == SAID
    assert other.run("inspect", name).out
    # The same bytes under another digest are not what was asked for.
    wrong = f"{address}/digests@sha256:{'0' * 64}"
    assert "has no manifest" in other.run("pull", wrong, code=1).err


def test_when_an_image_to_run_is_pulled(
    lamina: Lamina, other: Lamina, address: str
) -> None:
    name = tagged(lamina, address, "when")
    lamina.run("push", "-q", name)
    ran = ("--rm", "--network", "none")
    refused = other.run("run", *ran, "--pull=never", name, "true", code=125).err
    assert "no registry is asked" in refused
    other.run("run", *ran, name, "true")
    moved = project(lamina.place / "when", f"FROM {name}\nRUN echo new > /new\n")
    lamina.run("build", "-t", name, moved)
    lamina.run("push", "-q", name)
    other.run("run", *ran, "--pull=missing", name, "test", "-e", "/new", code=1)
    other.run("run", *ran, "--pull=always", name, "test", "-e", "/new")
    for command in ("run", "create"):
        asked = other.run(command, "--pull=sometimes", name, "true", code=None)
        assert "always" in asked.err
    assert "always" in other.run("build", "--pull=often", moved, code=None).err
