"""`lamina copy`: places, as they are written and as they are not."""

from __future__ import annotations

from pathlib import Path

import pytest

from lamina.cli.main import main
from lamina.cli.registries.copy_image import CopyUsage, Place, parse_place


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("docker://debian", Place("docker", "debian")),
        ("docker://h:5000/a/b:1", Place("docker", "h:5000/a/b:1")),
        ("store:app", Place("store", "app")),
        ("store:h:5000/app:1", Place("store", "h:5000/app:1")),
        ("oci:dir", Place("oci", "dir")),
        ("oci:/a/dir:tag", Place("oci", "/a/dir", "tag")),
        ("oci-archive:a.tar", Place("oci-archive", "a.tar")),
        (
            "docker-archive:a.tar:h:5000/app:1",
            Place("docker-archive", "a.tar", "h:5000/app:1"),
        ),
    ],
)
def test_places(text: str, place: Place) -> None:
    assert parse_place(text) == place


@pytest.mark.parametrize(
    "text", ["", "app", "docker:app", "docker:", "oci:", "dir:/x", "https://h/app"]
)
def test_what_is_no_place(text: str) -> None:
    with pytest.raises(CopyUsage):
        parse_place(text)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("store:a", "store:b"), "lamina tag"),
        (("store:a", "oci:layout"), "No such image: a"),
        (("oci:nowhere", "store:a"), "nowhere"),
        (("docker-archive:nowhere", "store:a"), "nowhere"),
        (("--platform", "linux/vax", "store:a", "oci:x"), "No such image: a"),
    ],
)
def test_what_cannot_be_copied(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: tuple[str, ...],
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["--root", str(tmp_path / "store"), "copy", *words]) == 1
    assert said in capsys.readouterr().err
    # Nothing is begun that cannot be ended.
    assert [path.name for path in tmp_path.iterdir() if path.name != "store"] == []
