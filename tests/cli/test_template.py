"""Go templates, as far as `--format` is used with them."""

from __future__ import annotations

import pytest

from lamina.cli.template import BadTemplate, render, unescape

DATA = {
    "ID": "abc",
    "Config": {"Env": ["A=1", "B=2"], "Labels": {"k.x": "v", "a": "b"}, "Cmd": None},
    "Running": True,
    "Size": 12,
}


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("plain", "plain"),
        ("{{.ID}}", "abc"),
        ("{{ .ID }}!", "abc!"),
        ("{{$.ID}}", "abc"),
        ("{{json .Config.Env}}", '["A=1","B=2"]'),
        ("{{.Config.Env}} {{.Config.Labels}}", "[A=1 B=2] map[a:b k.x:v]"),
        ('{{index .Config.Labels "k.x"}}', "v"),
        ("{{index .Config.Env 1}}", "B=2"),
        ('{{join .Config.Env ","}}', "A=1,B=2"),
        ("{{.ID | upper}}", "ABC"),
        ('{{.ID | printf "<%s>"}}', "<abc>"),
        ("{{len .Config.Env}} {{.Running}} {{.Config.Cmd}}", "2 true <no value>"),
        ("{{range .Config.Env}}{{.}};{{end}}", "A=1;B=2;"),
        ("{{range .Config.Env}}{{println .}}{{end}}", "A=1\nB=2\n"),
        ("{{range $k, $v := .Config.Labels}}{{$k}}={{$v}} {{end}}", "a=b k.x=v "),
        ("{{range .Config.Env}}{{$.ID}}{{end}}", "abcabc"),
        ("{{if .Running}}up{{else}}down{{end}}", "up"),
        ("{{if .Config.Cmd}}a{{else if .Size}}b{{else}}c{{end}}", "b"),
        ('{{if eq .ID "abc"}}yes{{end}}', "yes"),
        ("{{if .Config.Cmd}}{{.Nowhere}}{{end}}", ""),
        ("a  {{- .ID -}}  b", "aabcb"),
    ],
)
def test_templates(template: str, text: str) -> None:
    assert render(template, DATA) == text


@pytest.mark.parametrize(
    "template",
    [
        "{{.ID",
        "{{.Nowhere}}",
        "{{.ID.Inner}}",
        "{{nofunction .ID}}",
        "{{if .ID}}",
        "{{range .Config.Env}}",
        "{{end}}",
        "{{}}",
        "{{index .Config.Env 9}}",
        "{{(.ID)}}",
        "{{len .Size}}",
    ],
)
def test_what_is_wrong_is_an_error_with_a_hint(template: str) -> None:
    with pytest.raises(BadTemplate) as caught:
        render(template, DATA)
    assert caught.value.hint


def test_escapes_of_the_shell() -> None:
    assert unescape(r"{{.A}}\t{{.B}}\n") == "{{.A}}\t{{.B}}\n"
