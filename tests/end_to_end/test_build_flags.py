"""Flags of `lamina build`: targets, progress, where the recipe is, outputs."""

from __future__ import annotations

import io
import re
import tarfile
from pathlib import Path

from tests.end_to_end.bases import Lamina, build, project


def test_target_builds_one_stage(lamina: Lamina, tmp_path: Path) -> None:
    folder = project(
        tmp_path / "app",
        "FROM busybox AS one\nRUN echo > /one\nFROM busybox AS two\nRUN false\n",
    )
    done = build(lamina, folder, "--target", "one")
    assert done.ran == ["RUN echo > /one"]
    assert build(lamina, folder, "--target", "0").ran == []


def test_the_image_id_is_all_of_stdout(lamina: Lamina, tmp_path: Path) -> None:
    folder = project(tmp_path / "app", "FROM busybox\nRUN echo noise\n")
    done = build(lamina, folder, "--iidfile", tmp_path / "iid", "-t", "a", "-t", "b:2")
    assert re.fullmatch(r"sha256:[0-9a-f]{64}\n", done.out)
    assert (tmp_path / "iid").read_text() == done.out.strip()
    assert re.search(r"^#\d+ \d+\.\d{3} noise$", done.err, re.M)
    quiet = build(lamina, folder, "-q", "--no-cache")
    assert re.fullmatch(r"sha256:[0-9a-f]{64}\n", quiet.out)
    assert quiet.err == ""
    names = lamina.inspect(done.out.strip())["RepoTags"]
    assert names == ["a:latest", "b:2"]


def test_progress_in_a_pipe_has_no_control_codes(
    lamina: Lamina, tmp_path: Path
) -> None:
    folder = project(
        tmp_path / "app",
        "FROM busybox\nRUN printf 'a\\033[31mred\\033[0m\\rb\\nwithout end'\n",
    )
    done = build(lamina, folder)
    assert "\x1b" not in done.err and "\r" not in done.err
    assert "without end" in done.err


def test_a_recipe_on_stdin(lamina: Lamina, tmp_path: Path) -> None:
    folder = project(tmp_path / "app", "FROM scratch\n", file="f\n")
    recipe = "FROM busybox\nCOPY file /file\n"
    image = lamina.run("build", "-f", "-", folder, given=recipe).out.strip()
    assert lamina.run("run", "--rm", image, "cat", "/file").out == "f\n"
    alone = lamina.run("build", "-", given="FROM busybox\nRUN echo a > /a\n")
    assert re.fullmatch(r"sha256:[0-9a-f]{64}\n", alone.out)


def test_where_the_recipe_is_looked_for(lamina: Lamina, tmp_path: Path) -> None:
    folder = tmp_path / "app"
    folder.mkdir()
    for name in ("Containerfile", "Dockerfile", "Recipe"):
        (folder / name).write_text(f"FROM busybox\nLABEL from={name}\n")
        labels = lamina.config(lamina.build(folder))["Labels"]
        assert labels == {"from": name}
    (folder / "other").write_text("FROM busybox\nLABEL from=other\n")
    given = lamina.build(Path("app"), "-f", "app/other")
    assert lamina.config(given)["Labels"] == {"from": "other"}


def test_outputs(lamina: Lamina, tmp_path: Path) -> None:
    folder = project(tmp_path / "app", "FROM busybox\nRUN echo out > /out\n")
    image = lamina.build(
        folder,
        *("-t", "out", "-o", "type=oci,dest=oci.tar"),
        *("-o", "type=docker,dest=docker.tar", "-o", "type=tar,dest=files.tar"),
        *("-o", "type=local,dest=files"),
    )
    assert (tmp_path / "files/out").read_text() == "out\n"
    with tarfile.open(tmp_path / "files.tar") as tar:
        found = tar.extractfile("out")
        assert found is not None and found.read() == b"out\n"
    for archive in ("oci.tar", "docker.tar"):
        other = Lamina(tmp_path, tmp_path / archive.partition(".")[0])
        other.run("load", "-i", archive)
        assert other.inspect("out")["Id"] == image
        assert other.left_behind() == []
    # To stdout nothing else goes.
    process = lamina.start("build", "-o", "-", folder)
    out, _ = process.communicate()
    assert process.returncode == 0
    with tarfile.open(fileobj=io.BytesIO(out)) as tar:
        assert "out" in [name.removeprefix("./") for name in tar.getnames()]
