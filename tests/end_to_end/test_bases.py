"""FROM: bases in archives, from packages, and the names that nobody has."""

from __future__ import annotations

import re
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from lamina.builder.bases.apt_sources import host_mirrors
from tests.builder.fetching.repositories import commit
from tests.end_to_end.bases import Lamina, project

pytestmark = pytest.mark.root

SNAPSHOT = "20260131T000000Z"


# Archives


@pytest.mark.parametrize(
    "base", ["oci-layout:images/layout", "docker-archive:images/archive.tar"]
)
def test_an_archive_is_looked_up_in_the_context(
    lamina: Lamina, tmp_path: Path, base: str
) -> None:
    folder = project(tmp_path / "app", f"FROM {base}\nRUN cat /etc/motd > /said\n")
    (folder / "images").mkdir()
    (folder / "elsewhere").mkdir()
    lamina.run("save", "--format", "oci-dir", "-o", "app/images/layout", "busybox")
    lamina.run("save", "-o", "app/images/archive.tar", "busybox")
    other = Lamina(tmp_path, tmp_path / "other")
    image = other.build(folder, cwd=folder / "elsewhere")
    assert other.run("run", "--rm", image, "cat", "/said").out == "welcome\n"
    # Loaded once, and again when the file is another one.
    assert other.run("build", folder).ran == []
    lamina.build(project(tmp_path / "new", "FROM busybox\nENV A=new\n"), "-t", "new")
    lamina.run("save", "-o", "app/images/archive.tar", "new")
    layout = ("save", "--format", "oci-dir", "-o", "app/images/new", "new")
    lamina.run(*layout)
    recipe = (folder / "Recipe").read_text().replace("images/layout", "images/new")
    (folder / "Recipe").write_text(recipe)
    assert "A=new" in other.config(other.build(folder))["Env"]
    assert other.left_behind() == []


def test_an_archive_that_is_not_there(lamina: Lamina, tmp_path: Path) -> None:
    folder = project(tmp_path / "app", "FROM oci-layout:base:1\n")
    said = lamina.run("build", folder, code=1).err
    assert f"There is no 'base:1' in {folder}." in said
    assert "app/Recipe:1:6" in said and "lamina save --format oci-dir" in said
    folder = project(tmp_path / "app", "FROM docker-archive:.\n")
    assert "manifest.json" in lamina.run("build", folder, code=1).err


def test_a_strangers_recipe_reads_no_archive_of_this_machine(
    lamina: Lamina, tmp_path: Path
) -> None:
    lamina.run("save", "--format", "oci-dir", "-o", "layout", "busybox")
    layout = tmp_path / "layout"
    app = tmp_path / "stranger"
    commit(app, Recipe=f"FROM oci-layout:{layout}\n")
    done = lamina.run("build", f"{app}#main", code=1)
    assert "is on this machine, and the recipe is not from here" in done.err
    assert "Recipe:1:6" in done.err and "--build-context" in done.err
    # What the command line names is lent.
    commit(app, Recipe="FROM lent\n")
    lamina.run("build", f"--build-context=lent=oci-layout://{layout}", f"{app}#main")


# Packages


def test_a_missing_tool_is_named_with_what_installs_it(
    lamina: Lamina, tmp_path: Path
) -> None:
    env = {"PATH": str(tmp_path)}
    folder = project(tmp_path / "app", "FROM bootstrap:debian/bookworm\n")
    for command in (["build", folder], ["bootstrap", "debian/bookworm"]):
        done = lamina.run(*command, env=env, code=1)
        assert "needs the program mmdebstrap, which is not installed" in done.err
        assert "apt-get install mmdebstrap" in done.err


@pytest.mark.network
def test_a_suite_and_a_package_that_are_not_there(lamina: Lamina) -> None:
    done = lamina.run("bootstrap", "debian/bokworm", code=1)
    assert "has no suite 'bokworm'" in done.err and "--mirror" in done.err
    done = lamina.run("bootstrap", "debian/bookworm", "--include=lessss,less", code=1)
    assert "did not make the base: no package called lessss." in done.err
    done = lamina.run(
        "bootstrap", "debian/bookworm", "--mirror=http://127.0.0.1:1/debian", code=1
    )
    assert "cannot be fetched: Could not connect to 127.0.0.1:1" in done.err


class Archive(BaseHTTPRequestHandler):
    """An archive of snapshots, of which it has one: the host's mirror as it is now."""

    protocol_version = "HTTP/1.1"
    asked: set[str]

    def do_GET(self) -> None:
        _, archive, time, path = self.path.split("/", 3)
        self.asked.add(f"{archive}/{time}")
        main, security = host_mirrors("debian")
        mirror = security if archive == "debian-security" else main
        try:
            with urllib.request.urlopen(f"{mirror}/{path}") as answer:
                code, body = 200, answer.read()
        except urllib.error.HTTPError as error:
            code, body = error.code, b""
        self.send_response(code)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""


@pytest.fixture
def snapshots() -> Iterator[tuple[str, set[str]]]:
    """The address of an archive of snapshots, and what was asked of it."""
    asked: set[str] = set()
    handler = type("Handler", (Archive,), {"asked": asked})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/debian", asked
        server.shutdown()
        thread.join()


@pytest.mark.network
@pytest.mark.slow
def test_a_base_with_all_its_flags_is_the_same_in_two_stores(
    lamina: Lamina, tmp_path: Path, snapshots: tuple[str, set[str]]
) -> None:
    mirror, asked = snapshots
    flags = ("--variant=apt", "--include=less", f"--snapshot={SNAPSHOT}")
    made = lamina.run(
        *("bootstrap", "debian/bookworm", *flags, f"--mirror={mirror}", "-t", "base")
    )
    assert asked == {f"debian/{SNAPSHOT}", f"debian-security/{SNAPSHOT}"}
    written = " ".join(flags)
    recipe = f"FROM {written} --mirror={mirror} bootstrap:debian/bookworm\n"
    folder = project(tmp_path / "app", recipe + "RUN less --version && apt-get -v\n")
    # The recipe means what the command made: it asks nobody again.
    asked.clear()
    lamina.run("build", folder)
    assert asked == set()
    sources = lamina.run("run", "--rm", "base", "cat", "/etc/apt/sources.list").out
    assert re.search(f"^deb .* {mirror}/{SNAPSHOT} bookworm main$", sources, re.M)
    assert "check-valid-until=no" in sources
    other = Lamina(tmp_path, tmp_path / "other")
    again = other.run(
        *("bootstrap", "bootstrap:debian/bookworm", *flags, f"--mirror={mirror}", "-q")
    )
    assert again.out == made.out and again.err == ""
    assert other.left_behind() == []


def test_a_short_word_is_a_name_and_no_id(lamina: Lamina, tmp_path: Path) -> None:
    """`FROM b` with a stage that is missing, and an image whose ID begins with b."""
    identity = lamina.inspect("busybox")["Id"].removeprefix("sha256:")
    # Digits alone would be a stage's number there.
    word = identity[: 1 + next(n for n, c in enumerate(identity) if c.isalpha())]
    recipe = f"FROM busybox AS x\nCOPY --from={word} /etc/passwd /\n"
    for text in (f"FROM {identity[:1]}\n", f"FROM {identity[:11]}\n", recipe):
        folder = project(tmp_path / str(len(text)), text)
        said = lamina.run("build", folder, code=1).err
        assert "is neither a stage above nor an image in the store" in said
        assert "Traceback" not in lamina.run("check", folder, code=None).err
    # As `lamina images` and --iidfile have it.
    for known in (identity[:12], identity, f"sha256:{identity}"):
        lamina.build(project(tmp_path / known, f"FROM {known}\n"))
