"""`lamina events`: docker's lines, its JSON and its filters."""

from __future__ import annotations

import json

import pytest

from lamina.cli.system.events import (
    Event,
    completed,
    is_wanted,
    parse_filters,
    shown_as,
)
from lamina.errors import LaminaError


def shown(event: Event, form: str) -> str:
    return shown_as(form)(event)


def event(kind: str, action: str, identity: str, **attributes: str) -> Event:
    return completed(
        {
            "Type": kind,
            "Action": action,
            "Actor": {"ID": identity, "Attributes": attributes},
            "scope": "local",
            "time": 1483576558,
            "timeNano": 1483576558_000000007,
        }
    )


START = event("container", "start", "0fdb48", image="alpine:3", name="web", app="a")
CHECK = event("container", "health_status: healthy", "0fdb48", name="web")
TAG = event("image", "tag", "sha256:1a", name="alpine:3")
JOIN = event("network", "connect", "9c", name="bridge", container="0fdb48")


def test_a_line_has_the_moment_to_the_nanosecond_and_sorted_attributes() -> None:
    stamp, _, rest = shown(START, "").partition(" ")
    assert ".000000007" in stamp
    assert rest == "container start 0fdb48 (app=a, image=alpine:3, name=web)"


def test_a_label_cannot_steer_the_terminal() -> None:
    assert "\x1b" not in shown(event("container", "start", "1", x="\x1b[2J"), "")


def test_json_has_what_docker_s_api_has() -> None:
    found = json.loads(shown(START, "json"))
    assert (found["status"], found["id"], found["from"]) == (
        "start",
        "0fdb48",
        "alpine:3",
    )
    assert found == json.loads(shown(START, "{{json .}}"))
    assert "status" not in json.loads(shown(JOIN, "json"))


def test_templates_name_fields_as_go_does() -> None:
    form = "{{.Type}} {{.Status}} {{.TimeNano}} {{.Actor.Attributes.name}}"
    assert shown(START, form) == "container start 1483576558000000007 web"


def test_templates_may_be_jinja_s() -> None:
    form = "{{ type }} {{ action }} {{ actor.attributes.name }}"
    assert shown(START, form) == "container start web"


@pytest.mark.parametrize(
    ("filters", "wanted"),
    [
        ([], [START, CHECK, TAG, JOIN]),
        (["type=image"], [TAG]),
        (["type=image", "type=network"], [TAG, JOIN]),
        (["event=start"], [START]),
        (["event=health_status"], [CHECK]),
        (["event=health_status: healthy"], [CHECK]),
        (["event=health_status: unhealthy"], []),
        (["container=web"], [START, CHECK]),
        (["container=0fd"], [START, CHECK, JOIN]),
        (["container=bridge"], []),
        (["image=alpine"], [START, TAG]),
        (["image=alpine:3", "type=container"], [START]),
        (["network=bridge"], [JOIN]),
        (["label=app"], [START]),
        (["label=app=a", "label=other"], []),
        (["scope=local"], [START, CHECK, TAG, JOIN]),
    ],
)
def test_filters(filters: list[str], wanted: list[Event]) -> None:
    asked = parse_filters(filters)
    assert [e for e in (START, CHECK, TAG, JOIN) if is_wanted(e, asked)] == wanted


@pytest.mark.parametrize("text", ["colour=red", "type"])
def test_what_is_no_filter(text: str) -> None:
    with pytest.raises(LaminaError, match="Invalid filter"):
        parse_filters([text])
