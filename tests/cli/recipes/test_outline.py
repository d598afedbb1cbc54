"""`lamina outline`: its tables, and BuildKit's JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lamina.cli.main import main

RECIPE = """\
# lamina: var python:str = "3.12" "the version of Python"
# base for all of them
FROM debian AS base
# MODE debug or release
ARG MODE=release
RUN --mount=type=secret,id=token,required=true --mount=type=ssh \\
    --mount=type=cache,target=/c x

FROM base
COPY --from=base a b
"""


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    Path("Recipe").write_text(RECIPE)


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(["outline", *arguments]) == 0
    return capsys.readouterr().out


def tree(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    return json.loads(said(capsys, "--format=json", *arguments))


def at(line: int, end: int = 0) -> dict[str, Any]:
    return {"ranges": [{"start": {"line": line}, "end": {"line": end or line}}]}


def test_text(capsys: pytest.CaptureFixture[str]) -> None:
    assert said(capsys).splitlines() == [
        "TARGET:      stage-1",
        "",
        "STAGE              BASE      NEEDS     DESCRIPTION       WHERE",
        "base               debian              for all of them   Recipe:3:1",
        "stage-1 (target)   base      base                        Recipe:9:1",
        "",
        "VARIABLE   TYPE      DEFAULT   DESCRIPTION             WHERE",
        "python     str       3.12      the version of Python   Recipe:1:15",
        "",
        "BUILD ARG   VALUE     DESCRIPTION        WHERE",
        "MODE        release   debug or release   Recipe:5:1",
        "",
        "SECRET    REQUIRED   WHERE",
        "token     yes        Recipe:6:13",
        "",
        "SSH       WHERE",
        "default   Recipe:6:56",
        "",
        "CACHE MOUNT   WHERE",
        "/c            Recipe:7:13",
    ]


def test_json_is_that_of_buildkit_and_more(
    capsys: pytest.CaptureFixture[str],
) -> None:
    found = tree(capsys, "--target=base", "--build-arg=MODE=debug")
    assert {key: found[key] for key in ("name", "description")} == {
        "name": "base",
        "description": "for all of them",
    }
    assert found["args"] == [
        {
            "name": "MODE",
            "description": "debug or release",
            "value": "debug",
            "location": at(5),
        }
    ]
    assert found["secrets"] == [{"name": "token", "required": True, "location": at(6)}]
    assert found["ssh"] == [{"name": "default", "location": at(6)}]
    assert found["cache"] == [{"ID": "/c", "location": at(7)}]
    assert found["variables"] == [
        {
            "name": "python",
            "description": "the version of Python",
            "type": "str",
            "default": "3.12",
            "location": at(1),
        }
    ]
    assert [stage["index"] for stage in found["stages"]] == [0, 1]


def test_targets(capsys: pytest.CaptureFixture[str]) -> None:
    assert tree(capsys, "--targets") == {
        "targets": [
            {
                "name": "base",
                "description": "for all of them",
                "base": "debian",
                "location": at(3),
            },
            {"default": True, "base": "base", "location": at(9)},
        ]
    }
    assert said(capsys, "--targets").splitlines()[0].startswith("STAGE")


def test_a_target_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["outline", "--target=bass"]) == 1
    assert "Did you mean base?" in capsys.readouterr().err


def test_a_long_value_does_not_push_the_table_apart(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = f"ARG LONG={'x' * 2_000}\nFROM scratch AS s\nARG LONG\n"
    recipe = tmp_path / "long.Dockerfile"
    recipe.write_text(text)
    assert main(["outline", str(recipe)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) < 300
    assert any(line.startswith("LONG") and "xxx..." in line for line in lines)
    assert main(["outline", "--format", "json", str(recipe)]) == 0
    assert "x" * 2_000 in capsys.readouterr().out
