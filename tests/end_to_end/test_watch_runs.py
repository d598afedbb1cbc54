"""`lamina watch`: commands that have to end, and programs that are typed into."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.end_to_end.bases import Lamina, project
from tests.end_to_end.containers.machine import Machine, Terminal
from tests.end_to_end.serving import RECIPE, page
from tests.end_to_end.watching import watch


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return project(tmp_path / "project", "FROM busybox\nCOPY src /src\n", src__a="1")


def test_a_command_runs_in_each_new_image(lamina: Lamina, folder: Path) -> None:
    command = 'echo "has $(cat /src/a)"; test $(cat /src/a) != bad'
    seen = watch(lamina, "--exec", command, folder, first="passed")
    (folder / "src/a").write_text("bad")
    seen.until(lambda e: e["event"] == "log" and "has bad" in e["text"])
    failed = seen.outcome("failed")
    assert failed["code"] == 1
    assert list(failed["split"])[-2:] == ["start", "run"]
    (folder / "src/a").write_text("good")
    seen.until(lambda e: e["event"] == "log" and "has good" in e["text"])
    seen.outcome("passed")
    seen.end()


def test_a_newer_save_ends_the_command(lamina: Lamina, folder: Path) -> None:
    command = "cat /src/a; test $(cat /src/a) != slow || sleep 600"
    seen = watch(lamina, "--exec", command, folder, first="passed")
    (folder / "src/a").write_text("slow")
    seen.until(lambda e: e["event"] == "log" and "slow" in e["text"])
    (folder / "src/a").write_text("quick")
    seen.outcome("cancelled")
    seen.outcome("passed")
    seen.end()


def test_once_has_the_commands_exit_code(lamina: Lamina, folder: Path) -> None:
    lamina.run("watch", "--once", "--exec", "exit 7", folder, code=7)
    done = lamina.run("watch", "--once", "--exec", "cat /src/a", folder)
    assert done.out == "1"


def test_a_program_that_reads_is_started_again_in_its_place(
    lamina: Lamina, folder: Path
) -> None:
    machine = Machine(lamina.place)
    words = ("watch", "-it", str(folder), "sh", "-c", _PROGRAM)
    terminal = Terminal(machine, *words)
    terminal.wait_for(b"this is 1")
    terminal.type(b"hello\n")
    terminal.wait_for(b"1 heard hello")
    (folder / "src/a").write_text("2")
    terminal.wait_for(b"this is 2")
    terminal.type(b"again\n")
    terminal.wait_for(b"2 heard again")
    # It ends by itself, and nothing follows until something is saved.
    terminal.type(b"end\n")
    terminal.wait_for(b"ended with exit code 5")
    (folder / "src/a").write_text("3")
    terminal.wait_for(b"this is 3")
    terminal.type(b"end\n")
    terminal.wait_for(b"ended with exit code 5")
    terminal.type(b"\x03")
    assert terminal.exit_code() == 130


_PROGRAM = """
echo this is $(cat /src/a)
while read line; do
    test $line != end || exit 5
    echo $(cat /src/a) heard $line
done
"""


@pytest.mark.parametrize(
    "words",
    [
        ("--no-run", ".", "sh"),
        ("--no-run", "--exec", "x", "."),
        ("--exec", "x", "-p", "80", "."),
        ("--exec", "x", "-i", "."),
    ],
)
def test_what_does_not_go_together(
    lamina: Lamina, folder: Path, words: tuple[str, ...]
) -> None:
    done = lamina.run("watch", *words, cwd=folder, code=1)
    assert "do not go together" in done.err


def test_the_screen_and_its_keys(lamina: Lamina, tmp_path: Path) -> None:
    folder = project(tmp_path / "server", RECIPE)
    (folder / "www").mkdir()
    page(folder, "0")
    machine = Machine(lamina.place)
    machine.env["TERM"] = "xterm"
    words = ("watch", "--name", "web", "-p", "8000", str(folder))
    terminal = Terminal(machine, *words)
    terminal.resize(24, 160)
    terminal.wait_for(b"serving  web")
    terminal.type(b"R")
    terminal.wait_for(b"(looking at everything)")
    page(folder, "1")
    terminal.wait_for(b"(saved www/index.html)")
    terminal.wait_for(b"serving  web")
    terminal.type(b"e")
    terminal.wait_for(b"www/index.html changed")
    terminal.type(b"s")
    terminal.wait_for(b"# ")
    terminal.type(b"cat /srv/index.html /proc/self/comm; exit\n")
    terminal.wait_for(b"1cat")
    terminal.wait_for(b"serving  web")
    terminal.type(b"q")
    assert terminal.exit_code() == 0
    assert terminal.seen.endswith(b"\x1b[?25h\x1b[?1049l")


def test_who_means_the_images_name_is_told(lamina: Lamina, folder: Path) -> None:
    done = lamina.run("watch", "-t", "app", ".", cwd=folder, code=1)
    assert "the image's name is `--tag NAME`" in done.err


def test_quiet_is_what_the_command_writes(lamina: Lamina, folder: Path) -> None:
    flags = ("--once", "--progress=quiet", "--exec", "cat /src/a")
    done = lamina.run("watch", *flags, folder)
    assert (done.out, done.err) == ("1", "")
