"""`lamina build` on a real terminal, and what it leaves there."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.cli.progress.screens import glass
from tests.end_to_end.bases import COMMAND, ENVIRONMENT, Done, Lamina, project

RECIPE = """FROM busybox AS one
RUN echo "one says 1"; sleep 0.1; echo "one says 2"; sleep 2
FROM busybox AS two
RUN printf '\\033[2J\\033[31mtwo says %s\\r\\n' 1 2; sleep 2
FROM busybox
COPY --from=one /etc/motd /1
COPY --from=two /etc/motd /2
"""


def start(lamina: Lamina, slave: int, *args: str | Path) -> subprocess.Popen[bytes]:
    """The command on a terminal that is its own."""
    return subprocess.Popen(
        [*COMMAND, *map(str, args)],
        stdin=slave,
        stdout=slave,
        stderr=slave,
        env={**ENVIRONMENT, "LAMINA_ROOT": str(lamina.store), "TERM": "xterm"},
        cwd=lamina.place,
        start_new_session=True,
    )


def test_steps_run_side_by_side_on_a_terminal(lamina: Lamina, tmp_path: Path) -> None:
    folder = project(tmp_path / "app", RECIPE)
    with glass(90, 20) as seen:
        process = start(lamina, seen.slave, "build", "--jobs", "2", folder)
        lines = seen.wait_for(
            lambda lines: {"one says 2", "two says 2"} <= {x.strip() for x in lines}
        )
        assert sum(line.startswith(" ▸ ") for line in lines) == 2
        assert process.wait(60) == 0
        lines = seen.close()
        assert sum(line.startswith(" ✔ ") for line in lines) == 5
        assert lines[-2].startswith(" ✔ stage-2  sha256:")
        assert lines[-1].startswith("sha256:")
        assert not seen.cursor_is_hidden
    with glass(90, 20) as seen:
        assert start(lamina, seen.slave, "build", folder).wait(60) == 0
        lines = seen.close()
        assert lines[1] == " ≡ 4 steps cached"
        assert len(lines) == 4


def test_an_interrupt_gives_the_terminal_back(lamina: Lamina, tmp_path: Path) -> None:
    folder = project(tmp_path / "app", "FROM busybox\nRUN echo on; sleep 600\n")
    with glass(90, 20) as seen:
        process = start(lamina, seen.slave, "build", folder)
        seen.wait_for(lambda lines: any(line.strip() == "on" for line in lines))
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(60) == 130
        lines = seen.close()
        assert lines[-2].endswith("RUN echo on; sleep 600  cancelled")
        assert lines[-1].startswith(" ✘ cancelled after ")
        assert not seen.cursor_is_hidden


@pytest.fixture
def slow() -> Iterator[str]:
    """The address of a file that comes slowly."""

    class Slow(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", "80000000")
            self.end_headers()
            with contextlib.suppress(OSError):
                while not over.wait(0.1):
                    self.wfile.write(b"x" * 100_000)

        def log_message(self, *_: object) -> None:
            pass

    over = threading.Event()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Slow)
    threading.Thread(target=server.serve_forever).start()
    yield f"http://127.0.0.1:{server.server_port}/big"
    over.set()
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("is_context", [False, True])
def test_an_interrupted_download_is_cancelled(
    lamina: Lamina, tmp_path: Path, slow: str, is_context: bool
) -> None:
    folder = project(tmp_path / "app", f"FROM busybox\nADD {slow} /big\n")
    place = slow if is_context else folder
    with glass(110, 20) as seen:
        process = start(lamina, seen.slave, "build", place)
        seen.wait_for(lambda lines: any(" / 80MB" in line for line in lines))
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(60) == 130
        lines = seen.close()
        assert lines[-1].startswith(" ✘ cancelled after ")
        assert not any("failed" in line for line in lines)
    done = subprocess.Popen(
        [*COMMAND, "build", "--progress=json", str(place)],
        env={**ENVIRONMENT, "LAMINA_ROOT": str(lamina.store)},
        stderr=subprocess.PIPE,
    )
    assert done.stderr is not None
    events = []
    for line in done.stderr:
        events.append(json.loads(line))
        if events[-1]["event"] == "transfer":
            done.send_signal(signal.SIGTERM)
    assert done.wait(60) == 143
    done.stderr.close()
    names = [event["event"] for event in events]
    assert (names.count("start"), names.count("end")) == (1, 1)
    assert events[-1]["outcome"] == "cancelled"
    assert lamina.left_behind() == []


@pytest.mark.parametrize("recipe", ["FROM {}/app", "FROM busybox\nADD http://{}/f /f"])
def test_a_server_that_says_nothing_is_waited_for(
    lamina: Lamina, tmp_path: Path, recipe: str
) -> None:
    """It accepts, and no byte comes: the terminal says so, and Ctrl-C ends it."""
    with socket.create_server(("127.0.0.1", 0)) as silent, glass(90, 20) as seen:
        place = f"127.0.0.1:{silent.getsockname()[1]}"
        folder = project(tmp_path / "app", recipe.format(place))
        process = start(lamina, seen.slave, "build", folder)
        lines = seen.wait_for(lambda lines: any("waiting" in line for line in lines))
        (line,) = (line for line in lines if "waiting" in line)
        assert line.startswith(" ↓ ")
        assert place in line
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(60) == 130
        assert seen.close()[-1].startswith(" ✘ cancelled after ")


def test_each_line_of_json_is_an_object(lamina: Lamina, tmp_path: Path) -> None:
    folder = project(tmp_path / "app", "FROM busybox\nRUN echo on; exit {code}\n")

    def told(code: int, *flags: str) -> tuple[Done, list[dict[str, object]]]:
        project(tmp_path / "app", f"FROM busybox\nRUN echo on; exit {code}\n")
        done = lamina.run("build", "--progress=json", *flags, folder, code=bool(code))
        return done, [json.loads(line) for line in done.err.splitlines()]

    done, lines = told(0)
    assert [line["event"] for line in lines] == [
        *("start", "note", "planned", "step", "step"),
        *("started", "output", "done", "image", "end"),
    ]
    assert lines[-2]["id"] == done.out.strip()
    done, lines = told(0)
    assert [line["event"] for line in lines][-4:] == [
        *("planned", "cached", "image", "end")
    ]
    done, lines = told(3)
    assert [line["event"] for line in lines][-3:] == ["failed", "error", "end"]
    assert "ended with exit code 3" in str(lines[-2]["message"])
    assert (lines[-2]["code"], lines[-1]["outcome"], done.out) == (1, "failed", "")


def test_quiet_is_the_digest_alone(lamina: Lamina, tmp_path: Path) -> None:
    folder = project(tmp_path / "app", "FROM busybox\nRUN echo on\n")
    done = lamina.run("build", "-q", folder)
    assert done.err == ""
    assert done.out.startswith("sha256:") and done.out.count("\n") == 1
    assert lamina.run("build", "--progress=quiet", folder) == done
