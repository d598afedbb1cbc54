"""Builds for reports: of any size, and as hostile as a recipe and a log can be."""

from __future__ import annotations

import random

from lamina.cli.report.view import BuildView, ImageView, LayerView, StepView

NASTY = (
    "</pre></title></style></script><script>document.title='owned'</script>"
    "<img src=x onerror=\"document.title='owned'\">"
    " \" ' & \x00\x1b[31m \ud800 \u202e ]]>"
)


def view(steps: list[StepView], **more: object) -> BuildView:
    fields: dict[str, object] = {
        "title": "app/Recipe",
        "recipe": "Recipe",
        "target": "",
        "platform": "linux/amd64",
        "started": 1.8e9,
        "seconds": max((s.began + s.seconds for s in steps), default=0.1),
        "outcome": "built",
        "steps": tuple(steps),
        "images": (image(),),
        **more,
    }
    return BuildView(**fields)  # type: ignore[arg-type]


def image(name: str = "app", text: str = "RUN make") -> ImageView:
    layer = LayerView(
        text, 5000, 1000, 3, 1, 2, ((f"{name}/", 5000),), ((f"/{name}", 4000, True),)
    )
    return ImageView(name, "sha256:" + "01" * 32, 5000, (layer, layer))


def hostile() -> BuildView:
    """Every text of the page is one that would take it over."""
    outcomes = ("base", "cached", "done", "unchanged", "failed", "cancelled", "")
    steps = [
        StepView(
            *(n, NASTY, NASTY, (n - 1,) if n else (), outcome, NASTY),
            began=float(n),
            seconds=1.0,
            reasons=(NASTY,),
            log=NASTY,
        )
        for n, outcome in enumerate(outcomes)
    ]
    return view(
        steps,
        title=NASTY,
        recipe=NASTY,
        target=NASTY,
        platform=NASTY,
        outcome="failed",
        images=(image(NASTY, NASTY),),
        notes=(NASTY,),
        error=NASTY,
    )


def large(stages: int, steps: int) -> BuildView:
    """Stages that copy from each other, with steps that took from 1 ms to minutes."""
    chance = random.Random(stages)
    made: list[StepView] = []
    ends: dict[int, float] = {}
    tips: list[int] = []
    for stage in range(stages):
        before: tuple[int, ...] = ()
        for number in range(steps):
            index = len(made)
            inputs = before
            if tips and chance.random() < 0.2:
                inputs += (chance.choice(tips),)
            began = max((ends[i] for i in inputs), default=0.0)
            took = 10 ** chance.uniform(-3, 1.5)
            ends[index] = began + took
            outcome = chance.choice(("done", "done", "cached", "unchanged"))
            made.append(
                StepView(
                    *(
                        index,
                        f"stage{stage}",
                        f"RUN make part{number}",
                        inputs,
                        outcome,
                    ),
                    began=began,
                    seconds=took,
                    reasons=("src/main.c changed",),
                    log="\n".join(f"line {n}" for n in range(20)),
                )
            )
            before = (index,)
        tips.append(len(made) - 1)
    return view(made)
