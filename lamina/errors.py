"""LaminaError, the root of everything a user can cause.

    LaminaError
    ├── lang.source.RecipeError      a place in a recipe
    ├── oci.errors.*                 images, archives, the store, registries
    ├── runtime.errors.*             isolation, containers, networks
    └── builder.errors.*             steps, contexts, exports

A broken invariant of our own is an `assert`, never one of these.
"""

from __future__ import annotations

# Control characters have pictures in Unicode; blanks of other scripts are harmless.
_PICTURES = {**{code: 0x2400 + code for code in range(32)}, 127: 0x2421}
_KEPT = "\n\t\u00a0\u1680\u202f\u205f\u3000" + "".join(map(chr, range(0x2000, 0x200B)))


def visible(text: str) -> str:
    """A text that others wrote, as a terminal may be given it: what would steer it is a
    picture of itself (`␛`), or `�`. Newlines and tabs stay, and the length does."""
    if text.isprintable():
        return text
    return "".join(
        c if c.isprintable() or c in _KEPT else chr(_PICTURES.get(ord(c), 0xFFFD))
        for c in text
    )


class LaminaError(Exception):
    """One sentence that says what is wrong, where, and how to get on.

    `place` is `file:line:column` or another way to say where; `excerpt` the lines
    there, ready to print; `hint` what to do. `exit_code` is what the command line
    exits with (Docker's: 125 for `run`, else 1).
    """

    exit_code = 1
    # The ID of the build in which a step failed.
    build = ""

    def __init__(
        self, message: str, *, hint: str = "", place: str = "", excerpt: str = ""
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.place = place
        self.excerpt = excerpt

    def __str__(self) -> str:
        return self.message
