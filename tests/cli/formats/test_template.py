"""`--format`: which language it is, and what Jinja's gives."""

from __future__ import annotations

from typing import Any

import pytest

from lamina.cli.formats.jinja import BadJinja, snake
from lamina.cli.formats.template import is_jinja, render, unescape

DATA: dict[str, Any] = {
    "ID": "abc",
    "CreatedAt": "now",
    "State": {"Running": True, "OOMKilled": False, "Health": None},
    "NetworkSettings": {"IPAddress": "10.0.0.2"},
    "Mounts": [{"Source": "/a"}, {"Source": "/b"}],
    "Config": {"Labels": {"com.example": "v", "items": "w"}},
}


@pytest.mark.parametrize(
    ("template", "jinja"),
    [
        ("plain", False),
        ("{{.ID}}", False),
        ("{{ .ID }}", False),
        ("{{json .}}", False),
        ("{{jsn .}}", False),
        ("{{$x := 1}}", False),
        ('{{"a"}}', False),
        ("{{range .Mounts}}{{end}}", False),
        ("{{ id }}", True),
        ("{{- id -}}", True),
        ("{{ names | upper }}", True),
        ("{{ state.running }}", True),
        ('{{ labels["a.b"] }}', True),
        ("{% if id %}{% endif %}", True),
        ('{{ "." ~ id }}', False),
    ],
)
def test_which_of_the_two_languages_it_is(template: str, jinja: bool) -> None:
    assert is_jinja(template) == jinja


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{{ id }} {{ created_at | upper }}", "abc NOW"),
        ("{{ state.running }} {{ state.oom_killed }}", "true false"),
        ("{{ state.health }}", ""),
        ("{{ network_settings.ip_address }}", "10.0.0.2"),
        ("{% for m in mounts %}{{ m.source }};{% endfor %}", "/a;/b;"),
        ('{{ config.labels["com.example"] }} {{ config.Labels["items"] }}', "v w"),
        ("{{ mounts | json }}", '[{"Source":"/a"},{"Source":"/b"}]'),
        ("{{ config.labels | tojson }}", '{"com.example": "v", "items": "w"}'),
        ("{{ ID }}", "abc"),
    ],
)  # fmt: skip
def test_jinja_has_docker_s_names_with_underscores(template: str, text: str) -> None:
    assert render(template, DATA) == text


@pytest.mark.parametrize(
    "template",
    [
        "{{ nowhere }}",
        "{{ state.nowhere }}",
        "{{ id",
        "{% if id %}",
        "{{ id | nofilter }}",
        "{{ id.__class__.__mro__ }}",
        "{{ id + 1 }}",
        "{{ x() }}",
        "{{ nowhere | json }}",
    ],
)
def test_what_jinja_refuses_is_an_error_with_a_hint(template: str) -> None:
    if not is_jinja(template):
        template += " {{ id }}"
    with pytest.raises(BadJinja) as caught:
        render(template, DATA)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("name", "underscored"),
    [
        ("ID", "id"),
        ("CreatedAt", "created_at"),
        ("CPUPerc", "cpu_perc"),
        ("PIDs", "pids"),
        ("NetIO", "net_io"),
        ("IPAddress", "ip_address"),
        ("OOMKilled", "oom_killed"),
        ("IPPrefixLen", "ip_prefix_len"),
    ],
)
def test_names_with_underscores(name: str, underscored: str) -> None:
    assert snake(name) == underscored


def test_escapes_of_the_shell_count_outside_of_actions() -> None:
    assert unescape(r"{{.A}}\t{{.B}}\n") == "{{.A}}\t{{.B}}\n"
    assert unescape(r'{{printf "%s\n" .A}}\n') == '{{printf "%s\\n" .A}}\n'
