"""The keepers that live: asked for by every command of an ordinary user."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


def keepers(root: str) -> Iterator[int]:
    """The processes that keep containers of the store at `root`, those that live."""
    from lamina.errors import LaminaError
    from lamina.runtime.containers.state import load_state

    try:
        held = os.listdir(f"{root}/live")
    except OSError:
        return
    for identity in held:
        try:
            keeper = load_state(root, identity).keeper
        except (LaminaError, OSError):
            continue  # removed or damaged: others say so
        if keeper is not None and keeper.alive:
            yield keeper.pid
