"""`lamina compose`: docker compose's commands, behind flags that say which project."""

from __future__ import annotations

from lamina.cli.services.flags import add_project_flags
from lamina.cli.subcommands import add_subcommands

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    Commands = argparse._SubParsersAction[argparse.ArgumentParser]

_ABOUT = "Services of a compose file, that find each other and scale"


def add(commands: Commands) -> None:
    """Register `compose`."""
    inner = add_subcommands(commands, "compose", _ABOUT, flags=add_project_flags)
    from lamina.cli.services.config import add_config
    from lamina.cli.services.down import add_down
    from lamina.cli.services.executing import add_exec, add_run
    from lamina.cli.services.getting import add_build, add_pull, add_push
    from lamina.cli.services.lifecycle import add_lifecycle
    from lamina.cli.services.listing import add_listing
    from lamina.cli.services.logs import add_logs
    from lamina.cli.services.scale import add_create, add_scale
    from lamina.cli.services.up import add_up
    from lamina.cli.services.watch import add_watch

    add_up(inner)
    add_down(inner)
    add_create(inner)
    add_scale(inner)
    add_lifecycle(inner)
    add_logs(inner)
    add_exec(inner)
    add_run(inner)
    add_build(inner)
    add_pull(inner)
    add_push(inner)
    add_listing(inner)
    add_watch(inner)
    add_config(inner)
