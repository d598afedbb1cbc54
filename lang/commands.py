"""RUN, TEST, and what says what runs in a container: one function each."""

from __future__ import annotations

from lamina.lang import nodes, quirks, words
from lamina.lang.arguments import (
    parse_choice,
    parse_command,
    parse_count,
    parse_duration,
)
from lamina.lang.mounts import check_mount, field_name
from lamina.lang.source import RecipeError
from lamina.lang.words import Command, ExecForm, ShellForm

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lamina.lang.lines import Fragment
    from lamina.lang.statement import Statement

NETWORKS = ("default", "none", "host")
SECURITIES = ("sandbox", "insecure")
RUN_FLAGS = frozenset({"mount", "network", "security", "device"})
EXTENDED_RUN_FLAGS = frozenset({"no-cache", "max-age", "env"})
HEALTHCHECK_FLAGS = frozenset(
    {"interval", "timeout", "start-period", "start-interval", "retries"}
)


def parse_run(statement: Statement) -> nodes.Run:
    command = _program(
        statement, "A step without a command does nothing; leave it out."
    )
    if _is_nothing(command):
        raise RecipeError(f"{statement.keyword} needs a command.", command.span)
    max_age = parse_duration(statement, "max-age", days=True)
    no_cache = bool(statement.truth("no-cache"))
    if no_cache and max_age:
        raise RecipeError(
            "--no-cache and --max-age exclude each other.",
            statement.span,
            hint="--no-cache runs the step in every build, --max-age when its last "
            "result is too old.",
        )
    return nodes.Run(
        command,
        tuple(heredoc for _, heredoc in statement.line.heredocs)
        if isinstance(command, ShellForm)
        else (),
        tuple(_mount(statement, given) for given in statement.all("mount")),
        parse_choice(statement, "network", NETWORKS),
        parse_choice(statement, "security", SECURITIES),
        statement.span,
        tuple(_device(given) for given in statement.all("device")),
        statement.keyword == "TEST",
        no_cache,
        max_age,
        _variables(statement),
    )


def _mount(statement: Statement, text: Fragment) -> words.Mount:
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
    mount = words.Mount(tuple(fields), text.span)
    return check_mount(mount, statement.dialect)


def _device(text: Fragment) -> str:
    """`NAME` or `NAME,required`, where NAME is a CDI device or a class of them."""
    name, *others = text.text.split(",")
    if not name.strip() or others not in ([], ["required"]):
        raise RecipeError(
            f"{text.text!r} is no device.",
            text.span,
            hint="Write --device=vendor.com/class=name, with `,required` behind it if "
            "the step fails without it.",
        )
    return text.text


def _variables(statement: Statement) -> tuple[str, ...] | None:
    """The names of `--env`, each once; None without one."""
    given = statement.all("env")
    for text in given:
        name = text.text.replace("_", "")
        if name and not (name.isalnum() and not text.text[0].isdigit()):
            raise RecipeError(
                f"{text.text!r} cannot name a variable.",
                text.span,
                hint="--env=NAME lets one variable in, as ARG or ENV has set it.",
            )
    return tuple(dict.fromkeys(text.text for text in given)) if given else None


def parse_cmd(statement: Statement) -> nodes.Cmd:
    return nodes.Cmd(_program(statement, _TAKE_BACK), statement.span)


def parse_entrypoint(statement: Statement) -> nodes.Entrypoint:
    return nodes.Entrypoint(_program(statement, _TAKE_BACK), statement.span)


_TAKE_BACK = "To take back an earlier one, write {keyword} []."


def _program(statement: Statement, hint: str) -> Command:
    if statement.rest is not None:
        return parse_command(statement, statement.rest)
    if statement.dialect.keeps(quirks.EMPTY_COMMANDS):
        return ShellForm("", statement.span)
    raise RecipeError(
        f"{statement.keyword} needs a command.",
        statement.span,
        hint=hint.format(keyword=statement.keyword),
    )


def _is_nothing(command: Command) -> bool:
    """Whether it is `[]`."""
    return isinstance(command, ExecForm) and not command.args


def parse_shell(statement: Statement) -> nodes.Shell:
    command = parse_command(statement, statement.arguments)
    if not isinstance(command, ExecForm) or not command.args:
        raise RecipeError(
            "SHELL takes a JSON array with a program in it.",
            statement.arguments.span,
            hint='Write it like SHELL ["/bin/bash", "-c"].',
        )
    return nodes.Shell(command.args, command.places, statement.span)


def parse_healthcheck(statement: Statement) -> nodes.Healthcheck:
    text = statement.arguments
    kind, *rest = statement.tree("healthcheck", text)
    if kind.type == "NONE":
        if statement.flags and not statement.dialect.keeps(quirks.HEALTH_FLAGS):
            raise RecipeError(
                "HEALTHCHECK NONE takes no flags.", statement.flags[0].place.span
            )
        return nodes.Healthcheck(None, 0, 0, 0, 0, 0, statement.span)
    statement.check_flags(HEALTHCHECK_FLAGS)
    command = None
    if rest[0] is not None:
        command = parse_command(
            statement, text.part(rest[0].start_pos, rest[0].end_pos)
        )
    if command is None or _is_nothing(command):
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
