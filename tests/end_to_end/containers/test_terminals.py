"""Containers at a terminal: its size, its signals, and how it is left."""

from __future__ import annotations

import os
import pty
import subprocess
import termios
import time

from tests.end_to_end.containers.machine import (
    LAMINA,
    ROOT,
    Machine,
    Terminal,
)


def test_a_terminal_has_a_size_and_a_code(lamina: Machine) -> None:
    run = ("run", "-it", "--rm", "--network", "none", "busybox", "sh")
    terminal = Terminal(lamina, *run)
    terminal.resize(33, 99)
    terminal.wait_for(b"# ")
    terminal.type(b"tty; stty size; echo mark\n")
    assert b"/dev/pts/0\r\n33 99" in terminal.wait_for(b"\nmark\r\n")
    terminal.resize(44, 111)
    terminal.type(b"sleep 0.3; stty size; echo mark\n")
    assert b"44 111" in terminal.wait_for(b"\nmark\r\n")
    # Ctrl-C is the terminal's affair: the shell goes on.
    terminal.type(b"sleep 1000\n")
    terminal.wait_for(b"sleep 1000")
    time.sleep(0.3)
    terminal.type(b"\x03")
    terminal.type(b"exit 5\n")
    assert terminal.exit_code() == 5
    assert lamina.left() == []


def test_the_caller_s_terminal_stays_out_of_reach(lamina: Machine) -> None:
    """Without -t the container has pipes: nothing to push characters into."""
    run = ("run", "--rm", "-i", "--network", "none", "busybox", "sh", "-c")
    script = "exec 2>&1; ls -l /proc/self/fd/; tty; (echo x > /dev/tty); echo mark"
    terminal = Terminal(lamina, *run, script)
    seen = terminal.wait_for(b"\nmark\r\n")
    assert b"/dev/pts" not in seen and b"not a tty" in seen
    assert b"can't create /dev/tty" in seen
    assert terminal.exit_code() == 0


def test_ctrl_c_at_a_terminal_reaches_the_command_alone(lamina: Machine) -> None:
    """The terminal signals the whole group; what keeps the container stays."""
    script = "trap 'echo got; exit 9' INT; echo ready; while :; do sleep 0.1; done"
    run = ("run", "--rm", "--network", "none", "busybox", "sh", "-c", script)
    terminal = Terminal(lamina, *run)
    terminal.wait_for(b"ready\r\n")
    terminal.type(b"\x03")
    terminal.wait_for(b"got\r\n")
    assert terminal.exit_code() == 9
    assert lamina.left() == []


def test_the_terminal_is_as_before_afterwards(lamina: Machine) -> None:
    master, slave = pty.openpty()
    before = termios.tcgetattr(slave)
    run = (*LAMINA, "run", "-it", "--rm", "--network", "none", "busybox", "true")
    subprocess.run(run, env=lamina.env, cwd=ROOT, stdin=slave, stdout=slave, check=True)
    assert termios.tcgetattr(slave) == before
    os.close(master)
    os.close(slave)


def test_it_needs_a_terminal(lamina: Machine) -> None:
    done = lamina("run", "-it", "busybox", code=1)
    assert b"not a TTY" in done.stderr


def test_exec_on_a_terminal(lamina: Machine) -> None:
    lamina(
        *("run", "-d", "--network", "none", "--name", "tt", "busybox"), "sleep", "99"
    )
    terminal = Terminal(lamina, "exec", "-it", "tt", "sh")
    terminal.resize(30, 70)
    terminal.wait_for(b"# ")
    terminal.type(b"stty size; echo mark\n")
    assert b"30 70" in terminal.wait_for(b"\nmark\r\n")
    terminal.type(b"exit 3\n")
    assert terminal.exit_code() == 3
