"""`extends` and `include`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.services.compose.projects import loaded, refused, write

if TYPE_CHECKING:
    from pathlib import Path


def test_a_service_extends_another_one_of_its_file(tmp_path: Path) -> None:
    text = """
services:
  web: {extends: base, command: serve, environment: {A: 2}}
  base: {extends: {service: root}, environment: {A: 1, B: 1}}
  root: {image: nginx, command: root, ports: ["80:80"]}
"""
    found = loaded(tmp_path, text).tree["services"]
    web = found["web"]
    assert web["image"] == "nginx"
    assert web["command"] == ["serve"]
    assert web["environment"] == {"A": "2", "B": "1"}
    assert web["ports"][0]["target"] == 80
    assert "extends" not in web
    assert found["root"]["command"] == ["root"]


def test_paths_of_an_extended_service_are_those_of_its_file(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "x/base.yaml": "services: {base: {extends: {file: y/root.yaml, service: r},"
            " volumes: ['./b:/b']}}",
            "x/y/root.yaml": "services: {r: {build: ., env_file: r.env}}",
            "x/y/r.env": "R=1",
        },
    )
    text = "services: {web: {extends: {file: x/base.yaml, service: base}}}"
    web = loaded(tmp_path, text).tree["services"]["web"]
    assert web["build"]["context"] == f"{tmp_path}/x/y"
    assert web["volumes"][0]["source"] == f"{tmp_path}/x/b"
    assert web["environment"] == {"R": "1"}


def test_a_build_without_context_is_of_the_project(tmp_path: Path) -> None:
    write(tmp_path, {"x/base.yaml": "services: {b: {build: {target: t}}}"})
    text = "services: {web: {extends: {file: x/base.yaml, service: b}}}"
    web = loaded(tmp_path, text).tree["services"]["web"]
    assert web["build"] == {"target": "t", "context": str(tmp_path)}


def test_tags_work_on_what_is_extended_and_on_the_files_before(tmp_path: Path) -> None:
    text = """
services:
  web: {extends: base, ports: !reset [], environment: !override {B: 2}}
  base: {image: x, ports: ["80:80"], environment: {A: 1}}
"""
    web = loaded(tmp_path, text).tree["services"]["web"]
    assert "ports" not in web
    assert web["environment"] == {"B": "2"}
    write(tmp_path, {"before.yaml": "services: {web: {ports: ['90:90']}}"})
    files = ("before.yaml", "compose.yaml")
    assert "ports" not in loaded(tmp_path, text, files=files).tree["services"]["web"]


@pytest.mark.parametrize(
    ("text", "said", "place"),
    [
        (
            "services:\n  a: {extends: b}\n  b: {extends: c}\n  c: {extends: b}\n",
            "in a circle: b → c → b",
            "compose.yaml:3:16",
        ),
        ("services: {a: {extends: a}}", "in a circle: a → a", "compose.yaml:1:25"),
        (
            "services: {a: {extends: b}}",
            "no service 'b' to extend",
            "compose.yaml:1:25",
        ),
        (
            "services: {a: {extends: {file: x.yaml, service: b}}}",
            "x.yaml cannot be read: No such file",
            "compose.yaml:1:32",
        ),
        (
            "services: {a: {extends: {file: y.yaml, service: b}}}",
            "no service 'b' in y.yaml to extend",
            "compose.yaml:1:49",
        ),
        (
            "services: {a: {extends: {file: x}}}",
            "has no `service`",
            "compose.yaml:1:25",
        ),
    ],
)
def test_what_cannot_be_extended(
    tmp_path: Path, text: str, said: str, place: str
) -> None:
    write(tmp_path, {"y.yaml": "services: {a: {image: x}}"})
    error = refused(tmp_path, text)
    assert said in error.message
    assert error.place == place


def test_files_that_extend_each_other(tmp_path: Path) -> None:
    write(tmp_path, {"b.yaml": "services: {b: {extends: {file: c.yaml, service: c}}}"})
    write(tmp_path, {"c.yaml": "services: {c: {extends: {file: b.yaml, service: b}}}"})
    text = "services: {a: {extends: {file: b.yaml, service: b}}}"
    assert "in a circle: b → c → b" in refused(tmp_path, text).message


def test_an_error_in_another_file_is_told_there(tmp_path: Path) -> None:
    write(tmp_path, {"b.yaml": "services:\n  b:\n    imag: x\n"})
    text = "services: {a: {extends: {file: b.yaml, service: b}}}"
    error = refused(tmp_path, text)
    assert (error.place, error.hint) == ("b.yaml:3:5", "Did you mean image?")


# Including


def test_an_included_file_is_a_project_of_its_own(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "db/compose.yaml": "services: {db: {image: 'db:$TAG', build: .,"
            " environment: [TAG]}}\nvolumes: {data: }\nname: other",
            "db/.env": "TAG=5\nOUTER=db",
        },
    )
    web = "{image: 'x$TAG', depends_on: [db]}"
    text = f"include: [db/compose.yaml]\nservices: {{web: {web}}}"
    found = loaded(tmp_path, text)
    db = found.tree["services"]["db"]
    assert (found.name, db["image"]) == ("app", "db:5")
    assert db["build"]["context"] == f"{tmp_path}/db"
    assert db["environment"] == {"TAG": "5"}
    assert found.tree["services"]["web"]["image"] == "x"
    assert found.tree["volumes"]["data"]["name"] == "app_data"
    assert "include" not in found.tree
    outer = loaded(tmp_path, text, environment={"TAG": "6"})
    assert outer.tree["services"]["db"]["image"] == "db:6"


def test_the_long_form(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "x/a.yaml": "services: {a: {build: ., image: '$V'}}",
            "x/b.yaml": "services: {a: {command: b}}",
            "v.env": "V=v",
        },
    )
    text = """
include:
  - path: [x/a.yaml, x/b.yaml]
    project_directory: other
    env_file: v.env
services: {web: {image: x}}
"""
    a = loaded(tmp_path, text).tree["services"]["a"]
    assert a["build"]["context"] == f"{tmp_path}/other"
    assert (a["image"], a["command"]) == ("v", ["b"])


def test_one_file_included_twice_is_there_once(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "a.yaml": "include: [c.yaml]\nservices: {a: {image: x}}",
            "b.yaml": "include: [c.yaml]\nservices: {b: {image: x}}",
            "c.yaml": "services: {c: {image: x, ports: ['80:80']}}",
        },
    )
    found = loaded(tmp_path, "include: [a.yaml, b.yaml]").tree["services"]
    assert sorted(found) == ["a", "b", "c"]
    assert len(found["c"]["ports"]) == 1


def test_what_an_included_file_has_is_not_written_again(tmp_path: Path) -> None:
    write(tmp_path, {"a.yaml": "services: {a: {image: x, hostname: h}}"})
    error = refused(tmp_path, "include: [a.yaml]\nservices: {a: {image: y}}")
    assert "`services.a` is in an included file too, and differs" in error.message
    assert "compose.override.yaml" in error.hint
    write(tmp_path, {"compose.override.yaml": "services: {a: {image: z}}"})
    a = loaded(tmp_path, "include: [a.yaml]").tree["services"]["a"]
    assert (a["image"], a["hostname"]) == ("z", "h")


def test_a_tag_says_that_the_difference_is_meant(tmp_path: Path) -> None:
    write(tmp_path, {"a.yaml": "services: {a: {image: x, environment: {A: 1}}}"})
    text = "include: [a.yaml]\nservices: {a: {environment: !override {B: 2}}}"
    a = loaded(tmp_path, text).tree["services"]["a"]
    assert (a["image"], a["environment"]) == ("x", {"B": "2"})


@pytest.mark.parametrize(
    ("text", "said", "place"),
    [
        (
            "include: [compose.yaml]",
            "circle: compose.yaml → compose.yaml",
            "compose.yaml:1:11",
        ),
        ("include: [loop.yaml]", "circle: loop.yaml → loop.yaml", "loop.yaml:1:11"),
        ("include: [none.yaml]", "none.yaml cannot be read", "compose.yaml:1:11"),
        (
            "include: [{path: ok.yaml, env_file: no.env}]",
            "no.env cannot be read",
            "compose.yaml:1:11",
        ),
        ("include: [{env_file: no.env}]", "has no `path`", "compose.yaml:1:11"),
        ("include: [{path: []}]", "at least one file", "compose.yaml:1:11"),
        ("include: ok.yaml", "has to be a list", "compose.yaml:1:10"),
        ("include: [oci://x/y]", "only files of this machine", "compose.yaml:1:11"),
        ("include: [sub/x.yaml]", "`NAME=value`", "sub/.env:1:1"),
    ],
)
def test_what_cannot_be_included(
    tmp_path: Path, text: str, said: str, place: str
) -> None:
    write(tmp_path, {"loop.yaml": "include: [loop.yaml]", "ok.yaml": "x-a: 1"})
    write(tmp_path, {"sub/.env": "a b c"})
    error = refused(tmp_path, text)
    assert said in error.message
    assert error.place == place


def test_files_that_include_more_and_more(tmp_path: Path) -> None:
    for level in range(12):
        inner = f"include: [{level + 1}a.yaml, {level + 1}b.yaml]"
        write(tmp_path, {f"{level}{side}.yaml": inner for side in "ab"})
    write(tmp_path, {"12a.yaml": "", "12b.yaml": ""})
    error = refused(tmp_path, "include: [0a.yaml]")
    assert "More than 500 files are included" in error.message
