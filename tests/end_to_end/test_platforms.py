"""Images for several platforms: built as one graph, kept, shown, run and given away."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.end_to_end.bases import Lamina, project
from tests.end_to_end.foreign import WITH_EMULATOR, arm64_program

RECIPE = """\
FROM --platform=$BUILDPLATFORM busybox AS tools
RUN echo for all > /shared
ARG TARGETARCH
ARG TARGETVARIANT
RUN echo "$TARGETARCH$TARGETVARIANT" > /made
FROM scratch
ARG TARGETPLATFORM
ARG BUILDPLATFORM
LABEL platform=$TARGETPLATFORM build=$BUILDPLATFORM
COPY --from=tools /shared /made /
"""


def skopeo(*words: str | Path) -> str:
    done = subprocess.run(("skopeo", *words), capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()


@pytest.mark.root("skopeo unpacks archives with their owners")
def test_one_build_for_three_platforms(lamina: Lamina, tmp_path: Path) -> None:
    folder = project(tmp_path / "app", RECIPE)
    out = tmp_path / "out"
    words = ("--platform", "linux/amd64,linux/aarch64", "--platform", "arm/v7")
    outputs = ("-o", f"type=oci,dest={tmp_path}/app.tar", "-o", str(out))
    notes = ("--annotation", "index:who=all", "--annotation", "manifest[arm64]:who=arm")
    built = lamina.run("build", *words, "-t", "app:1", *notes, *outputs, folder)
    identity = built.out.strip()
    assert sum("echo for all" in line for line in built.err.splitlines()) == 1
    assert [
        (out / name / "made").read_text()
        for name in ("linux_amd64", "linux_arm64", "linux_arm_v7")
    ] == ["amd64\n", "arm64\n", "armv7\n"]

    # Everything is remembered: the same index, and nothing runs.
    again = lamina.run("build", *words, "-t", "app:1", *notes, folder)
    assert again.out.strip() == identity
    assert again.ran == []
    _check_archive(tmp_path / "app.tar")
    _check_store(lamina, identity)

    # To another store and back, all of it, and one of it.
    other = Lamina(tmp_path / "other")
    (tmp_path / "other").mkdir()
    lamina.run("save", "-o", tmp_path / "saved.tar", "app:1")
    for archive in ("app.tar", "saved.tar"):
        loaded = other.run("load", "-i", tmp_path / archive)
        assert loaded.out == "Loaded image: app:1\n"
        assert other.run("images", "-q", "--no-trunc").out.strip() == identity
    other.run("rmi", "app:1")
    assert other.run("images", "-q").out == ""
    other.run("load", "--platform", "arm64", "-i", tmp_path / "saved.tar")
    assert other.inspect("app:1")["Architecture"] == "arm64"
    other.check()
    lamina.check()
    other.end()


def _check_archive(path: Path) -> None:
    index = json.loads(skopeo("inspect", "--raw", f"oci-archive:{path}"))
    assert index["annotations"] == {"who": "all"}
    assert [entry["platform"] for entry in index["manifests"]] == [
        {"architecture": "amd64", "os": "linux"},
        {"architecture": "arm64", "os": "linux"},
        {"architecture": "arm", "os": "linux", "variant": "v7"},
    ]
    override = ("--override-arch", "arm64")
    config = json.loads(skopeo(*override, "inspect", "--config", f"oci-archive:{path}"))
    assert config["config"]["Labels"] == {
        "platform": "linux/arm64",
        "build": "linux/amd64",
    }
    skopeo(*override, "copy", f"oci-archive:{path}", f"dir:{path.parent}/arm")
    manifest = json.loads((path.parent / "arm/manifest.json").read_text())
    assert manifest["annotations"] == {"who": "arm"}


def _check_store(lamina: Lamina, identity: str) -> None:
    """One line for the three; what is asked for one of them gets that."""
    found = lamina.inspect("app:1")
    assert found["Index"] == identity
    assert found["Architecture"] == "amd64"
    there = [entry["ImageData"]["Platform"] for entry in found["Manifests"]]
    assert there == ["linux/amd64", "linux/arm64", "linux/arm/v7"]
    listed = lamina.run("images", "--no-trunc", "--format", "{{.ID}} {{.Platforms}}")
    assert f"{identity} {', '.join(there)}" in listed.out.splitlines()
    assert "└─ linux/arm/v7" in lamina.run("images", "--tree").out
    one = lamina.run("inspect", "--platform", "arm/v7", "app:1").out
    assert json.loads(one)[0]["Variant"] == "v7"
    lamina.run("tag", "app:1", "app:2")
    lamina.run("rmi", "app:1")
    assert lamina.inspect("app:2")["Index"] == identity
    lamina.run("tag", "app:2", "app:1")
    lamina.run("rmi", "app:2")
    part = found["Manifests"][1]["ID"]
    assert "one of" in lamina.run("rmi", part, code=1).err
    missing = lamina.run(
        "run", "--platform", "s390x", "--pull", "never", "app:1", code=125
    )
    assert "s390x" in missing.err
    lamina.run("system", "prune", "-f")
    assert lamina.inspect("app:1")["Index"] == identity


def test_bases_for_the_platform_that_is_built(lamina: Lamina, tmp_path: Path) -> None:
    """FROM takes the image for its platform: from the store, and from a layout."""
    parts = project(
        tmp_path / "parts", "FROM scratch\nARG TARGETARCH\nADD $TARGETARCH /\n"
    )
    for name in ("amd64", "arm64"):
        (parts / name).mkdir()
        (parts / name / "about").write_text(name)
    both = ("--platform", "linux/amd64,linux/arm64")
    layout = tmp_path / "layout"
    lamina.build(
        parts, *both, "-t", "base:1", "-o", f"type=oci,tar=false,dest={layout}"
    )
    for base in ("base:1", f"oci-layout:{layout}"):
        folder = project(tmp_path / "app", f"FROM {base}\nCOPY Recipe /\n")
        for flags, about in ((("--platform", "arm64"), "arm64"), ((), "amd64")):
            files = lamina.files(folder, *flags, "-t", "app")
            assert (files / "about").read_text() == about
            assert lamina.inspect("app")["Architecture"] == about
        wrong = lamina.run("build", "--platform", "s390x", folder, code=1)
        assert "s390x" in wrong.err
        assert "linux/amd64, linux/arm64" in wrong.err
    both_there = project(tmp_path / "app", "FROM --platform=arm64 base:1 AS arm64\n")
    checked = lamina.run("check", both_there)
    assert "InvalidBaseImagePlatform" not in checked.out
    # A name with one platform is no base for another one.
    folder = project(tmp_path / "app", "FROM busybox\nRUN true\n")
    refused = lamina.run("build", "--platform", "arm64", "--pull=never", folder, code=1)
    assert "is not here for linux/arm64" in refused.err
    assert "Recipe:1" in refused.err


@pytest.mark.root("it registers an emulator")
def test_foreign_programs_run_through_the_emulator(
    lamina: Lamina, tmp_path: Path
) -> None:
    if subprocess.run((*WITH_EMULATOR, "true"), check=False).returncode:
        pytest.skip("user namespaces have emulators of their own since Linux 6.7")
    emulated = Lamina(tmp_path, tmp_path / "emulated")
    lamina.run("save", "-o", tmp_path / "base.tar", "busybox")
    emulated.run("load", "-i", tmp_path / "base.tar", wrapper=WITH_EMULATOR)
    recipe = (
        "FROM --platform=$BUILDPLATFORM busybox AS tools\nRUN echo native > /made\n"
        'FROM scratch\nCOPY hello /hello\nRUN ["/hello"]\n'
        'COPY --from=tools /made /\nCMD ["/hello"]\n'
    )
    program = arm64_program("an arm64 program")
    folder = project(tmp_path / "app", recipe, hello=program)
    (folder / "hello").chmod(0o755)
    words = ("build", "--progress", "plain", "--platform", "linux/arm64", "-t", "arm")
    without = lamina.run(*words, folder, code=1)
    assert "no emulator is registered for arm64" in without.err
    assert "qemu-user-static" in without.err
    with_it = emulated.run(*words, folder, wrapper=WITH_EMULATOR)
    assert "an arm64 program" in with_it.err
    ran = emulated.run("run", "--rm", "--network", "none", "arm", wrapper=WITH_EMULATOR)
    assert ran.out == "an arm64 program\n"
    refused = emulated.run("run", "--rm", "arm", code=125, wrapper=WITH_EMULATOR[:2])
    assert "no emulator" in refused.err
    emulated.end()
    assert emulated.left_behind() == []
