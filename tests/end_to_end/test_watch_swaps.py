"""`lamina watch`: save, and the new container answers; nobody is ever refused."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from pathlib import Path

import pytest

from lamina.oci.files.removal import remove_tree
from tests.end_to_end.bases import Lamina, project
from tests.end_to_end.hammering import Hammer, ask
from tests.end_to_end.serving import RECIPE, Served, page
from tests.end_to_end.watching import PATIENCE, children_of, watch

# What a test runs by default; WATCH_SWAPS=200 was run as well.
SWAPS = int(os.environ.get("WATCH_SWAPS", "20"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return project(tmp_path / "project", RECIPE, www__index_html="0")


@pytest.fixture(autouse=True)
def index(folder: Path) -> None:
    os.rename(folder / "www/index_html", folder / "www/index.html")


def test_no_request_fails_over_many_swaps(lamina: Lamina, folder: Path) -> None:
    served = Served(lamina, folder)
    recipe = folder / "Recipe"
    with Hammer(served.port, ("127.0.0.1", "::1", "127.0.0.1")) as hammer:
        for number in range(1, SWAPS + 1):
            page(folder, str(number))
            ended = served.seen.outcome("swapped")
            assert {"start", "healthy", "swap"} <= set(ended["split"])
            assert served.ask() == str(number)
            if number == SWAPS // 2:
                recipe.write_text(RECIPE.replace("COPY", "RUN false\nCOPY"))
                served.failed()
                recipe.write_text(RECIPE.replace('"httpd"', '"false"'))
                assert "ended with exit code 1" in served.failed()
                assert served.ask() == str(number)
                recipe.write_text(RECIPE)
                served.seen.outcome("unchanged")
    assert not hammer.failures
    assert {str(number) for number in range(1, SWAPS)} & set(hammer.answers)
    served.seen.end()


def test_a_request_that_is_being_answered_is_answered(
    lamina: Lamina, folder: Path
) -> None:
    script = folder / "www/cgi-bin/slow"
    script.parent.mkdir()
    script.write_text(
        "#!/bin/sh\nprintf 'Content-Type: text/plain\\r\\n\\r\\n'; echo begun >&2\n"
        "sleep 2; cat /srv/index.html\n"
    )
    script.chmod(0o755)
    served = Served(lamina, folder)
    answers: list[str] = []
    thread = threading.Thread(
        target=lambda: answers.append(served.ask("/cgi-bin/slow"))
    )
    thread.start()
    served.seen.until(lambda e: e["event"] == "log" and "begun" in e["text"])
    page(folder, "1")
    served.seen.outcome("swapped")
    assert served.ask() == "1"
    thread.join()
    assert answers == ["0"]
    served.seen.end()


def test_what_the_new_one_said_before_it_ended_is_shown(
    lamina: Lamina, folder: Path
) -> None:
    served = Served(lamina, folder)
    broken = 'CMD echo "no such module: flask" >&2; exit 3\n'
    (folder / "Recipe").write_text(RECIPE + broken)
    said = served.failed()
    assert "ended with exit code 3" in said
    assert "no such module: flask" in said
    assert served.ask() == "0"
    served.seen.end()


def test_who_does_not_answer_in_time_does_not_take_over(
    lamina: Lamina, folder: Path
) -> None:
    served = Served(lamina, "--wait-timeout", "0.5", folder)
    (folder / "Recipe").write_text(RECIPE + "CMD sleep 600\n")
    assert "does not answer on port 8000" in served.failed()
    assert served.ask() == "0"
    served.seen.end()


def test_a_newer_save_ends_the_waiting(lamina: Lamina, folder: Path) -> None:
    served = Served(lamina, "--wait-timeout", "600", folder)
    (folder / "Recipe").write_text(RECIPE + "CMD echo waits; sleep 600\n")
    served.seen.until(lambda e: e["event"] == "log" and "waits" in e["text"])
    (folder / "Recipe").write_text(RECIPE)
    page(folder, "1")
    served.seen.outcome("cancelled")
    served.seen.outcome("swapped")
    assert served.ask() == "1"
    served.seen.end()


def test_a_health_check_decides(lamina: Lamina, folder: Path) -> None:
    check = "HEALTHCHECK CMD grep -q good /srv/index.html\n"
    (folder / "Recipe").write_text(RECIPE + check)
    page(folder, "good")
    served = Served(lamina, "--wait-timeout", "2", folder)
    page(folder, "bad")
    assert "is not healthy" in served.failed()
    assert served.ask() == "good"
    page(folder, "good again")
    served.seen.outcome("swapped")
    assert served.ask() == "good again"
    served.seen.end()


def test_two_never_run_at_once_on_a_volume(lamina: Lamina, folder: Path) -> None:
    script = (
        "mkdir /data/lock || exit 9; "
        "trap 'kill $!; rmdir /data/lock; exit' TERM; "
        "httpd -f -p 8000 -h /srv & wait"
    )
    (folder / "Recipe").write_text(RECIPE + f"CMD {script}\n")
    served = Served(lamina, "--no-init", "-v", "data:/data", folder)
    with Hammer(served.port) as hammer:
        for number in "12":
            page(folder, number)
            served.seen.outcome("swapped")
            assert served.ask() == number
        # What does not start gives the place back to the one before.
        (folder / "Recipe").write_text(RECIPE + "CMD exit 4\n")
        served.seen.outcome("failed")
        assert served.ask() == "2"
    # Who came in between waited.
    assert not hammer.failures
    served.seen.end()
    lamina.run("volume", "rm", "data")


def test_start_first_can_be_asked_for(lamina: Lamina, folder: Path) -> None:
    script = "mkdir /data/lock || exit 9; httpd -f -p 8000 -h /srv"
    (folder / "Recipe").write_text(RECIPE + f"CMD {script}\n")
    flags = ("--swap=start-first", "-v", "data:/data")
    served = Served(lamina, *flags, folder)
    page(folder, "1")
    assert "exit code 9" in served.failed()
    served.seen.end()
    lamina.run("volume", "rm", "data")


def test_the_name_is_the_new_ones(lamina: Lamina, folder: Path) -> None:
    served = Served(lamina, "--name", "web", folder)
    page(folder, "1")
    served.seen.outcome("swapped")
    assert lamina.run("exec", "web", "cat", "/srv/index.html").out == "1"
    assert f":{served.port}->8000/tcp" in lamina.run("ps").out
    served.seen.end()
    assert lamina.run("ps", "-aq").out == ""


def test_files_of_variables_are_watched(lamina: Lamina, folder: Path) -> None:
    script = "echo $GREETING > /srv/index.html; exec httpd -f -p 8000 -h /srv"
    (folder / "Recipe").write_text(RECIPE + f"CMD {script}\n")
    variables = folder / "app.env"
    variables.write_text("GREETING=hello\n")
    served = Served(lamina, "--env-file", variables, folder)
    assert served.ask() == "hello\n"
    variables.write_text("GREETING=goodbye\n")
    served.seen.outcome("swapped")
    assert served.ask() == "goodbye\n"
    served.seen.end()


def test_an_end_is_told_and_the_next_save_starts_again(
    lamina: Lamina, folder: Path
) -> None:
    served = Served(lamina, "--name", "web", folder)
    lamina.run("exec", "web", "killall", "httpd", code=None)
    ended = served.seen.until(lambda e: e["event"] == "exited")
    assert ended["code"] == 143
    page(folder, "1")
    served.seen.outcome("swapped")
    assert served.ask() == "1"
    served.seen.end()


def test_without_a_port_living_is_enough(lamina: Lamina, folder: Path) -> None:
    (folder / "Recipe").write_text("FROM busybox\nCOPY www /srv\n")
    command = ("sh", "-c", "cat /srv/index.html; sleep 600")
    seen = watch(lamina, "--network", "none", folder, *command, first="swapped")
    page(folder, "worked")
    seen.until(lambda e: e["event"] == "log" and "worked" in e["text"])
    seen.outcome("swapped")
    seen.end()


def test_a_port_that_is_taken_is_an_error(lamina: Lamina, folder: Path) -> None:
    served = Served(lamina, folder)
    publish = f"{served.port}:8000"
    done = lamina.run("watch", "--once", "-p", publish, folder, code=125)
    assert "is already in use" in done.err
    served.seen.end()


def test_once_says_whether_it_becomes_ready(lamina: Lamina, folder: Path) -> None:
    lamina.run("watch", "--once", folder)
    lamina.run("watch", "--once", folder, "false", code=1)


def test_killed_it_leaves_nothing(lamina: Lamina, folder: Path) -> None:
    served = Served(lamina, folder)
    served.seen.end(signal.SIGKILL)
    assert lamina.run("ps", "-q").out == ""


def test_spares_that_were_killed_are_made_again(lamina: Lamina, folder: Path) -> None:
    served = Served(lamina, "--name", "web", folder)
    for number in "12":
        inspected = lamina.run("inspect", "-f", "{{.State.Pid}}", "web").out
        serving = parent_of(int(inspected))
        end = time.monotonic() + PATIENCE
        # The one before is about to end, and the last one to boot.
        while len(spares := keepers_of(served.seen.process.pid) - {serving}) != 2:
            assert time.monotonic() < end
            time.sleep(0.01)
        for keeper in spares:
            os.kill(keeper, signal.SIGKILL)
        if number == "1":
            # Others are made without a save, for the dead ones' addresses are free.
            while keepers_of(served.seen.process.pid) & spares:
                assert time.monotonic() < end
                time.sleep(0.01)
        else:
            while any(state_of(keeper) != "Z" for keeper in spares):
                time.sleep(0.001)
        page(folder, number)
        assert served.seen.outcome("swapped", "failed")["outcome"] == "swapped"
        assert served.ask() == number
        assert spares.isdisjoint(keepers_of(served.seen.process.pid))
    served.seen.end()


def parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def state_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return "Z"


def keepers_of(pid: int) -> set[int]:
    """Its processes that keep containers, or will, and those that were killed until it
    collects them."""
    found = set()
    for child in children_of(pid):
        with contextlib.suppress(FileNotFoundError):
            command = Path(f"/proc/{child}/cmdline").read_bytes()
            # The helper of a user's network is a shell's, and is collected later.
            ended = (
                not command and "(sh)" not in Path(f"/proc/{child}/stat").read_text()
            )
            if ended or b"keeper" in command:
                found.add(child)
    return found


def test_what_is_exposed_may_change(lamina: Lamina, folder: Path) -> None:
    """-P: a port that stays keeps its number, one that goes is closed."""

    def published(port: int) -> int:
        told = [e for e in seen.events if e["event"] == "serves"][-1]["ports"]
        pairs = dict(reversed(text.split("->")) for text in told)
        return int(pairs[f"{port}/tcp"].rpartition(":")[2])

    seen = watch(lamina, "-P", folder, first="swapped")
    before = published(8000)
    assert ask(before) == "0"
    both = "EXPOSE 9000\nCMD httpd -p 9000 -h /srv; httpd -f -p 8000 -h /srv\n"
    (folder / "Recipe").write_text(RECIPE + both)
    seen.outcome("swapped")
    assert published(8000) == before
    after = published(9000)
    assert answer_of(after) == answer_of(before) == "0"
    # What does not become ready changes nothing.
    third = RECIPE.replace("8000", "9000")
    (folder / "Recipe").write_text(third + "CMD false\n")
    seen.outcome("failed")
    assert ask(before) == ask(after) == "0"
    (folder / "Recipe").write_text(third)
    seen.outcome("swapped")
    assert published(9000) == after
    assert ask(after) == "0"
    with pytest.raises(ConnectionRefusedError):
        ask(before)
    (folder / "Recipe").write_text(RECIPE.replace("EXPOSE 8000\n", ""))
    seen.outcome("swapped")
    assert [e for e in seen.events if e["event"] == "serves"][-1]["ports"] == []
    seen.end()


def answer_of(port: int) -> str:
    """What it answers once it does: of several ports only one is awaited for long."""
    end = time.monotonic() + PATIENCE
    while True:
        try:
            return ask(port)
        except ConnectionError:
            assert time.monotonic() < end
            time.sleep(0.01)


def test_on_a_network_of_its_own_it_is_found_and_published_through_swaps(
    lamina: Lamina, folder: Path
) -> None:
    lamina.run("network", "create", "app")
    on = ("--network", "app", "--network-alias", "www", "--name", "site")
    try:
        served = Served(lamina, *on, folder)
        with Hammer(served.port, ("127.0.0.1",)) as hammer:
            for number in range(1, 4):
                page(folder, str(number))
                served.seen.outcome("swapped")
                assert served.ask() == str(number)
                for name in ("site.", "www."):
                    asking = ("run", "--rm", "--network", "app", "busybox", "nslookup")
                    assert "Name:" in lamina.run(*asking, name).out
        assert not hammer.failures
        served.seen.end()
    finally:
        lamina.end()
        lamina.run("network", "rm", "app", code=None)


@pytest.mark.root("an overlay's own folder is closed even to who made it")
def test_it_ends_although_somebody_removed_its_records(
    lamina: Lamina, folder: Path
) -> None:
    served = Served(lamina, folder)
    for place in (lamina.store / "containers").iterdir():
        remove_tree(str(place))
    assert served.seen.end().code == 130
