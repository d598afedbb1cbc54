"""The flags of `run`: sizes, env files, what is refused."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from lamina.cli import run
from lamina.cli.request import RunUsage, options_from, overrides_from, size
from lamina.errors import LaminaError


def parsed(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    run.add(parser.add_subparsers())
    return parser.parse_args(["run", *words])


def test_flags_after_the_image_are_the_command_s() -> None:
    found = parsed("-it", "--rm", "-e", "A=b", "busybox", "sh", "-c", "--rm", "-x")
    assert found.image == "busybox"
    assert found.command == ["sh", "-c", "--rm", "-x"]
    assert found.interactive and found.tty and found.rm


def test_short_flags_run_together_with_a_value() -> None:
    found = parsed("-itp8080:80", "-m512m", "-hweb", "busybox")
    assert (found.publish, found.memory, found.hostname) == (["8080:80"], "512m", "web")


@pytest.mark.parametrize("words", [("--nope", "busybox"), (), ("--rm",), ("-e",)])
def test_a_wrong_flag_is_125(words: tuple[str, ...]) -> None:
    with pytest.raises(SystemExit) as stopped:
        parsed(*words)
    assert stopped.value.code == 125


def test_sizes_in_docker_s_units() -> None:
    assert [size(text, "-m") for text in ("", "5", "1k", "512m", "1.5g", "2GiB")] == [
        *(0, 5, 1024, 512 << 20, 3 << 29, 2 << 30)
    ]
    for bad in ("x", "-1", "1x", "m", "1e999", "nan"):
        with pytest.raises(RunUsage):
            size(bad, "-m")


@pytest.mark.parametrize(
    "words",
    [
        ("--network", "nowhere"),
        ("--memory", "1k"),
        ("--cpus", "-1"),
        ("--cpus", "x"),
        ("--pids-limit", "many"),
        ("-h", "x" * 65),
        ("-v", "relative:"),
        ("--cap-add", "NOTHING"),
        ("--security-opt", "label=x"),
        ("--ulimit", "nofile"),
    ],
)
def test_what_cannot_be_is_refused_with_125(words: tuple[str, ...]) -> None:
    with pytest.raises(LaminaError) as refused:
        options_from(parsed(*words, "busybox"))
    assert refused.value.exit_code == 125


def test_the_environment_from_files_and_flags(tmp_path: Path) -> None:
    file = tmp_path / "env"
    file.write_text("# note\nA=from file\nPASSED\nMISSING\n\nB=x=y\n")
    words = ("--env-file", str(file), "-e", "A=flag", "-e", "GONE", "-e", "PASSED")
    given = overrides_from(parsed(*words, "busybox"), {"PASSED": "on"})
    assert given.env == (
        *("A=from file", "PASSED=on", "B=x=y", "A=flag", "GONE", "PASSED=on"),
    )
    file.write_text("BAD NAME=x\n")
    with pytest.raises(RunUsage, match="no name"):
        overrides_from(parsed("--env-file", str(file), "busybox"), {})


def test_overrides(tmp_path: Path) -> None:
    words = ("--entrypoint", "", "-w", "/a/../b", "-l", "k=v=w", "--expose", "80")
    given = overrides_from(parsed(*words, "busybox", "ls"), {})
    assert given.entrypoint == ()
    assert given.working_dir == "/b"
    assert given.labels == (("k", "v=w"),)
    assert given.exposed_ports == ("80/tcp",)
    for bad in (("-w", "here"), ("-l", "=x"), ("--expose", "0"), ("--expose", "80/x")):
        with pytest.raises(RunUsage):
            overrides_from(parsed(*bad, "busybox"), {})
