"""`lamina watch --no-run`: what was saved is built, and nothing else."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections import Counter
from functools import partial
from pathlib import Path

import pytest

from tests.end_to_end.bases import Lamina, project
from tests.end_to_end.watching import watch

RECIPE = "FROM busybox\nRUN echo base > /base\nCOPY src /src\n"

# What a test runs by default; WATCH_STORM=10000 was run as well.
STORM = int(os.environ.get("WATCH_STORM", "2000"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return project(tmp_path / "project", RECIPE, src__a="1")


def test_a_save_builds_the_layers_that_it_feeds(lamina: Lamina, folder: Path) -> None:
    seen = watch(lamina, "--no-run", "--tag", "app", folder, first="built")
    seen.events.clear()
    ended = seen.after(lambda: (folder / "src/a").write_text("2"), "built")
    ran = [e["name"] for e in seen.events if e["event"] == "started"]
    assert len(ran) == 1
    assert "COPY src /src" in ran[0]
    assert [e["paths"] for e in seen.events if e["event"] == "round"] == [["src/a"]]
    assert lamina.inspect("app")["Id"] == ended["image"]
    assert {"event", "hash", "layer"} <= set(ended["split"])
    assert seen.end().code == 130


def test_what_no_step_reads_builds_nothing(lamina: Lamina, folder: Path) -> None:
    seen = watch(lamina, "--no-run", folder, first="built")
    (folder / "notes").write_text("2")
    (folder / "src/.a.swp").write_text("2")
    (folder / "src/.a.swp").unlink()
    seen.events.clear()
    # The same bytes again: a round at the most, and no image.
    seen.after(lambda: (folder / "src/a").write_text("1"), "unchanged")
    seen.after(lambda: (folder / "src/a").write_text("2"), "built")
    rounds = [e["paths"] for e in seen.events if e["event"] == "round"]
    assert rounds == [["src/a"], ["src/a"]]
    seen.end()


def test_saves_as_vim_makes_them(lamina: Lamina, folder: Path) -> None:
    seen = watch(lamina, "--no-run", folder, first="built")
    file = folder / "src/a"

    def save() -> None:
        (folder / "src/4913").touch()
        (folder / "src/4913").unlink()
        os.rename(file, f"{file}~")
        file.write_text("vim")
        os.unlink(f"{file}~")

    ended = seen.after(save, "built")
    seen.end()
    assert lamina.run("run", "--rm", ended["image"], "cat", "/src/a").out == "vim"


def test_the_recipe_is_watched_and_may_break(lamina: Lamina, folder: Path) -> None:
    seen = watch(lamina, "--no-run", folder, first="built")
    recipe = folder / "Recipe"
    seen.after(lambda: recipe.write_text("FORM busybox\n"), "failed")
    error = next(e for e in seen.events if e["event"] == "error")
    assert error["place"].startswith("Recipe:1:") or "Recipe:1" in error["place"]
    assert error["serving"] is False
    # It reads another folder now, which is watched from then on.
    (folder / "more").mkdir()
    (folder / "more/b").write_text("1")
    seen.after(lambda: recipe.write_text("FROM busybox\nCOPY more /\n"), "built")
    ended = seen.after(lambda: (folder / "more/b").write_text("2"), "built")
    seen.end()
    assert lamina.run("run", "--rm", ended["image"], "cat", "/b").out == "2"


def test_a_recipe_that_goes_is_waited_for(lamina: Lamina, folder: Path) -> None:
    seen = watch(lamina, "--no-run", folder, first="built")
    recipe = folder / "Recipe"
    seen.after(recipe.unlink, "failed")
    seen.after(lambda: recipe.write_text("FROM busybox\nCOPY src /new\n"), "built")
    seen.end()


def test_what_a_build_took_that_failed_is_told(lamina: Lamina, folder: Path) -> None:
    seen = watch(lamina, "--no-run", folder, first="built")
    broken = "FROM busybox\nCOPY src /src\nRUN exit 3\n"
    ended = seen.after(lambda: (folder / "Recipe").write_text(broken), "failed")
    assert list(ended["split"]) == ["event", "hash", "layer"]
    assert ended["ms"] == pytest.approx(sum(ended["split"].values()), abs=1)
    seen.end()


def test_a_newer_save_cancels_the_build(lamina: Lamina, folder: Path) -> None:
    slow = "FROM busybox\nCOPY src /src\nRUN test $(cat /src/a) != slow || sleep 600\n"
    (folder / "Recipe").write_text(slow)
    seen = watch(lamina, "--no-run", folder, first="built")
    (folder / "src/a").write_text("slow")
    seen.until(lambda e: e["event"] == "started" and "RUN" in e["name"])
    (folder / "src/a").write_text("quick")
    seen.outcome("cancelled")
    seen.outcome("built")
    seen.end()


def test_ctrl_c_ends_a_build(lamina: Lamina, folder: Path) -> None:
    (folder / "Recipe").write_text("FROM busybox\nRUN sleep 600\n")
    seen = watch(lamina, "--no-run", folder)
    seen.until(lambda e: e["event"] == "started")
    assert seen.end(signal.SIGTERM).code == 143


def test_a_storm_is_no_round_a_file(lamina: Lamina, folder: Path) -> None:
    seen = watch(lamina, "--no-run", folder, first="built")
    aside = folder.parent / "aside"
    for number in range(STORM):
        path = aside / str(number % 40) / str(number)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(str(number))
    seen.events.clear()
    ended = seen.after(lambda: shutil.copytree(aside, folder / "src/tree"), "built")
    # What was copied after a long pause of a loaded machine is another round.
    while True:
        text = "find /src/tree -type f | wc -l"
        out = lamina.run("run", "--rm", ended["image"], "sh", "-c", text).out
        if out.strip() == str(STORM):
            break
        ended = seen.outcome("built")
    # One or two, unless the machine is so busy that the copy stands still now and then.
    assert len([e for e in seen.events if e["event"] == "round"]) < STORM // 10
    seen.end()


def test_a_checkout_is_built_as_it_stands_in_the_end(
    lamina: Lamina, folder: Path
) -> None:
    (folder / "src/a").unlink()
    git(folder, "init", "-q", "-b", "one")
    for branch in ("one", "two"):
        git(folder, "checkout", "-q", "-B", branch)
        for number in range(STORM):
            path = folder / "src" / str(number % 40) / f"{number} of {branch}"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(branch)
            (path.parent / f"{number}").write_text(branch)
        git(folder, "add", "-A")
        git(folder, "commit", "-q", "-m", branch)
        if branch == "one":
            git(folder, "rm", "-q", "-r", "--cached", "src")
            shutil.rmtree(folder / "src")
    seen = watch(lamina, "--no-run", folder, first="built")
    seen.events.clear()
    for branch in ("one", "two"):
        ended = seen.after(partial(git, folder, "checkout", "-q", branch), "built")
        while files_of(lamina, ended["image"]) != {branch: 2 * STORM}:
            ended = seen.outcome("built")
    rounds = [e for e in seen.events if e["event"] == "round"]
    assert len(rounds) < STORM // 10
    seen.end()


def git(folder: Path, *words: str) -> None:
    name = ("-c", "user.name=a", "-c", "user.email=a@example.org")
    subprocess.run(("git", *name, *words), cwd=folder, check=True)


def files_of(lamina: Lamina, image: str) -> dict[str, int]:
    """How many files in /src have which text; no other text is in them."""
    text = "find /src -type f | xargs cat | sed 's/one/one\\n/g;s/two/two\\n/g'"
    out = lamina.run("run", "--rm", image, "sh", "-c", text).out
    return dict(Counter(out.split()))


def test_what_the_kernel_could_not_say_is_looked_for(
    lamina: Lamina, folder: Path
) -> None:
    for name in ("b", "c"):
        (folder / "src" / name).write_text("1")
    seen = watch(lamina, "--no-run", folder, first="built")
    most = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    seen.process.send_signal(signal.SIGSTOP)
    # Alternately: an event like the last one is no further one.
    for number in range(most // 2 + 100):
        for name in ("a", "b"):
            (folder / "src" / name).write_text(str(number))
    (folder / "src/c").write_text("after the queue was full")
    seen.process.send_signal(signal.SIGCONT)
    while True:
        ended = seen.outcome("built")
        out = lamina.run("run", "--rm", ended["image"], "cat", "/src/c").out
        if out == "after the queue was full":
            break
    seen.end()


def test_once_is_one_round(lamina: Lamina, folder: Path) -> None:
    done = lamina.run("watch", "--no-run", "--once", folder)
    assert done.out.strip() == lamina.build(folder)
    (folder / "Recipe").write_text("FROM busybox\nRUN false\n")
    done = lamina.run("watch", "--no-run", "--once", folder, code=1)
    assert "failed: " in done.err


def test_plain_lines_tell_what_was_saved(lamina: Lamina, folder: Path) -> None:
    process = lamina.start("watch", "--no-run", folder)
    assert process.stderr is not None
    lines = iter(lambda: process.stderr.readline().decode(), "")  # type: ignore[union-attr]
    next(line for line in lines if line.startswith("built "))
    (folder / "src/a").write_text("2")
    assert next(line for line in lines if line.startswith("saved ")) == "saved src/a\n"
    told = next(line for line in lines if line.startswith("built "))
    assert "hash" in told
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)


def test_only_folders_can_be_watched(lamina: Lamina, folder: Path) -> None:
    done = lamina.run("watch", "--no-run", "https://example.org/a.git", code=1)
    assert "Only a folder" in done.err
    assert "hint: `lamina watch .`" in done.err


def test_where_no_more_can_be_watched_the_rest_is_looked_at(
    lamina: Lamina, folder: Path
) -> None:
    (folder / "Recipe").write_text("FROM busybox\nCOPY src /src\n")
    for number in range(30):
        project(folder / "src" / str(number), "")
    limit = 'echo 10 > /proc/sys/user/max_inotify_watches; exec "$@"'
    wrapper = ("unshare", "-Ur", "sh", "-ec", limit, "sh")
    seen = watch(lamina, "--no-run", folder, wrapper=wrapper)
    seen.outcome("built")
    told = [e["text"] for e in seen.events if e["event"] == "limited"]
    assert len(told) == 1
    assert "fs.inotify.max_user_watches" in told[0]
    for number in range(0, 30, 7):
        file = folder / "src" / str(number) / "Recipe"
        seen.after(partial(file.write_text, f"# {number}\n"), "built")
    assert len([e for e in seen.events if e["event"] == "limited"]) == 1
    seen.end()
