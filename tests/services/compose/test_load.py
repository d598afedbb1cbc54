"""Canonical forms: what `docker compose config --format json` prints."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.services.compose.projects import (
    loaded,
    refused,
    service,
    service_refused,
    write,
)

if TYPE_CHECKING:
    from pathlib import Path


def test_a_whole_project(tmp_path: Path) -> None:
    text = """
x-common: &common
  restart: always
services:
  web:
    <<: *common
    build: .
    ports: ["8080:80"]
    depends_on: [db]
    volumes: ["./site:/srv:ro"]
  db:
    <<: *common
    image: postgres
    volumes: [data:/var/lib/postgresql/data]
    networks: [back]
volumes:
  data:
networks:
  back:
    internal: true
"""
    assert loaded(tmp_path, text).tree == {
        "name": "app",
        "services": {
            "web": {
                "command": None,
                "entrypoint": None,
                "build": {"context": str(tmp_path)},
                "ports": [
                    {
                        "mode": "ingress",
                        "target": 80,
                        "published": "8080",
                        "protocol": "tcp",
                    }
                ],
                "depends_on": {
                    "db": {"condition": "service_started", "required": True}
                },
                "volumes": [
                    {
                        "type": "bind",
                        "source": f"{tmp_path}/site",
                        "target": "/srv",
                        "read_only": True,
                        "bind": {"create_host_path": True},
                    }
                ],
                "networks": {"default": None},
                "restart": "always",
            },
            "db": {
                "command": None,
                "entrypoint": None,
                "image": "postgres",
                "volumes": [
                    {
                        "type": "volume",
                        "source": "data",
                        "target": "/var/lib/postgresql/data",
                        "volume": {},
                    }
                ],
                "networks": {"back": None},
                "restart": "always",
            },
        },
        "networks": {
            "back": {"name": "app_back", "internal": True, "ipam": {}},
            "default": {"name": "app_default", "ipam": {}},
        },
        "volumes": {"data": {"name": "app_data"}},
        "x-common": {"restart": "always"},
    }


def test_a_canonical_form_is_its_own(tmp_path: Path) -> None:
    text = """
services:
  web:
    build: {context: ., args: [A=1], ssh: [default]}
    command: a b
    ports: ["8080-8081:80-81", 53/udp]
    volumes: ["./site:/srv:ro", "data:/data"]
    environment: [A=1, B]
    depends_on: [db]
    healthcheck: {test: "true", interval: 90s}
    extra_hosts: ["a:::1"]
    secrets: [s]
    tmpfs: /run
    ulimits: {nofile: 5}
    mem_limit: 1g
    stop_grace_period: 1.5s
  db: {image: postgres, deploy: {resources: {limits: {cpus: "0.5"}}}}
volumes: {data: }
secrets: {s: {file: s}}
"""
    once = loaded(tmp_path, text)
    again = loaded(tmp_path, json.dumps(once.tree))
    assert again.tree == once.tree
    assert (once.warnings, again.warnings) == ((), ())


@pytest.mark.parametrize(
    ("lines", "canonical"),
    [
        ("command: echo 'a b' c", {"command": ["echo", "a b", "c"]}),
        ("command: [echo, a b]", {"command": ["echo", "a b"]}),
        ("command: []", {"command": []}),
        ("entrypoint: ''", {"entrypoint": []}),
        ("command:", {"command": None}),
        ("environment: [A=1, B=, C]", {"environment": {"A": "1", "B": "", "C": None}}),
        (
            "environment: {A: 1, B: true, C: 0.5, HOME: }",
            {"environment": {"A": "1", "B": "true", "C": "0.5", "HOME": "/home/me"}},
        ),
        ("labels: [a=1, b]", {"labels": {"a": "1", "b": ""}}),
        ("labels: {a: 42, b: }", {"labels": {"a": "42", "b": ""}}),
        ("annotations: [a=b]", {"annotations": {"a": "b"}}),
        (
            "sysctls: {net.core.somaxconn: 1024}",
            {"sysctls": {"net.core.somaxconn": "1024"}},
        ),
        (
            "healthcheck: {test: curl -f x}",
            {"healthcheck": {"test": ["CMD-SHELL", "curl -f x"]}},
        ),
        (
            "healthcheck: {test: [CMD, x], interval: 90s, retries: '3'}",
            {"healthcheck": {"test": ["CMD", "x"], "interval": "1m30s", "retries": 3}},
        ),
        ("stop_grace_period: 1m", {"stop_grace_period": "1m0s"}),
        ("mem_limit: 512m", {"mem_limit": "536870912"}),
        ("memswap_limit: -1", {"memswap_limit": "-1"}),
        ("shm_size: 1024", {"shm_size": "1024"}),
        ("cpus: '1.5'", {"cpus": 1.5}),
        ("cpus: '2.0'", {"cpus": 2}),
        ("pids_limit: '100'", {"pids_limit": 100}),
        ("init: 'yes'", {"init": True}),
        ("privileged: false", {"privileged": False}),
        ("tmpfs: /run", {"tmpfs": ["/run"]}),
        ("dns: 8.8.8.8", {"dns": ["8.8.8.8"]}),
        ("expose: [3000, '80-90/udp']", {"expose": ["3000", "80-90/udp"]}),
        ("group_add: [wheel, 100]", {"group_add": ["wheel", "100"]}),
        ("ulimits: {nproc: 65535}", {"ulimits": {"nproc": 65535}}),
        (
            "ulimits: {nofile: {soft: 1, hard: '2'}}",
            {"ulimits": {"nofile": {"soft": 1, "hard": 2}}},
        ),
        (
            "extra_hosts: ['a:1.2.3.4', 'b=::1', 'c:host-gateway']",
            {"extra_hosts": ["a=1.2.3.4", "b=::1", "c=host-gateway"]},
        ),
        (
            "extra_hosts: {a: 1.2.3.4, b: [1.1.1.1, 2.2.2.2]}",
            {"extra_hosts": ["a=1.2.3.4", "b=1.1.1.1", "b=2.2.2.2"]},
        ),
        (
            "devices: [/dev/a, '/dev/a:/dev/b:r', '/dev/c:rw']",
            {
                "devices": [
                    {"source": "/dev/a", "target": "/dev/a", "permissions": "rwm"},
                    {"source": "/dev/a", "target": "/dev/b", "permissions": "r"},
                    {"source": "/dev/c", "target": "/dev/c", "permissions": "rw"},
                ]
            },
        ),
        (
            "ports: [{target: 80, published: 8080}]",
            {
                "ports": [
                    {
                        "target": 80,
                        "published": "8080",
                        "mode": "ingress",
                        "protocol": "tcp",
                    }
                ]
            },
        ),
        (
            "ports: [80]",
            {"ports": [{"mode": "ingress", "target": 80, "protocol": "tcp"}]},
        ),
        (
            "volumes: [{type: tmpfs, target: /t, tmpfs: {size: 1m, mode: 01777}}]",
            {
                "volumes": [
                    {
                        "type": "tmpfs",
                        "target": "/t",
                        "tmpfs": {"size": "1048576", "mode": "01777"},
                    }
                ]
            },
        ),
        (
            "volumes: ['~/x:/x']",
            {
                "volumes": [
                    {
                        "type": "bind",
                        "source": "/home/me/x",
                        "target": "/x",
                        "bind": {"create_host_path": True},
                    }
                ]
            },
        ),
        ("network_mode: host", {"network_mode": "host"}),
        ("dns: '${NONE:-}'", {"dns": []}),
        ("restart: '${NONE:-}'", {"restart": ""}),
        ("cpu_quota: -1", {"cpu_quota": -1}),
        ("cpu_period: 50ms", {"cpu_period": "50ms"}),
        ("pull_policy: if_not_present", {"pull_policy": "missing"}),
        ("post_start: [{command: a b}]", {"post_start": [{"command": ["a", "b"]}]}),
        (
            "deploy: {replicas: 2, resources: {limits: {cpus: '0.5', memory: 50M}}}",
            {
                "deploy": {
                    "replicas": 2,
                    "resources": {"limits": {"cpus": 0.5, "memory": "52428800"}},
                }
            },
        ),
        ("x-mine: {a: [b, b]}", {"x-mine": {"a": ["b", "b"]}}),
        ("profiles: [a]", {"profiles": ["a"]}),
    ],
)
def test_long_forms(tmp_path: Path, lines: str, canonical: dict[str, Any]) -> None:
    found = service(tmp_path, lines)
    assert {key: found[key] for key in canonical} == canonical


def test_a_build_in_full(tmp_path: Path) -> None:
    text = """
build:
  context: ./dir
  args: [A=1, HOME]
  ssh: [default, id=/key]
  additional_contexts: {x: ./y, z: "https://example.org/z.git"}
  secrets: [s]
  cache_from: [a, b]
  no_cache: "true"
"""
    found = loaded(
        tmp_path,
        "services:\n  web:"
        + text.replace("\n", "\n    ")
        + "\nsecrets: {s: {environment: S}}",
    )
    assert found.tree["services"]["web"]["build"] == {
        "context": f"{tmp_path}/dir",
        "args": {"A": "1", "HOME": "/home/me"},
        "ssh": ["default", "id=/key"],
        "additional_contexts": {
            "x": f"{tmp_path}/y",
            "z": "https://example.org/z.git",
        },
        "secrets": [{"source": "s", "target": "s"}],
        "cache_from": ["a", "b"],
        "no_cache": True,
    }
    remote = loaded(tmp_path, "services: {web: {build: 'git@example.org:a/b.git'}}")
    context = remote.tree["services"]["web"]["build"]["context"]
    assert context == "git@example.org:a/b.git"


def test_resources_and_their_names(tmp_path: Path) -> None:
    text = """
services:
  web:
    image: nginx
    secrets: [token, {source: key, target: other, mode: 0440, uid: 5}]
    configs: [conf]
    volumes: [theirs:/x]
volumes:
  theirs: {external: true}
  old: {external: {name: legacy}}
  named: {name: exact, driver_opts: {size: 5}}
secrets:
  token: {file: ./token}
  key: {environment: KEY}
configs:
  conf: {content: "a=${HOME}"}
"""
    found = loaded(tmp_path, text)
    assert found.tree["volumes"] == {
        "theirs": {"external": True, "name": "theirs"},
        "old": {"external": True, "name": "legacy"},
        "named": {"name": "exact", "driver_opts": {"size": "5"}},
    }
    assert found.tree["secrets"] == {
        "token": {"file": f"{tmp_path}/token", "name": "app_token"},
        "key": {"environment": "KEY", "name": "app_key"},
    }
    assert found.tree["configs"]["conf"] == {
        "content": "a=/home/me",
        "name": "app_conf",
    }
    assert found.tree["services"]["web"]["secrets"] == [
        {"source": "token", "target": "/run/secrets/token"},
        {"source": "key", "target": "other", "mode": "0440", "uid": "5"},
    ]
    assert found.tree["services"]["web"]["configs"] == [{"source": "conf"}]
    assert any("`volumes.old.external.name` is of old" in w for w in found.warnings)


def test_what_services_imply_of_each_other(tmp_path: Path) -> None:
    text = """
services:
  a: {image: x, links: ["b:bee"], volumes_from: ["c:ro", "container:d"]}
  b: {image: x, network_mode: "service:c"}
  c: {image: x, depends_on: {d: {condition: service_healthy}}}
  d: {image: x}
"""
    services = loaded(tmp_path, text).tree["services"]
    started = {"condition": "service_started", "required": True}
    assert services["a"]["depends_on"] == {
        "b": {**started, "restart": True},
        "c": {**started, "restart": False},
    }
    assert services["b"]["depends_on"] == {"c": {**started, "restart": True}}
    assert "networks" not in services["b"]
    assert services["c"]["depends_on"] == {
        "d": {"condition": "service_healthy", "required": True}
    }


def test_no_default_network_where_nobody_is_in_it(tmp_path: Path) -> None:
    text = "services: {a: {image: x, network_mode: host}}"
    assert "networks" not in loaded(tmp_path, text).tree


# Files of variables


def test_variables_of_files_are_below_those_of_the_service(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "a.env": "A=1\nB=from-a\nHOME",
            "b.env": "B=from-b\nC=${A}-$HOME\nD='$A'",
            "raw.env": "E='x' # y",
        },
    )
    text = """
environment: {B: own}
env_file:
  - a.env
  - path: b.env
  - path: raw.env
    format: raw
  - path: missing.env
    required: false
"""
    found = service(tmp_path, text)
    assert found["environment"] == {
        "A": "1",
        "B": "own",
        "HOME": "/home/me",
        "C": "1-/home/me",
        "D": "$A",
        "E": "'x' # y",
    }
    assert "env_file" not in found


def test_a_file_of_variables_that_is_missing(tmp_path: Path) -> None:
    error = service_refused(tmp_path, "env_file: x.env")
    assert f"no file of variables {tmp_path}/x.env" in error.message
    assert error.place == "compose.yaml:4:15"
    assert "required: false" in error.hint


def test_services_that_are_not_active_keep_the_name_of_a_missing_file(
    tmp_path: Path,
) -> None:
    found = service(tmp_path, "env_file: x.env\nprofiles: [dev]")
    assert found["env_file"] == [{"path": f"{tmp_path}/x.env"}]
    for active in ({"profiles": ("dev",)}, {"services": ("web",)}):
        service_refused(tmp_path, "env_file: x.env\nprofiles: [dev]", **active)


def test_labels_of_files(tmp_path: Path) -> None:
    write(tmp_path, {"a.labels": "a=1\nb=2"})
    found = service(tmp_path, "label_file: a.labels\nlabels: {b: own}")
    assert found["labels"] == {"a": "1", "b": "own"}


# Warnings


def test_a_missing_variable_is_told_once(tmp_path: Path) -> None:
    text = "services: {a: {image: 'x$TAG'}, b: {image: 'y$TAG'}}"
    found = loaded(tmp_path, text)
    assert found.tree["services"]["a"]["image"] == "x"
    (warning,) = found.warnings
    assert warning == (
        "compose.yaml:1:23: The variable TAG is not set, and stands for nothing."
    )


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (
            "environment: {V: 1.10}",
            "compose.yaml:4:22: 1.10 is a number in YAML, and becomes 1.1. Write",
        ),
        ("labels: {mode: 0644}", "0644 is a number in YAML, and becomes 420"),
        (
            "command: a && b",
            "compose.yaml:4:14: `services.web.command` is run without a shell",
        ),
        (
            "volumes: [{type: tmpfs, target: /t, tmpfs: {mode: 777}}]",
            "777 is a decimal number",
        ),
        (
            "deploy: {placement: {constraints: [a]}}",
            "`services.web.deploy.placement` is for a swarm",
        ),
        (
            "deploy: {update_config: {monitor: 2s}}",
            "monitor: 2s` is for a swarm",
        ),
    ],
)
def test_what_is_strange_is_told(tmp_path: Path, lines: str, said: str) -> None:
    text = f"services:\n  web:\n    image: nginx\n    {lines}\n"
    (warning,) = loaded(tmp_path, text).warnings
    assert said in warning


def test_the_version_is_of_old(tmp_path: Path) -> None:
    found = loaded(tmp_path, "version: 3.10\nservices: {a: {image: x}}")
    assert "version" not in found.tree
    (warning,) = found.warnings
    assert "compose.yaml:1:10: `version` is of old" in warning


def test_what_needs_no_word_is_not_told(tmp_path: Path) -> None:
    text = "services: {a: {image: x, environment: {P: 5432, D: false}, command: a -b}}"
    assert loaded(tmp_path, text).warnings == ()


def test_places_lead_to_what_was_written(tmp_path: Path) -> None:
    found = loaded(
        tmp_path, "services:\n  a:\n    image: x\n    ports:\n      - 80:80\n"
    )
    places = found.places
    assert str(places.find("services", "a", "ports", 0, "target")) == "compose.yaml:5:9"
    assert str(places.find("networks", "default", "name")) == "compose.yaml:1:1"
    error = places.error("No.", "services", "a", "image")
    assert error.place == "compose.yaml:3:12"


def test_nothing_to_do(tmp_path: Path) -> None:
    assert "no services" in refused(tmp_path, "").message
    assert "no services" in refused(tmp_path, "networks: {a: }").message
    assert "is a mapping" in refused(tmp_path, "- a").message
