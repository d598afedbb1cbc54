"""`lamina builder` and `buildx`: docker's other spelling of `build`, and `prune`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    Commands = argparse._SubParsersAction[argparse.ArgumentParser]


def add(commands: Commands) -> None:
    """Register both, whose commands are those of `lamina` itself."""
    from lamina.cli.groups.listing import add_group

    for name in ("builder", "buildx"):
        add_group(commands, name, "Builds, in docker's other spelling")
