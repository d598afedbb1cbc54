"""Contexts and files from elsewhere: repositories, archives, addresses, names."""

from __future__ import annotations

import functools
import io
import tarfile
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.builder.fetching.repositories import commit
from tests.end_to_end.bases import Lamina, project

RECIPE = "FROM busybox\nCOPY . /src/\n"


class Handler(SimpleHTTPRequestHandler):
    """The files of a folder."""

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""


@pytest.fixture
def web(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A folder, and the address that it is served at."""
    place = tmp_path / "web"
    place.mkdir()
    handler = functools.partial(Handler, directory=str(place))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield place, f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def archive(mode: Any, **files: str) -> bytes:
    """A tar, as `tarfile` writes it in `mode`."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode=mode) as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content.encode()))
    return data.getvalue()


def paths(folder: Path) -> set[str]:
    """The names below `src` of an image's files."""
    top = folder / "src"
    return {str(path.relative_to(top)) for path in top.rglob("*")}


def test_a_repository_is_a_context_and_a_source(lamina: Lamina, tmp_path: Path) -> None:
    app = tmp_path / "app"
    head = commit(app, Recipe=RECIPE, one="1", sub__Dockerfile=RECIPE, sub__two="2")
    (app / "Outside").symlink_to("/etc/passwd")
    out = lamina.files(Path(f"{app}#main"), cwd=tmp_path)
    assert {"one", "sub/two", "Recipe"} < paths(out)
    assert ".git" not in paths(out)
    done = lamina.run("build", f"file://{app}#{head}:sub")
    assert f"epoch: 2024-05-06, commit {head[:12]}" in done.err
    # A link in the repository leads nowhere but into it.
    done = lamina.run("build", "-f", "Outside", f"file://{app}", code=1)
    assert "no recipe" in done.err
    local = f"FROM busybox\nADD file://{app}?branch=main&subdir=sub /src/\n"
    folder = project(tmp_path / "c", local)
    assert paths(lamina.files(folder)) == {"Dockerfile", "two"}
    image = lamina.build(folder)
    commit(app, one="changed elsewhere")
    done = lamina.run("build", folder)
    assert len(done.ran) == 1 and done.out.strip() == image
    # A recipe that came from elsewhere reads no repository of this machine.
    commit(app, Recipe=local)
    done = lamina.run("build", f"file://{app}#main", code=1)
    assert "is on this machine" in done.err and "Recipe:2" in done.err
    assert "--build-context" in done.err


def test_an_archive_on_stdin_is_a_context(lamina: Lamina, tmp_path: Path) -> None:
    files = {"Dockerfile": RECIPE, "f": "1"}
    images = {
        lamina.run("build", "-q", "-", given=archive(mode, **files)).out
        for mode in ("w", "w:gz", "w:bz2", "w:xz")
    }
    assert len(images) == 1
    named = archive("w", **{"sub/R": RECIPE})
    lamina.run("build", "-f", "sub/R", "-", given=named)
    done = lamina.run("build", "-", given=named, code=1)
    assert "archive on stdin" in done.err
    done = lamina.run("build", "-", given=archive("w", **{"../x": "1"}), code=1)
    assert "x" in done.err
    folder = project(tmp_path / "c", "FROM nothing\n", f="1")
    lamina.run("build", "-f", "-", folder, given=RECIPE)
    bomb = archive("w:gz", Dockerfile=RECIPE, f="0" * 3_000_000)
    done = lamina.run("build", "--unpack-limit", "1m", "-", given=bomb, code=1)
    assert "--unpack-limit" in done.err


def test_addresses_of_archives_recipes_and_files(
    lamina: Lamina, tmp_path: Path, web: tuple[Path, str]
) -> None:
    place, address = web
    (place / "c.tgz").write_bytes(archive("w:gz", Dockerfile=RECIPE, f="1"))
    (place / "r").write_text("FROM busybox\nRUN true\n")
    (place / "f").write_text("from the web")
    lamina.run("build", f"{address}/c.tgz")
    lamina.run("build", f"{address}/r")
    # The last of two equal names counts, wherever it is from.
    recipe = f"FROM busybox\nADD {address}/f f /a/\nADD f {address}/f /b/\n"
    folder = project(tmp_path / "c", recipe, f="from here")
    out = lamina.files(folder)
    assert (out / "a/f").read_text() == "from here"
    assert (out / "b/f").read_text() == "from the web"
    assert (out / "b/f").stat().st_mode & 0o777 == 0o600
    assert lamina.run("build", folder).ran == []
    (place / "f").write_text("changed")
    assert len(lamina.run("build", folder).ran) == 2
    done = lamina.run("build", "--download-limit", "1k", f"{address}/c.tgz")
    assert done.code == 0
    done = lamina.run("build", f"{address}/nowhere", code=1)
    assert "404" in done.err


def test_named_contexts_go_before_stages_and_images(
    lamina: Lamina, tmp_path: Path, web: tuple[Path, str]
) -> None:
    place, address = web
    (place / "c.tgz").write_bytes(archive("w:gz", f="from the archive"))
    commit(tmp_path / "app", f="from the repository")
    folder = project(tmp_path / "named", "", f="from the folder", drop="", keep="k")
    (folder / ".dockerignore").write_text("drop\nRecipe\n.dockerignore\n")
    recipe = """\
    FROM nowhere AS tools
    RUN never
    FROM debian:latest
    COPY --from=src . /folder/
    COPY --from=app f /app/
    COPY --from=tools f /tools/
    RUN --mount=from=src,target=/m ls /m > /listed
    """
    context = project(tmp_path / "c", recipe)
    flags = [
        f"--build-context={name}={given}"
        for name, given in {
            "src": folder,
            "app": f"{tmp_path}/app#main",
            "tools": f"{address}/c.tgz",
            "debian": "docker-image://busybox",
        }.items()
    ]
    out = lamina.files(context, *flags)
    assert sorted(path.name for path in (out / "folder").iterdir()) == ["f", "keep"]
    assert (out / "listed").read_text() == "f\nkeep\n"
    assert (out / "app/f").read_text() == "from the repository"
    assert (out / "tools/f").read_text() == "from the archive"
    assert lamina.run("build", *flags, context).ran == []
    (folder / "drop").write_text("changed")
    assert lamina.run("build", *flags, context).ran == []
    (folder / "keep").write_text("changed")
    assert "COPY --from=src . /folder/" in lamina.run("build", *flags, context).ran
    done = lamina.run("build", "--build-context=a=nowhere", context, code=1)
    assert "is not there" in done.err
