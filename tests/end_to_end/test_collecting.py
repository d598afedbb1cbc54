"""The build cache is collected after builds, behind them, as lamina.toml says."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from tests.end_to_end.bases import PATIENCE, Lamina, project

RECIPE = """\
FROM busybox
COPY file /
RUN --mount=type=cache,target=/c echo kept > /c/file; cp /file /copy
"""


def configure(place: Path, text: str) -> dict[str, str]:
    """The environment in which lamina.toml says `text`."""
    folder = place / "config" / "lamina"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "lamina.toml").write_text(text)
    return {"XDG_CONFIG_HOME": str(folder.parent)}


def steps(lamina: Lamina) -> int:
    for line in lamina.run("system", "df").out.splitlines():
        if line.startswith("Build Cache"):
            return int(line.split()[2])
    raise AssertionError("df has no line about the build cache")


def build_and_collect(lamina: Lamina, app: Path, env: dict[str, str]) -> str:
    """Build when a collection is due, and wait until that is done; what was said."""
    os.utime(lamina.store / "gc", (1, 1))
    said = lamina.run("build", "-q", app, env=env).err
    assert lamina.left_behind() == []
    return said


@pytest.fixture
def app(lamina: Lamina, tmp_path: Path) -> Path:
    """A project that was built twice, as two images that nobody named."""
    app = project(tmp_path / "app", RECIPE, file="one\n")
    lamina.build(app)
    project(app, RECIPE, file="two\n")
    lamina.build(app)
    assert steps(lamina) == 4
    return app


def test_now_and_then_what_is_too_much(lamina: Lamina, app: Path) -> None:
    env = configure(lamina.place, '[gc]\nmax-used-space = "1"\nreserved-space = "0"\n')
    # It was done when the store was new: not again so soon.
    lamina.run("build", "-q", app, env=env)
    assert lamina.left_behind() == []
    assert steps(lamina) == 4
    # Images stay for a day, and with them what they are made of.
    assert build_and_collect(lamina, app, env) == ""
    assert steps(lamina) == 4
    lamina.build(app, "-t", "named")
    _grow_old(lamina, 25 * 3600)
    build_and_collect(lamina, app, env)
    # What an image with a name stands on is no cache.
    assert steps(lamina) == 2
    assert len(lamina.run("images", "-aq").out.splitlines()) == 2
    assert (lamina.store / "gc").stat().st_mtime > time.time() + 1800
    assert [*lamina.store.glob("caches/*/0/file")] != []
    lamina.check()


def test_what_is_old(lamina: Lamina, app: Path) -> None:
    env = configure(lamina.place, '[gc]\nmax-age = "2h"\n')
    build_and_collect(lamina, app, env)
    assert steps(lamina) == 4
    _grow_old(lamina, 3 * 3600)
    # What this build uses is young again.
    build_and_collect(lamina, app, env)
    assert steps(lamina) == 2
    assert len(lamina.run("images", "-aq").out.splitlines()) == 2
    assert [*lamina.store.glob("caches/*/0/file")] != []


def test_off(lamina: Lamina, app: Path) -> None:
    text = '[gc]\nenabled = false\nmax-age = "2h"\ninterval = "5h"\n'
    env = configure(lamina.place, text)
    _grow_old(lamina, 3 * 3600)
    assert build_and_collect(lamina, app, env) == ""
    assert steps(lamina) == 4
    assert (lamina.store / "gc").stat().st_mtime > time.time() + 4 * 3600
    assert "nothing is collected" in lamina.run("system", "gc", env=env).out


def test_a_wrong_configuration_is_told_by_the_next_build(
    lamina: Lamina, app: Path
) -> None:
    env = configure(lamina.place, "[gc]\nmax-old = 1\n")
    path = lamina.place / "config/lamina/lamina.toml"
    build_and_collect(lamina, app, env)
    said = lamina.run("build", "-q", app, env=env).err
    assert "the build cache is not collected: There is no 'max-old' in [gc]." in said
    assert f"{path}:2" in said
    failed = lamina.run("system", "gc", env=env, code=1)
    assert f"at {path}:2" in failed.err
    path.unlink()
    build_and_collect(lamina, app, env)
    assert lamina.run("build", "-q", app, env=env).err == ""


def test_beside_a_build(lamina: Lamina, app: Path) -> None:
    """What a build that goes on has used is not taken from under it."""
    env = configure(lamina.place, '[gc]\nmax-used-space = "1"\nreserved-space = "0"\n')
    slow = project(
        lamina.place / "slow",
        "FROM busybox\nRUN echo slow > /s\nRUN sleep 3\nRUN cat /s > /t\n",
    )
    process = lamina.start("build", "--progress=plain", slow)
    deadline = time.monotonic() + PATIENCE
    while steps(lamina) < 5 and time.monotonic() < deadline:
        time.sleep(0.05)
    lamina.run("system", "gc", env=env)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err.decode()
    lamina.run("run", "--rm", "--network", "none", out.decode().strip(), "cat", "/t")
    lamina.check()


def _grow_old(lamina: Lamina, seconds: int) -> None:
    """Let all that is known be older."""
    from lamina.oci.store.store import Store

    store = Store.open(str(lamina.store))
    for table, column in (
        *(("step", "used"), ("memo", "used"), ("layer", "used")),
        *(("layer", "created"), ("image", "created"), ("step", "created")),
    ):
        store.index.rows(f"UPDATE {table} SET {column}={column}-?", seconds)
    store.close()
