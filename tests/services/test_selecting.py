"""Which services are meant, and in which order."""

from __future__ import annotations

import pytest

from lamina.services.errors import ComposeError
from lamina.services.project import STARTED, Project
from lamina.services.selecting import ordered, selected
from tests.services.projects import of_services, project


def _after(*names: str) -> dict[str, object]:
    return {"depends_on": {name: {"condition": STARTED} for name in names}}


SHOP = of_services(
    web=_after("api"), api=_after("db", "cache"), db={}, cache={}, mail={}
)


def test_all_services_those_they_depend_on_first() -> None:
    names = [one.name for one in selected(SHOP)]
    assert sorted(names) == ["api", "cache", "db", "mail", "web"]
    assert names.index("db") < names.index("api") < names.index("web")


def test_a_service_with_what_it_depends_on() -> None:
    assert [one.name for one in selected(SHOP, ["api"])] == ["cache", "db", "api"]


def test_a_service_alone() -> None:
    assert [one.name for one in selected(SHOP, ["web"], alone=True)] == ["web"]


def test_all_in_order_whatever_is_meant() -> None:
    names = [one.name for one in ordered(SHOP)]
    assert names.index("cache") < names.index("api")


def test_a_name_that_is_none_with_the_one_that_was_meant() -> None:
    with pytest.raises(ComposeError, match="no such service: wbe") as error:
        selected(SHOP, ["wbe"])
    assert error.value.hint == "Did you mean 'web'?"


def _profiled(*active: str) -> Project:
    services = {
        "web": {"image": "a"},
        "debug": {"image": "a", "profiles": ["dev"], **_after("tools")},
        "tools": {"image": "a", "profiles": ["dev", "tools"]},
    }
    return project({"services": services, "active": active})


def test_services_of_profiles_that_are_not_active_are_not_meant() -> None:
    assert [one.name for one in selected(_profiled())] == ["web"]


def test_services_of_an_active_profile() -> None:
    names = [one.name for one in selected(_profiled("dev"))]
    assert sorted(names) == ["debug", "tools", "web"]


def test_all_profiles() -> None:
    assert len(selected(_profiled("*"))) == 3


def test_a_named_service_needs_no_profile_but_what_it_depends_on_does() -> None:
    assert [one.name for one in selected(_profiled(), ["tools"])] == ["tools"]
    with pytest.raises(ComposeError, match="depends on 'tools'") as error:
        selected(_profiled(), ["debug"])
    assert "--profile dev" in error.value.hint
