"""Templates beside docker's: what its own command prints for a format, and what ours
does with the same document."""

from __future__ import annotations

import io
import json
import os
import subprocess
import tarfile
from collections.abc import Iterator
from typing import Any

import pytest

from lamina.cli.formats.template import render

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif("LAMINA_NO_DOCKER" in os.environ, reason="no dockerd runs here"),
]

NAME = f"lamina-formats-{os.getpid()}"


def docker(*words: str, given: bytes = b"") -> str:
    done = subprocess.run(
        ("/usr/bin/docker", *words), input=given, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()


@pytest.fixture(scope="module")
def document() -> Iterator[dict[str, Any]]:
    """A container that was created, as docker tells it."""
    empty = io.BytesIO()
    with tarfile.open(fileobj=empty, mode="w"):
        pass
    changes = ("LABEL a.b=c d=e", "ENV A=1 B=2", "EXPOSE 80 53/udp", 'CMD ["x", "y z"]')
    flags = [word for change in changes for word in ("-c", change)]
    docker("import", *flags, "-", f"{NAME}:1", given=empty.getvalue())
    try:
        words = ("--network", "none", "-v", "/etc:/data:ro", "-m", "64m")
        docker("create", "--name", NAME, *words, f"{NAME}:1")
        found: list[dict[str, Any]] = json.loads(docker("inspect", NAME))
        yield found[0]
    finally:
        docker("rm", "-f", NAME)
        docker("rmi", "-f", f"{NAME}:1")


@pytest.mark.parametrize(
    "template",
    [
        "{{.Id}} {{.Name}} {{.State.Status}} {{.State.Running}} {{.State.ExitCode}}",
        "{{.Config.Env}} {{.Config.Labels}} {{.Config.ExposedPorts}} {{.Config.Cmd}}",
        "{{.Config.Entrypoint}} {{.Config.Volumes}} {{.Config.OnBuild}}",
        "{{.State.Health}} {{if .State.Health}}{{.State.Health.Status}}{{end}}",
        "{{.HostConfig.Memory}} {{.HostConfig.NanoCpus}} {{.HostConfig.PidsLimit}}",
        "{{.HostConfig.CapAdd}} {{.HostConfig.Binds}} {{.HostConfig.SecurityOpt}}",
        "{{json .Config.Env}} {{json .Config.Labels}} {{json .Config.Entrypoint}}",
        "{{json .HostConfig.Binds}} {{json .Name}} {{json .State.Running}}",
        '{{index .Config.Labels "a.b"}} {{index .Config.Labels "no"}}',
        "{{.Config.Labels.d}} {{.Config.Labels.no}}",
        "{{len .Config.Env}} {{len .Mounts}} {{len .Name}}",
        "{{range .Config.Env}}{{println .}}{{end}}",
        "{{range $k, $v := .Config.Labels}}{{$k}}={{$v}};{{end}}",
        "{{range $i, $e := .Config.Env}}{{if $i}}, {{end}}{{$i}}:{{$e}}{{end}}",
        "{{range .HostConfig.CapAdd}}x{{else}}none{{end}}",
        "{{range $p, $conf := .Config.ExposedPorts}}{{$p}} {{end}}",
        "{{with .Config}}{{.Hostname}}{{index .Cmd 1}}{{end}}",
        '{{join .Config.Cmd ","}} {{split .Name "/"}} {{.Name | upper | title}}',
        '{{printf "%s|%20s|%-20s|%.3s|%q|%x" .Name .Name .Name .Name .Name .Name}}',
        '{{printf "%d|%5d|%-5d|%05d|%+d|%x|%o" 7 7 7 7 7 255 8}}',
        '{{printf "%v %v %v %t" .State.Running 1.5 .Config.Env true}}',
        '{{printf "%d" .Name}}{{printf "%s"}}{{printf "x" 1 `a`}}{{printf "%z" 1}}',
        '{{printf "%6.2f|%e|%g|%v|%v" 3.14159 1234.5 0.5 1e21 1e-7}}',
        "{{print 1 2 `a` `b` 3 4}}|{{println `a` 1}}|{{print true .State.ExitCode}}",
        '{{pad "x" 2 3}}|{{truncate .Id 12}}|{{slice .Id 2 5}}|{{slice .Config.Cmd 1}}',
        "{{html `<a href=\"x\">'&`}} {{urlquery `a b/c?d=e&f~`}} {{js `it's <b>`}}",
        '{{eq .Driver "x" .Driver}} {{ne 1 2}} {{lt 1 2}} {{le 2 2}} {{gt "b" "a"}}',
        '{{and 1 0}} {{and 1 2}} {{or "" "x"}} {{or 0 ""}} {{not .State.Running}}',
        "{{if and (eq .State.ExitCode 0) (not .State.Running)}}over{{else}}on{{end}}",
        "{{if .State.Running}}a{{else if .Config.Cmd}}b{{else}}c{{end}}",
        "a  {{- .Name -}}  b {{/* no */}} c {{- /* no */ -}} d",
        "{{$x := 0}}{{range .Config.Env}}{{$x = len .}}{{end}}{{$x}} {{$.Name}}",
        '{{define "m"}}[{{.}}]{{end}}{{range .Config.Cmd}}{{template "m" .}}{{end}}',
        '{{block "b" .Name}}<{{.}}>{{end}} {{"\\u00fc\\x41\\n"}}{{`raw\\n`}}',
        "{{'a'}} {{0x1F}} {{true}} {{-1}} {{1e3}}",
        "{{(index .Mounts 0).Type}} {{(.Config).Hostname}} {{.Id}}\\n",
        "{{range .Mounts}}{{.Type}} {{.RW}};{{end}}",
        "{{.HostConfig.RestartPolicy}} {{.HostConfig.LogConfig}} {{.Config.Labels}}",
        "{{.HostConfig.PortBindings}} {{.NetworkSettings.Ports}}",
    ],
)
def test_the_same_text(document: dict[str, Any], template: str) -> None:
    expected = docker("inspect", "--type", "container", "-f", template, NAME)
    assert render(template, document) + "\n" == expected


@pytest.mark.parametrize(
    "template",
    [
        *("{{", "{{.Nowhere}}", "{{no .Id}}", "{{end}}", "{{if .Id}}", "{{.Id.X}}"),
        *(
            "{{index .Config.Env 9}}",
            "{{len 3}}",
            "{{eq 1 `a`}}",
            "{{break}}",
            "{{$x}}",
        ),
        *("{{.Name 3}}", "{{template `x`}}", '{{"a}}', "{{1 | 2}}", "{{()}}"),
    ],
)
def test_the_same_is_refused(document: dict[str, Any], template: str) -> None:
    from lamina.errors import LaminaError

    words = ("/usr/bin/docker", "inspect", "--type", "container", "-f", template, NAME)
    done = subprocess.run(words, capture_output=True, check=False)
    with pytest.raises(LaminaError) as caught:
        render(template, document)
    assert done.returncode == caught.value.exit_code
