"""`lamina render`: a template's text, with and without origins."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lamina.cli.main import main

RECIPE = """\
# lamina: var names:list = [a, b]
{% from "m.j2" import hello %}
FROM scratch
{% for name in names %}
{{ hello(name) }}
{% endfor %}
"""
MACRO = "{% macro hello(name) %}\nLABEL {{ name }}=1\n{%- endmacro %}\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "Recipe").write_text(RECIPE)
    (tmp_path / "m.j2").write_text(MACRO)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_text(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["render"]) == 0
    head = RECIPE.partition("\n")[0]
    assert capsys.readouterr().out == f"{head}\nFROM scratch\nLABEL a=1\nLABEL b=1\n"
    (folder / "v.json").write_text('{"names": ["x"]}')
    assert main(["render", "--values", "v.json", "Recipe"]) == 0
    assert capsys.readouterr().out.endswith("FROM scratch\nLABEL x=1\n")
    assert main(["render", "--set", "names=y", "--values", "v.json"]) == 0
    assert capsys.readouterr().out.endswith("FROM scratch\nLABEL y=1\n")


def test_origins(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["render", "--origins", "--set", "names=a"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "Recipe:1                   | # lamina: var names:list = [a, b]",
        "Recipe:3                   | FROM scratch",
        "m.j2:2 < Recipe:5 name='a' | LABEL a=1",
    ]


def test_json(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["render", "--format", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["name"] == "Recipe"
    assert [file["name"] for file in found["files"]] == ["m.j2"]
    assert found["lines"][2] == {
        "text": "LABEL a=1",
        "file": "m.j2",
        "line": 2,
        "column": 1,
        "chain": [
            "in the macro hello, called at Recipe:5",
            "in the loop of line 4: name='a'",
        ],
    }


def test_errors(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["render", "--set", "name=x"]) == 1
    assert "Did you mean names?" in capsys.readouterr().err
    assert main(["render", "nowhere"]) == 1
    assert main(["render", "--values", "nowhere.toml"]) == 1
    assert "The file of values 'nowhere.toml' cannot be read" in capsys.readouterr().err
    assert main(["render", "--values="]) == 1
    assert "The file of values '' cannot be read" in capsys.readouterr().err
    (folder / "m.j2").write_text(MACRO.replace("name }}", "nam }}"))
    assert main(["render"]) == 1
    said = capsys.readouterr().err.splitlines()
    assert said[:2] == ["lamina: Nothing is called 'nam'.", "  at m.j2:2:10"]
    assert "      = in the loop of line 4: name='a'" in said


def test_a_heading_that_means_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("Recipe", "Dockerfile"):
        (tmp_path / name).write_text("# lamina: vra x:int\nFROM scratch\n")
        assert main(["render", str(tmp_path / name)]) == 1
        assert "knows no 'vra'" in capsys.readouterr().err
