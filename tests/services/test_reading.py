"""A canonical tree read into a project."""

from __future__ import annotations

import pytest

from lamina.services.project import COMPLETED, STARTED, Dependency
from tests.services.projects import of_services, project


def test_a_service_that_is_built_has_the_name_of_its_project() -> None:
    (web,) = project({"services": {"web": {"build": {"context": "/src"}}}}).services
    assert web.image == "app-web"


def test_the_number_of_containers() -> None:
    tree = {
        "services": {
            "one": {"image": "a"},
            "two": {"image": "a", "scale": 2},
            "three": {"image": "a", "deploy": {"replicas": 3}},
            "none": {"image": "a", "scale": 0},
        }
    }
    found = {one.name: one.scale for one in project(tree).services}
    assert found == {"none": 0, "one": 1, "three": 3, "two": 2}


def test_a_number_said_elsewhere_wins() -> None:
    (web,) = project({"services": {"web": {"image": "a", "scale": 2}}}, web=5).services
    assert web.scale == 5


def test_dependencies_are_what_is_named_and_what_is_shared() -> None:
    made = of_services(
        web={
            "depends_on": {
                "db": {"condition": COMPLETED, "required": False, "restart": True}
            },
            "network_mode": "service:proxy",
            "volumes_from": ["files:ro", "container:other"],
            "links": ["cache:fast"],
        },
        db={},
        proxy={},
        files={},
        cache={},
    )
    web = made.service("web")
    assert web is not None
    assert web.depends_on == (
        Dependency("cache", STARTED, restart=True),
        Dependency("db", COMPLETED, required=False, restart=True),
        Dependency("files", STARTED, restart=True),
        Dependency("proxy", STARTED, restart=True, shares=True),
    )


def test_a_service_without_an_address_of_its_own() -> None:
    made = of_services(web={"deploy": {"endpoint_mode": "dnsrr"}}, db={})
    assert {one.name: one.grouped for one in made.services} == {
        "db": True,
        "web": False,
    }


def test_a_secret_of_a_variable_has_its_text() -> None:
    made = project({"secrets": {"token": {"environment": "TOKEN"}}})
    assert made.secrets["token"]["content"] == "secret"


def _hash(**keys: object) -> str:
    (web,) = of_services(web=keys).services
    return web.hash


@pytest.mark.parametrize(
    "keys",
    [
        {"scale": 3},
        {"deploy": {"replicas": 3}},
        {"depends_on": {"db": {"condition": STARTED}}},
        {"profiles": ["test"]},
        {"pull_policy": "always"},
        {"build": {"context": "/elsewhere"}},
    ],
)
def test_what_needs_no_other_container(keys: dict[str, object]) -> None:
    assert _hash(**keys) in (_hash(), _hash(deploy={}))


@pytest.mark.parametrize(
    "keys",
    [
        {"image": "alpine"},
        {"command": ["sleep", "1"]},
        {"environment": {"A": "1"}},
        {"deploy": {"resources": {"limits": {"memory": "1073741824"}}}},
    ],
)
def test_what_needs_another_container(keys: dict[str, object]) -> None:
    assert _hash(**keys) != _hash()


def test_another_secret_needs_another_container() -> None:
    def digest(text: str) -> str:
        tree = {
            "services": {"web": {"image": "a", "secrets": [{"source": "token"}]}},
            "secrets": {"token": {"content": text}, "other": {"content": text}},
        }
        return project(tree).services[0].hash

    assert digest("one") != digest("two")


def test_a_network_that_it_is_not_on_changes_nothing() -> None:
    def digest(name: str) -> str:
        tree = {
            "services": {"web": {"image": "a", "networks": {"front": None}}},
            "networks": {"front": {"name": "app_front"}, "back": {"name": name}},
        }
        return project(tree).services[0].hash

    assert digest("app_back") == digest("elsewhere")
