"""docs/templates.md: its example gives what the page says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lamina.cli.main import main

PAGE = (Path(__file__).parents[2] / "docs/templates.md").read_text()
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
SHOWN = [text for _, text in BLOCKS]


@pytest.fixture(autouse=True)
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe, install, labels = (text for kind, text in BLOCKS if kind == "jinja")
    (tmp_path / "Recipe").write_text(recipe)
    (tmp_path / "apt").mkdir()
    (tmp_path / "apt/install.j2").write_text(install)
    (tmp_path / "labels.j2").write_text(labels)
    (tmp_path / "ci.toml").write_text('pythons = ["3.13"]\nextras = ["g++"]\n')
    monkeypatch.chdir(tmp_path)


def test_what_comes_out(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["render"]) == 0
    assert capsys.readouterr().out in SHOWN
    options = "--origins --values ci.toml --set flavor=full"
    assert f"`lamina render {options}`" in PAGE
    assert main(["render", *options.split()]) == 0
    assert capsys.readouterr().out in SHOWN


def test_the_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    install = tmp_path / "apt/install.j2"
    install.write_text(install.read_text().replace("cache,target", "cache,traget"))
    assert main(["parse"]) == 1
    assert capsys.readouterr().err in SHOWN


def test_the_filters() -> None:
    from jinja2.filters import FILTERS

    from lamina.lang.templates.budget import Budget
    from lamina.lang.templates.filters import Filters

    named = re.search(r"- Filters: `(.*?)`", PAGE, re.DOTALL)
    assert named is not None
    found = set(Filters(Budget()).table(FILTERS)) - {"d"}
    assert set(named[1].split()) == found
