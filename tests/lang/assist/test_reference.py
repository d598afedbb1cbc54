"""Everything that the parser knows is told of, and nothing that it doesn't."""

from __future__ import annotations

from lamina.lang import dialect, instructions, lines, mounts, variables
from lamina.lang.assist.reference.comments import DIRECTIVES, SETTINGS
from lamina.lang.assist.reference.flags import FLAG_VALUES, FLAGS
from lamina.lang.assist.reference.instructions import INSTRUCTIONS, UNSETTABLE
from lamina.lang.assist.reference.mounts import (
    FIELD_VALUES,
    MOUNT_FIELDS,
    MOUNT_TYPES,
)
from lamina.lang.assist.reference.variables import VARIABLES
from lamina.lang.assist.vocabulary import FROM_FLAGS
from lamina.lang.commands import NETWORKS, SECURITIES


def test_instructions() -> None:
    assert set(INSTRUCTIONS) == set(instructions.TABLE)


def test_flags() -> None:
    known = {
        name: form.flags | form.extended_flags
        for name, form in instructions.TABLE.items()
        if form.flags
    }
    told = {name: frozenset(flags) for name, flags in FLAGS.items()}
    assert told == {**known, "FROM": FROM_FLAGS}


def test_usages_name_their_flag() -> None:
    for flags in FLAGS.values():
        for name, entry in flags.items():
            assert entry.usage.startswith(f"--{name}")


def test_mounts() -> None:
    assert set(MOUNT_TYPES) == set(mounts.FIELDS)
    assert set(MOUNT_FIELDS) == set().union(*mounts.FIELDS.values())


def test_values() -> None:
    told = {**FLAG_VALUES, **FIELD_VALUES}
    assert {name: tuple(values) for name, values in told.items()} == {
        "network": NETWORKS,
        "security": SECURITIES,
        "sharing": mounts.SHARINGS,
    }


def test_variables() -> None:
    assert set(VARIABLES) == variables.AUTOMATIC


def test_directives() -> None:
    assert set(DIRECTIVES) == {*lines.DIRECTIVES, "lamina"}
    assert set(SETTINGS) == {*dialect.SETTINGS, dialect.VARIABLE}


def test_what_unset_takes_back() -> None:
    assert tuple(UNSETTABLE) == instructions.UNSETTABLE
