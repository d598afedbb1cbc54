"""Every step: how it went, why it ran, and what it wrote."""

from __future__ import annotations

from lamina.cli.drawing.markup import Markup, element
from lamina.cli.drawing.svg import cut
from lamina.cli.formats.tables import human_size
from lamina.cli.report.view import precise

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection

    from lamina.cli.report.view import BuildView, StepView

# Characters of the reason that stands beside a step.
_WHY = 48
_WORDS = {
    "base": "base",
    "cached": "cached",
    "done": "ran",
    "unchanged": "same result",
    "failed": "failed",
    "cancelled": "cancelled",
    "": "not reached",
}


def steps_section(build: BuildView, critical: Collection[int]) -> Markup | None:
    """All steps in the order of the recipe, each with its log behind it."""
    if not build.steps:
        return None
    kinds = (("all", "all"), ("ran", "ran"), ("cached", "cached"), ("failed", "failed"))
    tools = element(
        "div",
        element("input", type="search", id="find", placeholder="find", hidden=True),
        [
            element("button", text, type="button", data_kind=kind, hidden=True)
            for kind, text in kinds
        ],
        class_="tools",
    )
    return element(
        "section",
        element("h2", "Steps"),
        tools,
        [_step(step, step.index in critical) for step in build.steps],
        id="steps",
    )


def _step(step: StepView, critical: bool) -> Markup:
    kind = "ran" if step.has_run else step.outcome
    took = precise(step.seconds) if step.has_run else ""
    summary = element(
        "summary",
        element("span", class_="dot"),
        element("span", step.stage, class_="stage"),
        element("code", step.text),
        element("span", cut(step.reasons[0], _WHY), class_="why")
        if step.reasons
        else None,
        element("span", "critical path", class_="badge path") if critical else None,
        element("span", _WORDS[step.outcome], class_="word"),
        element("span", took, class_="took"),
    )
    return element(
        "details",
        summary,
        _facts(step),
        _log(step),
        id=f"step-{step.index}",
        class_=f"step {step.outcome}",
        data_kind=kind + (" failed" if step.outcome == "failed" else ""),
        open=step.outcome == "failed" or None,
    )


def _facts(step: StepView) -> Markup:
    facts = [("step", f"{step.index}" + (f", {step.place}" if step.place else ""))]
    if step.has_run:
        facts.append(("began", f"after {precise(step.began)}"))
    if step.bytes:
        facts.append(("layer", human_size(step.bytes)))
    if step.reasons:
        facts.append(("why", "; ".join(step.reasons)))
    return element(
        "dl", [[element("dt", name), element("dd", text)] for name, text in facts]
    )


def _log(step: StepView) -> Markup:
    if not step.log.strip():
        known = "No output is kept." if step.outcome == "cached" else "No output."
        return element("p", known, class_="empty")
    first = f"… {human_size(step.left_out)} before this\n" if step.left_out else ""
    if step.outcome == "cached":
        first = f"(when it ran)\n{first}"
    return element("pre", first + step.log.rstrip("\n"), class_="log", tabindex="0")
