"""What is wrong with a project, and where."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lamina.services.compose.schema import SERVICE
from tests.services.compose.projects import loaded, refused, service_refused

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("lines", "said", "column"),
    [
        # Keys
        ("imgae: x", "no key 'imgae' in `services.web`", 5),
        ("healthcheck: {tset: x}", "no key 'tset' in `services.web.healthcheck`", 19),
        ("build: {contxt: x}", "no key 'contxt' in `services.web.build`", 13),
        ("deploy: {resources: {limit: {}}}", "no key 'limit'", 26),
        ("ports: [{target: 80, publish: 1}]", "`services.web.ports[0]`", 26),
        ("extends: {service: web, fil: x}", "no key 'fil'", 29),
        # Types
        ("user: 1000", "`services.web.user` has to be a text, and is a number", 11),
        ("hostname: [a]", "has to be a text, and is a list", 15),
        ("environment: A=1", "has to be a mapping or a list, and is a text", 18),
        ("environment:", "has to be a mapping or a list, and is empty", 17),
        ("environment: {A: [1]}", "`services.web.environment.A` has to be a text", 22),
        ("environment: [1]", "`services.web.environment[0]` has to be a text", 19),
        ("environment: ['=x']", "'' is no name", 19),
        ("ports: 80", "has to be a list, and is a number", 12),
        ("ports: ['x:80']", "`services.web.ports[0]` cannot be 'x:80'", 13),
        ("ports: [{published: 80}]", "has no `target`", 13),
        ("ports: [{target: 70000}]", "between 1 and 65535", 22),
        ("ports: [true]", "has to be a text such as 8080:80", 13),
        ("expose: [http]", "cannot be 'http': 'http' is no port", 14),
        ("privileged: maybe", "it is true or false", 17),
        ("init: 3", "has to be true or false, and is a number", 11),
        ("scale: many", "it is a whole number", 12),
        ("scale: -1", "at least 0", 12),
        ("cpus: fast", "it is a number", 11),
        ("mem_limit: lots", "it is a size", 16),
        ("stop_grace_period: 10", "has to be a time, and is a number", 24),
        ("stop_grace_period: '10'", "it is a time", 24),
        ('command: "a \'b"', "no closing quotation", 14),
        ("command: [a, 5]", "`services.web.command[1]` has to be a text", 18),
        ("restart: sometimes", "it is no, always, unless-stopped", 14),
        ("pull_policy: perhaps", "it is always, missing", 18),
        ("container_name: ~x", "letters, digits", 21),
        (
            "depends_on: {a: {condition: ready}}",
            "service_started or service_healthy",
            33,
        ),
        ("depends_on: {a: {required: false}}", "has no `condition`", 21),
        ("healthcheck: {test: [curl, x]}", "begins with CMD", 26),
        ("ulimits: {nofile: {soft: 1}}", "has no `hard` limit", 23),
        ("extra_hosts: [a]", "it is no HOST=IP", 19),
        ("extra_hosts: {a: b}", "'b' is no address", 22),
        ("volumes: [{type: bind, target: /x}]", "has no `source`", 15),
        ("volumes: [{type: volume, source: v}]", "has no `target`", 15),
        ("volumes: [{type: tmpfs, target: /x, bind: {}}]", "options of a bind", 47),
        ("volumes: [{type: bnd, target: /x}]", "bind or volume or tmpfs", 22),
        ("devices: [a:b:c:d]", "HOST[:CONTAINER[:rwm]]", 15),
        ("secrets: [{target: x}]", "has no `source`", 15),
        ("secrets: [{source: s, uid: me}]", "number of a user", 32),
        ("sysctls: 5", "has to be a mapping or a list", 14),
        ("networks: {a: {ipv4_address: '::1'}}", "an address of IPv4", 34),
        ("networks: {a: {ipv6_address: x}}", "it is no address", 34),
        ("mac_address: 2:42", "no address of a card", 18),
        ("env_file: [{required: false}]", "has no `path`", 16),
        ("blkio_config: {weight: 5}", "between 10 and 1000", 28),
        ("oom_score_adj: 2000", "between -1000 and 1000", 20),
        ("develop: {watch: [{path: .}]}", "has no `action`", 23),
        ("develop: {watch: [{path: ., action: sync}]}", "has no `target`", 23),
        # Variables
        ("hostname: ${", "'${' is no variable", 15),
        ("hostname: ${X:?say it}", "X has to be set: say it", 15),
        # Names that lead nowhere
        ("networks: [back]", "uses the network 'back', which is not there", 16),
        ("networks: {back: }", "uses the network 'back', which is not there", 22),
        ("volumes: ['data:/x']", "uses the volume 'data', which is not there", 15),
        ("secrets: [s]", "uses the secret 's', which is not there", 15),
        ("configs: [c]", "uses the config 'c', which is not there", 15),
        ("depends_on: [db]", "Service 'web' needs 'db', which is not there", 18),
        ("links: [db]", "Service 'web' needs 'db', which is not there", 13),
        ("network_mode: service:db", "Service 'web' needs 'db'", 19),
        ("depends_on: [web]", "in a circle: web → web", 18),
        # What cannot be together
        (
            "network_mode: host\n    networks: [default]",
            "`network_mode` and `networks`",
            19,
        ),
        ("network_mode: other", "`services.web.network_mode` cannot be 'other'", 19),
        ("network_mode: none\n    ports: [80]", "no network of its own", 12),
        ("network_mode: container:x\n    ports: [80]", "no network of its own", 12),
        ("container_name: ab\n    scale: 2", "there can be one of it", 21),
        ("container_name: ab\n    deploy: {replicas: 3}", "3 are asked for", 21),
        ("scale: 2\n    deploy: {replicas: 3}", "`scale: 2`", 12),
        (
            "mem_limit: 1g\n    deploy: {resources: {limits: {memory: 2g}}}",
            "not the same",
            16,
        ),
        ("healthcheck: {start_interval: 1s}", "without `start_period`", 35),
        ("build: {context: ., dockerfile: a, dockerfile_inline: b}", "has both", 59),
    ],
)
def test_services(tmp_path: Path, lines: str, said: str, column: int) -> None:
    error = refused(tmp_path, f"services:\n  web:\n    image: x\n    {lines}\n")
    assert said in error.message
    line, _, found = error.place.removeprefix("compose.yaml:").partition(":")
    assert (int(line) in (4, 5), int(found)) == (True, column)
    assert error.excerpt


@pytest.mark.parametrize(
    ("text", "said", "place"),
    [
        ("servics: {}", "no key 'servics' in a compose file", "1:1"),
        ("services: {a: }", "`services.a` has to be a mapping, and is empty", "1:15"),
        ("services: {a b: {image: x}}", "'a b' cannot be a name", "1:12"),
        ("services: {a: {hostname: x}}", "neither an image nor a build", "1:15"),
        ("services: {a: {image: '${NONE:-}'}}", "neither an image", "1:15"),
        ("services: [a]", "`services` has to be a mapping, and is a list", "1:11"),
        ("networks: {a: 1}", "`networks.a` has to be a mapping", "1:15"),
        ("volumes: {a: {drivr: x}}", "no key 'drivr' in `volumes.a`", "1:15"),
        ("volumes: {a: {external: true, driver: x}}", "cannot have `driver`", "1:39"),
        ("secrets: {a: {}}", "`secrets.a` has none of `file`, `environment`", "1:14"),
        ("secrets: {a: {file: x, environment: y}}", "has both `file` and", "1:37"),
        ("secrets: {a: {content: x}}", "no key 'content' in `secrets.a`", "1:15"),
        (
            "configs: {a: {content: x, file: y}}",
            "has both `file` and `content`",
            "1:24",
        ),
        (
            "networks: {a: {ipam: {config: [{subnet: 10.1.0.0/99}]}}}",
            "it is a subnet such as",
            "1:41",
        ),
        (
            "services: {a: {image: 'x@sha256:zz'}}",
            "`services.a.image`: ",
            "1:23",
        ),
        (
            "services: {a: {image: 'UPPER:x'}}",
            "`services.a.image`: ",
            "1:23",
        ),
        (
            "services: {a: {image: x, container_name: xx},"
            " b: {image: x, container_name: xx}}",
            "both be called 'xx': compose.yaml:1:15",
            "1:77",
        ),
        (
            "services: {a: &a {image: x, container_name: xx}, b: {<<: *a}}",
            "both be called 'xx': compose.yaml:1:15",
            "1:45",
        ),
        (
            "services: {a: {platform: linux/arm64, build: {platforms: [linux/amd64]}}}",
            "not among those it is built for",
            "1:26",
        ),
        ("name: [a]", "`name` has to be a text", "1:7"),
    ],
)
def test_the_rest_of_the_file(tmp_path: Path, text: str, said: str, place: str) -> None:
    more = "" if "servic" in text else "\nservices: {web: {image: x}}"
    error = refused(tmp_path, text + more, name="")
    assert said in error.message
    assert error.place == f"compose.yaml:{place}"


@pytest.mark.parametrize(
    ("lines", "hint"),
    [
        ("imgae: x", "Did you mean image?"),
        ("mine: x", "Keys of your own begin with `x-`."),
        ("user: 1000", 'Put it in quotes: "1000".'),
        ("environment:", "Give it a value, or leave `environment` out."),
        ("stop_grace_period: 10", "Give the unit: 10s."),
        ("depends_on: [wbe]", "Did you mean web?"),
        ("networks: [back]", "Define it under `networks:`."),
        ("volumes: ['a/b:/c']", "A path begins with `./`: ./a/b"),
        ("healthcheck: {test: [a]}", '["CMD", "a"]'),
        ("ports: 80", "Begin it with a dash"),
    ],
)
def test_hints(tmp_path: Path, lines: str, hint: str) -> None:
    assert hint in service_refused(tmp_path, lines).hint


def test_circles_of_dependencies(tmp_path: Path) -> None:
    text = """
services:
  a: {image: x, depends_on: [b]}
  b: {image: x, depends_on: [c, d]}
  c: {image: x}
  d: {image: x, links: [b]}
"""
    assert "in a circle: b → d → b" in refused(tmp_path, text).message


def test_a_dependency_may_be_missing_where_it_is_not_required(tmp_path: Path) -> None:
    text = """
services:
  a:
    image: x
    depends_on: {b: {condition: service_started, required: false}}
"""
    found = loaded(tmp_path, text).tree["services"]["a"]["depends_on"]
    assert found["b"]["required"] is False


PROFILES = """
services:
  web: {image: x, depends_on: [db]}
  db: {image: x, profiles: [data]}
  odd: {image: x, profiles: [odd], networks: [none], gpus: all}
"""


def test_a_dependency_of_another_profile_has_to_be_activated(tmp_path: Path) -> None:
    error = refused(tmp_path, PROFILES)
    assert "Service 'web' needs 'db', whose profile is not active" in error.message
    assert error.hint == "Activate it with `--profile data`."
    found = loaded(tmp_path, PROFILES, profiles=("data",))
    assert set(found.tree["services"]) == {"web", "db", "odd"}


def test_services_that_are_not_active_are_not_looked_at(tmp_path: Path) -> None:
    for asked in ({"profiles": ("*",)}, {"profiles": ("data",), "services": ("odd",)}):
        error = refused(tmp_path, PROFILES, **asked)
        assert "uses the network 'none'" in error.message


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("gpus: all", "`services.web.gpus: all` is not there"),
        ("isolation: hyperv", "`services.web.isolation: hyperv` is of Windows"),
        ("credential_spec: {file: x}", "is of Windows"),
        ("provider: {type: x}", "needs a program of Docker's"),
        ("models: [m]", "needs Docker's model runner"),
        ("build: {additional_contexts: {b: 'service:b'}}", "knows no other services"),
        ("storage_opt: {size: 1G}", "counts by project"),
        ("logging: {driver: syslog}", "`services.web.logging.driver: syslog`"),
        ("userns_mode: private", "`services.web.userns_mode: private` is not there"),
        ("volumes: [{type: npipe, target: /x}]", "type: npipe` is not there"),
        ("volumes: [{type: image, target: /x}]", "type: image` is not there"),
        ("pull_policy: refresh", "`services.web.pull_policy: refresh` is not there"),
        ("deploy: {resources: {reservations: {devices: [{}]}}}", "is not there"),
    ],
)
def test_what_no_container_here_can_have(tmp_path: Path, lines: str, said: str) -> None:
    error = service_refused(tmp_path, lines)
    assert said in error.message
    assert error.place.startswith("compose.yaml:4:")


@pytest.mark.parametrize(
    ("lines", "text", "said"),
    [
        (
            "networks: [a]",
            "networks: {a: {driver: overlay}}",
            "driver: overlay` is not",
        ),
        (
            "volumes: ['a:/x']",
            "volumes: {a: {driver: nfs}}",
            "driver: nfs` is not there",
        ),
        ("secrets: [a]", "secrets: {a: {external: true}}", "which keeps secrets"),
        ("configs: [a]", "configs: {a: {external: true}}", "which keeps configs"),
        ("networks: [a]", "networks: {a: {enable_ipv4: false}}", "networks have IPv4"),
    ],
)
def test_what_networks_and_the_like_cannot_be_is_of_interest_where_they_are_used(
    tmp_path: Path, lines: str, text: str, said: str
) -> None:
    services = "services:\n  web:\n    image: x\n"
    assert loaded(tmp_path, f"{services}{text}").warnings == ()
    error = refused(tmp_path, f"{services}    {lines}\n{text}")
    assert said in error.message
    assert error.place.startswith("compose.yaml:5:")


def test_what_is_said_by_default_is_fine(tmp_path: Path) -> None:
    text = """
services:
  web:
    image: x
    isolation: default
    userns_mode: host
    use_api_socket: false
    logging: {driver: json-file}
    deploy: {mode: replicated, update_config: {order: start-first}}
networks: {default: {driver: bridge}}
volumes: {a: {driver: local}}
"""
    assert loaded(tmp_path, text).warnings == ()


def test_every_key_is_looked_at(tmp_path: Path) -> None:
    """No kind of the table lets a mapping of nonsense through, but where all may be."""
    taken = set()
    for key in SERVICE:
        try:
            service_refused(tmp_path, f"{key}: {{nonsense: [[{{a: 1}}]]}}")
        except BaseException as error:
            if type(error).__name__ != "Failed":
                raise
            taken.add(key)
    assert taken == set()
