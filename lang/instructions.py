"""From statements to nodes: one function for each instruction.

What each instruction takes is in the table at the end; the rules are those of the
Dockerfile reference and BuildKit's `instructions/parse.go`, stricter where those
read on in silence.
"""

from __future__ import annotations

from lamina.lang import nodes, quirks
from lamina.lang.arguments import item_word, parse_items
from lamina.lang.commands import (
    EXTENDED_RUN_FLAGS,
    HEALTHCHECK_FLAGS,
    RUN_FLAGS,
    parse_cmd,
    parse_entrypoint,
    parse_healthcheck,
    parse_run,
    parse_shell,
)
from lamina.lang.copies import ADD_FLAGS, COPY_FLAGS, EXTENDED_COPY_FLAGS, parse_copy
from lamina.lang.dialect import SWITCH
from lamina.lang.source import RecipeError
from lamina.lang.suggest import did_you_mean
from lamina.lang.words import Pair, Word
from lamina.values import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from lamina.lang.lines import Fragment
    from lamina.lang.nodes import From, Instruction
    from lamina.lang.statement import Statement, Token

BOOTSTRAP_FLAGS = ("include", "variant", "mirror", "snapshot")
# What UNSET takes back; of the first four also single names.
WITH_NAMES = ("ENV", "LABEL", "EXPOSE", "VOLUME")
UNSETTABLE = (*WITH_NAMES, "ENTRYPOINT", "CMD", "USER", "HEALTHCHECK", "STOPSIGNAL")
NOTHING: frozenset[str] = frozenset()
_BLANKS = str.maketrans("\t\v\f\r", "    ")


@value
class Form:
    """An instruction: the function that makes its node, and its flags.

    `extended_flags` are there in extended recipes only; so is all of it where
    `extended` says so. With `late_flags` the function itself checks them, since they
    depend on the arguments.
    """

    build: Callable[[Statement], Instruction | From]
    flags: frozenset[str] = NOTHING
    extended_flags: frozenset[str] = NOTHING
    extended: bool = False
    late_flags: bool = False


def parse_instruction(statement: Statement) -> Instruction | From:
    """The node that a statement stands for."""
    form = TABLE.get(statement.keyword)
    if form is None or (form.extended and not statement.dialect.extended):
        raise _unknown(statement, form)
    ignored = statement.keyword in FLAGS_IGNORED and statement.dialect.keeps(
        quirks.IGNORED_FLAGS
    )
    if not (form.late_flags or ignored):
        statement.check_flags(form.flags, form.extended_flags)
    return form.build(statement)


def _unknown(statement: Statement, form: Form | None) -> RecipeError:
    # Not by `split`: a no-break space is part of it.
    written = statement.whole.text.translate(_BLANKS).partition(" ")[0]
    span = statement.whole.within(0, len(written))
    if form is not None:
        return RecipeError(
            f"{statement.keyword} is Lamina's own, and this file is a Dockerfile.",
            span,
            hint=SWITCH,
        )
    for at, sign in enumerate(written):
        if sign.isspace() or not sign.isprintable():
            return RecipeError(
                f"There is {_name(sign)} in the instruction's name.",
                statement.whole.at(at),
                hint="It looks like a blank, or like nothing: write an ordinary blank, "
                "or nothing.",
            )
    known = [
        name
        for name, form in TABLE.items()
        if statement.dialect.extended or not form.extended
    ]
    return RecipeError(
        f"There is no instruction {written}.", span, hint=did_you_mean(written, known)
    )


def _name(sign: str) -> str:
    """A character that cannot be seen, in words."""
    import unicodedata

    name = unicodedata.name(sign, "character").lower()
    return f"a {name} (U+{ord(sign):04X})"


def _from(statement: Statement) -> From:
    text = statement.arguments
    image, keyword, name = statement.tree("from_", text)
    base = statement.word(text.part(image.start_pos, image.end_pos))
    bootstrap = base.text.startswith("bootstrap:")
    known = frozenset(("platform", *(BOOTSTRAP_FLAGS if bootstrap else ())))
    for flag in statement.flags:
        if flag.name in BOOTSTRAP_FLAGS and not bootstrap:
            raise RecipeError(
                f"--{flag.name} is for bases that are made from packages.",
                flag.place.span,
                hint="Such a base is written `FROM bootstrap:debian/bookworm`.",
            )
    statement.check_flags(known)
    return nodes.From(
        base,
        statement.flag_word("platform"),
        None if name is None else _stage_name(text.part(name.start_pos, name.end_pos)),
        tuple(
            (flag.name, statement.word(flag.given))
            for flag in statement.flags
            if flag.name in BOOTSTRAP_FLAGS
        ),
        statement.span,
        None if name is None else text.part(keyword.start_pos, name.end_pos).span,
        statement.line.comment,
    )


def _stage_name(text: Fragment) -> str:
    name = text.text.lower()
    rest = name.replace("-", "").replace("_", "").replace(".", "")
    if not ("a" <= name[0] <= "z" and (rest.isascii() and rest.isalnum())):
        raise RecipeError(
            f"{text.text!r} cannot name a stage.",
            text.span,
            hint="A name starts with a letter and goes on with a-z, 0-9, `-_.`.",
        )
    return name


def _arg(statement: Statement) -> nodes.Arg:
    text = statement.arguments
    declared = []
    for key, equals, default in statement.tree("args", text):
        name = text.part(key.start_pos, key.end_pos)
        if any(sign in name.text for sign in "\"'$\\`"):
            raise RecipeError(
                f"{name.text} cannot name an argument.",
                name.span,
                hint="The name of an ARG is taken as it is, without $ and quotes.",
            )
        given = None
        if equals is not None:
            end = (default or equals).end_pos
            given = statement.word(text.part(equals.end_pos, end))
        declared.append((name.text, given))
    return nodes.Arg(tuple(declared), statement.span, statement.line.comment)


def _env(statement: Statement) -> nodes.Env:
    return nodes.Env(_pairs(statement), statement.span)


def _label(statement: Statement) -> nodes.Label:
    return nodes.Label(_pairs(statement), statement.span)


def _pairs(statement: Statement) -> tuple[Pair, ...]:
    text = statement.arguments

    def word(start: int, end: int) -> Word:
        return statement.word(text.part(start, end))

    def name(key: Token) -> Word:
        made = word(key.start_pos, key.end_pos)
        if "=" in made.text:
            raise RecipeError(
                f"The name {made.text} cannot hold a =.",
                made.span,
                hint='Quotes stand around the value: NAME="the value".',
            )
        return made

    children = statement.tree("pairs", text)
    if not isinstance(children[0], tuple):
        key, rest = children
        return (Pair(name(key), word(rest.start_pos, rest.end_pos)),)
    return tuple(
        Pair(
            name(key),
            word(equals.end_pos, (given or equals).end_pos),
        )
        for key, equals, given in children
    )


def _workdir(statement: Statement) -> nodes.Workdir:
    return nodes.Workdir(statement.word(statement.arguments), statement.span)


def _user(statement: Statement) -> nodes.User:
    return nodes.User(statement.word(statement.arguments), statement.span)


def _stopsignal(statement: Statement) -> nodes.StopSignal:
    return nodes.StopSignal(statement.word(statement.arguments), statement.span)


def _expose(statement: Statement) -> nodes.Expose:
    text = statement.arguments
    tokens: tuple[Token, ...] = statement.tree("words", text)
    ports = (text.part(token.start_pos, token.end_pos) for token in tokens)
    return nodes.Expose(tuple(map(statement.word, ports)), statement.span)


def _volume(statement: Statement) -> nodes.Volume:
    items = parse_items(statement, statement.arguments)
    for item in items:
        if not item.text.text.strip():
            raise RecipeError("The path of a volume cannot be empty.", item.text.span)
    if not items:
        raise RecipeError("VOLUME needs a path.", statement.arguments.span)
    paths = tuple(item_word(statement, item) for item in items)
    return nodes.Volume(paths, statement.span)


def _onbuild(statement: Statement) -> nodes.Onbuild:
    text = statement.arguments
    inner = statement.inner(text)
    if inner.keyword in ("ONBUILD", "FROM", "MAINTAINER"):
        raise RecipeError(f"{inner.keyword} cannot be a trigger.", text.span)
    parse_instruction(inner)
    pieces = [text.text]
    for _, heredoc in statement.line.heredocs:
        pieces.append(f"\n{heredoc.body}{heredoc.name}")
    return nodes.Onbuild("".join(pieces), statement.span)


def _maintainer(statement: Statement) -> nodes.Maintainer:
    return nodes.Maintainer(statement.arguments.text, statement.span)


def _unset(statement: Statement) -> nodes.Unset:
    text = statement.arguments
    tokens: tuple[Token, ...] = statement.tree("words", text)
    what, *names = (text.part(token.start_pos, token.end_pos) for token in tokens)
    kind = what.text.upper()
    if kind not in UNSETTABLE:
        raise RecipeError(
            f"UNSET knows no {what.text}.",
            what.span,
            hint=did_you_mean(kind, UNSETTABLE)
            or f"It takes back {', '.join(UNSETTABLE)}.",
        )
    if names and kind not in WITH_NAMES:
        raise RecipeError(
            f"UNSET {kind} takes no names: there is only one.", names[0].span
        )
    return nodes.Unset(kind, tuple(map(statement.word, names)), statement.span)


FLAGS_IGNORED = ("ARG", "STOPSIGNAL")
TABLE: dict[str, Form] = {
    "FROM": Form(_from, late_flags=True),
    "ARG": Form(_arg),
    "ENV": Form(_env),
    "LABEL": Form(_label),
    "RUN": Form(parse_run, RUN_FLAGS, EXTENDED_RUN_FLAGS),
    "COPY": Form(parse_copy, COPY_FLAGS, EXTENDED_COPY_FLAGS),
    "ADD": Form(parse_copy, ADD_FLAGS),
    "WORKDIR": Form(_workdir),
    "USER": Form(_user),
    "STOPSIGNAL": Form(_stopsignal),
    "CMD": Form(parse_cmd),
    "ENTRYPOINT": Form(parse_entrypoint),
    "SHELL": Form(parse_shell),
    "EXPOSE": Form(_expose),
    "VOLUME": Form(_volume),
    "HEALTHCHECK": Form(parse_healthcheck, HEALTHCHECK_FLAGS, late_flags=True),
    "ONBUILD": Form(_onbuild),
    "MAINTAINER": Form(_maintainer),
    "UNSET": Form(_unset, extended=True),
    "TEST": Form(parse_run, RUN_FLAGS, EXTENDED_RUN_FLAGS, extended=True),
}
