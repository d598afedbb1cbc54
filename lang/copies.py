"""COPY and ADD: sources, heredocs, a destination, and what belongs together."""

from __future__ import annotations

from lamina.lang import nodes, quirks
from lamina.lang.arguments import item_word, parse_items
from lamina.lang.dialect import SWITCH
from lamina.lang.lines import content_line
from lamina.lang.source import RecipeError
from lamina.lang.words import Heredoc, Word
from lamina.values import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lamina.lang.lines import Fragment
    from lamina.lang.statement import Statement

COPY_FLAGS = frozenset({"chown", "chmod", "link", "exclude", "from", "parents"})
EXTENDED_COPY_FLAGS = frozenset({"if-exists"})
ADD_FLAGS = frozenset(
    {"chown", "chmod", "link", "exclude", "checksum", "keep-git-dir", "unpack"}
)
# How sources begin that are not files of the context.
REMOTE = ("http://", "https://", "git://", "ssh://", "git@")


def parse_copy(statement: Statement) -> nodes.Copy:
    items = parse_items(statement, statement.arguments)
    if len(items) < 2:
        raise RecipeError(
            f"{statement.keyword} takes sources and a destination.",
            statement.arguments.span,
        )
    dest = items.pop()
    if dest.heredoc is not None:
        raise RecipeError("A heredoc cannot be the destination.", dest.heredoc.span)
    from_ = statement.text("from")
    copy = nodes.Copy(
        statement.keyword == "ADD",
        tuple(item_word(statement, i) for i in items if i.heredoc is None),
        tuple(_document(statement, i.heredoc) for i in items if i.heredoc is not None),
        item_word(statement, dest),
        None if from_ is None else _stage(statement, from_),
        statement.flag_word("chown"),
        statement.flag_word("chmod"),
        bool(statement.truth("link")),
        bool(statement.truth("parents")),
        tuple(given.text for given in statement.all("exclude")),
        statement.flag_word("checksum"),
        bool(statement.truth("keep-git-dir")),
        statement.truth("unpack"),
        statement.span,
        bool(statement.truth("if-exists")),
    )
    _check(statement, copy)
    return copy


def _stage(statement: Statement, text: Fragment) -> Word:
    """What `--from` names. In a Dockerfile nothing in it expands."""
    if statement.dialect.extended:
        return statement.word(text)
    if "$" in text.text:
        raise RecipeError(
            "--from does not expand variables.",
            text.span,
            hint="Name a stage: `FROM $IMAGE AS files`, then --from=files. Or: "
            f"{SWITCH[0].lower()}{SWITCH[1:]}",
        )
    return Word(text.text, text.span)


def _document(statement: Statement, heredoc: Heredoc) -> Heredoc:
    """The heredoc with its body taken apart, where that expands."""
    if not heredoc.expand:
        return heredoc
    line = content_line(heredoc, statement.line.anchor)
    return replace(heredoc, parts=statement.parts("document", line.text, line.span))


def _check(statement: Statement, copy: nodes.Copy) -> None:
    dest = copy.dest.text
    several = len(copy.sources) + len(copy.heredocs) > 1
    lenient = statement.dialect.keeps(quirks.SEVERAL_SOURCES)
    if several and not copy.dest.parts and not is_folder(dest) and not lenient:
        raise RecipeError(
            f"Several sources need a folder, and {dest!r} does not end with a slash.",
            copy.dest.span,
            hint=f"Write {dest}/",
        )
    if copy.checksum is not None and several:
        raise RecipeError("--checksum is for one source only.", copy.checksum.span)
    for word in copy.sources:
        remote = word.text.startswith(REMOTE)
        if word.text.startswith("file://"):
            remote = not statement.dialect.keeps(quirks.COPY_ADDRESSES)
        if remote and not copy.add and copy.from_ is None:
            raise RecipeError(
                "COPY does not fetch from elsewhere.", word.span, hint="ADD does."
            )


def is_folder(dest: str) -> bool:
    """Whether a destination can only be a directory, by its spelling."""
    return dest.endswith("/") or dest.rsplit("/", 1)[-1] in (".", "..")
