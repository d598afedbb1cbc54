"""`lamina build`, the second time: what counts, and what runs once."""

from __future__ import annotations

import os
import threading
from pathlib import Path

from tests.end_to_end.bases import Lamina, build, project


def test_times_do_not_count_and_content_does(lamina: Lamina, tmp_path: Path) -> None:
    folder = project(
        tmp_path / "app",
        "FROM busybox\nCOPY file /file\nRUN cat /file > /made\n",
        file="aaaa",
    )
    first = lamina.build(folder)
    os.utime(folder / "file", (1, 1))
    touched = build(lamina, folder)
    assert (touched.ran, touched.out.strip()) == ([], first)
    # The same size at the same time, as a checkout or an editor leaves it.
    before = (folder / "file").stat()
    (folder / "file").write_text("bbbb")
    os.utime(folder / "file", ns=(before.st_atime_ns, before.st_mtime_ns))
    changed = build(lamina, folder)
    assert changed.ran == ["COPY file /file", "RUN cat /file > /made"]
    assert changed.out.strip() != first


def test_a_changed_mode_counts(lamina: Lamina, tmp_path: Path) -> None:
    folder = project(tmp_path / "app", "FROM scratch\nCOPY file /\n", file="f")
    build(lamina, folder)
    (folder / "file").chmod(0o755)
    assert build(lamina, folder).ran == ["COPY file /"]


def test_one_file_only_runs_its_own_steps(lamina: Lamina, tmp_path: Path) -> None:
    folder = project(
        tmp_path / "app",
        "FROM busybox AS one\nCOPY one /\nRUN cat /one > /made\n"
        "FROM busybox AS two\nCOPY two /\nRUN cat /two > /made\n"
        "FROM scratch\nCOPY --from=one /made /1\nCOPY --from=two /made /2\n",
        one="1",
        two="2",
        unused="u",
    )
    assert len(build(lamina, folder).ran) == 6
    (folder / "two").write_text("3")
    ran = ["COPY --from=two /made /2", "COPY two /", "RUN cat /two > /made"]
    assert build(lamina, folder).ran == ran
    (folder / "unused").write_text("changed")
    assert build(lamina, folder).ran == []


def test_the_same_result_lets_later_steps_hit(lamina: Lamina, tmp_path: Path) -> None:
    """A step that ran again and made the same bytes invalidates nothing after it."""
    folder = project(
        tmp_path / "app",
        "FROM busybox AS one\nCOPY source /\nRUN grep -v '#' /source > /made\n"
        "FROM busybox\nCOPY --from=one /made /\nRUN cat /made > /again\n",
        source="code\n",
    )
    build(lamina, folder)
    (folder / "source").write_text("code\n# a comment\n")
    done = build(lamina, folder)
    assert done.ran == ["COPY source /", "RUN grep -v '#' /source > /made"]
    assert done.steps["RUN cat /made > /again"] == "CACHED"
    # The same with a step above in the same stage.
    text = (folder / "Recipe").read_text()
    (folder / "Recipe").write_text(text.replace("RUN cat", "RUN true; cat"))
    build(lamina, folder)
    (folder / "Recipe").write_text(text.replace("COPY --from=one /", "COPY --from=0 /"))
    assert build(lamina, folder).ran == []


def test_no_cache_runs_every_step(lamina: Lamina, tmp_path: Path) -> None:
    folder = project(
        tmp_path / "app", "FROM busybox\nWORKDIR /w\nCOPY f .\nRUN date > d\n", f="f"
    )
    first = build(lamina, folder)
    again = build(lamina, folder, "--no-cache")
    assert again.ran == ["COPY f .", "RUN date > d"]
    assert build(lamina, folder).ran == []
    assert len(first.ran) == 3


def test_a_variable_counts_for_the_steps_that_see_it(
    lamina: Lamina, tmp_path: Path
) -> None:
    folder = project(
        tmp_path / "app",
        "FROM busybox\nRUN echo before\nARG V=1\nRUN echo after\n",
    )
    build(lamina, folder)
    assert build(lamina, folder, "--build-arg", "V=2").ran == ["RUN echo after"]


def test_two_builds_at_once_run_a_step_once(lamina: Lamina, tmp_path: Path) -> None:
    folder = project(
        tmp_path / "app",
        "FROM busybox\n"
        "RUN --mount=type=cache,target=/c echo ran >> /c/log; sleep 0.5; echo > /a\n"
        "RUN --mount=type=cache,target=/c echo ran >> /c/log; sleep 0.5; echo > /b\n",
    )
    running = [lamina.start("build", folder) for _ in range(3)]
    ended = [process.communicate() for process in running]
    assert [process.returncode for process in running] == [0, 0, 0]
    assert len({out for out, _ in ended}) == 1
    # Each step was made by one of them, and the others say that they waited for it.
    said = b"".join(err for _, err in ended).decode()
    assert said.count("DONE") == 2 and said.count("CACHED") == 4
    assert said.count("waiting for another build that makes it") >= 2
    count = project(
        tmp_path / "count",
        "FROM busybox\nRUN --mount=type=cache,target=/c cp /c/log /log\n",
    )
    assert (lamina.files(count) / "log").read_text() == "ran\n" * 2
    lamina.check()


def test_equal_steps_of_two_stages_run_once(lamina: Lamina, tmp_path: Path) -> None:
    step = "RUN --mount=type=cache,target=/c echo ran >> /c/log; sleep 0.5; echo > /a\n"
    folder = project(
        tmp_path / "app",
        f"FROM busybox AS one\n{step}FROM busybox AS two\n{step}"
        "FROM busybox\nCOPY --from=one /a /1\nCOPY --from=two /a /2\n"
        "RUN --mount=type=cache,target=/c test $(wc -l < /c/log) = 1\n",
    )
    done = build(lamina, folder, "--jobs", "2")
    # Nobody else builds here.
    assert "another build" not in done.err


def test_independent_stages_run_side_by_side(lamina: Lamina, tmp_path: Path) -> None:
    # Each waits for the other: one after the other they would never end.
    wait = "i=0; until [ -e /c/{0} ]; do sleep 0.1; i=$((i+1)); [ $i -lt 300 ]; done"
    step = "RUN --mount=type=cache,target=/c set -e; touch /c/{1}; " + wait
    folder = project(
        tmp_path / "app",
        f"FROM busybox AS one\n{step.format('two', 'one')}\n"
        f"FROM busybox AS two\n{step.format('one', 'two')}\n"
        "FROM scratch\nCOPY --from=one /etc/motd /1\nCOPY --from=two /etc/motd /2\n",
    )
    build(lamina, folder, "--jobs", "2")


def test_a_build_while_the_store_is_pruned(lamina: Lamina, tmp_path: Path) -> None:
    """Garbage collection beside builds takes nothing that they stand on."""
    stop = threading.Event()

    def prune() -> None:
        while not stop.is_set():
            lamina.run("system", "prune", "-f")

    worker = threading.Thread(target=prune)
    worker.start()
    try:
        for number in range(4):
            steps = "".join(f"RUN echo {number} > /{i}\n" for i in range(6))
            lamina.build(project(tmp_path / "app", f"FROM busybox\n{steps}"), "-t", "b")
    finally:
        stop.set()
        worker.join()
    lamina.check()


def test_steps_that_make_the_same_bytes(lamina: Lamina, tmp_path: Path) -> None:
    folder = project(
        tmp_path / "app",
        "FROM busybox\nRUN true\nRUN  true\nRUN echo > /a\nRUN rm /a\n"
        "RUN echo > /a\nRUN test -e /a && echo yes > /b\n",
    )
    assert (lamina.files(folder) / "b").read_text() == "yes\n"
    assert (lamina.files(folder) / "a").exists()
