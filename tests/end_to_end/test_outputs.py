"""Where images go: every output, as the programs that read it see it."""

from __future__ import annotations

import hashlib
import json
import os
import pty
import signal
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end_to_end.bases import PROJECT, Lamina, project, wait_for_line

EPOCH = ("--source-date-epoch", "1700000000")
# Docker's names are those of the whole machine.
NAME = f"lamina-outputs-{os.getpid()}:1"
RECIPE = """\
FROM busybox
RUN mkdir -m 1777 /odd && echo secret > /odd/file && chown 1000:50 /odd/file && \
    chmod 4711 /odd/file && ln /odd/file /odd/hard && mkfifo /odd/pipe && \
    ln -s ../etc/passwd /odd/soft && rm /etc/motd
COPY data /data
RUN echo more > /data/more && rm -r /data/inner
"""
# Not a tmpfs: what a user has to write to may be small.
SMALL = 'mount -t tmpfs -o size=100k none "$0" && exec "$@"'


def call(*words: str | Path) -> str:
    """What a program prints; it has to succeed."""
    done = subprocess.run(words, capture_output=True, check=False)
    assert done.returncode == 0, f"{words}\n{done.stderr.decode()}"
    return done.stdout.decode()


@pytest.fixture
def docker() -> Iterator[None]:
    """Docker, without the image afterwards."""
    yield
    subprocess.run(("docker", "rmi", "-f", NAME), capture_output=True, check=False)


def outputs(place: Path) -> list[str]:
    """Flags for every kind of output."""
    kinds = (
        f"type=oci,dest={place}/oci.tar",
        f"type=oci,dest={place}/zstd.tar,compression=zstd",
        f"type=oci,dest={place}/level.tar,compression=gzip,compression-level=6",
        f"type=oci,dest={place}/layout,tar=false",
        f"type=docker,dest={place}/docker.tar",
        f"type=docker,dest={place}/gzip.tar,compression=gzip,oci-mediatypes=false",
        f"type=tar,dest={place}/files.tar",
        f"type=local,dest={place}/files",
    )
    return [word for kind in kinds for word in ("-o", kind)]


def fingerprint(place: Path) -> dict[str, str]:
    """Everything below a folder: content, owner, mode, time, links."""
    found = {}
    for path in sorted(place.rglob("*")):
        status = path.lstat()
        content = str(status.st_rdev)
        if path.is_symlink():
            content = os.readlink(path)
        elif path.is_file():
            content = hashlib.sha256(path.read_bytes()).hexdigest()
        inside = path.relative_to(place)
        # Archives themselves are files of now.
        kept = status.st_mtime_ns if inside.parts[0] == "files" else 0
        what = (status.st_mode, status.st_uid, status.st_gid, kept, content)
        found[str(inside)] = str(what)
    del found["files"]
    return found


@pytest.mark.root("skopeo unpacks archives with their owners")
@pytest.mark.usefixtures("docker")
def test_all_outputs_at_once_and_again_in_another_store(
    lamina: Lamina, tmp_path: Path
) -> None:
    folder = project(tmp_path / "app", RECIPE, data__inner__f="x", data__own="y" * 9999)
    out = tmp_path / "out"
    out.mkdir()
    words = ("-t", NAME, *EPOCH, "--metadata-file", str(tmp_path / "meta.json"))
    identity = lamina.build(folder, *words, *outputs(out))

    _check_with_real_programs(out, identity)
    meta = json.loads((tmp_path / "meta.json").read_text())
    manifest = json.loads(
        call("skopeo", "inspect", "--raw", f"oci-archive:{out}/oci.tar")
    )
    raw = json.loads((out / "layout/index.json").read_text())["manifests"][0]
    assert meta["containerimage.config.digest"] == identity
    assert meta["containerimage.digest"] == raw["digest"]
    assert meta["containerimage.descriptor"]["digest"] == raw["digest"]
    assert meta["image.name"] == f"docker.io/library/{NAME}"
    assert manifest["config"]["digest"] == identity

    _check_files(out)
    again = Lamina(tmp_path / "again").with_base()
    (tmp_path / "twice").mkdir()
    assert again.build(folder, *words, *outputs(tmp_path / "twice")) == identity
    again.end()
    assert fingerprint(tmp_path / "twice") == fingerprint(out)


def _check_with_real_programs(out: Path, identity: str) -> None:
    """The same config and diff_ids, whoever reads the archive and however it is."""
    config = json.loads(
        call("skopeo", "inspect", "--config", "--raw", f"oci-archive:{out}/oci.tar")
    )
    for name in (
        "oci-archive:{}/zstd.tar",
        "oci-archive:{}/level.tar",
        "oci:{}/layout",
    ):
        place = name.format(out)
        there = json.loads(call("skopeo", "inspect", "--config", "--raw", place))
        assert there == config
        # Reads and verifies each blob.
        call("skopeo", "copy", place, f"dir:{out.parent}/copy")
    for name in ("docker.tar", "gzip.tar"):
        place = f"docker-archive:{out}/{name}"
        call("skopeo", "copy", place, f"dir:{out.parent}/copy")
        assert call("docker", "load", "-i", out / name) == f"Loaded image: {NAME}\n"
        (found,) = json.loads(call("docker", "inspect", NAME))
        assert found["Id"] == identity
        assert found["RootFS"]["Layers"] == config["rootfs"]["diff_ids"]
        call("docker", "rmi", "-f", NAME)


def _check_files(out: Path) -> None:
    """The folder as BuildKit leaves one: the caller's; the tar with owners."""
    odd = out / "files/odd"
    assert odd.stat().st_mode & 0o7777 == 0o1777
    found = (odd / "file").stat()
    assert (found.st_mode & 0o7777, found.st_nlink) == (0o4711, 2)
    assert (found.st_uid, found.st_gid) == (os.geteuid(), os.getegid())
    assert found.st_mtime == 1700000000
    assert os.readlink(odd / "soft") == "../etc/passwd"
    assert (odd / "pipe").is_fifo()
    assert not (out / "files/etc/motd").exists()
    assert not (out / "files/data/inner").exists()
    assert (out / "files/data/more").read_text() == "more\n"
    with tarfile.open(out / "files.tar") as archive:
        member = archive.getmember("odd/file")
        assert (member.uid, member.gid, member.mode) == (1000, 50, 0o4711)
        assert archive.getmember("odd/hard").linkname == "odd/file"
        assert archive.getnames() == sorted(archive.getnames(), key=_tar_order)


def _tar_order(name: str) -> list[str]:
    return name.split("/")


def test_folders_are_made_with_those_above_and_files_are_not(
    lamina: Lamina, tmp_path: Path
) -> None:
    """As with docker buildx: for a file, open(2) fails there, too."""
    folder = project(tmp_path / "app", "FROM scratch\nCOPY Recipe /\n")
    place = tmp_path / "not/there"
    done = lamina.run("build", folder, "-o", f"type=oci,dest={place}/x.tar", code=1)
    assert f"no folder '{place}' to write 'x.tar' into" in done.err
    assert f"mkdir -p {place}" in done.err
    assert not done.ran
    assert not place.parent.exists()
    lamina.build(folder, "-o", f"type=local,dest={place}/files")
    assert (place / "files/Recipe").exists()
    lamina.build(folder, "-o", f"type=oci,tar=false,dest={place}/lay/out")
    assert (place / "lay/out/index.json").exists()
    lamina.build(folder, "-o", f"type=docker,tar=false,dest={place}/dock/er")
    assert (place / "dock/er/manifest.json").exists()
    below = f"type=local,dest={place}/files/Recipe/below"
    assert "is no folder" in lamina.run("build", folder, "-o", below, code=1).err


@pytest.mark.root("skopeo unpacks archives with their owners")
def test_a_layout_takes_several_images_and_annotations(
    lamina: Lamina, tmp_path: Path
) -> None:
    folder = project(tmp_path / "app", "FROM busybox\nRUN echo 1 > /n\n")
    layout = f"type=oci,dest={tmp_path}/layout,tar=false"
    lamina.build(folder, "-o", f"{layout},name=a:1", "--annotation", "title=A")
    blobs = {path: path.stat().st_ino for path in tmp_path.glob("layout/blobs/*/*")}
    (folder / "Recipe").write_text("FROM busybox\nRUN echo 2 > /n\n")
    lamina.build(
        folder,
        *("-o", f'{layout},"name=b:1,b:2",annotation-manifest-descriptor.place=entry'),
    )
    entries = json.loads((tmp_path / "layout/index.json").read_text())["manifests"]
    names = [e["annotations"]["io.containerd.image.name"] for e in entries]
    assert [name.rpartition("/")[2] for name in names] == ["a:1", "b:1", "b:2"]
    assert [e["annotations"].get("place") for e in entries] == [None, "entry", "entry"]
    assert {path: path.stat().st_ino for path in blobs} == blobs
    first = json.loads(call("skopeo", "inspect", "--raw", f"oci:{tmp_path}/layout:1"))
    assert first["annotations"] == {"title": "A"}
    # Said to the store, an annotation is there when the image is saved.
    (folder / "Recipe").write_text("FROM busybox\nRUN echo 3 > /n\n")
    lamina.build(folder, "-t", "c:1", "--annotation", "title=C")
    lamina.run("save", "--format", "oci-archive", "-o", tmp_path / "c.tar", "c:1")
    place = f"oci-archive:{tmp_path}/c.tar"
    saved = json.loads(call("skopeo", "inspect", "--raw", place))
    assert saved["annotations"] == {"title": "C"}


def test_a_folder_is_never_left_through_links(lamina: Lamina, tmp_path: Path) -> None:
    outside, out = tmp_path / "outside", tmp_path / "out"
    outside.mkdir()
    (outside / "kept").write_text("mine")
    out.mkdir()
    (out / "mine").write_text("stays")
    (out / "data").symlink_to(outside)
    (out / "n").symlink_to(outside / "kept")
    links = project(
        tmp_path / "links",
        f"FROM busybox AS b\nRUN mkdir /r && ln -s {outside} /r/abs && "
        "ln -s ../outside /r/up && echo changed > /r/n\n"
        "FROM scratch\nCOPY --from=b /r /\n",
    )
    lamina.run("build", "-o", out, links)
    assert os.readlink(out / "up") == "../outside"
    through = project(
        tmp_path / "through",
        "FROM busybox AS b\nRUN mkdir -p /r/abs /r/up /r/data && "
        "echo evil | tee /r/abs/kept /r/up/kept /r/data/kept\n"
        "FROM scratch\nCOPY --from=b /r /\n",
    )
    lamina.run("build", "-o", out, through)
    assert {p.name: p.read_text() for p in outside.iterdir()} == {"kept": "mine"}
    assert (out / "mine").read_text() == "stays"
    assert (out / "n").read_text() == "changed\n"
    assert (out / "abs/kept").read_text() == "evil\n"


@pytest.mark.root("it mounts a small disk")
def test_what_ends_an_export_leaves_no_half_archive(
    lamina: Lamina, tmp_path: Path
) -> None:
    recipe = "FROM busybox\nRUN head -c 40000000 /dev/urandom > /big\n"
    folder = project(tmp_path / "app", recipe)
    place = tmp_path / "out"
    place.mkdir()
    lamina.build(folder)
    for number in range(3):
        output = f"type=oci,dest={place}/x.tar,compression-level=9"
        process = lamina.start("build", "--progress", "plain", "-o", output, folder)
        wait_for_line(process, "built")
        # Nearer and nearer to the end; a second and more is left.
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.05 + 0.1 * number)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        assert os.listdir(place) == []
    small = ("unshare", "-m", "sh", "-c", SMALL, str(place))
    for output in (f"type=oci,dest={place}/x.tar", f"{place}/x"):
        full = lamina.run("build", "-o", output, folder, code=None, wrapper=small)
        assert full.code == 1
        assert "space" in full.err
    lamina.check()


def test_stdout_that_ends_early_or_is_a_terminal(
    lamina: Lamina, tmp_path: Path
) -> None:
    folder = project(tmp_path / "app", "FROM busybox\nRUN echo > /x\n")
    process = lamina.start("build", "-q", "-o", "type=docker", folder)
    assert process.stdout is not None
    process.stdout.read(10)
    process.stdout.close()
    assert process.wait() == 141
    assert process.stderr is not None
    assert process.stderr.read() == b""
    main, terminal = pty.openpty()
    done = subprocess.run(
        (*("python3", "-m", "lamina"), "build", "-o", "-", str(folder)),
        stdout=terminal,
        stderr=subprocess.PIPE,
        env={**os.environ, "LAMINA_ROOT": str(lamina.store), "PYTHONPATH": PROJECT},
        check=False,
    )
    os.close(terminal)
    os.close(main)
    assert done.returncode == 1
    assert b"Stdout is a terminal" in done.stderr


def test_squash(lamina: Lamina, tmp_path: Path) -> None:
    """One layer instead of several, and the same files; what they are on is shared."""
    folder = project(tmp_path / "app", RECIPE, data__inner__f="x", data__own="y")
    whole = lamina.files(folder, *EPOCH, "-t", "whole")
    base = lamina.inspect("whole")["RootFS"]["Layers"][:2]
    for how, kept in (("--squash", base), ("--squash=all", [])):
        squashed = lamina.files(folder, *EPOCH, "-t", "sq", how)
        layers = lamina.inspect("sq")["RootFS"]["Layers"]
        assert layers[: len(kept)] == kept
        assert len(layers) == len(kept) + 1
        assert _shape(squashed) == _shape(whole)
        assert f"squashed {5 - len(kept)} layers" in lamina.run("layers", "sq").out
        # The base's layers have no history of their own.
        lines = lamina.run("history", "-q", "sq").out.splitlines()
        assert len(lines) == len(kept) + 4
    lamina.check()


def _shape(place: Path) -> list[tuple[object, ...]]:
    return [
        (
            *(str(path.relative_to(place)), found.st_mode, found.st_uid, found.st_gid),
            found.st_size if path.is_file() else 0,
            found.st_nlink if path.is_file() else 0,
        )
        for path in sorted(place.rglob("*"))
        for found in [path.lstat()]
    ]


def test_each_export_tells_its_bytes(lamina: Lamina, tmp_path: Path) -> None:
    folder = project(tmp_path / "app", "FROM busybox\nCOPY f /\n", f="x" * 5000)
    outputs = {
        "local": f"type=local,dest={tmp_path / 'files'}",
        "tar": f"type=tar,dest={tmp_path / 'files.tar'}",
        "oci": f"type=oci,dest={tmp_path / 'layout'},tar=false",
        "docker": f"type=docker,dest={tmp_path / 'image.tar'}",
    }
    flags = [word for given in outputs.values() for word in ("-o", given)]
    lines = lamina.run("build", *flags, folder).err.splitlines()
    for kind in outputs:
        (line,) = [x for x in lines if x.startswith(f"exporting {kind} to ")]
        assert line.endswith("MB done") or line.endswith("kB done"), line
