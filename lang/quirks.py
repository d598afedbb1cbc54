"""What BuildKit does and Lamina, by default, does not: one row each.

`--compat=buildkit`, or `# lamina: compat=buildkit`, switches all of them on. Code asks
`dialect.keeps(ROW)`; nothing else knows of `compat`.
"""

from __future__ import annotations

from lamina.values import value


@value
class Quirk:
    """A difference: its name, what Lamina does, what BuildKit (and compat) does."""

    name: str
    lamina: str
    buildkit: str


SEVERAL_SOURCES = Quirk(
    "several-sources",
    "COPY and ADD of several sources need a destination that ends with a slash.",
    "Without the slash the last of the files is what the destination becomes.",
)
IGNORED_FLAGS = Quirk(
    "ignored-flags",
    "A flag of ARG or STOPSIGNAL is an error, as of every other instruction.",
    "ARG and STOPSIGNAL ignore all flags.",
)
EMPTY_FLAGS = Quirk(
    "empty-flags",
    "A flag with nothing after its `=` is an error.",
    "It is as if it were not there.",
)
EMPTY_COMMANDS = Quirk(
    "empty-commands",
    "RUN, CMD and ENTRYPOINT without a command are errors.",
    "They are the shell with an empty command.",
)
MALFORMED_JSON = Quirk(
    "malformed-json",
    "What looks like a JSON array and is none is an error.",
    "It is taken for words, or for the shell's text.",
)
LATE_WORDS = Quirk(
    "late-words",
    "A quote that is not closed and a bad `${` are errors when the recipe is read.",
    "They are errors when their stage is built, and none in a stage that is not.",
)
GROUPS = Quirk(
    "replacement-groups",
    "In `${N//p/r}`, r is text: a `$1` that got there by escapes stays.",
    "r is a template of Go's regular expressions: `$0` is the match, `$1` nothing.",
)
DOUBLED_SIGNS = Quirk(
    "doubled-signs",
    "In `${N#p}` and `${N%p}`, all that p becomes is the pattern.",
    "If p begins with `#` (`%`) without its quotes and variables, that is `##` (`%%`).",
)
PATTERN_ESCAPES = Quirk(
    "pattern-escapes",
    "In a pattern, a backslash or the escape character makes any character literal.",
    "A backslash does, before `*` `?` `\\` `/` `}`; elsewhere it is an error.",
)
NAMELESS = Quirk(
    "nameless-variables",
    "`${+x}`, `${%x}` and `${/x/y}` are errors: a name is missing.",
    "The variable without a name is unset.",
)
COLON_TRIMS = Quirk(
    "colon-trims",
    "`${N:#p}` and `${N:%p}` are errors.",
    "The colon is ignored.",
)
HEREDOC_WORDS = Quirk(
    "heredoc-words",
    "`<<` in `$((1 << 2))` opens no heredoc; elsewhere it does, whatever else the line "
    "holds.",
    "It opens one there; and none where the line has a `${` that the language does not "
    "know, as in `${x^^}`.",
)
HEALTH_FLAGS = Quirk(
    "health-flags",
    "HEALTHCHECK NONE takes no flags.",
    "It ignores all flags.",
)
COPY_ADDRESSES = Quirk(
    "copy-addresses",
    "COPY of `file://...` is an error, as of every other address.",
    "It is a path in the context.",
)
EMPTY_NAMES = Quirk(
    "empty-names",
    "A name in ENV or LABEL that is empty once its variables are replaced is an error.",
    "The image gets a variable or a label without a name.",
)
ESCAPED_ESCAPE = Quirk(
    "escaped-escape",
    "Of three escape characters at the end of a line the last one continues it.",
    "Only an escape character that follows another character continues a line.",
)
FROM_CASE = Quirk(
    "from-case",
    "FROM finds a stage in any case, as --from does.",
    "FROM finds it in lower case only; otherwise the name is an image's.",
)
LAST_STAGE = Quirk(
    "last-stage",
    "Of two stages with one name, --from means the nearest one above.",
    "--from means the last one in the file, an error if that stands further down.",
)
MOUNT_ORDER = Quirk(
    "mount-order",
    "The fields of a mount stand in any order.",
    "`type=` has to stand before `required` and `size`.",
)
MOUNT_REPEATS = Quirk(
    "mount-repeats",
    "A field of a mount stands once.",
    "Of a field that stands twice the last one counts.",
)
MOUNT_FIELDS = Quirk(
    "mount-fields",
    "A field that a mount of this type does not use is an error.",
    "It is ignored, but for required, size, sharing, mode, uid, gid, and a secret's "
    "from.",
)
UNKNOWN_OWNER = Quirk(
    "unknown-owner",
    "A name in --chown that the root does not know is an error.",
    "It is 0. So is a USER's that WORKDIR makes a directory for.",
)
LINK_CHMOD = Quirk(
    "link-chmod",
    "--link counts beside --chmod.",
    "--chmod switches --link off without a word.",
)
EXCLUDED_FILES = Quirk(
    "excluded-files",
    "--exclude leaves out files that a wildcard among the sources matches.",
    "It is about what is in source directories only.",
)
EMPTY_WORDS = Quirk(
    "empty-words",
    "A source or a destination of COPY and ADD, or a WORKDIR, that is empty once its "
    "variables are replaced is an error.",
    "An empty source is all of the context, an empty path the working directory.",
)
SIGNAL_NUMBERS = Quirk(
    "signal-numbers",
    "STOPSIGNAL is a signal that Linux has, by its name or number.",
    "Any number but 0 is one.",
)

QUIRKS = (
    SEVERAL_SOURCES,
    IGNORED_FLAGS,
    EMPTY_FLAGS,
    EMPTY_COMMANDS,
    MALFORMED_JSON,
    LATE_WORDS,
    GROUPS,
    DOUBLED_SIGNS,
    PATTERN_ESCAPES,
    NAMELESS,
    COLON_TRIMS,
    HEREDOC_WORDS,
    HEALTH_FLAGS,
    COPY_ADDRESSES,
    EMPTY_NAMES,
    ESCAPED_ESCAPE,
    FROM_CASE,
    LAST_STAGE,
    MOUNT_ORDER,
    MOUNT_REPEATS,
    MOUNT_FIELDS,
    UNKNOWN_OWNER,
    LINK_CHMOD,
    EXCLUDED_FILES,
    EMPTY_WORDS,
    SIGNAL_NUMBERS,
)
