"""cli.progress.terminal: the live view, as it stands on the glass of a terminal."""

from __future__ import annotations

from itertools import pairwise

from lamina.builder.events import (
    CacheWritten,
    ImageBuilt,
    Note,
    Planned,
    StepCached,
    StepCancelled,
    StepDone,
    StepFailed,
    StepMissed,
    StepOutput,
    StepStarted,
    Transfer,
)
from lamina.cli.progress.outcome import CANCELLED, FAILED
from lamina.cli.progress.terminal import Terminal
from tests.cli.progress.screens import glass

LONG = "[app 3/9] RUN " + "make all " * 40
IMAGE = ImageBuilt("app", "sha256:" + "0123456789abcdef" * 4, 181_000_000)


def test_running_steps_stand_side_by_side_with_their_last_lines() -> None:
    with glass(60, 24) as seen:
        show = Terminal(seen.stream)
        show(Planned(20))
        for step in range(12):
            show(StepCached(step, f"[base {step}/12] RUN {step}"))
        show(StepStarted(13, "[web 1/6] RUN npm ci"))
        show(StepStarted(14, "[web 2/6] RUN make"))
        for number in range(9):
            show(StepOutput(13, b"package %d\n" % number))
        show(StepOutput(14, b"one\n\ntw"))
        lines = seen.wait_for(lambda lines: "           tw" in lines)
        assert [line[:2] + line[10:] for line in lines if "RUN" in line] == [
            " ▸  [web 1/6] RUN npm ci",
            " ▸  [web 2/6] RUN make",
        ]
        assert lines[1:7] == [f"           package {n}" for n in range(3, 9)]
        assert lines[8:10] == ["           one", "           tw"]
        assert lines[10].startswith("   12 of 20 steps, 12 cached, 2 running, ")
        show(StepDone(13, "[web 1/6] RUN npm ci", 12.3, True))
        seen.wait_for(lambda lines: lines[0] == " ✔   12.3s  [web 1/6] RUN npm ci")
        show(StepDone(14, "[web 2/6] RUN make", 1.5, False))
        show(IMAGE)
        show.close()
        lines = seen.close()
        assert lines[:3] == [
            " ✔   12.3s  [web 1/6] RUN npm ci",
            " ✔    1.5s  [web 2/6] RUN make  same result",
            " ≡ 12 steps cached",
        ]
        assert lines[3].startswith(" ✔ app  sha256:0123456789ab  181MB  in ")
        assert lines[3].endswith(", 2 steps ran")
        assert not seen.cursor_is_hidden


def test_what_is_all_cached_is_two_lines_and_is_not_drawn() -> None:
    with glass(80, 24) as seen:
        show = Terminal(seen.stream)
        show(Planned(50))
        for step in range(50):
            show(StepCached(step, f"[app {step}/50] RUN true"))
        show(IMAGE)
        show.close()
        lines = seen.close()
        assert lines[0] == " ≡ 50 steps cached"
        assert lines[1].startswith(" ✔ app  sha256:0123456789ab  181MB  in 0.")
        assert len(lines) == 2
        assert b"\x1b[?" not in seen.sent


def test_what_caches_of_other_machines_knew_is_counted() -> None:
    with glass(80, 24) as seen:
        show = Terminal(seen.stream)
        show(Planned(3))
        for step, source in enumerate(("", "/srv/cache", "/srv/cache")):
            show(StepCached(step, f"[app {step}/3] RUN true", source=source))
        show(IMAGE)
        show(CacheWritten("registry.lan/cache:main", 3, 3, 0))
        show.close()
        lines = seen.close()
        line = "   cache to registry.lan/cache:main: 3 steps, 3 layers, nothing new"
        assert lines[0] == line
        assert lines[1] == " ≡ 3 steps cached, 2 from /srv/cache"


def test_a_failure_leaves_its_line_and_the_counts() -> None:
    with glass(80, 24) as seen:
        show = Terminal(seen.stream)
        show(Planned(3))
        show(StepCached(1, "one"))
        show(StepStarted(2, "[app 2/3] RUN false"))
        show(StepFailed(2, "[app 2/3] RUN false", 0.4))
        show.close()
        show.close()
        lines = seen.close()
        assert lines[:2] == [" ✘    0.4s  [app 2/3] RUN false", " ≡ 1 step cached"]
        assert lines[2].startswith(" ✘ failed after ")
        assert len(lines) == 3


def test_what_is_stopped_is_told_apart() -> None:
    for outcome in (CANCELLED, FAILED):
        with glass(80, 24) as seen:
            show = Terminal(seen.stream)
            show(Planned(1))
            show(StepStarted(1, "RUN sleep"))
            show(StepCancelled(1, "RUN sleep", 0.4))
            show.close(outcome)
            step, end = seen.close()
            assert step.endswith("RUN sleep  cancelled")
            assert end.startswith(f" ✘ {outcome} after ")


def test_a_build_that_is_stopped_before_it_has_a_plan() -> None:
    with glass(80, 24) as seen:
        show = Terminal(seen.stream)
        show(Transfer("context", 30_000_000, 40_000_000))
        show.close(CANCELLED)
        (end,) = seen.close()
        assert end.startswith(" ✘ cancelled after ")


def test_a_transfer_has_a_bar() -> None:
    for columns, bar in ((80, "━"), (30, "")):
        with glass(columns, 10) as seen:
            show = Terminal(seen.stream)
            show(Transfer("context", 30_000_000, 40_000_000))
            lines = seen.wait_for(lambda lines: any("context" in x for x in lines))
            assert lines[0].startswith(" ↓ context  ")
            assert "30MB / 40MB"[: columns - 12] in lines[0]
            assert (bar or "context") in lines[0]
            show(Transfer("context", 40_000_000, 40_000_000))
            show.close()
            # It took no time: it is gone without a trace.
            assert seen.close() == []


def test_nothing_is_wider_than_the_terminal() -> None:
    for columns in (12, 20, 61, 100):
        with glass(columns, 12) as seen:
            show = Terminal(seen.stream)
            show(Planned(3))
            show(StepStarted(1, LONG))
            show(StepOutput(1, b"word " * 100 + b"\n" + "\u5efa".encode() * 90))
            lines = seen.wait_for(lambda lines: len(lines) >= 4)
            assert lines[0].startswith(" ▸ ")
            assert lines[0].endswith("…") and len(lines[0]) == columns
            assert len(lines) == 4
            show(StepDone(1, LONG, 12.34, False))
            show.close()
            done = seen.close()[0]
            assert done.startswith(" ✔")


def test_a_small_screen_shows_all_steps_before_any_second_line() -> None:
    with glass(50, 8) as seen:
        show = Terminal(seen.stream)
        for step in range(4):
            show(StepStarted(step, f"step {step}"))
            show(StepOutput(step, b"said\n" * 9))
        lines = seen.wait_for(lambda lines: len(lines) >= 5)
        assert [line[10:] for line in lines[:4]] == [f"  step {n}" for n in range(4)]
        for step in range(4, 12):
            show(StepStarted(step, f"step {step}"))
        lines = seen.wait_for(lambda lines: any("more" in line for line in lines))
        assert len(lines) == 7
        assert lines[-1].startswith("… 6 more  ")
        show.close()


def test_a_resize_leaves_no_rest_behind() -> None:
    with glass(80, 20) as seen:
        show = Terminal(seen.stream)
        show(Note("stays"))
        show(StepStarted(1, "[app 1/2] RUN make"))
        show(StepOutput(1, b"a line of output\n"))
        seen.wait_for(lambda lines: any("a line" in line for line in lines))
        for columns in (100, 30, 60):
            seen.resize(columns, 20)
            show(StepOutput(1, b"now %d\n" % columns))
            lines = seen.wait_for(
                lambda lines: any(f"now {columns}" in line for line in lines)  # noqa: B023
            )
            assert sum("RUN make" in line for line in lines) == 1
        show(StepDone(1, "[app 1/2] RUN make", 1.0, True))
        show.close()
        assert seen.close()[-1] == " ✔    1.0s  [app 1/2] RUN make"


def test_only_what_changed_is_written() -> None:
    with glass(80, 20) as seen:
        show = Terminal(seen.stream)
        show(StepStarted(1, "[app 1/2] RUN make"))
        show(StepOutput(1, b"said once and for all\n"))
        seen.wait_for(lambda lines: any("said once" in line for line in lines))
        drawn = seen.sent.count(b"\x1b[?2026h")
        seen.wait_for(lambda _: seen.sent.count(b"\x1b[?2026h") > drawn + 5)
        assert seen.sent.count(b"said once") == 1
        # Nothing is erased that is written again right away.
        for before, after in pairwise(seen.sent.split(b"\x1b[?2026h")[2:]):
            assert b"\x1b[J" not in before + after
        show.close()


def test_steps_cannot_steer_the_terminal() -> None:
    with glass(60, 20) as seen:
        show = Terminal(seen.stream)
        show(StepStarted(1, "[app 1/2] RUN \x1b[2J\x1b[Hgone \u202etxt"))
        show(StepOutput(1, b"\x1b[2J\x1b[H\x1b]0;title\x07\x1b[31mred\x9b1A\n"))
        show(StepOutput(1, b"tab\there \x1b["))
        show(StepOutput(1, b"1Aend\n"))
        show(StepOutput(1, b"10%\r50%\r99%\n\xff\xfe\n"))
        lines = seen.wait_for(lambda lines: any("99%" in line for line in lines))
        assert lines[0].endswith("[app 1/2] RUN gone txt")
        assert lines[1].strip().startswith("red")
        assert lines[2].split() == ["tab", "here", "end"]
        assert lines[3].strip() == "99%"
        assert lines[4].strip() == "\ufffd\ufffd"
        show.close()


def test_without_utf8_the_signs_are_ascii_and_without_colours_there_are_none() -> None:
    with glass(60, 20, "latin-1") as seen:
        show = Terminal(seen.stream, colour=False)
        show(Planned(2))
        show(StepStarted(1, "[app 1/2] RUN m\u00e4ke " + "x" * 80))
        show(StepOutput(1, "\u5efa\n".encode()))
        show(Transfer("context", 1, 2))
        seen.wait_for(lambda lines: any(line.startswith(" >") for line in lines))
        show(StepDone(1, "[app 1/2] RUN make", 1.0, False))
        show(IMAGE)
        show.close()
        lines = seen.close()
        assert lines[0] == " +    1.0s  [app 1/2] RUN make  same result"
        assert b"m\xe4ke" in seen.sent and b"##" in seen.sent
        assert b"m" not in {part[:3][-1:] for part in seen.sent.split(b"\x1b[")[1:]}


def test_reasons_of_a_miss_are_told() -> None:
    with glass(80, 20) as seen:
        show = Terminal(seen.stream)
        show(StepMissed(1, "[app 1/2] COPY . .", ("src/app.py changed", "ENV A 1→2")))
        show(StepMissed(2, "[app 2/2] RUN new", ()))
        show.close()
        assert seen.close() == [" ? [app 1/2] COPY . .: src/app.py changed; ENV A 1→2"]
