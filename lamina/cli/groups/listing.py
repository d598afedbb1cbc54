"""What a group by itself shows: its commands, most of which are others' spellings."""

from __future__ import annotations

from lamina.cli.spellings import GROUPS, about
from lamina.cli.subcommands import add_subcommands

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    Commands = argparse._SubParsersAction[argparse.ArgumentParser]


def add_group(commands: Commands, name: str, text: str) -> Commands:
    """Register a group, with its spellings for `--help`; where its own are added."""
    inner = add_subcommands(commands, name, text)
    for spelling, words in GROUPS[name].items():
        inner.add_parser(spelling, help=about(words))
    return inner
