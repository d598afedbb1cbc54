"""cli.progress.plain: the lines that readers of BuildKit's plain logs expect."""

from __future__ import annotations

import io

from lamina.builder.events import (
    CacheWritten,
    Event,
    ImageBuilt,
    Note,
    Planned,
    StepCached,
    StepDone,
    StepFailed,
    StepMissed,
    StepOutput,
    StepStarted,
    Transfer,
)
from lamina.cli.progress.plain import Plain


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def told(*events: Event | float) -> list[str]:
    """The lines for `events`; a number lets time pass."""
    clock, stream = Clock(), io.StringIO()
    show = Plain(stream, clock)
    for event in events:
        if isinstance(event, float):
            clock.now += event
        else:
            show(event)
    show.close()
    return stream.getvalue().splitlines()


def test_lines_are_buildkits() -> None:
    lines = told(
        Planned(2),
        Note("epoch: none"),
        StepCached(1, "[a 1/2] COPY . ."),
        StepMissed(2, "[a 2/2] RUN x", ("ENV A 1→2",)),
        StepStarted(2, "[a 2/2] RUN x"),
        0.4,
        StepOutput(2, b"one\ntw"),
        0.1,
        StepOutput(2, b"o\nlast"),
        StepDone(2, "[a 2/2] RUN x", 1.25, False),
        ImageBuilt("a", "sha256:01", 5_430_000),
    )
    assert lines == [
        "epoch: none",
        "#1 [a 1/2] COPY . .",
        "#1 CACHED",
        "#2 MISSED ENV A 1→2",
        "#2 [a 2/2] RUN x",
        "#2 0.400 one",
        "#2 0.500 two",
        "#2 0.500 last",
        "#2 DONE 1.2s, the same as before",
        "built a sha256:01 5.43MB in 0.5s: 1 ran, 1 cached",
    ]


def test_caches_of_other_machines() -> None:
    assert told(
        StepCached(1, "[a 1/2] RUN x", source="registry.lan/cache:\x1b[1mmain"),
        CacheWritten("/srv/cache", 12, 1, 2_500_000),
        CacheWritten("/srv/cache", 1, 12, 0),
    ) == [
        "#1 [a 1/2] RUN x",
        "#1 CACHED from registry.lan/cache:main",
        "cache to /srv/cache: 12 steps, 1 layer, 2.5MB new",
        "cache to /srv/cache: 1 step, 12 layers, nothing new",
    ]


def test_steps_side_by_side_keep_their_own_lines() -> None:
    assert told(
        StepStarted(1, "one"),
        StepStarted(2, "two"),
        StepOutput(1, b"a"),
        StepOutput(2, b"b\xc3"),
        StepOutput(1, b"a\n"),
        StepOutput(2, b"\xa4\n"),
        StepFailed(2, "two", 0.5),
    ) == ["#1 one", "#2 two", "#1 0.000 aa", "#2 0.000 b\u00e4", "#2 FAILED 0.5s"]


def test_a_bar_that_draws_itself_is_one_line_and_no_line_is_endless() -> None:
    bar = [StepOutput(1, b"%d%%\r" % n) for n in range(100)]
    assert told(StepStarted(1, "x"), *bar, StepDone(1, "x", 0.0, True)) == [
        "#1 x",
        "#1 0.000 99%",
        "#1 DONE 0.0s",
    ]
    flood = [StepOutput(1, b"x" * 10_000) for _ in range(10)]
    lines = told(StepStarted(1, "x"), *flood)
    assert sum(line.count("x") for line in lines[1:]) > 100_000 - (1 << 14)
    assert max(map(len, lines)) < (1 << 14) + 20


def test_a_transfer_is_told_now_and_then_and_at_its_end() -> None:
    assert told(
        Transfer("context", 0, 0),
        Transfer("context", 1000, 0),
        6.0,
        Transfer("context", 2000, 4000),
        1.0,
        Transfer("context", 3000, 4000),
        Transfer("context", 4000, 4000),
    ) == ["context: 2kB / 4kB", "context: 4kB done"]


def test_a_wait_for_the_first_byte_is_told_now_and_then() -> None:
    waits = Transfer("f", 0, 0, waits=True)
    told_of = told(waits, 6.0, waits, 1.0, waits, Transfer("f", 0, 0))
    assert told_of == ["f: waiting"]
    assert told(waits, 6.0, waits, Transfer("f", 9, 9)) == ["f: waiting", "f: 9B done"]


def test_what_comes_before_the_graph_has_the_number_0() -> None:
    assert told(StepStarted(-1, "bootstrap"), StepDone(-1, "bootstrap", 1.0, True)) == [
        "#0 bootstrap",
        "#0 DONE 1.0s",
    ]
