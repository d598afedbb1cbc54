"""A service's `build` as flags of `lamina build`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lamina.cli.main import parsed
from lamina.cli.services.building import flags_of
from tests.services.projects import project


def _flags(tmp_path: Path, more: Any = None, **build: Any) -> list[str]:
    tree = {
        "services": {
            "web": {"build": {"context": str(tmp_path), **build}, **(more or {})}
        },
        "secrets": {"key": {"file": "/src/key"}, "token": {"environment": "TOKEN"}},
    }
    made = project(tree)
    with flags_of(made, made.services[0]) as found:
        # They are such as the command takes.
        parsed(["build", *found])
        return found


def test_the_context_and_the_name(tmp_path: Path) -> None:
    assert _flags(tmp_path) == ["--tag", "app-web", str(tmp_path)]


@pytest.mark.parametrize(
    ("build", "expected"),
    [
        ({"target": "dev"}, ["--target=dev"]),
        ({"args": {"A": "1", "B": None}}, ["--build-arg=A=1", "--build-arg=B"]),
        ({"labels": {"a": "b"}}, ["--label=a=b"]),
        ({"tags": ["x:1"]}, ["--tag=x:1"]),
        ({"no_cache": True, "pull": True}, ["--no-cache", "--pull"]),
        (
            {"network": "host", "shm_size": "1024"},
            ["--network=host", "--shm-size=1024"],
        ),
        ({"secrets": [{"source": "key"}]}, ["--secret=id=key,src=/src/key"]),
        (
            {"secrets": [{"source": "token", "target": "t"}]},
            ["--secret=id=t,env=TOKEN"],
        ),
        ({"extra_hosts": ["a=10.0.0.1"]}, ["--add-host=a:10.0.0.1"]),
        ({"ulimits": {"nofile": 9}}, ["--ulimit=nofile=9:9"]),
        ({"additional_contexts": {"lib": "/lib"}}, ["--build-context=lib=/lib"]),
        ({"platforms": ["linux/amd64"]}, ["--platform=linux/amd64"]),
    ],
)
def test_a_key(tmp_path: Path, build: dict[str, Any], expected: list[str]) -> None:
    assert _flags(tmp_path, **build)[2:-1] == expected


def test_the_platform_of_the_service(tmp_path: Path) -> None:
    found = _flags(tmp_path, {"platform": "linux/arm64"})
    assert "--platform=linux/arm64" in found


def test_a_recipe_is_one_of_its_context(tmp_path: Path) -> None:
    found = _flags(tmp_path, dockerfile="sub/Dockerfile")
    assert found[2:4] == ["--file", f"{tmp_path}/sub/Dockerfile"]


def test_a_recipe_in_the_compose_file(tmp_path: Path) -> None:
    tree = {
        "services": {
            "web": {
                "build": {"context": str(tmp_path), "dockerfile_inline": "FROM x\n"}
            }
        }
    }
    made = project(tree)
    with flags_of(made, made.services[0]) as found:
        file = Path(found[found.index("--file") + 1])
        assert file.read_text() == "FROM x\n"
    assert not file.exists()
