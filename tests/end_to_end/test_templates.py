"""Recipes that are templates, built: what makes them build again."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.end_to_end.bases import Lamina, project

RECIPE = """\
# lamina: var names:list = [one, two] "a file for each"
{% from "parts/write.j2" import write %}
{% for name in names %}
FROM busybox AS {{ name }}
{{ write(name) }}
{% endfor %}
FROM scratch
{% for name in names %}
COPY --from={{ name }} /{{ name }} /
{% endfor %}
"""
WRITE = """\
{% macro write(name) %}
RUN echo {{ name | quote }} > /{{ name }}
{% endmacro %}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = project(tmp_path / "app", RECIPE)
    (made / "parts").mkdir()
    (made / "parts/write.j2").write_text(WRITE)
    return made


def test_an_include_that_changed_is_built_again(lamina: Lamina, folder: Path) -> None:
    files = lamina.files(folder)
    assert (files / "one").read_text() == "one\n"
    assert (files / "two").read_text() == "two\n"
    first = lamina.run("build", folder)
    assert first.ran == []
    write = folder / "parts/write.j2"
    write.write_text(WRITE.replace("echo", "echo it is"))
    second = lamina.run("build", folder)
    assert "RUN echo it is one > /one" in second.ran
    assert second.out != first.out
    write.write_text(WRITE)
    assert lamina.run("build", folder).out == first.out
    write.unlink()
    said = lamina.run("build", folder, code=1).err
    assert "There is no file 'parts/write.j2' to include." in said


def test_a_cached_build_imports_no_template_engine(
    lamina: Lamina, folder: Path
) -> None:
    verbose = {"PYTHONVERBOSE": "1"}
    values = folder / "values.yaml"
    values.write_text("names: [one]\n")
    lamina.build(folder, "--values", values)
    said = lamina.run("build", "--values", values, folder, env=verbose).err
    for module in ("jinja2", "yaml", "lark", "lamina.lang.templates.render"):
        assert f"import '{module}'" not in said
    assert "import 'lamina.builder.inputs.recipe'" in said


def test_values_that_changed_are_built_again(lamina: Lamina, folder: Path) -> None:
    assert (lamina.files(folder, "--set", "names=one") / "one").exists()
    values = folder / "values.toml"
    values.write_text('names = ["one"]\n')
    first = lamina.build(folder, "--values", values)
    assert lamina.build(folder, "--values", values) == first
    values.write_text('names = ["three"]\n')
    files = lamina.files(folder, "--values", values)
    assert [path.name for path in files.iterdir()] == ["three"]
    lamina.run("build", "--set", "nmaes=x", folder, code=1)


def test_a_step_that_fails_is_told_in_the_template(
    lamina: Lamina, folder: Path
) -> None:
    write = folder / "parts/write.j2"
    write.write_text(WRITE.replace("echo", "false && echo"))
    said = lamina.run("build", "--set", "names=x", folder, code=1).err
    assert "parts/write.j2:2:1" in said
    assert ">>> RUN false && echo {{ name | quote }} > /{{ name }}" in said
    assert "in the loop of line 3: name='x'" in said
    assert "rendered: RUN false && echo x > /x" in said
