"""Everything that the parser knows is told of, and nothing that it doesn't."""

from __future__ import annotations

from lamina.lang import dialect, instructions, lines, mounts, variables
from lamina.lang.assist import reference
from lamina.lang.assist.vocabulary import FROM_FLAGS
from lamina.lang.commands import NETWORKS, SECURITIES


def test_instructions() -> None:
    assert set(reference.INSTRUCTIONS) == set(instructions.TABLE)


def test_flags() -> None:
    known = {
        name: form.flags | form.extended_flags
        for name, form in instructions.TABLE.items()
        if form.flags
    }
    told = {name: frozenset(flags) for name, flags in reference.FLAGS.items()}
    assert told == {**known, "FROM": FROM_FLAGS}


def test_usages_name_their_flag() -> None:
    for flags in reference.FLAGS.values():
        for name, entry in flags.items():
            assert entry.usage.startswith(f"--{name}")


def test_mounts() -> None:
    assert set(reference.MOUNT_TYPES) == set(mounts.FIELDS)
    assert set(reference.MOUNT_FIELDS) == set().union(*mounts.FIELDS.values())


def test_values() -> None:
    told = {name: tuple(values) for name, values in reference.VALUES.items()}
    assert told == {
        "--network": NETWORKS,
        "--security": SECURITIES,
        "sharing": mounts.SHARINGS,
    }


def test_variables() -> None:
    assert set(reference.VARIABLES) == variables.AUTOMATIC


def test_directives() -> None:
    assert set(reference.DIRECTIVES) == {*lines.DIRECTIVES, "lamina"}
    assert set(reference.SETTINGS) == {*dialect.SETTINGS, dialect.VARIABLE}


def test_what_unset_takes_back() -> None:
    assert tuple(reference.UNSETTABLE) == instructions.UNSETTABLE
