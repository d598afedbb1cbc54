"""A process that boots before it is known what for: taken once, by who can use it."""

from __future__ import annotations

import os

import pytest

from lamina.runtime.isolation import booting
from lamina.runtime.isolation.zygote import Options, Zygote

pytestmark = pytest.mark.root

PROGRAM = Options().program


def test_a_zygote_takes_the_one_that_has_begun() -> None:
    booting.begin(PROGRAM)
    begun = booting._begun
    assert begun is not None
    with Zygote.start(Options()) as first, Zygote.start(Options()) as second:
        assert first.pid == begun.pid != second.pid


def test_one_of_another_kind_is_let_go() -> None:
    booting.begin(PROGRAM)
    begun = booting._begun
    assert begun is not None
    pidfd = os.pidfd_open(begun.pid)
    with Zygote.start(Options(own_pids=False)) as zygote:
        assert zygote.pid != begun.pid
        # It ends by itself, when it sees that nobody is there.
        os.waitid(os.P_PIDFD, pidfd, os.WEXITED)
    os.close(pidfd)


def test_what_nobody_takes_ends_with_its_line() -> None:
    boot = booting.Booting(PROGRAM, own_pids=True)
    pid = boot.pid
    boot.end()
    assert not os.path.exists(f"/proc/{pid}")
