"""Where the time went: a bar for each step that ran, against the build's clock."""

from __future__ import annotations

from lamina.cli.drawing.markup import Markup, element
from lamina.cli.drawing.svg import cut
from lamina.cli.progress.style import seconds

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection

    from lamina.cli.report.view import BuildView, StepView

_TICKS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600, 7200)
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
    rows = [_row(step, whole, step.index in critical) for step in ran]
    return element(
        "section",
        element("h2", "Where the time went"),
        element("div", _axis(whole), rows, class_="timeline"),
        id="timeline",
    )


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
        aria_label=f"{seconds(step.seconds)}, from {seconds(step.began)} on",
    )
    return element(
        "a",
        element("span", cut(name, 120), class_="name"),
        element("span", seconds(step.seconds), class_="took"),
        bar,
        href=f"#step-{step.index}",
        title=name,
        class_=f"line {step.outcome}" + (" critical" if critical else ""),
    )


def _axis(whole: float) -> Markup:
    """Round times along the top."""
    tick = next((t for t in _TICKS if whole / t <= 8), whole / 8)
    number = int(whole / tick)
    marks = [
        element(
            "text",
            _round(tick * n),
            x=f"{tick * n / whole * 100:.2f}%",
            y=11,
            text_anchor="start" if n == 0 else "middle" if n < number else "end",
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


def _round(amount: float) -> str:
    if amount >= 100:
        return seconds(amount)
    return f"{amount:.1f}s".replace(".0s", "s")
