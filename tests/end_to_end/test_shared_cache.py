"""Machines that share a cache in a folder: `--cache-to`, `--cache-from` elsewhere."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end_to_end.bases import PATIENCE, Done, processes_of, project
from tests.end_to_end.machines import Machines
from tests.end_to_end.sharing import RECIPE, STEPS, build, document, of, state, to
from tests.runtime.people import public_package, run_as


@pytest.fixture
def app(tmp_path: Path) -> Path:
    return project(tmp_path / "app", RECIPE, src__a="a\n", src__b="b\n", more="m\n")


@pytest.mark.parametrize("epoch", ["", "1700000000"])
def test_another_machine_runs_nothing_and_has_the_same_image(
    machines: Machines, app: Path, tmp_path: Path, epoch: str
) -> None:
    flags = ("--source-date-epoch", epoch) if epoch else ()
    here, there = machines.new(), machines.new()
    first = build(here, app, *to(tmp_path / "c"), *flags)
    assert len(first.ran) == STEPS
    # Another folder, other times, another place of the cache.
    time.sleep(0.01)
    copy = Path(shutil.copytree(app, tmp_path / "somewhere/else", copy_function=_copy))
    moved = Path(shutil.move(tmp_path / "c", tmp_path / "moved"))
    second = build(there, copy, *of(moved), *flags)
    assert second.ran == []
    assert second.out == first.out
    assert second.err.count(f"CACHED from {moved}") == STEPS
    there.check()
    # It knows the build by itself now.
    third = build(there, copy, *flags)
    assert third.out == first.out
    # Another epoch gives both another image, and both the same.
    later = ("--source-date-epoch", "1800000000", *of(moved))
    results = [build(machine, app, *later).out for machine in (here, there)]
    assert results[0] == results[1] != first.out


def _copy(source: str, target: str) -> None:
    Path(target).write_bytes(Path(source).read_bytes())
    os.chmod(target, os.stat(source).st_mode)


def test_only_what_the_image_needs_is_fetched(
    machines: Machines, app: Path, tmp_path: Path
) -> None:
    here, there = machines.new(), machines.new()
    build(here, app, *to(tmp_path / "c"))
    before = set(os.listdir(there.store / "layers"))
    build(there, app, *of(tmp_path / "c"))
    fetched = set(os.listdir(there.store / "layers")) - before
    # WORKDIR, three COPYs and the RUN; neither step of the stage `tools`.
    assert len(fetched) == 5
    assert not [
        f for f in fetched if (there.store / "layers" / f / "opt/large").exists()
    ]


def test_where_all_is_known_nothing_is_read(
    machines: Machines, app: Path, tmp_path: Path
) -> None:
    machine = machines.new()
    first = build(machine, app)
    # Whatever this were to read would be an error or a warning.
    broken = project(tmp_path / "c", "", **{"index.json": "{"})
    for flags in ((), ("--explain",)):
        done = build(machine, app, *of(broken), *flags)
        assert done.out == first.out
        assert "warning" not in done.err


def test_a_change_here_runs_what_it_has_to(
    machines: Machines, app: Path, tmp_path: Path
) -> None:
    here, there = machines.new(), machines.new()
    build(here, app, *to(tmp_path / "c"))
    (app / "src/a").write_text("changed\n")
    done = build(there, app, *of(tmp_path / "c"), "--explain")
    assert done.ran == [
        "COPY --from=tools /opt/tool /opt/made /opt/",
        "COPY src /srv/src",
        "RUN cat /opt/tool > /out; date +%s%N > /now; mkdir -p /deep/er; ln -s a /link",
        "TEST test -s /out",
    ]
    assert f"MISSED compared with what {tmp_path / 'c'} has" in done.err
    assert "MISSED src/a changed" in done.err


def test_the_same_bytes_again_cut_off_what_follows(
    machines: Machines, tmp_path: Path
) -> None:
    """A step that runs here, and makes what it made there, stands under hits."""
    recipe = "FROM busybox\nRUN echo {} > /dev/null; echo same > /a\nRUN cp /a /b\n"
    here, there = machines.new(), machines.new()
    app = project(tmp_path / "app", recipe.format("one"))
    build(here, app, *to(tmp_path / "c"))
    project(app, recipe.format("two"))
    done = build(there, app, *of(tmp_path / "c"))
    assert done.ran == ["RUN echo two > /dev/null; echo same > /a"]
    assert done.steps["RUN cp /a /b"] == "CACHED"


def test_results_grow_old_from_when_they_were_made(
    machines: Machines, tmp_path: Path
) -> None:
    recipe = "FROM busybox\nRUN --max-age={} date > /a\nRUN --no-cache date > /b\n"
    here, there = machines.new(), machines.new()
    app = project(tmp_path / "app", recipe.format("1h"))
    build(here, app, *to(tmp_path / "c"))
    always = "RUN date > /b"
    assert build(there, app, *of(tmp_path / "c")).ran == [always]
    made = there.store / "index.sqlite"
    assert made.exists()
    time.sleep(1.1)
    project(app, recipe.format("1s"))
    # Neither what was fetched nor what there is to fetch is young enough.
    assert build(there, app, *of(tmp_path / "c")).ran == ["RUN date > /a", always]
    assert len(build(machines.new(), app, *of(tmp_path / "c")).ran) == 2


def test_min_and_max(machines: Machines, app: Path, tmp_path: Path) -> None:
    here, there = machines.new(), machines.new()
    small, large = tmp_path / "min", tmp_path / "max"
    done = build(here, app, *to(small, "mode=min"), *to(large))
    assert f"cache to {small}: 6 steps, 5 layers" in done.err
    assert f"cache to {large}: 8 steps, 7 layers" in done.err
    done = build(there, app, *of(small))
    assert [name for name in done.ran if "/opt" in name and "mkdir" in name]
    assert "COPY src /srv/src" not in done.ran


def test_an_unchanged_cache_is_not_written_again(
    machines: Machines, app: Path, tmp_path: Path
) -> None:
    here, place = machines.new(), tmp_path / "c"
    build(here, app, *to(place))
    index, before = (place / "index.json").read_bytes(), state(place)
    done = build(here, app, *to(place))
    assert "8 steps, 7 layers, nothing new" in done.err
    assert state(place) == before
    assert (place / "index.json").read_bytes() == index
    # Neither by who has it from there: the same bytes, not only the same names.
    there = machines.new()
    done = build(there, app, *of(place), *to(place))
    assert "8 steps, 7 layers, nothing new" in done.err
    assert (place / "index.json").read_bytes() == index
    # What a change leaves behind goes; other tags keep what is theirs.
    build(here, app, *to(place, "tag=kept"))
    (app / "src/a").write_text("changed\n")
    build(here, app, *to(place))
    build(here, app, *to(place))
    assert set(before) <= set(state(place))
    build(here, app, *to(place, "tag=kept"))
    assert not set(before) <= set(state(place))
    assert build(machines.new(), app, *of(place, "tag=kept")).ran == []


def test_what_was_never_fetched_goes_on_to_the_next(
    machines: Machines, app: Path, tmp_path: Path
) -> None:
    here, there, last = machines.new(), machines.new(), machines.new()
    build(here, app, *to(tmp_path / "one"))
    done = build(there, app, *of(tmp_path / "one"), *to(tmp_path / "two"))
    assert "8 steps, 7 layers" in done.err
    assert document(tmp_path / "one") == document(tmp_path / "two")
    shutil.rmtree(tmp_path / "one")
    (app / "src/a").write_text("changed\n")
    assert (
        "RUN mkdir /opt && echo tool > /opt/tool"
        not in build(last, app, *of(tmp_path / "two")).ran
    )


def test_no_folder_is_in_a_key(machines: Machines, tmp_path: Path) -> None:
    """Neither that of the context, nor of others, nor a file's that is lent."""
    recipe = """\
FROM busybox
COPY --from=extra file /extra
RUN --mount=type=bind,from=extra,target=/x --mount=type=bind,source=a,target=/a \\
  --mount=type=secret,id=s --mount=type=tmpfs,target=/t cat /x/file /a > /both
ADD inner.tar /inner
COPY <<text /here
from the recipe
text
"""
    made = []
    for number in (1, 2):
        place = tmp_path / f"place{number}" / ("deep/er" * number)
        extra = project(place / f"extra{number}", "", file="extra\n")
        (place / f"secret{number}").write_text(f"secret {number}")
        app = project(place / f"app{number}", recipe, a="a\n")
        with tarfile.open(app / "inner.tar", "w") as tar:
            tar.addfile(tarfile.TarInfo("inside"))
        flags = (
            *("--build-context", f"extra={extra}"),
            *("--secret", f"id=s,src={place}/secret{number}"),
            *("--memory", f"{number}g", "--jobs", str(number)),
        )
        cache = to(tmp_path / "c") if number == 1 else of(tmp_path / "c")
        made.append(build(machines.new(), app, *cache, *flags))
    assert len(made[0].ran) == 4
    assert made[1].ran == []
    assert made[0].out == made[1].out


def test_several_platforms_at_once(machines: Machines, tmp_path: Path) -> None:
    recipe = "FROM scratch\nARG TARGETARCH\nCOPY a /$TARGETARCH/\nWORKDIR /srv\n"
    app = project(tmp_path / "app", recipe, a="a\n")
    flags = ("--platform", "linux/amd64,linux/arm64")
    first = build(machines.new(), app, *to(tmp_path / "c"), *flags)
    assert "4 steps, 3 layers" in first.err
    second = build(machines.new(), app, *of(tmp_path / "c"), *flags)
    assert second.ran == []
    assert second.out == first.out


def test_several_caches_and_the_short_form(
    machines: Machines, app: Path, tmp_path: Path
) -> None:
    here, there = machines.new(), machines.new()
    other = project(tmp_path / "other", "FROM busybox\nRUN echo other > /o\n")
    build(here, app, *to(tmp_path / "one"))
    build(here, other, *to(tmp_path / "two"))
    both = (*of(tmp_path / "none"), *of(tmp_path / "one"), *of(tmp_path / "two"))
    assert build(there, app, *both).ran == []
    done = build(there, other, *both)
    assert done.ran == []
    assert f"no cache at {tmp_path / 'none'} yet" in done.err


_AS_USER = """
import os, sys
from lamina.cli.main import main
place, base, *words = sys.argv[1:]
os.environ.update(LAMINA_ROOT=f"{place}/store", HOME=place, LC_ALL="C.UTF-8")
def lamina(*words):
    # In a child: it becomes root of a namespace of its own.
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        code = main(words)
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
if not os.path.exists(f"{place}/store"):
    assert lamina("load", "-q", "-i", base) == 0
sys.exit(lamina("build", "--progress=plain", *words))
"""


@pytest.fixture
def package() -> Iterator[str]:
    """The package, and what a build imports, where every user can read it."""
    with public_package() as folder:
        for name in ("lark", "isal", "zstandard"):
            found = importlib.util.find_spec(name)
            assert found is not None
            assert found.origin is not None
            shutil.copytree(Path(found.origin).parent, f"{folder}/{name}")
        subprocess.run(["chmod", "-R", "a+rX", folder], check=True)
        yield folder


@pytest.mark.root("it is about both")
def test_root_and_an_ordinary_user_share(
    machines: Machines, app: Path, tmp_path: Path, package: str
) -> None:
    """Also where a user has no ids but the own one: nothing here has another owner."""
    user, place = 61_234, Path(package) / "place"
    base = shutil.copy(tmp_path / "base.tar", package)
    copy = shutil.copytree(app, f"{package}/elsewhere/app")
    shared, back = Path(package) / "shared", Path(package) / "back"
    for folder in (place, back):
        folder.mkdir()
        os.chown(folder, user, user)

    def build_as_user(*words: str) -> Done:
        given = (*words, *alone, str(copy))
        ran = run_as(user, package, _AS_USER, str(place), str(base), *given)
        assert ran.returncode == 0, ran.stderr
        return Done(ran.returncode, ran.stdout, ran.stderr)

    # A user's network needs what not every machine has.
    alone = ("--network", "none")
    first = build(machines.new(), app, *to(shared), *alone)
    second = build_as_user(*of(shared))
    assert second.ran == []
    assert second.out.splitlines()[-1] == first.out.strip()

    # The other way, from a build of the user's own.
    _wait_until_alone(place)
    shutil.rmtree(place / "store")
    third = build_as_user(*to(back))
    assert len(third.ran) == STEPS
    fourth = build(machines.new(), app, *of(back), *alone)
    assert fourth.ran == []
    assert fourth.out.strip() == third.out.splitlines()[-1]
    _wait_until_alone(place)


def _wait_until_alone(place: Path) -> None:
    """What brings a store's layers to the disk may still be at it."""
    deadline = time.monotonic() + PATIENCE
    while processes_of(str(place)) and time.monotonic() < deadline:
        time.sleep(0.05)
