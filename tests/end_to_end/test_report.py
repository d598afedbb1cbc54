"""`lamina build --report`: the page in a real browser, headless Chromium."""

from __future__ import annotations

import os
import struct
import subprocess
from html.parser import HTMLParser
from pathlib import Path

from lamina.cli.report.page import page
from tests.cli.report.builds import hostile, large
from tests.end_to_end.bases import Lamina, project

RECIPE = """FROM busybox AS one
RUN echo '</pre><script>document.title="owned"</script>'
FROM one AS two
RUN echo going; sleep 0.05; echo "<b>gone</b>" >&2; exit {code}
FROM one
COPY --from=two /etc/motd /two
"""


class Seen(HTMLParser):
    """What a browser made of a page: its title, and elements by their `id`."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.title = ""
        self.ids: dict[str, dict[str, str | None]] = {}
        self._in_title = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._in_title = tag == "title" and not self.title
        found = dict(attrs)
        if found.get("id"):
            self.ids[found["id"] or ""] = found

    def handle_data(self, data: str) -> None:
        if self._in_title:
            self.title = data
            self._in_title = False


def browse(path: Path, *flags: str, hash_: str = "") -> tuple[str, list[str]]:
    """What Chromium prints, and the messages of its console."""
    done = subprocess.run(
        [
            *("chromium", "--headless", "--no-sandbox", "--disable-gpu"),
            *("--hide-scrollbars", "--enable-logging=stderr", "--v=0"),
            *(f"--user-data-dir={path.parent}/profile", *flags),
            f"file://{path}{hash_}",
        ],
        capture_output=True,
        timeout=120,
        check=True,
        env={"PATH": os.environ["PATH"], "HOME": str(path.parent)},
    )
    lines = done.stderr.decode(errors="replace").splitlines()
    return done.stdout.decode(), [line for line in lines if "CONSOLE" in line]


def shot(path: Path, width: int, height: int) -> tuple[int, int, int]:
    """Take a picture: its size, and its bytes, which are many where much is drawn."""
    picture = path.with_suffix(".png")
    _, said = browse(path, f"--window-size={width},{height}", f"--screenshot={picture}")
    assert said == []
    data = picture.read_bytes()
    return (*struct.unpack(">II", data[16:24]), len(data))


def test_a_build_in_a_browser(lamina: Lamina, tmp_path: Path) -> None:
    folder = project(tmp_path / "app", RECIPE.format(code=3))
    path = tmp_path / "build.html"
    lamina.run("build", "--report", path, folder, code=1)
    text, said = browse(path, "--dump-dom", hash_="#step-1")
    assert said == []
    seen = Seen(text)
    assert seen.title.startswith("app/")
    assert ": failed in " in seen.title
    # The page's own script ran; the log's did not. The step asked for is open.
    assert "hidden" not in seen.ids["find"]
    assert "open" in seen.ids["step-1"]
    assert [i for i in seen.ids if "failed" in (seen.ids[i].get("class") or "")] == [
        "step-2"
    ]
    assert "&lt;b&gt;gone&lt;/b&gt;" in text
    folder = project(tmp_path / "app", RECIPE.format(code=0))
    lamina.run("build", "--report", path, folder)
    text, said = browse(path, "--dump-dom")
    assert (said, ": built in " in Seen(text).title) == ([], True)
    assert "2 ran" in text and "1 cached" in text and "/two" in text


def test_pages_of_every_size_are_drawn_without_a_complaint(tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    for build, size in (
        (large(1, 1), (1300, 900)),
        (large(1, 50), (375, 800)),
        (large(200, 5), (1920, 2000)),
        (hostile(), (800, 1200)),
    ):
        path.write_text(page(build), errors="replace")
        width, height, weight = shot(path, *size)
        assert (width, height) == size
        assert weight > 15_000
    text, said = browse(path, "--dump-dom")
    assert said == []
    assert not Seen(text).title.startswith("owned")


def test_a_report_that_cannot_be_written_says_so(
    lamina: Lamina, tmp_path: Path
) -> None:
    folder = project(tmp_path / "app", "FROM busybox\n")
    done = lamina.run("build", "--report", tmp_path / "no/x.html", folder, code=1)
    assert "no/x.html' cannot be written: No such file or directory." in done.err
