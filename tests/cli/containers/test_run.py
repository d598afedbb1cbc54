"""The flags of `run`: sizes, env files, what is refused."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from lamina.cli.containers import run
from lamina.cli.containers.request import options_from, overrides_from
from lamina.cli.formats.amounts import RunUsage
from lamina.cli.main import Parser
from lamina.errors import LaminaError
from lamina.oci.config import Healthcheck, ImageConfig
from lamina.runtime.containers.container import configure


def parsed(*words: str) -> argparse.Namespace:
    parser: argparse.ArgumentParser = Parser(prog="lamina")
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


def test_a_value_may_look_like_a_flag() -> None:
    found = parsed("--entrypoint", "-x", "-ie", "--A=b", "-w", "--", "busybox")
    assert (found.entrypoint, found.env, found.workdir) == ("-x", ["--A=b"], "--")
    assert found.interactive and found.image == "busybox"


def test_the_last_word_of_a_switch_counts() -> None:
    assert not parsed("--rm", "--rm=false", "busybox").rm
    found = parsed("-it=false", "busybox")
    assert found.interactive and not found.tty


@pytest.mark.parametrize("first", [(), ("--",)])
def test_a_command_may_begin_with_two_dashes(first: tuple[str, ...]) -> None:
    """As an entrypoint such as tini wants it."""
    found = parsed("--rm", *first, "busybox", "--", "ls", "--", "-x")
    assert (found.image, found.command) == ("busybox", ["--", "ls", "--", "-x"])


@pytest.mark.parametrize("words", [("--nope", "busybox"), ("--nope",), ("-e",)])
def test_a_wrong_flag_is_125(words: tuple[str, ...]) -> None:
    with pytest.raises(SystemExit) as stopped:
        parsed(*words)
    assert stopped.value.code == 125


@pytest.mark.parametrize("words", [(), ("--rm",), ("-e", "A=b")])
def test_no_image_is_1(words: tuple[str, ...]) -> None:
    with pytest.raises(SystemExit) as stopped:
        parsed(*words)
    assert stopped.value.code == 1


@pytest.mark.parametrize(
    "words",
    [
        ("--network", "app", "--network", "app"),
        ("--network", "app", "--network", "host"),
        ("--network", "name=app,nothing=1"),
        ("--network", "host", "--network-alias", "x"),
        ("--network", "app", "--ip", "10.0.0"),
        ("--network", "app", "--mac-address", "01:02:03:04:05:06"),
        ("--network-alias", "x"),
        ("--dns", "example.org"),
        # Bytes that are no text.
        ("--dns", "\udcff"),
        ("--network", "app", "--ip", "\udcff"),
        ("-p", "\udcff:80:80"),
        ("--memory", "1k"),
        ("--cpus", "-1"),
        ("--cpus", "x"),
        ("--pids-limit", "many"),
        ("-h", "x" * 65),
        ("-v", "relative:"),
        ("--cap-add", "NOTHING"),
        ("--security-opt", "label=x"),
        ("--ulimit", "nofile"),
        ("--rm", "--restart", "always"),
        ("--isolation", "hyperv"),
        ("--gpus", "all"),
        ("--userns", "private"),
        ("--userns", "auto"),
        ("--userns", "keep-id:uid=1000"),
        ("--pid", "private"),
        ("--ipc", "container:"),
        ("--uts", "container:x"),
        ("--uts", "host", "-h", "name"),
        ("--ipc", "host", "--sysctl", "kernel.sem=1"),
        ("--oom-score-adj", "1001"),
        ("--blkio-weight", "5"),
        ("--log-driver", "syslog"),
        ("--log-opt", "max-file=3"),
        ("--log-opt", "tag={{.Nothing}}"),
        ("--log-opt", "tag={{json .}}"),
        ("--log-opt", "nothing=x"),
        ("--log-opt", "labels"),
        ("--log-opt", "env-regex=("),
        ("--log-opt", "mode=x"),
        ("--log-opt", "max-size=x"),
        ("--log-opt", "max-buffer-size=1m"),
        ("--log-opt", "compress=true"),
        ("--log-opt", "compress=x"),
        ("--log-driver", "local", "--log-opt", "tag=x"),
        ("--log-driver", "none", "--log-opt", "max-size=1m"),
        ("--storage-opt", "size"),
        ("--storage-opt", "size=x"),
        ("--storage-opt", "size=1g"),
        ("--storage-opt", "dm.thin=1g"),
        ("--cgroup-parent", "../x"),
        ("--device", "/etc/passwd"),
        ("--device", "/dev/null:/dev/x:q"),
        ("--device-cgroup-rule", "d 1:3 r"),
        ("--annotation", "x"),
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
    # Only a newline ends a line, and \\r may be before it.
    file.write_text("A=1\x0c2\u20283\x854\r\nB=5\r6", newline="")
    given = overrides_from(parsed("--env-file", str(file), "busybox"), {})
    assert given.env == ("A=1\x0c2\u20283\x854", "B=5\r6")
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
    ports = ("--expose", "80-82/udp")
    found = overrides_from(parsed(*ports, "busybox"), {}).exposed_ports
    assert found == ("80/udp", "81/udp", "82/udp")
    for bad in (
        *(("-w", "here"), ("-l", "=x"), ("--expose", "0"), ("--expose", "80/x")),
        *(("--expose", "9-8"), ("--health-interval", "1"), ("--health-retries", "-1")),
        ("--health-cmd", "true", "--no-healthcheck"),
    ):
        with pytest.raises(RunUsage):
            overrides_from(parsed(*bad, "busybox"), {})


def test_health_checks_take_what_is_not_said_from_the_image() -> None:
    image = ImageConfig(
        "amd64", "linux", healthcheck=Healthcheck(("CMD", "x"), interval=5, retries=2)
    )

    def check(*words: str) -> Healthcheck | None:
        return configure(image, overrides_from(parsed(*words, "b"), {})).healthcheck

    assert check() == image.healthcheck
    changed = Healthcheck(("CMD", "x"), interval=10**9, retries=2)
    assert check("--health-interval", "1s") == changed
    found = check("--health-cmd", "true")
    assert found is not None and found.test == ("CMD-SHELL", "true")
    assert check("--no-healthcheck") == Healthcheck(("NONE",), interval=5, retries=2)


def test_docker_s_driver_local_limits_its_files() -> None:
    def options(*words: str) -> tuple[str, ...]:
        return options_from(parsed(*words, "busybox")).log_options

    assert options() == ()
    found = options("--log-driver", "local")
    assert found == (f"max-size={20 << 20}", "max-file=5", "compress=true")
    found = options("--log-driver", "local", "--log-opt", "max-file=1")
    assert found[1:] == ("max-file=1", "compress=true")
    limits = ("--log-opt", "max-size=1k", "--log-opt", "max-file=3")
    assert options(*limits) == ("max-size=1024", "max-file=3")
    assert options(*limits, "--log-opt", "compress=1")[2:] == ("compress=true",)
    rest = ("mode=non-blocking", "max-buffer-size=4m", "compress=false", "env=A,B")
    words = [word for text in rest for word in ("--log-opt", text)]
    assert options(*words) == (rest[0], f"max-buffer-size={4 << 20}", *rest[2:])


def test_the_last_limit_of_a_kind_counts() -> None:
    words = ("--ulimit", "core=0", "--ulimit", "nofile=9", "--ulimit", "core=1:2")
    assert options_from(parsed(*words, "b")).ulimits == ("core=1:2", "nofile=9")


def test_words_that_say_what_is_so_anyway() -> None:
    words = ("--rm", "--restart", "", "--isolation", "default", "--userns", "host")
    more = ("--cpus", "0", "--log-driver", "")
    found = options_from(parsed(*words, *more, "b"))
    assert (found.restart, found.nano_cpus, found.log_driver) == ("no", 0, "json-file")


def test_an_unknown_log_option_is_told_the_known_ones() -> None:
    with pytest.raises(LaminaError, match="`local` knows no option 'tag'") as refused:
        options_from(
            parsed("--log-driver", "local", "--log-opt", "tag=x", "busybox"),
        )
    assert refused.value.hint.startswith("max-size, max-file, ")
