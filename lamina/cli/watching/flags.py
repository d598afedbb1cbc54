"""The flags of `build` and of `run` in one parser, for one command that does both.

Where both have a flag of that name it is the container's, and the build's is called
`--build-NAME`; one letter is always the container's, but for `-f`.
"""

from __future__ import annotations

import argparse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_PREFIX = "run_"
# Of `run`: what a watched container does not need, or watch decides by itself.
_NOT_OF_RUN = {
    *("--rm", "--pull", "--platform", "--cidfile", "--attach", "--quiet"),
    *("--restart", "--help", "image", "command"),
}
_RUN_DEFAULTS: dict[str, Any] = {
    "rm": False,
    "detach": False,
    "pull": "never",
    "platform": "",
    "cidfile": "",
    "attach": [],
    "quiet": False,
    "restart": "no",
    "image": "",
}
# Of `build`: what asks for several images, or for files.
_BUILD_DEFAULTS: dict[str, Any] = {
    "all": False,
    "platform": [],
    "squash": "",
    "on_error": "stop",
    "cache_to": [],
}


class _Renaming:
    """Takes flags as a parser does, under other names."""

    def __init__(
        self,
        parser: argparse.ArgumentParser,
        prefix: str = "",
        without: frozenset[str] = frozenset(),
        renamed: frozenset[str] = frozenset(),
    ) -> None:
        self._parser = parser
        self._prefix = prefix
        self._without = without
        self._renamed = renamed
        self.names: set[str] = set()

    def add_argument(self, *names: str, **given: Any) -> argparse.Namespace:
        """As ArgumentParser's; what is left out is taken and forgotten."""
        if not self._without.isdisjoint(names):
            return argparse.Namespace()
        long = next((name for name in names if name.startswith("--")), names[0])
        dest = given.pop("dest", long.lstrip("-").replace("-", "_"))
        kept = [name for name in map(self._name, names) if name]
        self.names.update(kept)
        self._parser.add_argument(*kept, dest=f"{self._prefix}{dest}", **given)
        return argparse.Namespace()

    def _name(self, name: str) -> str:
        if name not in self._renamed:
            return name
        return f"--build-{name[2:]}" if name.startswith("--") else ""


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Register both commands' flags."""
    from lamina.cli.building.build import add_pull
    from lamina.cli.building.cache_flags import add_cache_flags
    from lamina.cli.building.contexts import add_context_flags
    from lamina.cli.building.execution_flags import add_execution_flags
    from lamina.cli.building.step_flags import add_step_flags
    from lamina.cli.containers.run_flags import add_container_flags
    from lamina.cli.recipes.recipe_file import add_arguments

    run: Any = _Renaming(parser, _PREFIX, frozenset(_NOT_OF_RUN))
    add_container_flags(run)
    without = frozenset({"--cache-to", "--on-error"})
    build: Any = _Renaming(parser, "", without, frozenset(run.names))
    add_arguments(build)
    flag = build.add_argument
    flag("--target", action="append", default=[], help="build and run this stage")
    flag("--skip-tests", action="store_true", help="leave the TESTs of a recipe out")
    about = "the value of an ARG (repeat)"
    flag("--build-arg", action="append", default=[], metavar="NAME[=VALUE]", help=about)
    about = "note something on the image (repeat)"
    flag("--label", action="append", default=[], metavar="KEY=VALUE", help=about)
    flag("--tag", action="append", default=[], help="name each image (repeat)")
    add_cache_flags(build)
    add_pull(flag)
    add_step_flags(build)
    add_execution_flags(build)
    add_context_flags(build)
    flag("--source-date-epoch", metavar="SECONDS", help="the time of all new files")
    flag("--scrub", action="store_true", help="drop what package managers leave behind")


def for_build(parsed: argparse.Namespace) -> argparse.Namespace:
    """What `build` would have been given."""
    own = {k: v for k, v in vars(parsed).items() if not k.startswith(_PREFIX)}
    return argparse.Namespace(**{**_BUILD_DEFAULTS, **own})


def for_run(parsed: argparse.Namespace) -> argparse.Namespace:
    """What `run` would have been given."""
    own = {
        name.removeprefix(_PREFIX): given
        for name, given in vars(parsed).items()
        if name.startswith(_PREFIX)
    }
    command = [text for text in parsed.command if text is not None]
    return argparse.Namespace(**{**_RUN_DEFAULTS, **own, "command": command})
