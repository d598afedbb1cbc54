"""cli.report: the page of a build, complete in itself and safe to open."""

from __future__ import annotations

import base64
import hashlib
import os
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from lamina.builder.events import (
    ImageBuilt,
    Note,
    StepCached,
    StepCancelled,
    StepDone,
    StepFailed,
    StepMissed,
    StepOutput,
    StepPlanned,
    StepStarted,
)
from lamina.builder.traces.trace import log_of_key
from lamina.cli.report.page import page, write_page
from lamina.cli.report.recorder import Recorder
from lamina.cli.report.view import StepView, critical_path, image_view, precise
from lamina.lang.source import Source, Span
from tests.busybox import open_store
from tests.cli.report.builds import hostile, large, view
from tests.oci.stacks import put


class Reader(HTMLParser):
    """The elements of a page; fails where they do not nest."""

    VOID = frozenset({"meta", "input"})

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text: dict[str, list[str]] = {}
        self._open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open:
            self.text.setdefault(self._open[-1], []).append(data)

    def close(self) -> None:
        super().close()
        assert self._open == []


def read(text: str) -> Reader:
    reader = Reader()
    reader.feed(text)
    reader.close()
    return reader


def names(reader: Reader) -> set[str]:
    return {tag for tag, _ in reader.elements}


def test_nothing_hostile_becomes_an_element_or_an_attribute() -> None:
    text = page(hostile())
    reader = read(text)
    assert [tag for tag, _ in reader.elements].count("script") == 1
    assert [tag for tag, _ in reader.elements].count("style") == 1
    assert "img" not in names(reader)
    for tag, attributes in reader.elements:
        for name, given in attributes.items():
            assert not name.startswith("on"), (tag, name)
            assert name != "style", tag
            if name in ("href", "src"):
                assert re.fullmatch(r"#step-\d+", given or ""), (tag, given)
    assert "owned" in "".join(reader.text["pre"])
    assert not set(map(chr, (*range(9), 27, 0xD800, 0x202E))) & set(text)


def test_only_this_script_and_style_are_allowed() -> None:
    reader = read(page(hostile()))
    policies = [a["content"] for _, a in reader.elements if "http-equiv" in a]
    (policy,) = policies
    assert policy is not None and policy.startswith("default-src 'none'; ")
    for name in ("script", "style"):
        digest = hashlib.sha256("".join(reader.text[name]).encode()).digest()
        allowed = base64.b64encode(digest).decode()
        assert f"{name}-src 'sha256-{allowed}'" in policy
    assert "unsafe" not in policy


def test_nothing_comes_from_elsewhere() -> None:
    text = page(large(5, 5)).replace("http://www.w3.org/2000/svg", "")
    assert "://" not in text and "url(" not in text and "@import" not in text


@pytest.mark.parametrize(("stages", "steps"), [(0, 0), (1, 1), (1, 50), (200, 5)])
def test_every_step_has_its_place(stages: int, steps: int) -> None:
    reader = read(page(large(stages, steps)))
    ids = [a["id"] for tag, a in reader.elements if tag == "details" and "id" in a]
    assert ids == [f"step-{n}" for n in range(stages * steps)]
    links = {a["href"] for _, a in reader.elements if "href" in a}
    assert links == {f"#{name}" for name in ids}


def test_a_long_timeline_is_folded() -> None:
    text = page(large(200, 5))
    lines = text.count('class="line')
    assert "shorter steps, " in text
    assert lines == text.count('class="line done') + text.count(
        'class="line unchanged'
    ) + text.count('class="line axis')
    assert "shorter steps" not in page(large(10, 5))


def test_the_critical_path_is_the_longest_chain_of_what_ran() -> None:
    def step(index: int, took: float, *inputs: int, outcome: str = "done") -> StepView:
        return StepView(index, "s", "RUN", inputs, outcome, seconds=took)

    steps = [
        step(0, 0.0, outcome="base"),
        step(1, 1.0, 0),
        step(2, 5.0, 0),
        step(3, 3.0, 1),
        step(4, 2.5, 1),
        step(5, 1.0, 3, 4),
        step(6, 0.0, 2, 5, outcome="cached"),
        step(7, 0.5, 6),
    ]
    # 1, 3 and 5 take as long as 2 alone: the first chain is taken.
    assert critical_path(steps) in ((2, 7), (1, 3, 5, 7))
    assert critical_path([*steps[:2], step(2, 4.0, 0), *steps[3:]]) == (1, 3, 5, 7)
    assert critical_path([]) == ()
    assert critical_path([step(0, 0.0, outcome="cached")]) == ()


def test_times() -> None:
    assert [precise(t) for t in (0.0004, 0.0123, 0.0995, 1.25, 100, 3700)] == [
        "0ms",
        "12ms",
        "0.1s",
        "1.2s",
        "1m40s",
        "1h01m",
    ]


def test_what_fills_an_image(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    one = put(store, {"usr/a": b"x" * 100, "etc/b": b"y"}, {"usr/a": None})
    seen = image_view(store, "app", one.id)
    store.close()
    first, second = seen.layers
    assert (first.bytes, first.wasted, first.added, second.removed) == (101, 100, 2, 1)
    assert first.files == (("/usr/a", 100, True), ("/etc/b", 1, False))
    assert first.folders == (("/usr/a", 100), ("/etc/b", 1))


class Inputs:
    """What of BuildInputs the recorder reads."""

    class recipe:
        name = "some/where/Recipe"

    context = "/home/me/app"
    targets = ("web",)
    platform = "linux/arm64"


def test_the_recorder_keeps_what_happened(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    made = put(store, {"a": b"1"})
    source = Source("Recipe", "x" * 9)
    now = 10.0
    recorder = Recorder(lambda: now)
    recorder(Note("epoch: none"))
    recorder(StepPlanned(0, "[a 1/4] FROM x", (), base=True))
    for step in range(1, 5):
        name = f"[a {step + 1}/5] RUN {step}"
        recorder(StepPlanned(step, name, (step - 1,), Span(source, step, step + 1)))
    kept = Path(log_of_key(store.root, "sha256:aa"))
    kept.parent.mkdir(parents=True)
    kept.write_bytes(b"what it said then\n")
    recorder(StepCached(1, "[a 2/5] RUN 1", "sha256:aa", made.layers))
    recorder(StepMissed(2, "[a 3/5] RUN 2", ("ENV A",)))
    now = 12.0
    recorder(StepStarted(2, "[a 3/5] RUN 2"))
    for _ in range(100):
        recorder(StepOutput(2, b"x" * 9_999 + b"\n"))
    recorder(StepOutput(2, b"\x1b[31mlast\n"))
    recorder(StepDone(2, "[a 3/5] RUN 2", 1.5, False))
    recorder(StepStarted(3, "[a 4/5] RUN 3"))
    recorder(StepFailed(3, "[a 4/5] RUN 3", 0.5))
    recorder(StepStarted(4, "[a 5/5] RUN 4"))
    recorder(StepCancelled(4, "[a 5/5] RUN 4", 0.5))
    recorder(ImageBuilt("a", made.id, 1))
    seen = recorder.view(store, Inputs, None)  # type: ignore[arg-type]
    store.close()
    assert (seen.title, seen.target, seen.seconds) == ("app/Recipe", "web", 2.0)
    assert [step.outcome for step in seen.steps] == [
        "base",
        "cached",
        "unchanged",
        "failed",
        "cancelled",
    ]
    assert (seen.steps[1].log, seen.steps[1].bytes) == ("what it said then\n", 1)
    found = seen.steps[2]
    assert (found.stage, found.text, found.place) == ("a", "RUN 2", "Recipe:1:3")
    assert (found.began, found.seconds, found.reasons) == (2.0, 1.5, ("ENV A",))
    assert found.log.endswith("x\nlast\n")
    assert (
        found.left_out + len(found.log)
        == 1_000_000 + len("last\n") + len("\x1b[31m") - 5
    )
    assert [image.name for image in seen.images] == ["a"]


def test_a_page_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "build.html"
    write_page(view([]), str(path))
    assert path.read_text().endswith("</html>\n")
    with pytest.raises(OSError):
        write_page(view([]), str(tmp_path / "no" / "such.html"))
    assert os.listdir(tmp_path) == ["build.html"]
