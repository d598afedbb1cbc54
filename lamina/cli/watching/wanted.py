"""What is to be watched, as a value."""

from __future__ import annotations

from lamina.cli.watching.syncing import Syncing
from lamina.values import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from lamina.builder.inputs.build import BuildInputs
    from lamina.cli.watching.console import Pressed
    from lamina.runtime.containers.console import Console
    from lamina.runtime.swap.service import Service


@value
class Wanted:
    """What is watched, built and run.

    `inputs` reads the recipe and its files anew, `service` what to run of the image,
    None: nothing. `command` is run in each image and has to end; `console` shows a
    program that is typed into; `syncing` says which saves are no builds. `files` are
    others that matter, `tags` name each image. With `once` the first round is the last.
    `pressed` carries out keys; with `overlay` errors are shown on the port.
    """

    inputs: Callable[[], BuildInputs]
    context: str
    service: Callable[[], Service] | None = None
    command: str = ""
    console: Console | None = None
    syncing: Syncing = Syncing()
    files: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    once: bool = False
    overlay: bool = False
    pressed: Pressed | None = None
