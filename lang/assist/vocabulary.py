"""The words that a dialect has: what completion offers and hover knows."""

from __future__ import annotations

from lamina.lang.instructions import BOOTSTRAP_FLAGS, TABLE
from lamina.lang.reference import FLAGS, INSTRUCTIONS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lamina.lang.dialect import Dialect
    from lamina.lang.reference import Entry

# What cannot be a trigger.
NO_TRIGGERS = ("FROM", "ONBUILD", "MAINTAINER")


def instructions(dialect: Dialect) -> dict[str, Entry]:
    """The instructions, with what is said of each."""
    return {
        name: entry
        for name, entry in INSTRUCTIONS.items()
        if name in TABLE or dialect.extended
    }


def flags(keyword: str, dialect: Dialect) -> dict[str, Entry]:
    """The flags of an instruction."""
    if keyword not in instructions(dialect):
        return {}
    known = TABLE[keyword].flags if keyword in TABLE else frozenset(FLAGS[keyword])
    if keyword == "FROM":
        known |= {"platform", *BOOTSTRAP_FLAGS}
    return {
        name: entry
        for name, entry in FLAGS.get(keyword, {}).items()
        if name in known or dialect.extended
    }
