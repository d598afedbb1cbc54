from __future__ import annotations

import pytest

from lamina.runtime.containers import endpoints
from lamina.runtime.containers.endpoints import Settings, parse
from lamina.runtime.containers.options import Options
from lamina.runtime.errors import NetworkError


def test_what_is_asked_of_a_network_is_read_and_written() -> None:
    text = "name=app,alias=www,alias=w3,ip=10.0.0.9,group=web"
    asked = Settings("app", ("www", "w3"), "10.0.0.9", group="web")
    assert parse(text) == asked and asked.text() == text
    assert parse("app") == Settings("app")
    assert parse("name=app,group=_web-1.x").group == "_web-1.x"


@pytest.mark.parametrize("name", ["a/b", ".web", "..", "web web", "w" * 64, "ä"])
def test_a_group_has_a_name_that_others_can_say(name: str) -> None:
    with pytest.raises(NetworkError, match="no name for a group"):
        parse(f"name=app,group={name}")


def test_there_are_no_groups_where_there_are_no_names() -> None:
    with pytest.raises(NetworkError, match="user-defined networks only"):
        endpoints.check(Options(networks=("name=bridge,group=web",)))
