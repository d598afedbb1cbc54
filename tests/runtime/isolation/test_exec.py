"""One more process in a container."""

from __future__ import annotations

import os

import pytest

from lamina.runtime.errors import CommandNotFound, ContainerError
from lamina.runtime.isolation.sandbox import ExitStatus
from lamina.runtime.spec import Process
from tests.runtime.launches import Bench, eventually, terminal_output

pytestmark = pytest.mark.root


def test_exec_enters_the_container(bench: Bench) -> None:
    reader, writer = os.pipe2(os.O_CLOEXEC)
    null = os.open(os.devnull, os.O_RDWR)
    with bench.start("sh", "-c", "touch /here; sleep 1000") as container:
        assert eventually((bench.upper / "here").exists)
        script = (
            "ls /here; ps | grep -c 'sleep 1000$'; grep Cap /proc/self/status; "
            "ls /proc/self/fd; id -un; exit 3"
        )
        process = Process(("sh", "-c", script), user="app", cwd="/tmp")
        streams = (null, writer, writer)
        with bench.zygote.launch_exec(container.pidfd, process, streams) as sandbox:
            os.close(writer)
            with open(reader, encoding="utf-8") as pipe:
                text = pipe.read()
            assert sandbox.wait() == ExitStatus(3)
        container.kill()
        container.wait()
    os.close(null)
    assert text.startswith("/here\n1\nCapInh:\t0000000000000000\n")
    assert "CapEff:\t0000000000000000\nCapBnd:\t00000000a80425fb" in text
    assert text.endswith("0\n1\n2\n3\napp\n")


def test_exec_by_the_zygote_that_started_it_with_a_terminal(bench: Bench) -> None:
    with bench.start("sleep", "1000") as container:
        process = Process(
            ("sh", "-c", "tty; echo $PPID; ls /proc | head -1"), terminal=True
        )
        with bench.zygote.launch_exec(container.pidfd, process) as sandbox:
            assert sandbox.terminal is not None
            assert terminal_output(sandbox.terminal) == b"/dev/pts/0\r\n0\r\n1\r\n"
            os.close(sandbox.terminal)
            assert sandbox.wait() == ExitStatus(0)
        with pytest.raises(CommandNotFound):
            bench.zygote.launch_exec(container.pidfd, Process(("nothere",)))
        container.kill()
        container.wait()
        with pytest.raises(ContainerError, match="Cannot enter the container"):
            bench.zygote.launch_exec(container.pidfd, Process(("true",)))
