"""Machines that share a cache by a real registry, and what that is asked."""

from __future__ import annotations

import json
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end_to_end.bases import COMMAND, Done, Lamina, interrupt, project
from tests.end_to_end.machines import Machines
from tests.oci.registry.server import Answer, Asked, Handle, Server, faulty, forward
from tests.registries import manifest_digest, registry

RECIPE = """\
FROM busybox AS tools
RUN echo tool > /tool
RUN head -c 300000 /dev/urandom > /large
FROM busybox
COPY src /srv/src
COPY --from=tools /tool /bin/tool
RUN head -c 300000 /dev/urandom > /out
"""
STEPS = 5
OCI = "application/vnd.oci.image.manifest.v1+json"


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with registry(tmp_path_factory.mktemp("registry")) as found:
        yield found


@pytest.fixture
def app(tmp_path: Path) -> Path:
    return project(tmp_path / "app", RECIPE, src__a="a\n")


def build(machine: Lamina, folder: Path, *args: str | Path) -> Done:
    return machine.run("build", "--progress=plain", *args, folder)


def to(ref: str, *more: str) -> tuple[str, str]:
    fields = ["type=registry", f"ref={ref}", "mode=max", *more]
    return "--cache-to", ",".join(fields)


def blobs(server: Server) -> list[str]:
    return [path for path in server.paths() if "/blobs/" in path]


def sent(server: Server) -> list[Asked]:
    """Requests that bring something to a registry."""
    return [a for a in server.asked if a.method in ("POST", "PUT", "PATCH")]


def test_another_machine_runs_nothing(
    machines: Machines, app: Path, address: str
) -> None:
    here, there = machines.new(), machines.new()
    ref = f"{address}/one/cache:main"
    first = build(here, app, *to(ref))
    assert "5 steps, 5 layers" in first.err
    with Server(forward(address)) as server:
        second = build(there, app, "--cache-from", f"{server.address}/one/cache:main")
        # The config, and of five layers the three that the image is made of.
        assert len(blobs(server)) == 4
        assert len(set(blobs(server))) == 4
    assert second.ran == []
    assert second.out == first.out
    there.check()


def test_what_the_registry_has(machines: Machines, app: Path, address: str) -> None:
    """An ordinary image manifest, for whom it is shown to."""
    build(machines.new(), app, *to(f"{address}/two/cache:main", "compression=zstd"))
    request = urllib.request.Request(
        f"http://{address}/v2/two/cache/manifests/main", headers={"Accept": OCI}
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        manifest = json.load(answer)
    assert manifest["mediaType"] == OCI
    assert manifest["artifactType"] == "application/vnd.lamina.cache.v1"
    kinds = {layer["mediaType"] for layer in manifest["layers"]}
    assert kinds == {"application/vnd.oci.image.layer.v1.tar+zstd"}


def test_others_copy_it_to_a_folder(
    machines: Machines, app: Path, address: str, tmp_path: Path
) -> None:
    here, there = machines.new(), machines.new()
    name = f"{address}/copied/cache:main"
    first = build(here, app, *to(name))
    for number, copied in enumerate(
        (
            ("skopeo", "copy", "-q", "--src-tls-verify=false"),
            (*COMMAND, "--root", str(here.store), "copy", "-q"),
        )
    ):
        place = tmp_path / f"layout{number}"
        command = [*copied, f"docker://{name}", f"oci:{place}:main"]
        subprocess.run(command, check=True, capture_output=True)
        flags = ("--cache-from", f"type=local,src={place},tag=main")
        assert build(machines.new(), app, *flags).out == first.out
    # An image it is not.
    done = there.run("pull", name, code=1)
    assert "no image but an artifact" in done.err


def test_where_all_is_known_nobody_is_asked(
    machines: Machines, app: Path, address: str
) -> None:
    machine = machines.new()
    build(machine, app)
    with Server(forward(address)) as server:
        flags = ("--cache-from", f"{server.address}/none")
        build(machine, app, *flags)
        build(machine, app, "--explain", *flags)
        assert server.asked == []


def test_an_unchanged_cache_is_one_question(
    machines: Machines, app: Path, address: str
) -> None:
    here, there = machines.new(), machines.new()
    with Server(forward(address)) as server:
        ref = f"{server.address}/three/cache:main"
        build(here, app, *to(ref))
        digest = manifest_digest(address, "three/cache", "main")
        server.asked.clear()
        done = build(here, app, *to(ref))
        assert "nothing new" in done.err
        assert [asked.method for asked in server.asked] == ["HEAD"]
        # On a machine that had all of it from there it is no more.
        done = build(there, app, "--cache-from", ref, *to(ref))
        assert "5 steps, 5 layers, nothing new" in done.err
        assert sent(server) == []
        # A change is that much and not more.
        (app / "src/a").write_text("b\n")
        build(here, app, *to(ref))
        uploads = [a for a in sent(server) if a.method == "PUT"]
        # A COPY, a RUN that gives other bytes, the document and the manifest.
        assert len(uploads) == 4
    assert manifest_digest(address, "three/cache", "main") != digest


def test_what_the_image_sent_is_not_sent_again(
    machines: Machines, app: Path, address: str
) -> None:
    machine = machines.new()
    with Server(forward(address)) as server:
        image = f"{server.address}/four/image:1"
        build(machine, app, "-t", image, "--push")
        server.asked.clear()
        build(machine, app, *to(f"{server.address}/four/cache", "mode=min"))
        large = [a for a in sent(server) if len(a.body) > 200_000]
        assert large == []
        mounted = [a for a in sent(server) if "mount=" in a.path]
        assert len(mounted) == 3


def test_what_was_never_fetched_goes_on_without_being_fetched(
    machines: Machines, app: Path, address: str
) -> None:
    here, there = machines.new(), machines.new()
    with Server(forward(address)) as server:
        first = f"{server.address}/five/cache:1"
        build(here, app, *to(first))
        server.asked.clear()
        second = f"{server.address}/other/cache:2"
        build(there, app, "--cache-from", first, *to(second))
        assert len(blobs(server)) == 4
        assert [a for a in sent(server) if len(a.body) > 200_000] == []
    (app / "src/a").write_text("b\n")
    done = build(machines.new(), app, "--cache-from", f"{address}/other/cache:2")
    assert sorted(done.ran) == [
        "COPY --from=tools /tool /bin/tool",
        "COPY src /srv/src",
        "RUN head -c 300000 /dev/urandom > /out",
    ]


# When it fails


def test_there_is_no_such_registry(machines: Machines, app: Path) -> None:
    done = build(machines.new(), app, "--cache-from", "127.0.0.1:1/cache")
    assert len(done.ran) == STEPS
    assert "warning: the cache 127.0.0.1:1/cache:latest is left out" in done.err
    machine = machines.new()
    done = machine.run("build", *to("127.0.0.1:1/cache"), "-t", "app", app, code=1)
    assert "The cache 127.0.0.1:1/cache:latest cannot be written" in done.err
    machine.run("inspect", "app")


def test_there_is_no_cache_yet(machines: Machines, app: Path, address: str) -> None:
    done = build(machines.new(), app, "--cache-from", f"{address}/nothing/yet")
    assert len(done.ran) == STEPS
    assert f"no cache at {address}/nothing/yet" in done.err


def test_a_bad_network(machines: Machines, app: Path, address: str) -> None:
    """What passes by itself is tried again: nothing has to run."""
    here, there = machines.new(), machines.new()

    def large(asked: Asked) -> bool:
        return asked.method == "GET" and "/blobs/" in asked.path

    def cut(asked: Asked) -> Answer | None:
        answer = forward(address)(asked)
        if not large(asked) or len(answer.body) < 200_000:
            return None
        return Answer(answer.status, answer.body, answer.headers, cut=100_000)

    def busy(asked: Asked) -> Answer | None:
        return Answer(503) if large(asked) else None

    build(here, app, *to(f"{address}/six/cache"))
    with Server(faulty(forward(address), cut, busy)) as server:
        done = build(there, app, "--cache-from", f"{server.address}/six/cache")
    assert done.ran == []
    assert "warning" not in done.err


def test_a_registry_that_gives_other_bytes(
    machines: Machines, app: Path, address: str
) -> None:
    here, there = machines.new(), machines.new()
    build(here, app, *to(f"{address}/seven/cache"))
    inner = forward(address)

    def handle(asked: Asked) -> Answer:
        answer = inner(asked)
        if len(answer.body) < 200_000:
            return answer
        body = answer.body[:-1] + bytes([answer.body[-1] ^ 1])
        return Answer(answer.status, body, answer.headers)

    with Server(handle) as server:
        done = build(there, app, "--cache-from", f"{server.address}/seven/cache")
    assert done.ran == ["RUN head -c 300000 /dev/urandom > /out"]
    assert "does not give a layer" in done.err
    there.check()


def test_it_goes_away_in_the_middle(
    machines: Machines, app: Path, address: str
) -> None:
    here, there = machines.new(), machines.new()
    build(here, app, *to(f"{address}/eight/cache"))
    inner = forward(address)
    configs: list[str] = []

    def handle(asked: Asked) -> Answer:
        if "/blobs/" in asked.path:
            configs.append(asked.path)
            if asked.path != configs[0]:
                return Answer(403)
        return inner(asked)

    with Server(handle) as server:
        done = build(there, app, "--cache-from", f"{server.address}/eight/cache")
    assert "RUN echo tool > /tool" in done.ran
    assert done.err.count("warning: the cache") == 1
    there.check()


def test_ctrl_c_while_layers_come(machines: Machines, app: Path, address: str) -> None:
    here, there = machines.new(), machines.new()
    build(here, app, *to(f"{address}/nine/cache"))
    with Server(_slow(address)) as server:
        flags = ("--progress=plain", "--cache-from", f"{server.address}/nine/cache")
        process = there.start("build", *flags, app)
        while not any(len(a.path) and "/blobs/" in a.path for a in server.asked[3:]):
            time.sleep(0.02)
        assert interrupt(process).code == 130
    there.check()


def _slow(address: str) -> Handle:
    inner = forward(address)

    def handle(asked: Asked) -> Answer:
        answer = inner(asked)
        if len(answer.body) < 200_000:
            return answer
        return Answer(answer.status, answer.body, answer.headers, pause=5)

    return handle
