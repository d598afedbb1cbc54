"""From statements to nodes: one function for each instruction.

What each instruction takes is in the table at the end; the rules are those of the
Dockerfile reference and BuildKit's `instructions/parse.go`, stricter where those
read on in silence.
"""

from __future__ import annotations

from lamina.lang import nodes
from lamina.lang.arguments import (
    parse_choice,
    parse_command,
    parse_count,
    parse_duration,
    parse_items,
)
from lamina.lang.nodes import Command, ExecForm, Heredoc, Pair, Word
from lamina.lang.source import RecipeError
from lamina.lang.suggest import did_you_mean
from lamina.values import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from lamina.lang.lines import Fragment
    from lamina.lang.nodes import From, Instruction
    from lamina.lang.statement import Statement, Token

NETWORKS = ("default", "none", "host")
SECURITIES = ("sandbox", "insecure")
BOOTSTRAP_FLAGS = ("include", "variant", "mirror", "snapshot")
REMOTE = ("http://", "https://", "git://", "ssh://", "git@")


def parse_instruction(statement: Statement) -> Instruction | From:
    """The node that a statement stands for."""
    entry = TABLE.get(statement.keyword)
    if entry is None:
        written = statement.whole.text.split(None, 1)[0]
        raise RecipeError(
            f"There is no instruction {written}.",
            statement.whole.part(0, len(written)).span,
            hint=did_you_mean(written, TABLE),
        )
    build, flags = entry
    if statement.keyword != "FROM":  # which flags it has depends on the image
        statement.check_flags(flags)
    return build(statement)


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

    children = statement.tree("pairs", text)
    if not isinstance(children[0], tuple):
        key, rest = children
        return (
            Pair(word(key.start_pos, key.end_pos), word(rest.start_pos, rest.end_pos)),
        )
    return tuple(
        Pair(
            word(key.start_pos, key.end_pos),
            word(equals.end_pos, (given or equals).end_pos),
        )
        for key, equals, given in children
    )


def _run(statement: Statement) -> nodes.Run:
    text = statement.arguments
    command = parse_command(statement, text)
    if command == ExecForm(()):
        raise RecipeError("RUN needs a command.", text.span)
    return nodes.Run(
        command,
        tuple(heredoc for _, heredoc in statement.line.heredocs),
        tuple(_mount(statement, given) for given in statement.all("mount")),
        parse_choice(statement, "network", NETWORKS),
        parse_choice(statement, "security", SECURITIES),
        statement.span,
    )


def _mount(statement: Statement, text: Fragment) -> nodes.Mount:
    from lamina.lang.mounts import check_mount, field_name

    fields = []
    for key, equals, given in statement.tree("mount", text):
        name = text.part(key.start_pos, key.end_pos)
        word = None
        if equals is not None:
            part = text.part(equals.end_pos, (given or equals).end_pos)
            if given is not None and given.type == "QUOTED_VALUE":
                part = part.unquoted(part.text.replace('""', '"'))
            word = statement.word(part)
        fields.append((field_name(name), word))
    mount = nodes.Mount(tuple(fields), text.span)
    check_mount(mount)
    return mount


def _copy(statement: Statement) -> nodes.Copy:
    items = parse_items(statement, statement.arguments)
    if len(items) < 2:
        raise RecipeError(
            f"{statement.keyword} takes sources and a destination.",
            statement.arguments.span,
        )
    dest = items.pop()
    if dest.heredoc is not None:
        raise RecipeError("A heredoc cannot be the destination.", dest.heredoc.span)
    add = statement.keyword == "ADD"
    from_ = statement.text("from")
    sources = tuple(statement.word(i.text) for i in items if i.heredoc is None)
    copy = nodes.Copy(
        add,
        sources,
        tuple(_document(statement, i.heredoc) for i in items if i.heredoc is not None),
        statement.word(dest.text),
        None if from_ is None else Word(from_.text, from_.span),
        statement.flag_word("chown"),
        statement.flag_word("chmod"),
        bool(statement.truth("link")),
        bool(statement.truth("parents")),
        tuple(given.text for given in statement.all("exclude")),
        statement.flag_word("checksum"),
        bool(statement.truth("keep-git-dir")),
        statement.truth("unpack"),
        statement.span,
    )
    _check_copy(copy, from_)
    return copy


def _document(statement: Statement, heredoc: Heredoc) -> Heredoc:
    """The heredoc with its body taken apart, where that expands."""
    if not heredoc.expand:
        return heredoc
    parts = statement.grammar.parts(
        "document", heredoc.content, lambda _: heredoc.span, "\\"
    )
    return replace(heredoc, parts=parts)


def _check_copy(copy: nodes.Copy, from_: Fragment | None) -> None:
    dest = copy.dest.text
    several = len(copy.sources) + len(copy.heredocs) > 1
    if several and not copy.dest.parts and not is_folder(dest):
        raise RecipeError(
            f"Several sources need a folder, and {dest!r} does not end with a slash.",
            copy.dest.span,
            hint=f"Write {dest}/",
        )
    if from_ is not None and "$" in from_.text:
        raise RecipeError(
            "--from does not expand variables.",
            from_.span,
            hint="Name a stage: `FROM $IMAGE AS files`, then --from=files.",
        )
    if copy.checksum is not None and several:
        raise RecipeError("--checksum is for one source only.", copy.checksum.span)
    for word in copy.sources:
        if not copy.add and from_ is None and word.text.startswith(REMOTE):
            raise RecipeError(
                "COPY does not fetch from elsewhere.", word.span, hint="ADD does."
            )


def is_folder(dest: str) -> bool:
    """Whether a destination can only be a directory, by its spelling."""
    return dest.endswith("/") or dest.rsplit("/", 1)[-1] in (".", "..")


def _workdir(statement: Statement) -> nodes.Workdir:
    return nodes.Workdir(statement.word(statement.arguments), statement.span)


def _user(statement: Statement) -> nodes.User:
    return nodes.User(statement.word(statement.arguments), statement.span)


def _stopsignal(statement: Statement) -> nodes.StopSignal:
    return nodes.StopSignal(statement.word(statement.arguments), statement.span)


def _cmd(statement: Statement) -> nodes.Cmd:
    return nodes.Cmd(_program(statement), statement.span)


def _entrypoint(statement: Statement) -> nodes.Entrypoint:
    return nodes.Entrypoint(_program(statement), statement.span)


def _program(statement: Statement) -> Command:
    if statement.rest is None:
        raise RecipeError(
            f"{statement.keyword} needs a command.",
            statement.span,
            hint=f"To take back an earlier one, write {statement.keyword} [].",
        )
    return parse_command(statement, statement.rest)


def _shell(statement: Statement) -> nodes.Shell:
    command = parse_command(statement, statement.arguments)
    if not isinstance(command, ExecForm) or not command.args:
        raise RecipeError(
            "SHELL takes a JSON array with a program in it.",
            statement.arguments.span,
            hint='Write it like SHELL ["/bin/bash", "-c"].',
        )
    return nodes.Shell(command.args, statement.span)


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
    paths = tuple(statement.word(item.text) for item in items)
    return nodes.Volume(paths, statement.span)


def _healthcheck(statement: Statement) -> nodes.Healthcheck:
    text = statement.arguments
    kind, *rest = statement.tree("healthcheck", text)
    command = None
    if kind.type == "NONE":
        if statement.flags:
            raise RecipeError(
                "HEALTHCHECK NONE takes no flags.", statement.flags[0].place.span
            )
    elif rest[0] is None:
        raise RecipeError("HEALTHCHECK CMD needs a command.", text.span)
    else:
        command = parse_command(
            statement, text.part(rest[0].start_pos, rest[0].end_pos)
        )
        if command == ExecForm(()):
            raise RecipeError("HEALTHCHECK CMD needs a command.", text.span)
    return nodes.Healthcheck(
        command,
        parse_duration(statement, "interval"),
        parse_duration(statement, "timeout"),
        parse_duration(statement, "start-period"),
        parse_duration(statement, "start-interval"),
        parse_count(statement, "retries"),
        statement.span,
    )


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


_NO_FLAGS: frozenset[str] = frozenset()
_COPY_FLAGS = frozenset({"chown", "chmod", "link", "exclude"})

TABLE: dict[str, tuple[Callable[[Statement], Instruction | From], frozenset[str]]] = {
    "FROM": (_from, _NO_FLAGS),
    "ARG": (_arg, _NO_FLAGS),
    "ENV": (_env, _NO_FLAGS),
    "LABEL": (_label, _NO_FLAGS),
    "RUN": (_run, frozenset({"mount", "network", "security"})),
    "COPY": (_copy, _COPY_FLAGS | {"from", "parents"}),
    "ADD": (_copy, _COPY_FLAGS | {"checksum", "keep-git-dir", "unpack"}),
    "WORKDIR": (_workdir, _NO_FLAGS),
    "USER": (_user, _NO_FLAGS),
    "STOPSIGNAL": (_stopsignal, _NO_FLAGS),
    "CMD": (_cmd, _NO_FLAGS),
    "ENTRYPOINT": (_entrypoint, _NO_FLAGS),
    "SHELL": (_shell, _NO_FLAGS),
    "EXPOSE": (_expose, _NO_FLAGS),
    "VOLUME": (_volume, _NO_FLAGS),
    "HEALTHCHECK": (
        _healthcheck,
        frozenset({"interval", "timeout", "start-period", "start-interval", "retries"}),
    ),
    "ONBUILD": (_onbuild, _NO_FLAGS),
    "MAINTAINER": (_maintainer, _NO_FLAGS),
}
