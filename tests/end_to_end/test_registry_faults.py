"""A real registry behind a proxy that spoils things: each fault, both ways.

The image has a small and a large layer; what is spoiled is the transfer of the large
one, or what comes before it.
"""

from __future__ import annotations

import base64
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lamina.oci.reference import parse_reference
from lamina.values import replace
from tests.busybox import open_store
from tests.end_to_end.bases import Lamina, interrupt, project
from tests.oci.registry.server import Answer, Asked, Handle, Server, faulty, forward
from tests.oci.stacks import put
from tests.registries import PASSWORD, USER, manifest_digest, registry

Fault = Callable[[Asked], Answer | None]

# Incompressible, so that it is as large as it looks on its way, too.
LARGE = os.urandom(1 << 20)
NAME = "faults/image:1"


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with registry(tmp_path_factory.mktemp("registry")) as found:
        yield found


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An image of a small and a large layer, which nobody has compressed yet."""
    if os.geteuid() != 0:
        pytest.skip("needs the super-user: layers are made in this process")
    machine = Lamina(tmp_path_factory.mktemp("maker"))
    store = open_store(machine.place)
    image = put(store, {"small": b"small"}, {"large": LARGE})
    store.tag(parse_reference("large"), image.id)
    store.close()
    machine.run("save", "-o", machine.place / "large.tar", "large")
    return machine.place / "large.tar"


@pytest.fixture(scope="module")
def pushed(
    address: str, archive: Path, tmp_path_factory: pytest.TempPathFactory
) -> str:
    """The digest of the image, which lies in the registry as `faults/image:1`."""
    machine = Lamina(tmp_path_factory.mktemp("pusher"))
    machine.run("load", "-q", "-i", archive)
    machine.run("tag", "large", f"{address}/{NAME}")
    machine.run("push", "-q", f"{address}/{NAME}")
    return manifest_digest(address, "faults/image", "1")


@pytest.fixture
def owner(machine: Lamina, archive: Path) -> Lamina:
    """The machine, with the image in its store."""
    machine.run("load", "-q", "-i", archive)
    return machine


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Lamina]:
    """Lamina, its store empty; it leaves nothing behind."""
    command = Lamina(tmp_path)
    yield command
    command.check()
    command.end()
    assert command.left_behind() == []


def is_large(answer: Answer) -> bool:
    return answer.status in (200, 206) and len(answer.body) > 200_000


def spoiled(address: str, spoil: Callable[[Answer], Answer], times: int = 1) -> Handle:
    """The registry, with the first `times` transfers of a large blob spoiled."""
    inner, lock, left = forward(address), threading.Lock(), [times]

    def handle(asked: Asked) -> Answer:
        answer = inner(asked)
        if asked.method != "GET" or not is_large(answer):
            return answer
        with lock:
            left[0] -= 1
            if left[0] < 0:
                return answer
        return spoil(answer)

    return handle


def pull(machine: Lamina, handle: Handle, digest: str, code: int = 0) -> list[Asked]:
    """Pull the image by way of `handle`; what was asked. Its files are right."""
    with Server(handle) as server:
        done = machine.run("pull", f"{server.address}/{NAME}", code=code)
    if code:
        assert machine.run("images", "-q").out == ""
        assert not _layers_with_large(machine)
        return server.asked
    assert f"Digest: {digest}" in done.out
    assert _layers_with_large(machine) == [LARGE]
    return server.asked


def _layers_with_large(machine: Lamina) -> list[bytes]:
    found = machine.store.glob("layers/*/large")
    return [path.read_bytes() for path in found]


def ranges(asked: list[Asked]) -> list[str]:
    return [a.headers["range"] for a in asked if "range" in a.headers]


# Pulls


@pytest.mark.parametrize("count", [0, 1, 400_000, (1 << 20) + 100])
def test_a_cut_after_so_many_bytes(
    machine: Lamina, address: str, pushed: str, count: int
) -> None:
    handle = spoiled(address, lambda answer: replace(answer, cut=count))
    asked = pull(machine, handle, pushed)
    assert ranges(asked) == ([f"bytes={count}-"] if count else [])


def test_a_cut_again_and_again(machine: Lamina, address: str, pushed: str) -> None:
    """Each try brings something, so none of them was the last one."""
    handle = spoiled(address, lambda answer: replace(answer, cut=70_000), times=9)
    assert len(ranges(pull(machine, handle, pushed))) == 9


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
@pytest.mark.parametrize("part", ["/manifests/1", "/manifests/sha256:", "/blobs/"])
def test_an_answer_that_passes(
    machine: Lamina, address: str, pushed: str, status: int, part: str
) -> None:
    def fault(asked: Asked) -> Answer | None:
        return Answer(status) if part in asked.path else None

    if part == "/manifests/sha256:":
        name = NAME.replace(":1", f"@{pushed}")
        with Server(faulty(forward(address), fault)) as server:
            machine.run("pull", f"{server.address}/{name}")
        assert _layers_with_large(machine) == [LARGE]
        return
    asked = pull(machine, faulty(forward(address), fault), pushed)
    spoilt = [a.path for a in asked if part in a.path]
    assert len(spoilt) > len(set(spoilt))


def test_as_long_as_the_server_says(machine: Lamina, address: str, pushed: str) -> None:
    """Retry-After is honoured, to the second: nothing is asked before."""
    inner, moments = forward(address), list[float]()

    def busy(asked: Asked) -> Answer:
        moments.append(time.monotonic())
        if len(moments) == 1:
            return Answer(429, b"", {"Retry-After": "2"})
        return inner(asked)

    pull(machine, busy, pushed)
    assert moments[1] - moments[0] >= 2


def test_a_wait_that_is_too_long(machine: Lamina, address: str, pushed: str) -> None:
    def fault(asked: Asked) -> Answer | None:
        return Answer(429, b"", {"Retry-After": "86400"})

    asked = pull(machine, faulty(forward(address), fault), pushed, code=1)
    assert len([a for a in asked if "/manifests/" in a.path]) == 1


def test_a_slow_registry(machine: Lamina, address: str, pushed: str) -> None:
    handle = spoiled(address, lambda answer: replace(answer, pause=2.0))
    assert ranges(pull(machine, handle, pushed)) == []


def _wrong(answer: Answer) -> Answer:
    body = answer.body
    return replace(answer, body=body[:-100] + bytes([body[-100] ^ 1]) + body[-99:])


def test_wrong_bytes_never_enter(machine: Lamina, address: str, pushed: str) -> None:
    pull(machine, spoiled(address, _wrong, times=99), pushed, code=1)
    # Nothing of it is believed later, either.
    pull(machine, forward(address), pushed)


def test_a_cut_and_then_wrong_bytes(machine: Lamina, address: str, pushed: str) -> None:
    """What is resumed is verified as a whole."""

    def cut(answer: Answer) -> Answer:
        return replace(answer, cut=300_000)

    spoils = [_wrong, cut]

    def spoil(answer: Answer) -> Answer:
        return spoils.pop()(answer)

    handle = spoiled(address, spoil, times=2)
    pull(machine, handle, pushed, code=1)


@pytest.mark.parametrize("more", [-1000, -1, 1, 1000])
def test_a_body_of_another_length(
    machine: Lamina, address: str, pushed: str, more: int
) -> None:
    """Both the body and what Content-Length says are wrong together."""

    def other(answer: Answer) -> Answer:
        body = answer.body + bytes(more) if more > 0 else answer.body[:more]
        headers = {k: v for k, v in answer.headers.items() if k != "Content-Length"}
        return replace(answer, body=body, headers=headers)

    pull(machine, spoiled(address, other, times=99), pushed, code=1)


@pytest.mark.parametrize("more", [-1000, -1, 1, 1000])
def test_a_content_length_that_lies(
    machine: Lamina, address: str, pushed: str, more: int
) -> None:
    def lying(answer: Answer) -> Answer:
        said = {**answer.headers, "Content-Length": str(len(answer.body) + more)}
        return replace(answer, headers=said)

    pull(machine, spoiled(address, lying, times=99), pushed, code=1)


def test_a_manifest_over_the_limit(machine: Lamina, address: str, pushed: str) -> None:
    inner = forward(address)

    def large(asked: Asked) -> Answer:
        answer = inner(asked)
        if "/manifests/" not in asked.path:
            return answer
        headers = {k: v for k, v in answer.headers.items() if k != "Content-Length"}
        return replace(answer, body=answer.body + b" " * (5 << 20), headers=headers)

    asked = pull(machine, large, pushed, code=1)
    assert not [a for a in asked if "/blobs/" in a.path]


def test_a_manifest_of_another_digest(
    machine: Lamina, address: str, pushed: str
) -> None:
    inner = forward(address)

    def other(asked: Asked) -> Answer:
        answer = inner(asked)
        if "/manifests/" not in asked.path:
            return answer
        return replace(
            answer,
            body=answer.body.replace(b"{", b"{ ", 1),
            headers={k: v for k, v in answer.headers.items() if k != "Content-Length"},
        )

    pull(machine, other, pushed, code=1)


# Pushes


def push(owner: Lamina, handle: Handle, address: str, name: str) -> list[Asked]:
    """Push the image by way of `handle`; what was asked. It arrives as it is."""
    with Server(handle) as server:
        owner.run("tag", "large", f"{server.address}/{name}:1")
        owner.run("push", "-q", f"{server.address}/{name}:1")
    return server.asked


def arrived(owner: Lamina, address: str, name: str, digest: str) -> None:
    assert manifest_digest(address, name, "1") == digest
    other = Lamina(owner.place, owner.place / "other" / "store")
    other.run("pull", "-q", f"{address}/{name}:1")
    assert _layers_with_large(other) == [LARGE]


@pytest.mark.parametrize("status", [0, 429, 500, 503])
@pytest.mark.parametrize("method", ["HEAD", "POST", "PUT"])
def test_a_push_that_is_refused_once(
    owner: Lamina, address: str, pushed: str, status: int, method: str
) -> None:
    def fault(asked: Asked) -> Answer | None:
        return Answer(status) if asked.method == method else None

    name = f"refused/{method.lower()}-{status}"
    push(owner, faulty(forward(address), fault), address, name)
    arrived(owner, address, name, pushed)


def test_a_manifest_that_is_refused_once(
    owner: Lamina, address: str, pushed: str
) -> None:
    def fault(asked: Asked) -> Answer | None:
        is_manifest = asked.method == "PUT" and "/manifests/" in asked.path
        return Answer(500) if is_manifest else None

    push(owner, faulty(forward(address), fault), address, "refused/manifest")
    arrived(owner, address, "refused/manifest", pushed)


def test_a_push_that_is_cut_in_the_middle(
    owner: Lamina, address: str, pushed: str
) -> None:
    """Half of the blob reaches the registry in a request of its own, which the
    client takes for lost; it asks how much came, and sends the rest."""

    def fault(asked: Asked) -> Answer | None:
        if asked.method != "PUT" or len(asked.body) < 200_000:
            return None
        half = asked.body[: len(asked.body) // 2]
        path = asked.path.partition("&digest=")[0]
        headers = {k: v for k, v in asked.headers.items() if k != "content-length"}
        forward(address)(Asked("PATCH", path, headers, half))
        return Answer(0)

    asked = push(owner, faulty(forward(address), fault), address, "cut/middle")
    arrived(owner, address, "cut/middle", pushed)
    sent = [len(a.body) for a in asked if len(a.body) > 200_000]
    assert len(sent) >= 2


def test_large_requests_are_refused(owner: Lamina, address: str, pushed: str) -> None:
    """A proxy that takes 8 MiB at most gets pieces."""
    inner = forward(address)

    def small(asked: Asked) -> Answer:
        if asked.method == "PUT" and len(asked.body) > 200_000:
            return Answer(413)
        return inner(asked)

    asked = push(owner, small, address, "pieces")
    arrived(owner, address, "pieces", pushed)
    assert "PATCH" in {a.method for a in asked}


def test_a_slow_upload(owner: Lamina, address: str, pushed: str) -> None:
    inner = forward(address)

    def slow(asked: Asked) -> Answer:
        if asked.method == "PUT":
            time.sleep(1)
        return inner(asked)

    push(owner, slow, address, "slow/push")
    arrived(owner, address, "slow/push", pushed)


# Redirects, with the header watched


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


# Ctrl-C


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("what", ["pull", "push", "copy", "run", "build"])
def test_ctrl_c_while_the_network_stands_still(
    machine: Lamina, address: str, archive: Path, pushed: str, what: str, number: int
) -> None:
    """It ends at once, and not when a time limit does."""
    inner, over = forward(address), threading.Event()

    def still(asked: Asked) -> Answer:
        if asked.method in ("GET", "PUT") and "/blobs/" in asked.path:
            over.wait()
        return inner(asked)

    with Server(still) as server:
        name = f"{server.address}/{NAME}"
        if what == "push":
            machine.run("load", "-q", "-i", archive)
            name = f"{server.address}/never/{number}:1"
            machine.run("tag", "large", name)
        folder = project(machine.place / "context", f"FROM {name}\nCOPY Recipe /\n")
        command = {
            "copy": ("copy", f"docker://{name}", f"oci:{machine.place}/layout:1"),
            "run": ("run", "--rm", name, "true"),
            "build": ("build", folder),
        }.get(what, (what, name))
        process = machine.start(*command)
        while not _stands_still(server):
            assert process.poll() is None, process.communicate()
        done = interrupt(process, number)
        over.set()
    assert done.code == 128 + number, done.err
    assert "Traceback" not in done.err
    if what == "copy":
        assert not (machine.place / "layout" / "index.json").exists()


def _stands_still(server: Server) -> bool:
    waiting = [a for a in server.asked if a.method in ("GET", "PUT")]
    return any("/blobs/" in a.path for a in waiting)


def test_ctrl_c_while_the_registry_wants_a_pause(
    machine: Lamina, address: str, pushed: str
) -> None:
    inner = forward(address)

    def busy(asked: Asked) -> Answer:
        if "/blobs/" in asked.path:
            return Answer(429, b"", {"Retry-After": "110"})
        return inner(asked)

    with Server(busy) as server:
        process = machine.start("pull", f"{server.address}/{NAME}")
        while not [a for a in server.asked if "/blobs/" in a.path]:
            assert process.poll() is None, process.communicate()
        assert interrupt(process).code == 130
