"""lamina build --explain: of each step, hit or miss, and what differs since."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import pytest

from tests.end_to_end.bases import Lamina, project

RECIPE = """\
FROM busybox:latest AS base
ENV FOO=a
RUN echo $FOO > /foo
FROM base AS web
COPY src /src
RUN --mount=type=cache,target=/c cat /src/a.py /foo; echo x >> /c/log
"""


@pytest.fixture
def app(lamina: Lamina, tmp_path: Path) -> Path:
    files = {"src__a.py": "1\n", "src__b.py": "2\n"}
    return project(tmp_path / "app", RECIPE, **files)


def missed(lamina: Lamina, *args: str | Path) -> dict[int, list[str]]:
    """The reasons of `build --explain`, by the step's number; a hit has none."""
    found: dict[int, list[str]] = {}
    for line in lamina.run("build", "--explain", *args).err.splitlines():
        number, _, rest = line.partition(" ")
        if number.startswith("#"):
            reasons = found.setdefault(int(number[1:]), [])
            if rest.startswith("MISSED "):
                reasons.append(rest.removeprefix("MISSED "))
    return found


def edit(app: Path, old: str, new: str) -> None:
    recipe = app / "Recipe"
    recipe.write_text(recipe.read_text().replace(old, new))


def test_what_a_step_never_had(lamina: Lamina, app: Path) -> None:
    reasons = missed(lamina, app)
    assert [*reasons.values()] == [["nothing like it was built before"]] * 3
    assert missed(lamina, app) == {1: [], 2: [], 3: []}


def test_files(lamina: Lamina, app: Path) -> None:
    missed(lamina, app)
    (app / "src/a.py").write_text("3\n")
    (app / "src/c.py").write_text("4\n")
    (app / "src/b.py").unlink()
    reasons = missed(lamina, app)
    changes = ["src/a.py changed", "src/b.py is gone", "src/c.py is new"]
    below = "the step below made something else: [web 1/2] COPY src /src"
    assert reasons == {1: [], 2: changes, 3: [below]}
    for number in range(9):
        (app / f"src/n{number}").touch()
    assert missed(lamina, app)[2][-2:] == ["src/n4 is new", "and 4 more"]
    os.chmod(app / "src/a.py", 0o755)
    assert missed(lamina, app)[2] == ["src/a.py changed"]


def test_variables_and_commands(lamina: Lamina, app: Path) -> None:
    missed(lamina, app)
    edit(app, "FOO=a", "FOO=b BAR=c")
    reasons = missed(lamina, app)
    assert reasons[1] == ["ENV BAR c is new", "ENV FOO a → b"]
    edit(app, "echo $FOO > /foo", "echo $FOO $BAR > /foo")
    reasons = missed(lamina, app)
    command = "the command echo $FOO > /foo → echo $FOO $BAR > /foo"
    assert reasons[1] == [command]
    edit(app, "/src\n", "/source\n")
    assert missed(lamina, app)[2] == ["the target /src → /source"]


def test_the_nearest_of_the_keys_that_a_step_had(lamina: Lamina, app: Path) -> None:
    missed(lamina, app)
    edit(app, "FOO=a", "FOO=b")
    missed(lamina, app)
    edit(app, "FOO=b", "FOO=a BAR=c")
    # Not beside FOO=b, which was the last, but beside FOO=a.
    assert missed(lamina, app)[1] == ["ENV BAR c is new"]


def test_files_of_stages_and_named_contexts(lamina: Lamina, tmp_path: Path) -> None:
    recipe = (
        "FROM busybox:latest AS made\nCOPY src /src\n"
        "FROM scratch\nCOPY --from=made /src /src\nCOPY --from=more . /more\n"
    )
    app = project(tmp_path / "app", recipe, **{"src__a.py": "1", "src__b.py": "1"})
    more = tmp_path / "more"
    more.mkdir()
    (more / "file").write_text("1")
    args = ("--build-context", f"more={more}", app)
    missed(lamina, *args)
    (app / "src/b.py").write_text("2")
    (more / "other").write_text("2")
    reasons = missed(lamina, *args)
    assert ["src/b.py changed"] in reasons.values()
    assert any("other is new" in given for given in reasons.values())


def test_the_base(lamina: Lamina, app: Path) -> None:
    missed(lamina, app)
    other = project(app.parent / "other", "FROM busybox\nRUN touch /x\n")
    named = ("images", "-q", "busybox")
    ids = [lamina.run(*named).out.strip()]
    lamina.run("build", "-t", "busybox", other)
    ids.append(lamina.run(*named).out.strip())
    before, after = ids
    assert missed(lamina, app)[1] == [f"the base busybox:latest {before} → {after}"]


def test_what_was_asked_for(lamina: Lamina, app: Path) -> None:
    missed(lamina, app)
    assert missed(lamina, "--no-cache", app)[1] == ["--no-cache was given"]
    reasons = missed(lamina, "--no-cache-filter", "x,WEB", app)
    named = ["--no-cache-filter names web"]
    assert reasons == {1: [], 2: named, 3: named}


def test_time_and_what_always_runs(lamina: Lamina, tmp_path: Path) -> None:
    recipe = "FROM busybox:latest\nRUN --max-age=1s true\nRUN --no-cache echo\n"
    app = project(tmp_path / "app", recipe)
    missed(lamina, app)
    time.sleep(1.1)
    first, second = missed(lamina, app).values()
    assert first[0].startswith("--max-age=1s passed: made ")
    assert second == ["RUN --no-cache runs every time"]


def test_a_layer_that_is_gone(lamina: Lamina, app: Path) -> None:
    missed(lamina, app)
    lamina.run("rmi", "-f", lamina.build(app))
    for layer in lamina.store.glob("layers/*"):
        if (layer / "foo").exists():
            shutil.rmtree(layer)
    lamina.run("system", "check", "--repair", code=None)
    reasons = missed(lamina, app)
    assert reasons[1] != []


def test_cache_mounts_outlive_no_cache(lamina: Lamina, tmp_path: Path) -> None:
    recipe = (
        "FROM busybox:latest\n"
        "RUN --mount=type=cache,target=/c echo x >> /c/log; cat /c/log > /out\n"
    )
    app = project(tmp_path / "app", recipe)

    def lines(*flags: str) -> int:
        image = lamina.build(app, *flags)
        return lamina.run("run", "--rm", image, "cat", "/out").out.count("x")

    assert lines() == 1
    assert lines("--no-cache") == 2
    assert lines("--no-cache=mounts") == 1
    assert lines("--no-cache") == 2
