"""The words that a dialect has: what completion offers and hover knows."""

from __future__ import annotations

from lamina.lang.assist.reference.flags import FLAGS
from lamina.lang.assist.reference.instructions import INSTRUCTIONS
from lamina.lang.instructions import BOOTSTRAP_FLAGS, TABLE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lamina.lang.assist.reference.entry import Entry
    from lamina.lang.dialect import Dialect

# What cannot be a trigger.
NO_TRIGGERS = ("FROM", "ONBUILD", "MAINTAINER")
# The flags of FROM depend on its image, so the parser's table has none.
FROM_FLAGS = frozenset({"platform", *BOOTSTRAP_FLAGS})


def instructions(dialect: Dialect) -> dict[str, Entry]:
    """The instructions, with what is said of each."""
    return {
        name: INSTRUCTIONS[name]
        for name, form in TABLE.items()
        if dialect.extended or not form.extended
    }


def flags(keyword: str, dialect: Dialect) -> dict[str, Entry]:
    """The flags of an instruction."""
    if keyword not in instructions(dialect):
        return {}
    form = TABLE[keyword]
    known = FROM_FLAGS if keyword == "FROM" else form.flags
    if dialect.extended:
        known |= form.extended_flags
    entries = FLAGS.get(keyword, {})
    return {name: entry for name, entry in entries.items() if name in known}
