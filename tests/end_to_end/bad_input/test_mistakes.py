"""Recipes, bases and sources with mistakes: a clear sentence, the right exit code."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.end_to_end.bad_input.refusals import refused
from tests.end_to_end.bases import (
    Lamina,
    project,
)

# Recipes


# A variable that holds itself ten times.
TEN = "$a" * 10


@pytest.mark.parametrize(
    ("recipe", "place", "words"),
    [
        ("", "1:1", ("empty", "hint: Start with")),
        ("RUN x\n", "1:1", ("before the first FROM",)),
        ("FROM busybox\nRUNN x\n", "2:1", ("no instruction RUNN", "Did you mean RUN")),
        ("FROM busybox\nRUN --mont=x true\n", "2:5", ("no flag --mont", "--mount")),
        ('FROM busybox\nENV A="x\n', "2:7", ("never closed",)),
        ("FROM busybox\nCOPY one\n", "2:", ("COPY",)),
        ("FROM busybox\nRUN <<EOF\nx\n", "2:", ("EOF",)),
        ("FROM busybox\nEXPOSE ninety\n", "2:", ("ninety",)),
        ("FROM busybox\nRUN --mount=type=cahce true\n", "2:", ("cahce",)),
        ("FROM busybox\nCOPY --chmod=9 Recipe /\n", "2:", ("9",)),
        ("FROM busybox\nCOPY --chown=who Recipe /\n", "2:", ("no user 'who'",)),
        ("FROM busybox\nUSER who\nRUN true\n", "3:", ("no user 'who'", "hint:")),
        ("FROM busybox\nENV A=${B?is needed}\n", "2:", ("needed",)),
        ("FROM busybox\nEXPOSE here:80\n", "2:8", ("'here' is no port of a host",)),
        ("FROM --platform=$NOPE busybox\n", "1:17", ("--platform=$NOPE is empty",)),
        ("FROM busybox\nENV $NOPE=1\n", "2:5", ("name is empty",)),
        ("FROM b AS a\nFROM a AS b\n", "1:6", ("Stage b comes after",)),
        (f"FROM busybox\nENV a={'a' * 20}\n" + f"ENV a={TEN}\n" * 5, "7:", ("1 MiB",)),
    ],
)
def test_a_recipe_with_a_mistake(
    lamina: Lamina, tmp_path: Path, recipe: str, place: str, words: tuple[str, ...]
) -> None:
    said = refused(lamina, project(tmp_path / "app", recipe))
    assert f"at app/Recipe:{place}" in said
    assert all(word in said for word in words), said


def test_a_recipe_that_is_no_text(lamina: Lamina, tmp_path: Path) -> None:
    folder = tmp_path / "app"
    folder.mkdir()
    (folder / "Recipe").write_bytes(b"FROM busybox\nRUN \xff\xfe\0\n")
    assert "Recipe" in refused(lamina, folder)


def test_unknown_stages(lamina: Lamina, tmp_path: Path) -> None:
    folder = project(tmp_path / "app", "FROM busybox AS tools\nRUN echo > /x\n")
    said = refused(lamina, folder, "--target", "tool")
    assert "'tool'" in said and "tools" in said
    folder = project(tmp_path / "app", "FROM busybox\nCOPY --from=nowhere /x /y\n")
    said = refused(lamina, folder)
    assert "'nowhere'" in said and "app/Recipe:2:1" in said


def test_unknown_commands_flags_and_values(lamina: Lamina, tmp_path: Path) -> None:
    folder = project(tmp_path / "app", "FROM busybox\n")
    assert "`lamina build`" in lamina.run("buidl", code=2).err
    assert "--nope" in lamina.run("build", "--nope", folder, code=2).err
    assert "PATH" in lamina.run("build", code=2).err
    assert "'x'" in lamina.run("build", "--jobs", "x", folder, code=2).err
    assert "is not a folder" in refused(lamina, tmp_path / "nowhere")
    assert "'nope' cannot be read" in refused(lamina, folder, "-f", "nope")
    assert "names no image" in refused(lamina, folder, "-t", "Bad Name")
    assert "type=oci" in refused(lamina, folder, "-o", "type=rar,dest=x")
    assert "seconds" in refused(lamina, folder, "--source-date-epoch", "today")
    assert "no file" in refused(lamina, folder, "--secret", "id=a,src=nowhere")


def test_a_folder_without_a_recipe(lamina: Lamina, tmp_path: Path) -> None:
    (tmp_path / "app").mkdir()
    said = refused(lamina, tmp_path / "app")
    assert "no recipe" in said and "Recipe, Dockerfile, Containerfile" in said


# Bases


@pytest.mark.parametrize(
    ("base", "words"),
    [
        ("nowhere:1", ("'nowhere:1' is neither a stage above nor", "lamina load")),
        ("debian:bookworm", ("lamina load", "FROM bootstrap:debian/bookworm")),
        ("Bad:Name:1", ("Bad:Name:1",)),
        ("oci-layout:nowhere", ("'nowhere'",)),
        ("docker-archive:nowhere.tar", ("'nowhere.tar'",)),
        ("bootstrap:plan9/fourth", ("plan9/fourth", "bootstrap:debian/bookworm")),
        ("--variant=tiny bootstrap:debian/bookworm", ("tiny", "minbase")),
    ],
)
def test_a_base_that_does_not_exist(
    lamina: Lamina, tmp_path: Path, base: str, words: tuple[str, ...]
) -> None:
    said = refused(lamina, project(tmp_path / "app", f"FROM {base}\n"))
    assert "at app/Recipe:1:" in said
    assert all(word in said for word in words), said


# COPY


@pytest.mark.parametrize(
    ("instruction", "words"),
    [
        ("COPY mising /", ("mising is not in the build context", "missing")),
        ("COPY ../secret /", ("../secret is outside", "a folder above")),
        ("COPY out /", ("link to", "not in the build context")),
        ("COPY folder-out/secret /", ("not in the build context",)),
        ("COPY ignored /", ("ignored", ".dockerignore")),
        ("COPY missing /etc/motd/", ("/etc/motd",)),
        ("ADD mising /", ("mising is not in the build context",)),
        ("COPY --from=busybox /nowhere /x", ("nowhere",)),
        ("RUN --mount=type=bind,source=mising,target=/x true", ("mising",)),
    ],
)
def test_a_source_that_cannot_be_had(
    lamina: Lamina, tmp_path: Path, instruction: str, words: tuple[str, ...]
) -> None:
    (tmp_path / "secret").write_text("hush")
    folder = project(
        tmp_path / "app", f"FROM busybox\n{instruction}\n", missing="m", ignored="i"
    )
    (folder / ".dockerignore").write_text("ignored\n")
    (folder / "out").symlink_to("../secret")
    (folder / "folder-out").symlink_to("..")
    said = refused(lamina, folder)
    assert "at app/Recipe:2:" in said
    assert all(word in said for word in words), said


def test_a_link_in_a_root_leads_nowhere_else(lamina: Lamina, tmp_path: Path) -> None:
    """COPY through a link that a step made stays inside the image (CVE-2024-23651)."""
    folder = project(
        tmp_path / "app",
        f"FROM busybox\nRUN ln -s {tmp_path} /way && ln -s /proc/self/root /self\n"
        "COPY Recipe /way/in\nCOPY Recipe /self/there\n"
        f"RUN test -f {tmp_path}/in\n",
    )
    lamina.build(folder)
    assert not (tmp_path / "in").exists()
