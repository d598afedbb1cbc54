"""Which files a project is made of, its folder, variables and name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from lamina.services.compose.asked import Asked, Loaded
from lamina.services.compose.load import load
from lamina.services.errors import ComposeError
from lamina.values import replace
from tests.services.compose.projects import refused, write

if TYPE_CHECKING:
    from pathlib import Path

ONE = "services: {web: {image: '${TAG:-one}'}}\n"
TWO = "services: {web: {image: two}, more: {image: two}}\n"


def find(cwd: Path, **asked: Any) -> Loaded:
    return load(replace(Asked(str(cwd), {}), **asked))


def error(cwd: Path, **asked: Any) -> ComposeError:
    with pytest.raises(ComposeError) as caught:
        find(cwd, **asked)
    return caught.value


def test_files_are_looked_for_upwards_and_the_override_beside_them(
    tmp_path: Path,
) -> None:
    write(
        tmp_path,
        {"a/compose.yaml": ONE, "a/compose.override.yml": TWO, "a/b/c/x": ""},
    )
    found = find(tmp_path / "a/b/c")
    assert found.files == (
        f"{tmp_path}/a/compose.yaml",
        f"{tmp_path}/a/compose.override.yml",
    )
    assert (found.folder, found.name) == (f"{tmp_path}/a", "a")
    assert found.tree["services"]["web"]["image"] == "two"


@pytest.mark.parametrize(
    "name",
    ["compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml"],
)
def test_all_of_docker_s_names(tmp_path: Path, name: str) -> None:
    write(tmp_path, {name: ONE})
    assert find(tmp_path).files == (f"{tmp_path}/{name}",)


def test_of_several_the_first_is_used_and_that_is_told(tmp_path: Path) -> None:
    write(tmp_path, {"compose.yaml": ONE, "docker-compose.yml": TWO})
    found = find(tmp_path)
    assert found.files == (f"{tmp_path}/compose.yaml",)
    (warning,) = found.warnings
    assert "compose.yaml, docker-compose.yml" in warning


def test_named_files_come_without_the_override(tmp_path: Path) -> None:
    write(
        tmp_path,
        {"x/one.yaml": ONE, "two.yaml": TWO, "x/compose.override.yaml": "no: 1"},
    )
    found = find(tmp_path, files=("x/one.yaml", "two.yaml"))
    assert found.files == (f"{tmp_path}/x/one.yaml", f"{tmp_path}/two.yaml")
    assert found.folder == f"{tmp_path}/x"


def test_the_standard_input_is_a_file_of_the_current_folder(tmp_path: Path) -> None:
    asked = Asked(str(tmp_path), {}, files=("-",), name="x")
    found = load(asked, lambda most: b"services: {web: {build: .}}")
    assert found.files == ("-",)
    assert found.tree["services"]["web"]["build"]["context"] == str(tmp_path)
    with pytest.raises(ComposeError) as caught:
        load(asked, lambda most: b"services: {web: 1}")
    assert caught.value.place == "-:1:17"


def test_the_environment_names_files(tmp_path: Path) -> None:
    write(tmp_path, {"a.yaml": ONE, "b.yaml": TWO})
    files = (f"{tmp_path}/a.yaml", f"{tmp_path}/b.yaml")
    assert find(tmp_path, environment={"COMPOSE_FILE": "a.yaml:b.yaml"}).files == files
    environment = {"COMPOSE_FILE": "a.yaml,b.yaml", "COMPOSE_PATH_SEPARATOR": ","}
    assert find(tmp_path, environment=environment).files == files
    assert find(tmp_path, files=("a.yaml",), environment=environment).files == files[:1]


def test_dotenv_may_name_them_too(tmp_path: Path) -> None:
    write(tmp_path, {".env": "COMPOSE_FILE=x/a.yaml", "x/a.yaml": ONE})
    write(tmp_path, {"x/.env": "TAG=of-x"})
    found = find(tmp_path)
    assert found.folder == f"{tmp_path}/x"
    assert found.tree["services"]["web"]["image"] == "of-x"


def test_variables_are_the_environment_s_before_the_files(tmp_path: Path) -> None:
    write(tmp_path, {"compose.yaml": ONE, ".env": "TAG=dotenv", "b": "TAG=b"})
    write(tmp_path, {"a": "TAG=a\nA=1"})

    def image(**asked: Any) -> str:
        return str(find(tmp_path, **asked).tree["services"]["web"]["image"])

    assert image() == "dotenv"
    assert image(environment={"TAG": "outer"}) == "outer"
    assert image(env_files=("a",)) == "a"
    assert image(env_files=("a", "b")) == "b"
    assert image(environment={"COMPOSE_ENV_FILES": "b,a"}) == "a"
    assert image(environment={"COMPOSE_DISABLE_ENV_FILE": "1"}) == "one"
    assert "no file of variables" in error(tmp_path, env_files=("c",)).message


def test_the_folder_may_be_another_one(tmp_path: Path) -> None:
    write(tmp_path, {"x/compose.yaml": "services: {web: {build: ./y}}"})
    found = find(tmp_path, folder="x")
    assert found.tree["services"]["web"]["build"]["context"] == f"{tmp_path}/x/y"
    found = find(tmp_path, files=("x/compose.yaml",), folder=".")
    assert found.tree["services"]["web"]["build"]["context"] == f"{tmp_path}/y"


def test_nothing_there(tmp_path: Path) -> None:
    assert "compose.yaml" in error(tmp_path).hint
    assert "no compose file x.yaml" in error(tmp_path, files=("x.yaml",)).message
    assert "once" in error(tmp_path, files=("-", "-")).message


def test_the_name_is_what_was_said_last(tmp_path: Path) -> None:
    folder = tmp_path / "_My Folder.2"
    write(folder, {"compose.yaml": ONE})
    assert find(folder).name == "myfolder2"
    write(folder, {"compose.yaml": "name: written-${X}\n" + ONE, ".env": "X=5"})
    assert find(folder).name == "written-5"
    environment = {"COMPOSE_PROJECT_NAME": "outer"}
    assert find(folder, environment=environment).name == "outer"
    assert find(folder, environment=environment, name="asked").name == "asked"


def test_the_last_file_s_name_counts_and_can_be_used(tmp_path: Path) -> None:
    write(tmp_path, {"a.yaml": "name: a\nx-a: $COMPOSE_PROJECT_NAME\n" + ONE})
    write(tmp_path, {"b.yaml": "name: b"})
    found = find(tmp_path, files=("a.yaml", "b.yaml"))
    assert (found.name, found.tree["name"], found.tree["x-a"]) == ("b", "b", "b")


def test_names_that_no_project_can_have(tmp_path: Path) -> None:
    assert "Perhaps: web" in refused(tmp_path, ONE, name="Web").hint
    wrong = refused(tmp_path, "name: -x\n" + ONE, name="")
    assert (wrong.message, wrong.place) == (
        "A project cannot be called '-x'.",
        "compose.yaml:1:7",
    )
    folder = tmp_path / "___"
    write(folder, {"compose.yaml": ONE})
    assert "no name" in error(folder).message


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "compose.yaml").mkdir()
    assert "no compose file" in error(tmp_path).message
    assert "no compose file" in error(tmp_path, files=("compose.yaml",)).message


def test_profiles_come_from_both(tmp_path: Path) -> None:
    write(tmp_path, {"compose.yaml": ONE, ".env": "COMPOSE_PROFILES=b, c,"})
    assert find(tmp_path, profiles=("a", "b")).profiles == ("a", "b", "c")
