"""`lamina container`, `image`, `builder`: another spelling, and what is only there."""

from __future__ import annotations

import pytest

from lamina.cli.commands import COMMANDS
from lamina.cli.spellings import GROUPS, about, position_of_command, spelled_out


@pytest.mark.parametrize(
    ("words", "plain"),
    [
        ("container ls -aq", "ps -aq"),
        ("container run --rm busybox ls", "run --rm busybox ls"),
        ("--root /x container rm -f a", "--root /x rm -f a"),
        ("container inspect a", "inspect --type container a"),
        ("image ls", "images"),
        ("image rm a", "rmi a"),
        ("image inspect -f {{.Id}} a", "inspect --type image -f {{.Id}} a"),
        ("container prune -f", "container prune -f"),
        ("container", "container"),
        ("image nothing", "image nothing"),
        ("builder build -t a .", "build -t a ."),
        ("buildx build --load .", "build --load ."),
        ("help run", "run --help"),
        ("--root /x help", "--root /x --help"),
    ],
)
def test_what_is_spelled_otherwise(words: str, plain: str) -> None:
    arguments = words.split()
    group = arguments[position_of_command(arguments)]
    assert spelled_out(group, arguments) == plain.split()


def test_pruning_a_builder_leaves_images() -> None:
    words = spelled_out("builder", ["builder", "prune", "-af"])
    assert words[:4] == ["system", "prune", "--filter", "type=regular"]
    assert words[-1] == "-af" and about(tuple(words)).startswith("Remove build cache")


def test_every_spelling_means_a_command() -> None:
    assert all(
        words[0] in COMMANDS for group in GROUPS.values() for words in group.values()
    )
