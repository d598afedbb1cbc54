"""`lamina check`: what it prints in each format, and its exit code."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from lamina.cli.main import main
from lamina.oci.config import ImageConfig
from lamina.oci.reference import parse_reference
from lamina.oci.store.store import Store

BAD = "FROM a:1 AS Build\nRUN curl \\\n  $HOME | x\nCOPY b c d\nRUM x\n"
WARNED = "FROM a:1 AS Build\n"
NOTED = "FROM debian\n"


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("LAMINA_ROOT", str(tmp_path / "store"))


def check(text: str, *arguments: str) -> int:
    Path("Dockerfile").write_text(text)
    return main(["check", *arguments])


def test_text(capsys: pytest.CaptureFixture[str]) -> None:
    assert check("FROM a:1 AS Build\nENV\n") == 1
    assert capsys.readouterr().out == (
        "Dockerfile:1:10: warning: Stage name 'Build' should be lowercase "
        "(StageNameCasing)\n"
        "    1 | >>> FROM a:1 AS Build\n"
        "                     ^^^^^^^^\n"
        "    2 |     ENV\n"
        "  hint: Write build.\n"
        "  see `lamina check --explain StageNameCasing`\n"
        "\n"
        "Dockerfile:2:1: error: ENV needs an argument.\n"
        "    1 |     FROM a:1 AS Build\n"
        "    2 | >>> ENV\n"
        "            ^^^\n"
        "\n"
        "Dockerfile: 1 error, 1 warning\n"
    )


def test_nothing_is_said_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert check('FROM a:1\nCMD ["x"]\n') == 0
    assert capsys.readouterr() == ("Dockerfile: nothing found\n", "")


@pytest.mark.parametrize(
    ("text", "arguments", "code"),
    [
        (BAD, (), 1),
        (WARNED, (), 0),
        (WARNED, ("--error",), 1),
        (WARNED, ("--error", "--skip", "StageNameCasing"), 0),
        (WARNED, ("--error", "--only", "MaintainerDeprecated,DL3008"), 0),
        (f"# check=error=true\n{WARNED}", (), 1),
        (WARNED, ("--build-arg", "BUILDKIT_DOCKERFILE_CHECK=error=true"), 1),
        (
            f"# check=error=true\n{WARNED}",
            ("--build-arg", "BUILDKIT_DOCKERFILE_CHECK=skip=all"),
            0,
        ),
        (NOTED, ("--error",), 0),
        (NOTED, ("--strict",), 1),
    ],
)
def test_the_exit_code(text: str, arguments: tuple[str, ...], code: int) -> None:
    assert check(text, *arguments) == code


def test_an_unknown_rule(capsys: pytest.CaptureFixture[str]) -> None:
    assert check(WARNED, "--skip", "StageCasing") == 1
    assert "Did you mean StageNameCasing?" in capsys.readouterr().err


def test_all_errors_are_told_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    assert check("FROM a:1\nRUM x\nCOPY b\nUSER $X\nCOPYY c d\n") == 1
    out = capsys.readouterr().out
    places = [line.split(" ")[0] for line in out.splitlines() if "error:" in line]
    assert places == ["Dockerfile:2:1:", "Dockerfile:3:6:", "Dockerfile:5:1:"]
    assert out.endswith("3 errors\n")


def test_what_depends_on_lost_instructions_is_not_told(
    capsys: pytest.CaptureFixture[str],
) -> None:
    check("FROM scratch\nARG =\nUSER $A\n", "--only", "UndefinedVar")
    assert "UndefinedVar" not in capsys.readouterr().out


def test_json_has_buildkits_shape(capsys: pytest.CaptureFixture[str]) -> None:
    assert check(BAD, "--format", "json", "--skip", "ShellCheck") == 1
    found = json.loads(capsys.readouterr().out)
    casing, pipe = found["warnings"]
    assert casing == {
        "ruleName": "StageNameCasing",
        "description": "Stage names should be in lower case",
        "detail": "Stage name 'Build' should be lowercase",
        "location": {
            "sourceIndex": 0,
            "ranges": [
                {
                    "start": {"line": 1, "character": 9},
                    "end": {"line": 1, "character": 17},
                }
            ],
        },
        "level": "warning",
        "hint": "Write build.",
    }
    assert pipe["ruleName"] == "PipeWithoutPipefail"
    assert [error["location"]["ranges"][0]["start"] for error in found["errors"]] == [
        {"line": 4, "character": 9},
        {"line": 5, "character": 0},
    ]
    assert found["buildError"]["message"] == found["errors"][0]["message"]
    (source,) = found["sources"]
    assert (source["filename"], source["language"]) == ("Dockerfile", "Dockerfile")
    assert base64.b64decode(source["data"]).decode() == BAD


def test_sarif(capsys: pytest.CaptureFixture[str]) -> None:
    """The parts of SARIF 2.1.0 that readers rely on; the whole was held against the
    official schema once."""
    assert check(BAD, "--format", "sarif") == 1
    found = json.loads(capsys.readouterr().out)
    assert found["version"] == "2.1.0"
    (run,) = found["runs"]
    rules = run["tool"]["driver"]["rules"]
    assert [rule["id"] for rule in rules] == sorted({rule["id"] for rule in rules})
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        assert result["level"] in ("error", "warning", "note")
        assert result["message"]["text"]
        (location,) = result["locations"]
        place = location["physicalLocation"]
        assert place["artifactLocation"] == {"uri": "Dockerfile"}
        region = place["region"]
        start = region["startLine"], region["startColumn"]
        assert (1, 1) <= start < (region["endLine"], region["endColumn"])
    by_rule = {result["ruleId"]: result for result in run["results"]}
    assert {"StageNameCasing", "Syntax", "SC2086"} <= set(by_rule)
    region = by_rule["SC2086"]["locations"][0]["physicalLocation"]["region"]
    assert region == {"startLine": 3, "startColumn": 3, "endLine": 3, "endColumn": 8}


def test_github(capsys: pytest.CaptureFixture[str]) -> None:
    assert check(f"{NOTED}USER $X%\nRUM x", "--format=github") == 1
    assert capsys.readouterr().out.splitlines() == [
        "::notice file=Dockerfile,line=1,endLine=1,col=6,endColumn=12,"
        "title=UntaggedBase::The base debian has no tag, so each build may get "
        "another one%0AWrite FROM debian:TAG, or debian@sha256:... for the very "
        "same bytes.",
        "::error file=Dockerfile,line=3,endLine=3,col=1,endColumn=4,title=Syntax::"
        "There is no instruction RUM.%0ADid you mean RUN?",
    ]


def test_signs_of_githubs_commands(capsys: pytest.CaptureFixture[str]) -> None:
    Path("a,b:c").write_text("FROM a:1\nEXPOSE 1%:2\n")
    main(["check", "--format", "github", "-f", "a,b:c"])
    out = capsys.readouterr().out
    assert "file=a%2Cb%3Ac," in out
    assert "found '1%25:2'" in out


def test_the_store_and_dockerignore_are_known(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    store = Store.open(str(tmp_path / "store"))
    config = ImageConfig("riscv64", "linux", env=("LANG=C",))
    store.tag(parse_reference("base:1"), store.put_image(config, ()).id)
    store.close()
    Path(".dockerignore").write_text("*.log\n")
    text = "FROM base:1\nENV A=$LANG B=$LNAG\nCOPY a.log /\n"
    rules = "InvalidBaseImagePlatform,UndefinedVar,CopyIgnoredFile"
    assert check(text, "--only", rules, "--format", "github") == 0
    lines = capsys.readouterr().out.splitlines()
    places = [line.split("line=")[1].split(",")[0] for line in lines]
    titles = [line.split("title=")[1].split("::")[0] for line in lines]
    assert list(zip(places, titles, strict=True)) == [
        ("1", "InvalidBaseImagePlatform"),
        ("2", "UndefinedVar"),
        ("3", "CopyIgnoredFile"),
    ]
    check(text, "--only", rules, "--platform", "linux/riscv64")
    assert "InvalidBaseImagePlatform" not in capsys.readouterr().out


def test_a_check_makes_no_store(tmp_path: Path) -> None:
    assert check(NOTED) == 0
    assert not (tmp_path / "store").exists()


def test_the_rules_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--rules"]) == 0
    assert "UnpinnedAptPackage   " in capsys.readouterr().out
    assert main(["check", "--rules", "--format", "json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert {"name", "level", "alias", "what"} == set(rows[0])


def test_places_are_the_templates(capsys: pytest.CaptureFixture[str]) -> None:
    Path("Recipe").write_text(
        "FROM scratch\n{% for n in ['a', 'b'] %}\nUSER ${{ n }}\n{% endfor %}\n"
    )
    assert main(["check", "--only", "UndefinedVar", "--format", "github"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(",")[1] for line in lines] == ["line=3", "line=3"]


@pytest.mark.parametrize("name", ["UntaggedBase", "untaggedbase", "DL3006"])
def test_a_rule_is_explained(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--explain", name]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "UntaggedBase"
    assert lines[2] == "A base without a tag. Note; hadolint's DL3006."
    assert "    FROM debian:12" in lines and not any("`" in line for line in lines)


def test_a_code_of_shellcheck_is_explained(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--explain", "sc2086"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("ShellCheck\n")
    assert out.endswith("About SC2086: https://www.shellcheck.net/wiki/SC2086\n")


def test_what_is_no_rule_is_not_explained(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--explain", "UntagedBase"]) == 1
    assert "Did you mean UntaggedBase?" in capsys.readouterr().err


def test_every_rule_of_sarif_says_why(capsys: pytest.CaptureFixture[str]) -> None:
    check(WARNED, "--format", "sarif")
    (run,) = json.loads(capsys.readouterr().out)["runs"]
    rule = run["tool"]["driver"]["rules"][0]
    assert rule["id"] == "StageNameCasing" and "helpUri" not in rule
    assert rule["fullDescription"]["text"].startswith(
        "Names of stages are found in any"
    )
    assert rule["help"]["markdown"].startswith(
        "**Stage names should be in lower case.**"
    )
    assert "```" not in rule["help"]["text"]


MACRO = """\
{% macro user(name) %}
USER ${{ name }}
{% endmacro %}
FROM scratch
{% for n in ['a', 'b'] %}
{{ user(n) }}
{% endfor %}
"""
CHAIN = ["in the macro user, called at Recipe:6", "in the loop of line 5: n='b'"]


def said_of_macro(style: str, capsys: pytest.CaptureFixture[str]) -> str:
    Path("Recipe").write_text(MACRO)
    assert main(["check", "--only", "UndefinedVar", "--format", style]) == 0
    return capsys.readouterr().out


def test_json_says_how_a_template_came_to_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    found = json.loads(said_of_macro("json", capsys))["warnings"]
    assert [len(warning["chain"]) for warning in found] == [2, 2]
    assert found[1]["chain"] == CHAIN
    Path("Recipe").write_text(
        "FROM scratch\n{% for n in [1] %}\nENV {{ n }}\n{% endfor %}"
    )
    assert main(["check", "--format", "json"]) == 1
    (error,) = json.loads(capsys.readouterr().out)["errors"]
    assert error["chain"] == ["in the loop of line 2: n=1"]


def test_sarif_says_how_a_template_came_to_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    (run,) = json.loads(said_of_macro("sarif", capsys))["runs"]
    related = run["results"][1]["relatedLocations"]
    assert [place["message"]["text"] for place in related] == CHAIN
    regions = [place["physicalLocation"]["region"] for place in related]
    assert [region["startLine"] for region in regions] == [6, 5]
    assert regions[0]["startColumn"] == 1 and regions[0]["endColumn"] == 14


def test_github_says_how_a_template_came_to_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    first, second = said_of_macro("github", capsys).splitlines()
    assert second.endswith("%0A".join(["", *CHAIN]))
    assert first != second
