from __future__ import annotations

import os
import subprocess

from lamina.runtime.owner import Owner
from lamina.values import replace


def test_this_process_is_alive_and_reads_back() -> None:
    me = Owner.of("a name with spaces")
    assert me.alive
    assert Owner.parse(str(me)) == me


def test_a_process_that_ended_is_dead_even_before_it_is_reaped() -> None:
    child = subprocess.Popen(["sleep", "60"])
    owner = Owner.of("child", child.pid)
    assert owner.alive
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert not owner.alive
    child.wait()
    assert not owner.alive


def test_a_number_that_was_given_out_again_is_another_process() -> None:
    me = Owner.of("me")
    assert not replace(me, start=me.start - 1).alive
    assert not replace(me, boot="another boot").alive


def test_a_line_that_was_cut_short_names_nobody() -> None:
    line = str(Owner.of("me"))
    assert all(Owner.parse(line[:size]) is None for size in range(len(line)))
    assert Owner.parse("x y z name\n") is None
