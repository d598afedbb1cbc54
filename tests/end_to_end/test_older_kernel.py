"""A kernel of 2022 (6.1, as Debian 12 has it): overlay takes its layers in a string
there, and there are no time namespaces in this one. The same image comes of a build."""

from __future__ import annotations

import platform
import re
from pathlib import Path

import pytest

from tests.end_to_end.bases import Lamina, project
from tests.runtime.people import open_to_all
from tests.systems.whole import KERNEL, LAMINA, Answer, visit

pytestmark = [
    pytest.mark.root("it boots a machine that sees root's files"),
    pytest.mark.skipif(KERNEL is None, reason="no user-mode Linux"),
    pytest.mark.slow,
]

RECIPE = """\
FROM scratch AS base
COPY busybox /bin/
RUN --network=none ["/bin/busybox", "--install", "-s", "/bin"]
FROM base
RUN --network=none mkdir -p /kept /gone/deep /again/old && echo 1 >/gone/deep/f
RUN --network=none rm -r /gone && rm -r /again && mkdir /again && echo 2 >/again/new
RUN --network=none mv /kept /moved && ln /again/new /hard && chown 7:8 /again/new
RUN --network=none test ! -e /gone && test ! -e /again/old && cat /hard && ls /moved
"""
BUILD = f"{LAMINA} build -q --source-date-epoch 1700000000 PLACE/app"
COMMANDS = {
    "kernel": "uname -r",
    "build": BUILD,
    "run": f"{LAMINA} run -d --network none --name web $({BUILD})"
    " sh -c 'echo said; rm -r /again; exec sleep 1000'",
    "exec": f"{LAMINA} exec web sh -c 'test ! -e /again && echo written >/new'",
    "diff": f"{LAMINA} diff web",
    "logs": f"{LAMINA} logs web; {LAMINA} rm -f web",
    "fuse": "pgrep fuse-overlayfs || echo none",
}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("machine")
    project(place / "app", RECIPE, busybox=Path("/bin/busybox").read_bytes())
    (place / "app" / "busybox").chmod(0o755)
    open_to_all(place)
    return place


@pytest.fixture(scope="module")
def said(place: Path) -> dict[str, Answer]:
    system = {k: text.replace("PLACE", str(place)) for k, text in COMMANDS.items()}
    user = {f"user's {name}": command for name, command in system.items()}
    return visit(place, system, user)


@pytest.mark.parametrize("whose", ["", "user's "])
def test_it_works_as_on_any(
    said: dict[str, Answer], place: Path, tmp_path: Path, whose: str
) -> None:
    major, minor = map(int, re.findall(r"\d+", said[f"{whose}kernel"].out)[:2])
    assert (major, minor) < (6, 5), "the kernel that takes any option is older"
    here = Lamina(tmp_path).run(
        *("build", "-q", "--source-date-epoch", "1700000000", place / "app")
    )
    there = said[f"{whose}build"]
    assert there.code == 0, there
    assert there.out == here.out, f"another image than {platform.release()} makes"
    assert said[f"{whose}exec"].code == 0, said[f"{whose}exec"]
    changes = {*said[f"{whose}diff"].out.splitlines()}
    assert {"D /again", "A /new"} <= changes
    assert said[f"{whose}logs"].out.startswith("said\n")
    # The kernel's overlay does it.
    assert said[f"{whose}fuse"].out == "none\n"
