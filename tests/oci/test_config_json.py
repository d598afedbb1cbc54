"""Image configs of several makers, and the bytes that we make."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina.oci.config import Healthcheck, History, ImageConfig
from lamina.oci.config_json import config_bytes, parse_config
from lamina.oci.digest import Digest
from lamina.oci.errors import InvalidImage

ONE, TWO = Digest.of(b"1"), Digest.of(b"2")

# As BuildKit writes it.
BUILDKIT = (
    b'{"architecture":"amd64","config":{"Env":["PATH=/bin"],"Cmd":["/bin/sh"],'
    b'"WorkingDir":"/","ArgsEscaped":true},"created":"2026-11-23T20:05:30.36158968Z",'
    b'"history":[{"created":"2026-11-23T20:05:30.36158968Z","created_by":"COPY a /a # '
    b'buildkit","comment":"buildkit.dockerfile.v0"},{"created_by":"RUN /bin/sh -c a '
    b'\\u0026\\u0026 b","empty_layer":true}],"os":"linux","rootfs":{"type":"layers",'
    b'"diff_ids":["' + ONE.encode() + b'"]}}'
)

# As `docker commit` and buildah write it: container fields, nulls, other orders.
LEGACY: dict[str, Any] = {
    "docker_version": "20.10.24",
    "os": "linux",
    "architecture": "amd64",
    "container": "ab",
    "config": {
        "Hostname": "",
        "AttachStdin": False,
        "Env": ["A=b"],
        "Cmd": "sh",
        "Entrypoint": None,
        "Volumes": None,
        "Labels": {"b": "2", "a": "1"},
        "ExposedPorts": {"80/tcp": {}, "443/tcp": {}},
        "Healthcheck": {"Test": ["CMD", "true"], "Interval": 5_000_000_000},
        "StopTimeout": 3,
    },
    "created": "2026-01-01T00:00:00Z",
    "rootfs": {"diff_ids": [ONE, TWO], "type": "layers"},
    "history": None,
}


def encoded(document: Any) -> bytes:
    return json.dumps(document).encode()


def changed(**top: Any) -> bytes:
    return encoded({**LEGACY, **top})


def test_buildkits_bytes_come_back() -> None:
    config = parse_config(BUILDKIT)
    assert config_bytes(config) == BUILDKIT
    assert config.history[1] == History(
        created_by="RUN /bin/sh -c a && b", empty_layer=True
    )


def test_what_others_wrote_is_kept() -> None:
    config = parse_config(encoded(LEGACY))
    assert config.cmd == ("sh",)
    assert config.entrypoint is None
    assert config.healthcheck == Healthcheck(("CMD", "true"), interval=5_000_000_000)
    assert config.other == {"docker_version": "20.10.24", "container": "ab"}
    assert config.other_config == {
        "Hostname": "",
        "AttachStdin": False,
        "StopTimeout": 3,
    }
    assert config.exposed_ports == ("443/tcp", "80/tcp")
    assert parse_config(config_bytes(config)) == config


def test_fields_in_the_order_of_buildkit() -> None:
    config = ImageConfig(
        architecture="arm",
        os="linux",
        variant="v7",
        os_version="1",
        created="2026-01-01T00:00:00Z",
        author="me",
        user="u",
        exposed_ports=("80/tcp", "443/tcp"),
        env=("A=<b>",),
        entrypoint=("a",),
        cmd=("b",),
        volumes=("/v",),
        working_dir="/w",
        labels={"z": "1", "a": "2"},
        stop_signal="SIGTERM",
        shell=("sh", "-c"),
        on_build=("RUN true",),
        args_escaped=True,
        healthcheck=Healthcheck(("NONE",), 1, 2, 3, 4, 5),
        diff_ids=(ONE,),
        history=(History("c", "b", "m", "a", True),),
    )
    document = json.loads(config_bytes(config))
    assert " ".join(document) == (
        "architecture author config created history os os.version rootfs variant"
    )
    assert " ".join(document["config"]) == (
        "User ExposedPorts Env Entrypoint Cmd Volumes WorkingDir Labels StopSignal "
        "ArgsEscaped Healthcheck OnBuild Shell"
    )
    assert " ".join(document["config"]["Healthcheck"]) == (
        "Test Interval Timeout StartPeriod StartInterval Retries"
    )
    assert list(document["config"]["Labels"]) == ["a", "z"]
    assert list(document["config"]["ExposedPorts"]) == ["443/tcp", "80/tcp"]
    assert " ".join(document["history"][0]) == (
        "created created_by author comment empty_layer"
    )
    assert config_bytes(parse_config(config_bytes(config))) == config_bytes(config)


def test_an_empty_command_is_not_an_absent_one() -> None:
    empty = ImageConfig("amd64", "linux", entrypoint=(), cmd=())
    assert parse_config(config_bytes(empty)).entrypoint == ()
    absent = ImageConfig("amd64", "linux")
    assert parse_config(config_bytes(absent)).entrypoint is None
    assert config_bytes(absent) == (
        b'{"architecture":"amd64","config":{},"os":"linux",'
        b'"rootfs":{"type":"layers","diff_ids":[]}}'
    )


def test_lone_surrogates_become_the_replacement_character() -> None:
    config = parse_config(changed(author="\ud800x"))
    assert "\ufffdx".encode() in config_bytes(config)


@pytest.mark.parametrize(
    "data",
    [
        *(b"", b"[]", b"null", b"{}", b'{"rootfs":{}}'),
        changed(rootfs=None),
        changed(rootfs={"type": "layers+base", "diff_ids": []}),
        changed(rootfs={"type": "layers", "diff_ids": "x"}),
        changed(rootfs={"type": "layers", "diff_ids": [None]}),
        changed(rootfs={"type": "layers", "diff_ids": [ONE] * 501}),
        changed(architecture=1),
        changed(config=[]),
        changed(config={"Env": "A=b"}),
        changed(config={"Env": [1]}),
        changed(config={"Labels": {"a": 1}}),
        changed(config={"Healthcheck": {"Interval": "5s"}}),
        changed(config={"ArgsEscaped": 1}),
        changed(history=[None]),
        changed(history=[{"empty_layer": "yes"}]),
    ],
    ids=lambda data: data[-50:].decode(),
)
def test_broken_configs_are_refused(data: bytes) -> None:
    with pytest.raises(InvalidImage):
        parse_config(data)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(["config", "rootfs", "Env", "Cmd", "type", "history"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)


@given(json_values)
def test_no_json_makes_the_reader_stumble(document: Any) -> None:
    data = json.dumps({"rootfs": {"type": "layers"}, "config": document}).encode()
    try:
        config = parse_config(data)
    except InvalidImage:
        return
    assert config_bytes(parse_config(config_bytes(config))) == config_bytes(config)
