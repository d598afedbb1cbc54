"""Where the time went: a bar for each step that ran, against the build's clock."""

from __future__ import annotations

from lamina.cli.drawing.markup import Markup, element
from lamina.cli.drawing.svg import cut
from lamina.cli.report.view import precise

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection

    from lamina.cli.report.view import BuildView, StepView

_TICKS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600, 7200)
_MOST = 6
# How many rows, the longest, are shown without being asked for.
_ROWS = 60
# In the units of a bar's picture.
_WIDTH = 1000


def timeline_section(build: BuildView, critical: Collection[int]) -> Markup | None:
    """The timeline; None where nothing ran."""
    ran = sorted(
        (s for s in build.steps if s.has_run), key=lambda s: (s.began, s.index)
    )
    if not ran:
        return None
    whole = max(build.seconds, *(step.began + step.seconds for step in ran), 1e-3)
    short = _short(ran)
    rows = [
        _row(step, whole, step.index in critical)
        for step in ran
        if step.index not in short
    ]
    rest = [
        _row(step, whole, step.index in critical) for step in ran if step.index in short
    ]
    if rest:
        took = precise(sum(step.seconds for step in ran if step.index in short))
        summary = element("summary", f"{len(rest)} shorter steps, {took} in all")
        rows.append(element("details", summary, rest, class_="more"))
    return element(
        "section",
        element("h2", "Where the time went"),
        element(
            "p",
            element("span", "critical path", class_="key chain"),
            element("span", "what ran beside it", class_="key"),
            class_="legend",
        ),
        element("div", _axis(whole), rows, class_="timeline"),
        id="timeline",
    )


def _short(ran: list[StepView]) -> set[int]:
    """The steps that would only make the picture long."""
    if len(ran) <= _ROWS * 1.5:
        return set()
    by_time = sorted(ran, key=lambda step: step.seconds)
    return {step.index for step in by_time[:-_ROWS]}


def _row(step: StepView, whole: float, critical: bool) -> Markup:
    name = f"{step.stage}  {step.text}"
    begin = step.began / whole * _WIDTH
    # What is too short to be seen is drawn as wide as can be.
    width = max(2.0, step.seconds / whole * _WIDTH)
    bar = element(
        "svg",
        element("rect", x=min(begin, _WIDTH - 2.0), y=2, width=width, height=12),
        viewBox=f"0 0 {_WIDTH} 16",
        preserveAspectRatio="none",
        class_="bar",
        role="img",
        aria_label=f"{precise(step.seconds)}, from {precise(step.began)} on",
    )
    return element(
        "a",
        element("span", cut(name, 120), class_="name"),
        element("span", precise(step.seconds), class_="took"),
        bar,
        href=f"#step-{step.index}",
        title=name,
        class_=f"line {step.outcome}" + (" critical" if critical else ""),
    )


def _axis(whole: float) -> Markup:
    """Round times along the top."""
    tick = next((t for t in _TICKS if whole / t <= _MOST), whole / _MOST)
    number = int(whole / tick)
    marks = [
        element(
            "text",
            _round(tick * n),
            x=f"{tick * n / whole * 100:.2f}%",
            y=11,
            text_anchor=_anchor(tick * n / whole),
        )
        for n in range(number + 1)
    ]
    return element(
        "div",
        element("span", class_="name"),
        element("span", class_="took"),
        element("svg", marks, class_="axis", aria_hidden="true"),
        class_="line axis",
    )


def _anchor(part: float) -> str:
    """Where a text begins so that it stays in the picture."""
    return "start" if part < 0.02 else "middle" if part < 0.96 else "end"


def _round(amount: float) -> str:
    if amount >= 100:
        return precise(amount)
    return f"{amount:.1f}s".replace(".0s", "s")
