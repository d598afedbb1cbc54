"""What may stand in a comment that means something."""

from __future__ import annotations

from lamina.lang.assist.reference.entry import Entry

DIRECTIVES = {
    "syntax": Entry(
        "# syntax=docker/dockerfile:1",
        "The frontend that BuildKit fetches. Lamina reads the language itself.",
    ),
    "escape": Entry(
        "# escape=\\  |  # escape=`",
        "The character that escapes, and at the end of a line continues it.",
    ),
    "check": Entry(
        "# check=skip=RULE,RULE;error=true",
        "At the top: leaves checks out (`all`: every one), makes warnings errors. "
        "Above an instruction: leaves checks out there.",
    ),
    "lamina": Entry(
        "# lamina: WORD",
        "Turns on what Lamina adds to the language, and says how the file is read.",
    ),
}

# What follows `# lamina:`.
SETTINGS = {
    "extended": Entry(
        "# lamina: extended",
        "What Lamina adds to the language is there, in a file of any name.",
    ),
    "scrub": Entry(
        "# lamina: scrub",
        "Drops what package managers leave behind, logs and caches, from every layer.",
    ),
    "compat": Entry(
        "# lamina: compat=buildkit",
        "Does all as BuildKit does, also where that reads on in silence.",
    ),
    "template": Entry(
        "# lamina: template=jinja2|none",
        "Whether the file is rendered with Jinja2 first. A `Recipe` is, other files "
        "are when they say so.",
    ),
    "var": Entry(
        '# lamina: var NAME:TYPE [= DEFAULT] ["DESCRIPTION"]',
        "A variable of the template, for `--set NAME=VALUE`. Types are `str`, `int`, "
        "`bool`, `list` and `enum(a,b)`.",
    ),
}
