"""From a recipe's bytes to its nodes, with the files that it includes."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from lamina.builder.inputs.recipe import (
    ABSENT,
    IncludeRefused,
    RecipeInputs,
    ValuesFile,
    files_hold,
    read,
    read_recipe,
    read_source,
)
from lamina.errors import LaminaError
from lamina.lang.source import RecipeError
from lamina.values import replace


def inputs(folder: Path, text: str, *settings: str) -> RecipeInputs:
    return RecipeInputs("Recipe", text.encode(), "", str(folder), settings)


def refused(folder: Path, text: str) -> RecipeError:
    with pytest.raises(RecipeError) as caught:
        read(inputs(folder, text))
    return caught.value


def test_files_beside_the_recipe(tmp_path: Path) -> None:
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts/env.j2").write_bytes(b"ENV A=1\r\n")
    (tmp_path / "link").symlink_to("parts/env.j2")
    given = inputs(
        tmp_path,
        "FROM a\n{% include 'parts/env.j2' %}\n{% include 'link' %}\n"
        "{% include 'none' ignore missing %}\n",
    )
    reading = read(given)
    assert reading.source.text == "FROM a\nENV A=1\nENV A=1\n"
    digest = hashlib.sha256(b"ENV A=1\r\n").hexdigest()
    assert dict(reading.files) == {
        "parts/env.j2": digest,
        "link": digest,
        "none": ABSENT,
    }
    assert files_hold(given, reading.files)
    (tmp_path / "none").touch()
    assert not files_hold(given, reading.files)
    os.unlink(tmp_path / "none")
    (tmp_path / "parts/env.j2").write_text("ENV A=2\n")
    assert not files_hold(given, reading.files)
    os.unlink(tmp_path / "parts/env.j2")
    assert not files_hold(given, reading.files)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("../secret", "it is not below the recipe's folder"),
        ("a/../../secret", "it is not below the recipe's folder"),
        ("{outside}/secret", "it is not below the recipe's folder"),
        ("out", "a link leads out of the recipe's folder"),
        ("absolute", "a link leads out of the recipe's folder"),
        ("up/secret", "a link leads out of the recipe's folder"),
        ("folder", "not a regular file"),
        ("pipe", "not a regular file"),
        ("large", "larger than 1048576 bytes"),
        ("round", "its links lead in a circle"),
        ("", "it is not below the recipe's folder"),
    ],
)
def test_nothing_from_elsewhere(tmp_path: Path, name: str, reason: str) -> None:
    folder = tmp_path / "project"
    (folder / "folder").mkdir(parents=True)
    (tmp_path / "secret").write_text("secret")
    (folder / "out").symlink_to("../secret")
    (folder / "absolute").symlink_to(tmp_path / "secret")
    (folder / "up").symlink_to("..")
    (folder / "round").symlink_to("round")
    os.mkfifo(folder / "pipe")
    (folder / "large").write_bytes(b"#" * ((1 << 20) + 1))
    error = refused(folder, f"{{% include '{name.format(outside=tmp_path)}' %}}")
    assert error.message.endswith(f"cannot be included: {reason}.")
    assert error.place == "Recipe:1:1"


def test_a_recipe_without_a_folder() -> None:
    with pytest.raises(RecipeError, match="a recipe from stdin has no folder"):
        read(RecipeInputs("Recipe", b"{% include 'a' %}"))
    assert not files_hold(RecipeInputs("Recipe", b""), (("a", ABSENT),))
    assert issubclass(IncludeRefused, LaminaError)


def test_what_is_wrong_in_an_included_file(tmp_path: Path) -> None:
    (tmp_path / "bytes").write_bytes(b"\xff")
    error = refused(tmp_path, "{% include 'bytes' %}")
    assert (error.place, error.message) == (
        "bytes:1:1",
        "Byte 0xff is not valid UTF-8.",
    )
    (tmp_path / "env").write_text("{% for n in 'ab' %}\nENV {{ n }}\n{% endfor %}\n")
    with pytest.raises(RecipeError) as caught:
        read_recipe(inputs(tmp_path, "FROM a\n{% include 'env' %}\n"))
    assert caught.value.place.startswith("env:2:")
    assert caught.value.excerpt.splitlines()[-3:] == [
        "      = in the loop of line 1: n='a'",
        "      = included at Recipe:2",
        "      = rendered: ENV a",
    ]


def test_options_win_over_files_and_later_ones_over_earlier(tmp_path: Path) -> None:
    text = "# lamina: var a:str\n# lamina: var b:int = 1\nFROM {{ a }}{{ b }}\n"
    given = replace(
        inputs(tmp_path, text, "a=option"),
        values=(
            ValuesFile("1.toml", b'a = "one"\nb = 2\n'),
            ValuesFile("2.yaml", b"b: 3\n"),
        ),
    )
    assert read_source(given).text.endswith("FROM option3\n")


@pytest.mark.parametrize("setting", ["a", "=", ""])
def test_an_option_without_a_value(tmp_path: Path, setting: str) -> None:
    with pytest.raises(LaminaError):
        read(inputs(tmp_path, "# lamina: var a:str\nFROM a\n", setting))


def test_comments_of_jinja_get_a_hint(tmp_path: Path) -> None:
    with pytest.raises(RecipeError) as caught:
        read_recipe(inputs(tmp_path, "FROM {{ 'a' }}\n{# comment #}\n"))
    assert "{%# ... #%}" in caught.value.hint


def test_only_templates_import_a_template_engine(tmp_path: Path) -> None:
    program = """if True:
        import sys
        from lamina.builder.inputs.recipe import RecipeInputs, read_recipe
        read_recipe(RecipeInputs("Recipe", b"# lamina: template=jinja2\\nFROM a\\n"))
        assert "jinja2" not in sys.modules and "yaml" not in sys.modules
        read_recipe(RecipeInputs("Recipe", b"FROM {{ 'a' }}\\n"))
        assert "jinja2" in sys.modules and "yaml" not in sys.modules
    """
    subprocess.run([sys.executable, "-c", program], check=True)
