"""Caches that steps share, and what becomes of them."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from tests.end_to_end.bases import Lamina, project, wait_for_line


def cache(rest: str) -> str:
    return f"RUN --mount=type=cache,target=/c,id=k{rest}"


def test_locked_caches_wait_for_each_other(lamina: Lamina, tmp_path: Path) -> None:
    """Across processes, and with two caches taken in either order."""
    both = "RUN --mount=type=cache,target=/{},id={},sharing=locked"
    step = (
        "cd /a; test ! -e held; touch held; sleep 0.3; rm held;"
        " echo x >> /b/done; cp /b/done /done\n"
    )
    folders = []
    for number, (first, second) in enumerate((("a", "b"), ("b", "a"))):
        mounts = " ".join(
            both.format(name, name).removeprefix("RUN " if late else "")
            for late, name in enumerate((first, second))
        )
        text = f"FROM busybox\nARG N={number}\n{mounts} {step}"
        folders.append(project(tmp_path / str(number), text))
    builds = [lamina.start("build", "--no-cache", folder) for folder in folders]
    for process in builds:
        _, err = process.communicate(timeout=60)
        assert process.returncode == 0, err
    assert (lamina.files(folders[0]) / "done").exists()
    # The same cache twice in a step is one cache, and no deadlock.
    twice = "--mount=type=cache,target=/e,id=k,sharing=locked true\n"
    lamina.build(
        project(tmp_path / "t", f"FROM busybox\n{cache(',sharing=locked')} {twice}")
    )


def test_a_private_cache_is_one_s_own(lamina: Lamina, tmp_path: Path) -> None:
    folder = project(
        tmp_path / "app",
        "FROM busybox AS one\n"
        f"{cache(',sharing=private')} touch /c/one; sleep 1; ls /c > /seen\n"
        "FROM busybox AS two\n"
        f"{cache(',sharing=private')} touch /c/two; sleep 1; ls /c > /seen\n"
        "FROM scratch\nCOPY --from=one /seen /one\nCOPY --from=two /seen /two\n",
    )
    files = lamina.files(folder, "--jobs", "2")
    seen = [(files / name).read_text() for name in ("one", "two")]
    assert seen == ["one\n", "two\n"]
    # When all are free again the first one is used, and no third is made.
    (folder / "Recipe").write_text(f"FROM busybox\n{cache(',sharing=private')} ls /c\n")
    lamina.build(folder)
    (name,) = os.listdir(lamina.store / "caches")
    copies = os.listdir(lamina.store / "caches" / name)
    assert sorted(n for n in copies if n.isdecimal()) == ["0", "1"]


def test_a_killed_holder_frees_its_cache(lamina: Lamina, tmp_path: Path) -> None:
    holder = project(
        tmp_path / "holder",
        f"FROM busybox\n{cache(',sharing=locked')} echo I have it; sleep 1000\n",
    )
    waiter = project(
        tmp_path / "waiter", f"FROM busybox\n{cache(',sharing=locked')} echo fine\n"
    )
    process = lamina.start("build", "--progress", "plain", holder)
    wait_for_line(process, "I have it")
    waiting = lamina.start("build", "--progress", "plain", waiter)
    wait_for_line(waiting, "waiting for the cache k")
    # Ctrl-C reaches a build that waits ...
    os.killpg(waiting.pid, signal.SIGINT)
    waiting.communicate(timeout=20)
    assert waiting.returncode == 130
    # ... and a killed one holds nothing.
    process.kill()
    process.communicate()
    lamina.build(waiter)
    lamina.check()


def test_caches_outlive_everything_but_their_removal(
    lamina: Lamina, tmp_path: Path
) -> None:
    folder = project(
        tmp_path / "app",
        f"FROM busybox\n{cache('')} echo 1 >> /c/n; chmod 711 /c; cp /c/n /n\n",
    )
    assert (lamina.files(folder) / "n").read_text() == "1\n"
    lamina.run("rmi", "-f", "busybox", code=None)
    lamina.run("system", "prune", "-a", "-f", code=None)
    lamina.with_base()
    assert (lamina.files(folder, "--no-cache") / "n").read_text() == "1\n1\n"
    # Another owner or mode is the same cache; what a step itself set stays.
    (folder / "Recipe").write_text(
        f"FROM busybox\n{cache('')} stat -c %a:%u /c > /a\n"
        f"{cache(',mode=0700,uid=9')} stat -c %a:%u /c > /b; cat /c/n > /n\n"
    )
    files = lamina.files(folder)
    assert [(files / name).read_text() for name in "ab"] == ["711:0\n", "700:9\n"]
    assert (files / "n").read_text() == "1\n1\n"
    # An id is no path (CVE-2024-9675).
    mount = "--mount=type=cache,target=/x,id=../../../../canary"
    (folder / "Recipe").write_text(f"FROM busybox\nRUN {mount} touch /x/file\n")
    lamina.build(folder)
    assert not list(tmp_path.rglob("canary"))
