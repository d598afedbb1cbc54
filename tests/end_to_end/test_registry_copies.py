"""`lamina copy` between registries, archives and the store: the digest stays."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.end_to_end.bases import Lamina, project, tagged
from tests.end_to_end.test_exchange import call
from tests.registries import manifest_digest


@pytest.mark.root("it asks dockerd")
def test_copies_without_the_store(lamina: Lamina, address: str, tmp_path: Path) -> None:
    lamina.run("push", "-q", tagged(lamina, address, "copied"))
    digest = manifest_digest(address, "copied", "1")
    layout = tmp_path / "layout"
    lamina.run("copy", "-q", f"docker://{address}/copied:1", f"oci:{layout}:one")
    call(
        *("skopeo", "copy", "-q", "--dest-tls-verify=false", f"oci:{layout}:one"),
        f"docker://{address}/from-layout:1",
    )
    assert manifest_digest(address, "from-layout", "1") == digest
    archive = tmp_path / "docker.tar"
    target = f"docker-archive:{archive}:{address}/copied:2"
    lamina.run("copy", "-q", f"docker://{address}/copied:1", target)
    try:
        assert f"{address}/copied:2" in call("docker", "load", "-i", str(archive))
        listed = call("docker", "image", "inspect", f"{address}/copied:2")
        assert json.loads(listed)[0]["Id"] == lamina.inspect("busybox")["Id"]
    finally:
        subprocess.run(
            ["docker", "rmi", "-f", f"{address}/copied:2"],
            capture_output=True,
            check=False,
        )


def test_an_index_goes_everywhere_and_back(
    lamina: Lamina, other: Lamina, address: str, tmp_path: Path
) -> None:
    """Registry, store, layout: two platforms under one name, and one digest."""
    folder = project(lamina.place / "both", "FROM scratch\nCOPY Recipe /\n")
    name, layout = f"{address}/both:1", tmp_path / "layout"
    platforms = ("--platform", "linux/amd64,linux/arm64")
    lamina.run("build", *platforms, "--push", "-t", name, folder)
    digest = manifest_digest(address, "both", "1")

    assert f"Digest: {digest}" in other.run("pull", "--all-platforms", name).out
    both = ["linux/amd64", "linux/arm64"]
    listed = other.inspect(name)["Manifests"]
    assert [m["ImageData"]["Platform"] for m in listed] == both
    other.run("tag", name, f"{address}/both:2")
    other.run("push", "-q", f"{address}/both:2")
    assert manifest_digest(address, "both", "2") == digest

    # By way of an empty store, and of a layout; Skopeo agrees on what it is.
    third = Lamina(tmp_path, tmp_path / "third" / "store")
    third.run("copy", "-q", f"docker://{name}", "store:mine")
    third.run("copy", "-q", "store:mine", f"docker://{address}/both:3")
    assert manifest_digest(address, "both", "3") == digest
    copied = third.run("copy", "-q", f"docker://{name}", f"oci:{layout}:one").out
    assert copied.strip() == digest
    call(
        *("skopeo", "copy", "-q", "--all", "--dest-tls-verify=false"),
        *(f"oci:{layout}:one", f"docker://{address}/both:4"),
    )
    assert manifest_digest(address, "both", "4") == digest
    third.run("copy", "-q", f"oci:{layout}:one", "store:again")
    assert third.inspect("again")["Id"] == third.inspect("mine")["Id"]

    # One of them is what it is alone.
    arm = ("--platform", "linux/arm64")
    for target in (f"docker://{address}/arm:1", f"oci:{layout}:arm", "store:arm"):
        third.run("copy", "-q", *arm, f"docker://{name}", target)
    assert third.inspect("arm")["Architecture"] == "arm64"
    third.run("copy", "-q", *arm, "store:mine", f"docker://{address}/arm:2")
    arms = {manifest_digest(address, "arm", tag) for tag in ("1", "2")}
    assert len(arms) == 1
    (listed,) = (
        entry
        for entry in json.loads((layout / "index.json").read_text())["manifests"]
        if entry["annotations"]["org.opencontainers.image.ref.name"] == "arm"
    )
    assert {listed["digest"]} == arms


def test_a_copy_out_of_the_store(lamina: Lamina, address: str, tmp_path: Path) -> None:
    lamina.run("copy", "-q", "store:busybox", f"docker://{address}/store:1")
    layout, archive = tmp_path / "layout", tmp_path / "busybox.tar"
    said = lamina.run("copy", "-q", "store:busybox", f"oci:{layout}:1").out
    assert said.strip() == manifest_digest(address, "store", "1")
    lamina.run("copy", "-q", "store:busybox", f"docker-archive:{archive}:app:1")
    assert "app:1" in call("skopeo", "list-tags", f"docker-archive:{archive}")
    lamina.run("copy", "-q", f"docker-archive:{archive}", "store:back")
    assert lamina.inspect("back")["Id"] == lamina.inspect("busybox")["Id"]
