"""What is in cache mounts goes along with a shared cache, when that is asked for."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.end_to_end.bases import Lamina, project
from tests.end_to_end.machines import Machines
from tests.end_to_end.sharing import build, of, to

CACHING = """\
FROM busybox
RUN --mount=type=cache,target=/c --mount=type=cache,id=b,target=/d <<run
  cat /c/kept /c/too > /was 2>/dev/null
  [ -e /c/old ] || date > /c/old
  date > /c/kept
  ln -f /c/kept /c/too
  mkdir -p /d/in
  echo {} > /d/in/file
run
"""


def test_cache_mounts_go_along(machines: Machines, tmp_path: Path) -> None:
    here, there, place = machines.new(), machines.new(), tmp_path / "c"
    app = project(tmp_path / "app", CACHING.format("one"))
    build(here, app, *to(place, "mounts=true"))
    mine = _kept(here)
    assert len(mine) == 4
    assert "nothing new" in build(here, app, *to(place, "mounts=true")).err

    # A hit needs none; what runs has what the other one had.
    build(there, app, *of(place))
    assert _kept(there) == {}
    project(app, CACHING.format("two"))
    done = build(there, app, *of(place))
    words = ("run", "--rm", "--network", "none", done.out.strip(), "cat", "/was")
    assert there.run(*words).out == 2 * mine["kept"][0]
    assert _kept(there)["old"] == mine["old"]

    # One with content is never written over, nor filled where that is not wanted.
    project(app, CACHING.format("three"))
    done = build(there, app, *of(place))
    assert there.run(*words[:-3], done.out.strip(), "cat", "/was").out != ""
    apart = machines.new()
    done = build(apart, app, *of(place, "mounts=false"))
    assert apart.run(*words[:-3], done.out.strip(), "cat", "/was").out == ""


def _kept(machine: Lamina) -> dict[str, tuple[str, int]]:
    """The files in cache mounts, with their times."""
    return {
        path.name: (path.read_text(), path.stat().st_mtime_ns)
        for path in machine.store.glob("caches/*/0/**/*")
        if path.is_file()
    }


def test_an_empty_cache_mount_is_filled_and_a_new_one_on_request_is_not(
    machines: Machines, tmp_path: Path
) -> None:
    here, place = machines.new(), tmp_path / "c"
    app = project(tmp_path / "app", CACHING.format("one"))
    build(here, app, *to(place, "mounts=true"))
    mine = _kept(here)["kept"][0]
    for directory in here.store.glob("caches/*/0"):
        shutil.rmtree(directory)
        directory.mkdir()
    done = build(here, app, "--no-cache", *of(place))
    words = ("run", "--rm", "--network", "none")
    out = here.run(*words, done.out.strip(), "cat", "/was").out
    assert out == 2 * mine
    done = build(here, app, "--no-cache=mounts", *of(place))
    assert here.run(*words, done.out.strip(), "cat", "/was").out == ""
