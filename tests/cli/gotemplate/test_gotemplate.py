"""Go templates: what docker's `--format` takes, and what is told of mistakes."""

from __future__ import annotations

from typing import Any

import pytest

from lamina.cli.gotemplate.errors import BadSyntax, BadTemplate
from lamina.cli.gotemplate.evaluation import evaluate
from lamina.cli.gotemplate.functions import FUNCTIONS
from lamina.cli.gotemplate.parser import parse

DATA: dict[str, Any] = {
    "ID": "abc",
    "Name": "/the web",
    "Config": {
        "Env": ["A=1", "B=2"],
        "Labels": {"k.x": "v", "a": "b"},
        "Cmd": None,
        "Volumes": None,
    },
    "Running": True,
    "Size": 12,
    "Share": 0.5,
    "Mounts": [
        {"Type": "bind", "Source": "/a", "RW": False},
        {"Type": "volume", "Source": "/b", "RW": True},
    ],
    "Policy": {"Name": "always", "Most": 0, "Options": {"Key": "v"}, "Cmd": None},
    "Ports": {"80/tcp": [{"HostIp": "::1", "HostPort": "8080"}]},
    "Label": lambda name: f"<{name}>",
}


def render(template: str) -> str:
    return evaluate(parse(template, FUNCTIONS), DATA, FUNCTIONS)


@pytest.mark.parametrize(
    ("template", "text"),
    [
        # Values
        ("plain", "plain"),
        ("{{.ID}} {{ .ID }} {{$.ID}}", "abc abc abc"),
        ("{{.Config.Env}} {{.Config.Labels}}", "[A=1 B=2] map[a:b k.x:v]"),
        ("{{.Running}} {{.Size}} {{.Share}}", "true 12 0.5"),
        (r'{{"a\t\"\u00fc\x41"}} {{`a\t`}}', 'a\t"üA a\\t'),
        ("{{0x1F}} {{-3}} {{1.5e3}}", "31 -3 1500"),
        ("{{'a'}} {{true}} {{1_000}} {{0b11}} {{0o17}}", "97 true 1000 3 15"),
        ("{{(index .Mounts 0).Source}}", "/a"),
        ("{{(.Config).Env}}", "[A=1 B=2]"),
        ('{{.Label "x"}} {{"y" | .Label}}', "<x> <y>"),
        # What is absent has Go's types
        ("{{.Config.Cmd}}{{.Config.Volumes}}{{.Health}}", "[]map[]<nil>"),
        ("{{json .Config.Cmd}} {{len .Config.Cmd}}", "null 0"),
        ("{{if .Health}}{{.Health.Status}}{{else}}none{{end}}", "none"),
        ('{{index .Config.Labels "no"}}|{{.Config.Labels.no}}', "|<no value>"),
        ('{{index .Config.Volumes "no"}}', ""),
        # Structs have their fields in order, maps their keys
        ("{{.Mounts}} {{index .Mounts 0}}",
         "[{bind /a false} {volume /b true}] {bind /a false}"),
        ("{{.Policy}} {{.Ports}}", "{always 0 map[Key:v] []} map[80/tcp:[{::1 8080}]]"),
        ("{{json .Policy.Options}}", '{"Key":"v"}'),
        # Blanks and comments
        ("a  {{- .ID -}}  b", "aabcb"),
        ("a {{- /* nothing */ -}} b{{/* {{ }} */}}", "ab"),
        ("{{- 3 -}}", "3"),
        ("{{-3}}", "-3"),
        # Functions
        ("{{json .Config.Env}}", '["A=1","B=2"]'),
        ('{{index .Config.Labels "k.x"}} {{index .Config.Env 1}}', "v B=2"),
        ('{{index .Mounts 1 "Source"}}', "/b"),
        ('{{join .Config.Env ","}} {{split "a,b" ","}}', "A=1,B=2 [a b]"),
        ("{{.ID | upper}} {{title .Name}} {{lower `AB`}}", "ABC /The Web ab"),
        ("{{pad .ID 1 2}}| {{truncate .ID 2}} {{slice .ID 1 2}}", " abc  | ab b"),
        ('{{.ID | printf "<%s>"}} {{printf "%5s|%-5s|%.2s" .ID .ID .ID}}',
         "<abc>   abc|abc  |ab"),
        ('{{printf "%q %T %c %o %X" .ID .Size 65 8 "n"}}', '"abc" int A 10 6E'),
        ('{{printf "%d %03d %x %t %v %5.1f %%" 7 7 255 true .Config.Env 0.25}}',
         "7 007 ff true [A=1 B=2]   0.2 %"),
        ('{{printf "%d" "x"}} {{printf "%s"}} {{printf "a" 1}}',
         "%!d(string=x) %!s(MISSING) a%!(EXTRA int=1)"),
        ('{{printf "%*d|%-*d|" 4 1 4 1}}', "   1|1   |"),
        ("{{print 1 2 `a` `b` 3}}|{{println 1 `a`}}", "1 2ab3|1 a\n"),
        ("{{len .ID}} {{len .Config.Env}} {{len .Config.Labels}}", "3 2 2"),
        ("{{html `<a>`}} {{urlquery `a b&c`}}", "&lt;a&gt; a+b%26c"),
        ('{{and 1 0 .No}} {{or "" "x" .No}} {{not ""}}', "0 x true"),
        ('{{eq .ID "x" "abc"}} {{ne 1 2}} {{lt 1 2}}', "true true true"),
        ('{{le 2 2}} {{gt "b" "a"}} {{ge 1 2}}', "true true false"),
        # if, with, range
        ("{{if .Running}}up{{else}}down{{end}}", "up"),
        ("{{if .Config.Cmd}}a{{else if .Size}}b{{else}}c{{end}}", "b"),
        ('{{if and (eq .ID "abc") (not .Config.Cmd)}}yes{{end}}', "yes"),
        ("{{with .Config}}{{index .Env 0}} {{$.ID}}{{end}}", "A=1 abc"),
        ("{{with .Config.Cmd}}a{{else}}b{{end}}", "b"),
        ("{{with $x := .ID}}{{$x}}{{end}}", "abc"),
        ("{{range .Config.Env}}{{.}};{{else}}none{{end}}", "A=1;B=2;"),
        ("{{range .Config.Cmd}}{{.}};{{else}}none{{end}}", "none"),
        ("{{range $k, $v := .Config.Labels}}{{$k}}={{$v}} {{end}}", "a=b k.x=v "),
        ("{{range $i, $m := .Mounts}}{{if $i}}, {{end}}{{$m.Source}}{{end}}", "/a, /b"),
        ("{{range .Mounts}}{{if not .RW}}{{continue}}{{end}}{{.Source}}{{end}}", "/b"),
        ("{{range .Mounts}}{{.Source}}{{break}}{{end}}", "/a"),
        ("{{range 3}}{{.}}{{end}}", "012"),
        ("{{range .Mounts}}{{range $k, $v := .}}{{$k}} {{end}}{{break}}{{end}}",
         "RW Source Type "),
        ("{{if .Config.Cmd}}{{.Nowhere}}{{end}}", ""),
        # Variables
        ("{{$n := 0}}{{range .Mounts}}{{$n = len .Source}}{{end}}{{$n}}", "2"),
        ("{{$x := .ID}}{{if true}}{{$x := 1}}{{$x}}{{end}}{{$x}}", "1abc"),
        # Templates
        ('{{define "m"}}[{{.Source}}]{{end}}{{range .Mounts}}{{template "m" .}}{{end}}',
         "[/a][/b]"),
        ('{{block "x" .ID}}<{{.}}>{{end}}', "<abc>"),
    ],
)  # fmt: skip
def test_templates(template: str, text: str) -> None:
    assert render(template) == text


@pytest.mark.parametrize(
    ("template", "column", "said"),
    [
        ("ab {{.ID", 4, "never closed"),
        ("{{/* a", 3, "comment is never closed"),
        ('{{"a}}', 3, "quotes are never closed"),
        ("{{.ID}} {{jsn .}}", 11, "no function 'jsn'"),
        ("{{}}", 3, "a value is missing"),
        ("{{.ID | }}", 9, "a value is missing"),
        ("{{.ID | 3}}", 9, "has to be a function"),
        ("{{if .ID}}", 11, "{{end}} is missing"),
        ("{{range .A}}{{else}}", 21, "{{end}} is missing"),
        ("{{end}}", 3, "ends nothing"),
        ("{{if .A}}{{else}}{{else}}{{end}}", 20, "ends nothing"),
        ("{{.ID )}}", 7, "not expected"),
        ("{{(.ID}}", 7, "not expected"),
        ("{{.ID ? 3}}", 7, "means nothing"),
        ("{{$x}}", 3, "$x is not declared"),
        ("{{range $x := .A}}{{end}}{{$x}}", 28, "$x is not declared"),
        ("{{break}}", 3, "in no range"),
        ("{{template .A}}", 12, 'wants a "name"'),
        ("{{3.ID}}", 3, "means nothing"),
        (r'{{"\q"}}', 4, "no escape"),
        ("{{" + "(" * 200 + "}}", 102, "too deeply"),
    ],
)
def test_what_cannot_be_read_says_where(template: str, column: int, said: str) -> None:
    with pytest.raises(BadSyntax) as caught:
        render(template)
    assert (caught.value.column, caught.value.exit_code) == (column, 64)
    assert said in str(caught.value)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("template", "column", "said", "hint"),
    [
        ("{{.Nowhere}}", 3, "no field .Nowhere", "There are .Config"),
        ("{{.ID}} {{.Config.Envs}}", 18, "no field .Envs", "mean .Env?"),
        ("a\n{{.id}}", 3, "no field .id", "mean .ID?"),
        ("{{.ID.Inner}}", 6, "'abc' has no field", ""),
        ("{{.Health.Status}}", 10, "no .Health that had a .Status", ""),
        ("{{index .Config.Env 9}}", 3, "out of range", ""),
        ('{{index .Config.Env "a"}}', 3, "is a number", ""),
        ("{{len .Size}}", 3, "has no length", ""),
        ("{{.ID 3}}", 7, "takes no arguments", ""),
        ("{{upper 3}}", 3, "no string", ""),
        ("{{upper}}", 3, "not the arguments", ""),
        ("{{eq 1 `a`}}", 3, "not comparable", ""),
        ("{{lt true false}}", 3, "have an order", ""),
        ("{{range .Running}}{{end}}", 9, "cannot go over", ""),
        ('{{template "no"}}', 12, "no template 'no'", ""),
        (
            '{{define "a"}}{{template "a"}}{{end}}{{template "a"}}',
            26,
            "without end",
            "",
        ),
    ],
)
def test_what_does_not_fit_says_where(
    template: str, column: int, said: str, hint: str
) -> None:
    with pytest.raises(BadTemplate) as caught:
        render(template)
    assert not isinstance(caught.value, BadSyntax)
    assert (caught.value.column, caught.value.exit_code) == (column, 1)
    assert said in str(caught.value)
    assert hint in caught.value.hint


def test_an_error_shows_its_line_and_the_place() -> None:
    with pytest.raises(BadTemplate) as caught:
        render("one\ntwo {{.No}}\nthree")
    assert caught.value.excerpt == "    two {{.No}}\n          ^"
