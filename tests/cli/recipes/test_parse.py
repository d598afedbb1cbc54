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
    from lamina.cli.recipes.parse_cache import MOST_FILES, ParseCache

    kept = tmp_path / "kept"
    cache = ParseCache(str(kept))
    assert cache.get("grammar-1") is None
    for number in range(20):
        cache.put(f"grammar-{number}", b"tables")
    cache.put("recipe-1", b"a recipe")
    assert (cache.get("grammar-19"), cache.get("recipe-1")) == (b"tables", b"a recipe")
    assert len(list(kept.iterdir())) == MOST_FILES["grammar"] + 1
    for number in range(MOST_FILES["recipe"] + 5):
        cache.put(f"recipe-{number}", b"another")
    assert len(list(kept.glob("recipe-*"))) == MOST_FILES["recipe"]
    assert cache.get("grammar-19") == b"tables"
    assert {file.stat().st_mode & 0o777 for file in kept.iterdir()} == {0o600}
    ParseCache(str(kept), ("grammar",)).put("recipe-new", b"of an editor")
    assert cache.get("recipe-new") is None
    Path("file").write_text("")
    ParseCache(str(tmp_path / "file")).put("grammar-1", b"tables")
