"""Completion as it is in a shell: in bash, zsh and fish themselves."""

from __future__ import annotations

import os
import pty
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pyte
import pytest

from tests.end_to_end.containers.machine import PATIENCE, Machine

_QUIET = ("--network", "none")


@pytest.fixture
def box(lamina: Machine) -> Machine:
    lamina("create", *_QUIET, "--name", "box-one", "busybox", "true")
    return lamina


class Shell:
    """A shell on a terminal, which has `lamina` and has read its completion."""

    def __init__(self, name: str, machine: Machine, place: Path) -> None:
        program = place / "bin" / "lamina"
        program.parent.mkdir(parents=True)
        program.write_text(f'#!/bin/sh\nexec {sys.executable} -m lamina "$@"\n')
        program.chmod(0o755)
        (place / "a-file").touch()
        path = f"{program.parent}:{os.environ['PATH']}"
        more = {"PATH": path, "TERM": "xterm", "PS1": "> ", "HOME": str(place)}
        self.env = {**machine.env, **more}
        self.place = place
        words = {"bash": ("bash", "--norc", "--noprofile", "-i"), "zsh": ("zsh", "-fi")}
        begin = {"bash": "", "zsh": "autoload -U compinit; compinit -D; "}
        self.pid, self._fd = pty.fork()
        if self.pid == 0:
            os.chdir(place)
            os.execvpe(words[name][0], words[name], self.env)
        self._screen = pyte.Screen(100, 30)
        self._stream = pyte.ByteStream(self._screen)
        self.type(f"{begin[name]}source <(lamina completion {name}); echo rea''dy\n")
        self.wait_for("ready")

    def type(self, text: str) -> None:
        os.write(self._fd, text.encode())

    def wait_for(self, text: str) -> None:
        """Until the screen shows a text."""
        end = time.monotonic() + PATIENCE
        while not any(text in line for line in self._screen.display):
            assert time.monotonic() < end, self._screen.display
            if select.select([self._fd], [], [], 0.1)[0]:
                self._stream.feed(os.read(self._fd, 65536))

    def completed(self, line: str, becomes: str) -> None:
        """A line is completed by the tab at its end; then the screen is cleared."""
        self.type(f"{line}\t")
        self.wait_for(becomes)
        self.type("\x15\x0c")
        self._screen.reset()

    def end(self) -> None:
        os.close(self._fd)
        os.waitpid(self.pid, 0)


@pytest.fixture(params=["bash", "zsh"])
def shell(
    request: pytest.FixtureRequest, box: Machine, tmp_path: Path
) -> Iterator[Shell]:
    if shutil.which(request.param) is None:
        pytest.skip(f"no {request.param} here")
    found = Shell(request.param, box, tmp_path)
    try:
        yield found
    finally:
        found.end()


def test_in_a_shell_on_a_terminal(shell: Shell) -> None:
    shell.completed("lamina unp", "lamina unpause")
    shell.completed("lamina start bo", "lamina start box-one ")
    shell.completed("lamina run --priv", "lamina run --privileged ")
    shell.completed("lamina run --restart un", "--restart unless-stopped ")
    shell.completed("lamina run --restart=un", "--restart=unless-stopped ")
    shell.completed("lamina run --rm gues", "lamina run --rm guest ")
    shell.completed("lamina container rem", "lamina container remove ")
    shell.completed("lamina cp bo", "lamina cp box-one:")
    shell.completed("lamina cp a-f", "lamina cp a-file")
    shell.completed("lamina run --env-file a-", "--env-file a-file")
    # What begins several words shows them.
    shell.type("lamina p\t\t\t")
    shell.wait_for("pause")
    shell.wait_for("port")


def test_in_fish(box: Machine, tmp_path: Path) -> None:
    if shutil.which("fish") is None:
        pytest.skip("no fish here")
    program = tmp_path / "bin" / "lamina"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m lamina "$@"\n')
    program.chmod(0o755)
    (tmp_path / "a-file").touch()
    env = {**box.env, "PATH": f"{program.parent}:{os.environ['PATH']}"}

    def offered(line: str) -> list[str]:
        script = f"lamina completion fish | source; complete -C '{line}'"
        words = ("fish", "--no-config", "-c", script)
        env["HOME"] = str(tmp_path)
        done = subprocess.run(
            words, env=env, cwd=tmp_path, capture_output=True, text=True, check=True
        )
        assert done.stderr == ""
        return done.stdout.splitlines()

    assert offered("lamina unp") == ["unpause\tLet paused containers go on"]
    assert offered("lamina start b") == ["box-one\tbusybox"]
    assert offered("lamina run --restart un") == ["unless-stopped"]
    assert offered("lamina run --restart=un") == ["--restart=unless-stopped"]
    found = {word.partition("\t")[0] for word in offered("lamina cp b")}
    assert found == {"box-one:", "bin/"}
    assert offered("lamina run --env-file a-") == ["a-file"]


def test_scripts_are_for_shells_that_there_are(lamina: Machine) -> None:
    assert b"invalid choice" in lamina("completion", "tcsh", code=2).stderr
    for shell in ("bash", "zsh", "fish"):
        script = lamina.out("completion", shell)
        if shutil.which(shell):
            words = (shell, "-n", "/dev/stdin")
            subprocess.run(words, input=script, text=True, check=True)
