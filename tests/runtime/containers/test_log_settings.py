"""What the options of a log driver come to."""

from __future__ import annotations

import json

import pytest

from lamina.oci.config import ImageConfig
from lamina.runtime.containers.log_settings import attributes, check_tag, settings
from lamina.runtime.containers.options import Options
from lamina.runtime.containers.state import Container
from lamina.runtime.errors import ContainerError


def container(*given: str, driver: str = "json-file") -> Container:
    config = ImageConfig(
        architecture="amd64",
        os="linux",
        env=("OS=linux", "EMPTY=", "PAIR=a=b"),
        labels={"tier": "web", "team": "shop", "other": "x"},
    )
    return Container(
        id="5c1a8cf2d1a4" + "0" * 52,
        name="web",
        created=0,
        image="sha256:" + "ab" * 32,
        image_name="app:1",
        layers=(),
        args=("sh", "-c", "true"),
        config=config,
        options=Options(log_driver=driver, log_options=given),
    )


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ((), {}),
        (("labels=tier,nothing",), {"tier": "web"}),
        (("labels-regex=^t", "env=OS"), {"tier": "web", "team": "shop", "OS": "linux"}),
        (("env=EMPTY,PAIR",), {"EMPTY": "", "PAIR": "a=b"}),
        (("env-regex=S$",), {"OS": "linux"}),
        (("tag={{.Name}}/{{ .ID }}",), {"tag": "web/5c1a8cf2d1a4"}),
        (("tag={{.ImageName}} {{.Command}}",), {"tag": "app:1 sh -c true"}),
        # The first twelve characters, as docker has it.
        (("tag={{.ImageID}}",), {"tag": "sha256:ababa"}),
        (("tag=",), {}),
    ],
)
def test_attributes(given: tuple[str, ...], found: dict[str, str]) -> None:
    assert attributes(container(*given)) == found


def test_settings_are_what_a_keeper_takes() -> None:
    found = settings(container("max-size=5", "max-file=2", "env=OS,EMPTY"))
    assert found is not None
    assert (found[:2], json.loads(found[2])) == ((5, 2), {"OS": "linux", "EMPTY": ""})
    assert settings(container()) == (0, 1, "", False)
    limits = ("max-size=5", "max-file=2")
    assert settings(container(*limits, "compress=true")) == (5, 2, "", True)
    assert settings(container(driver="none")) is None


@pytest.mark.parametrize(
    "tag", ["{{.Nope}}", "{{", "{{if .ID}}x{{end}}", "{{.ID | x}}"]
)
def test_what_a_tag_cannot_say(tag: str) -> None:
    with pytest.raises(ContainerError, match="Invalid tag"):
        check_tag(tag)
