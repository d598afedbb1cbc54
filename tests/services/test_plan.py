"""What is made, kept, replaced and removed."""

from __future__ import annotations

from typing import Any

from lamina.services.observed import Observed
from lamina.services.plan import DIVERGED, FORCE, NEVER, Plan, ServicePlan, plan
from lamina.services.project import Project
from lamina.values import replace
from tests.services.projects import of_services, there

IMAGE = "sha256:1"


def _planned(
    project: Project, *found: Observed, image: str = IMAGE, recreate: str = DIVERGED
) -> Plan:
    names = [one.name for one in project.services]
    images = dict.fromkeys(names, image)
    return plan(
        project, project.services, found, images, dict.fromkeys(names, recreate)
    )


def _web(*found: Observed, scale: int = 1, **more: Any) -> ServicePlan:
    return _planned(of_services(web={"scale": scale}), *found, **more).services[0]


def _current(number: int, **more: Any) -> Observed:
    """A container that is as it should be."""
    (web,) = of_services(web={}).services
    return there("web", number, web.hash, **more)


def _numbers(found: ServicePlan, kind: str) -> list[int]:
    return [one.number for one in found.replicas if getattr(one, kind) is not None]


def test_nothing_is_there_yet() -> None:
    found = _web(scale=3)
    assert [one.number for one in found.replicas] == [1, 2, 3]
    assert _numbers(found, "there") == _numbers(found, "replaces") == []


def test_what_is_as_it_should_be_stays() -> None:
    found = _web(_current(1))
    assert _numbers(found, "there") == [1]
    assert not found.renews


def test_what_was_made_from_other_words_is_replaced() -> None:
    found = _web(there("web", 1, "other"))
    assert _numbers(found, "replaces") == [1]
    assert found.renews


def test_what_was_made_from_another_image_is_replaced() -> None:
    assert _numbers(_web(_current(1), image="sha256:2"), "replaces") == [1]


def test_all_are_replaced_or_none() -> None:
    assert _numbers(_web(_current(1), recreate=FORCE), "replaces") == [1]
    other = there("web", 1, "other")
    assert _numbers(_web(other, recreate=NEVER), "there") == [1]


def test_more_containers_take_the_next_free_numbers() -> None:
    found = _web(_current(2), scale=3)
    assert [one.number for one in found.replicas] == [1, 2, 3]
    assert _numbers(found, "there") == [2]


def test_fewer_containers_are_those_of_low_numbers() -> None:
    found = _web(_current(1), _current(2), _current(3), scale=1)
    assert _numbers(found, "there") == [1]
    assert [one.number for one in found.surplus] == [2, 3]


def test_of_too_many_those_go_that_would_be_replaced() -> None:
    found = _web(there("web", 1, "other"), _current(2), scale=1)
    assert _numbers(found, "there") == [2]
    assert [one.number for one in found.surplus] == [1]


def test_no_container_at_all() -> None:
    found = _web(_current(1), scale=0)
    assert found.replicas == ()
    assert [one.number for one in found.surplus] == [1]


def test_of_two_with_one_number_one_goes() -> None:
    found = _web(there("web", 1, "other"), _current(1))
    assert len(found.replicas) == 1
    assert len(found.surplus) == 1


def test_a_service_that_is_no_more_leaves_orphans() -> None:
    found = _planned(of_services(web={}), there("old", 1))
    assert [one.service for one in found.orphans] == ["old"]


def test_what_was_not_asked_for_is_left_alone() -> None:
    project = of_services(web={}, db={})
    web = project.service("web")
    assert web is not None
    found = plan(project, (web,), (there("db", 1),), {}, {})
    assert [one.service.name for one in found.services] == ["web"]
    assert found.orphans == ()


def test_of_two_with_one_number_the_right_one_stays() -> None:
    found = _web(there("web", 1, "other"), _current(1))
    assert _numbers(found, "there") == [1]
    assert [one.hash for one in found.surplus] == ["other"]


def _sharing(*found: Observed) -> ServicePlan:
    services = _planned(_SHARED, *found).services
    return next(one for one in services if one.service.name == "web")


_SHARED = of_services(web={"network_mode": "service:db"}, db={})


def _on(network: str) -> Observed:
    (web,) = (one for one in _SHARED.services if one.name == "web")
    one = there("web", 1, web.hash)
    options = replace(one.container.options, network=network)
    return replace(one, container=replace(one.container, options=options))


def test_what_has_the_network_of_a_container_that_is_gone_is_replaced() -> None:
    database = there("db", 1)
    stays = _sharing(_on(f"container:{database.container.id}"), database)
    assert _numbers(stays, "there") == [1]
    assert _numbers(_sharing(_on("container:gone"), database), "replaces") == [1]
