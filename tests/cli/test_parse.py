"""`lamina parse`: a tree on stdout."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lamina.cli.main import main


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    Path("Dockerfile").write_text("from a as b\nrun x  y\n")


def test_sexpr(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["parse", "--format=sexpr"]) == 0
    assert capsys.readouterr().out == '(from "a" "as" "b")\n(run "x  y")\n'


def test_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["parse", "Dockerfile"]) == 0
    tree = json.loads(capsys.readouterr().out)
    assert tree["name"] == "Dockerfile"
    assert tree["stages"][0]["base"]["name"] == "b"


def test_a_recipe_that_is_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    Path("Dockerfile").write_text("FROM a\nRUNN x\n")
    assert main(["parse"]) == 1
    assert "Dockerfile:2:1" in capsys.readouterr().err
    assert main(["parse", "--format=sexpr"]) == 0


def test_the_grammars_are_kept(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file that is damaged is made anew, and one that cannot be is no trouble."""
    from lamina.cli.parse_cache import ParseCache

    cache = ParseCache(str(tmp_path / "kept"))
    assert cache.get("grammar-1") is None
    for number in range(20):
        cache.put(f"grammar-{number}", b"tables")
    cache.put("recipe-1", b"a recipe")
    assert cache.get("grammar-19") == b"tables"
    assert len(list((tmp_path / "kept").iterdir())) == 8
    Path("file").write_text("")
    ParseCache(str(tmp_path / "file")).put("grammar-1", b"tables")
