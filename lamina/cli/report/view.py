"""What the report shows: plain values, wherever they come from."""

from __future__ import annotations

from lamina.values import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from lamina.oci.store.store import Store

# How many files and folders are named of a layer.
_FILES = 8
_FOLDERS = 10


@value
class StepView:
    """A step. `outcome` is one of drawing.model.STATES; `began` counts from the
    build's start; `log` is the end of what it wrote, after `left_out` bytes; `bytes`
    are those of its layer."""

    index: int
    stage: str
    text: str
    inputs: tuple[int, ...]
    outcome: str = ""
    place: str = ""
    began: float = 0.0
    seconds: float = 0.0
    reasons: tuple[str, ...] = ()
    log: str = ""
    left_out: int = 0
    bytes: int = 0

    @property
    def has_run(self) -> bool:
        return self.outcome in ("done", "unchanged", "failed", "cancelled")


@value
class LayerView:
    """A layer of an image: what made it, and what fills it, the largest first."""

    step: str
    bytes: int
    wasted: int
    added: int
    changed: int
    removed: int
    folders: tuple[tuple[str, int], ...]
    files: tuple[tuple[str, int, bool], ...]


@value
class ImageView:
    name: str
    id: str
    bytes: int
    layers: tuple[LayerView, ...]


@value
class BuildView:
    """A build. `title` is its folder and recipe; `started` is in seconds since 1970;
    `error` is how it failed."""

    title: str
    recipe: str
    target: str
    platform: str
    started: float
    seconds: float
    outcome: str
    steps: tuple[StepView, ...]
    images: tuple[ImageView, ...]
    notes: tuple[str, ...] = ()
    error: str = ""

    def count(self, *outcomes: str) -> int:
        return sum(step.outcome in outcomes for step in self.steps)


def precise(amount: float) -> str:
    """Seconds; milliseconds where there is less than a tenth of one."""
    if amount < 0.0995:
        return f"{amount * 1000:.0f}ms"
    from lamina.cli.progress.style import seconds

    return seconds(amount)


def critical_path(steps: Sequence[StepView]) -> tuple[int, ...]:
    """The steps that the build could not have been shorter than, first to last: of
    all chains of steps that ran, each waiting for the one before, the longest."""
    by_index = {step.index: step for step in steps}
    length: dict[int, float] = {}
    before: dict[int, int | None] = {}
    for step in sorted(steps, key=lambda s: s.index):
        known = [given for given in step.inputs if given in length]
        last = max(known, key=lambda given: length[given], default=None)
        length[step.index] = step.seconds + (0.0 if last is None else length[last])
        before[step.index] = last
    end = max(length, key=lambda index: length[index], default=None)
    path: list[int] = []
    while end is not None:
        if by_index[end].has_run:
            path.append(end)
        end = before[end]
    return tuple(reversed(path))


def image_view(store: Store, name: str, identity: str) -> ImageView:
    """An image of the store, with what fills each of its layers."""
    from lamina.cli.images.layers import steps_of
    from lamina.oci.store.stack import folders, stack

    image = store.image(identity)
    parts = stack(store, image.layers).parts
    layers = tuple(
        LayerView(
            step,
            part.bytes,
            part.wasted,
            part.added,
            part.changed,
            part.removed,
            tuple(
                (f"/{path.lstrip('/')}", size)
                for path, size in folders(part.files, _FOLDERS)
            ),
            tuple(
                (f"/{file.path}", file.node.bytes, file.node.hidden is not None)
                for file in part.largest(_FILES)
            ),
        )
        for part, step in zip(parts, steps_of(image.config, len(parts)), strict=True)
    )
    return ImageView(name, identity, sum(part.bytes for part in parts), layers)
