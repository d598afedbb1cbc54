"""In which order containers end."""

from __future__ import annotations

from lamina.services.ending import waves
from tests.services.projects import there


def test_who_depends_on_others_ends_first() -> None:
    found = (there("db", 1), there("web", 1), there("web", 2), there("api", 1))
    assert [
        [one.container.name for one in wave]
        for wave in waves(found, ["db", "api", "web"])
    ] == [["app-web-1", "app-web-2"], ["app-api-1"], ["app-db-1"]]


def test_what_is_in_no_order_ends_before_all() -> None:
    found = (there("db", 1), there("gone", 1))
    assert [wave[0].service for wave in waves(found, ["db"])] == ["gone", "db"]
