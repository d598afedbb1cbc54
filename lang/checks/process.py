"""Checks of what the container will run as: command, user, working directory."""

from __future__ import annotations

from lamina.lang import nodes
from lamina.lang.checks.rule import Found
from lamina.lang.words import ShellForm

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from lamina.lang.checks.reading import Reading


def json_args_recommended(reading: Reading) -> Iterator[Found]:
    """In the shell form a shell is process 1 and keeps signals to itself."""
    for here in reading.placed:
        command = here.instruction
        if (
            isinstance(command, nodes.Cmd | nodes.Entrypoint)
            and isinstance(command.command, ShellForm)
            and not here.shell  # whoever names a shell wants it
        ):
            name = type(command).__name__.upper()
            yield Found(
                f"JSON arguments recommended for {name} to prevent unintended "
                "behavior related to OS signals",
                command.span,
                f'Write {name} ["program", "argument"].',
            )


def workdir_relative_path(reading: Reading) -> Iterator[Found]:
    """A relative WORKDIR depends on the base's. Only the first of a stage and those
    below it is looked at: with it, the others are right or wrong."""
    seen: list[bool] = []
    for stage in reading.stages:
        parent = reading.parent(stage)
        known = parent is not None and seen[parent.index]
        for instruction in stage.instructions:
            if isinstance(instruction, nodes.Workdir):
                path = instruction.path.text
                if not known and not is_absolute(path):
                    yield Found(
                        f'Relative workdir "{path}" can have unexpected results if the '
                        "base image changes",
                        instruction.path.span,
                        f"Write the whole path: WORKDIR /{path}.",
                    )
                known = True
        seen.append(known)


def is_absolute(path: str) -> bool:
    """Whether a path starts at a root; one that starts with a variable may."""
    path = path.lstrip("\"'")
    return path.startswith(("/", "$")) or (path[1:2] == ":" and path[2:3] in "\\/")


def last_user_root(reading: Reading) -> Iterator[Found]:
    """Who says USER root and never takes it back gives every container to root."""
    last: list[nodes.User | None] = []
    told = set()
    for stage in reading.stages:
        parent = reading.parent(stage)
        user = last[parent.index] if parent is not None else None
        for instruction in stage.instructions:
            if isinstance(instruction, nodes.User):
                user = instruction
            elif isinstance(instruction, nodes.Unset) and instruction.what == "USER":
                user = None
        last.append(user)
        if stage.index not in reading.products or user is None or user.span in told:
            continue
        if user.user.text.partition(":")[0] in ("root", "0"):
            told.add(user.span)
            yield Found(
                "The last USER is root, so containers run as root",
                user.span,
                "End the stage with USER NAME, of a user that it makes.",
            )
