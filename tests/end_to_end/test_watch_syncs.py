"""`lamina watch --sync`: saves written into the container that serves."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.end_to_end.bases import Lamina, project
from tests.end_to_end.serving import RECIPE, Served, page


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = project(tmp_path / "project", RECIPE, www__deep__other="1")
    page(made, "0")
    return made


class Synced(Served):
    """With a rule for `www`."""

    def __init__(self, lamina: Lamina, folder: Path, *args: str | Path) -> None:
        rule = f"{folder / 'www'}:/srv"
        self.lamina = lamina
        super().__init__(lamina, "--name", "web", "--sync", rule, *args, folder)

    def inside(self, script: str) -> str:
        return self.lamina.run("exec", "web", "sh", "-c", script).out

    def id(self) -> str:
        return str(self.lamina.inspect("web")["Id"])


def test_a_save_keeps_the_container_and_the_inode(lamina: Lamina, folder: Path) -> None:
    served = Synced(lamina, folder)
    before = served.id(), served.inside("echo x >> /srv/index.html; ls -i /srv")
    # As vim saves: another inode here.
    page(folder, "a longer page")
    served.seen.outcome("synced")
    assert served.ask() == "a longer page"
    page(folder, "short")
    served.seen.outcome("synced")
    assert served.ask() == "short"
    assert (served.id(), served.inside("ls -i /srv")) == before
    served.seen.end()


def test_what_comes_and_goes_comes_and_goes(lamina: Lamina, folder: Path) -> None:
    served = Synced(lamina, folder)
    script = folder / "www/new/run.sh"
    script.parent.mkdir()
    script.write_text("echo hi")
    served.seen.outcome("synced")
    script.chmod(0o755)
    served.seen.outcome("synced")
    assert served.inside("ls /srv/new; /srv/new/run.sh") == "run.sh\nhi\n"
    (folder / "www/link").symlink_to("index.html")
    served.seen.outcome("synced")
    assert served.ask("/link") == "0"
    shutil.rmtree(folder / "www/deep")
    served.seen.outcome("synced")
    served.seen.end()


def test_links_in_the_container_lead_nowhere_else(
    lamina: Lamina, folder: Path, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    served = Synced(lamina, folder)
    served.inside(f"rm -r /srv/deep; ln -s {outside} /srv/deep; mkdir -p {outside}")
    (folder / "www/deep/other").write_text("2")
    served.seen.outcome("synced")
    assert served.inside(f"cat {outside}/other") == "2"
    assert list(outside.iterdir()) == []
    # What is no regular file is not written to.
    served.inside("rm /srv/index.html; ln -s /proc/1/comm /srv/index.html")
    page(folder, "1")
    served.seen.outcome("failed")
    served.seen.end()


def test_a_build_brings_a_new_container_with_all_files(
    lamina: Lamina, folder: Path
) -> None:
    served = Synced(lamina, folder)
    before = served.id()
    page(folder, "1")
    served.seen.outcome("synced")
    # `www` is in no image any more, and `/srv` is filled all the same.
    recipe = RECIPE.replace("COPY www /srv", "RUN mkdir /srv")
    (folder / "Recipe").write_text(recipe)
    served.seen.outcome("swapped")
    assert served.ask() == "1"
    assert served.id() != before
    page(folder, "2")
    served.seen.outcome("synced")
    assert served.ask() == "2"
    served.seen.end()


def test_then_restart_starts_the_same_container_again(
    lamina: Lamina, folder: Path
) -> None:
    command = "CMD echo begun >> /starts; exec httpd -f -p 8000 -h /srv\n"
    (folder / "Recipe").write_text(RECIPE + command)
    served = Synced(lamina, folder, "--then", "restart")
    before = served.id()
    for number in "12":
        page(folder, number)
        served.seen.outcome("synced")
        assert served.ask() == number
    assert served.id() == before
    assert served.inside("cat /starts") == 3 * "begun\n"
    served.seen.end()
    assert lamina.run("ps", "-aq").out == ""


def test_then_a_command_runs_in_it(lamina: Lamina, folder: Path) -> None:
    check = "grep -q good /srv/index.html && echo checked"
    served = Synced(lamina, folder, "--then", check)
    page(folder, "good")
    served.seen.until(lambda e: e["event"] == "log" and "checked" in e["text"])
    served.seen.outcome("synced")
    page(folder, "bad")
    served.seen.outcome("failed")
    assert served.ask() == "bad"
    served.seen.end()


def test_rules_are_checked(lamina: Lamina, folder: Path) -> None:
    for rule, said in (
        ("www", "no source with a place"),
        ("www:srv", "no source with a place"),
        ("nothing:/srv", "there is no 'nothing'"),
    ):
        done = lamina.run("watch", "--sync", rule, ".", cwd=folder, code=1)
        assert said in done.err
    done = lamina.run("watch", "--then", "restart", ".", cwd=folder, code=1)
    assert "`--then` is for `--sync`" in done.err
