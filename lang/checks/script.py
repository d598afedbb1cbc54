"""The shell scripts in a RUN: their text, which shell runs them, where each character
stands in the recipe.

A RUN's text is a script; a here-document that a shell reads is one too. What other
programs read (`RUN <<E python3`, a `#!/usr/bin/env perl`) is none.
"""

from __future__ import annotations

import re

from lamina.lang.checks.shell import ShellCommand, ShellWord, read_commands
from lamina.lang.lines import Line, line_again
from lamina.lang.source import Span
from lamina.lang.words import ShellForm
from lamina.values import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from lamina.lang.nodes import Run
    from lamina.lang.words import Heredoc

# `<<NAME`, with the number of the file that it is.
_OPENING = re.compile(r"(\d*)<<-?\s*\S+")
_NAME = re.compile(r"[^\W\d]\w*")
SHELLS = frozenset({"sh", "bash", "dash", "ash", "ksh", "zsh"})


class Script:
    """Shell text of a recipe. `shell` is the program that runs it, "" when the text
    is an argument vector and no shell sees it. `variables` are those of the recipe that
    it may use."""

    def __init__(self, text: str, shell: str, line: Line, offset: int) -> None:
        self.text = text
        self.shell = shell
        self.variables: tuple[str, ...] = ()
        self._line = line
        self._offset = offset
        self._commands: tuple[ShellCommand, ...] | None = None

    @property
    def commands(self) -> tuple[ShellCommand, ...]:
        """The simple commands of the text, read when first asked for."""
        if self._commands is None:
            self._commands = read_commands(self.text)
        return self._commands

    def may_call(self, *programs: str) -> bool:
        """Whether one of these may be among the commands: a look at the text only."""
        return any(program in self.text for program in programs)

    def mentioned(self, names: frozenset[str]) -> tuple[str, ...]:
        """Those of the names that may be variables of the text: all of them, for each
        of many scripts, take an examiner ten times as long."""
        return tuple(sorted(names.intersection(_NAME.findall(self.text))))

    def span(self, start: int, end: int) -> Span:
        """Where the characters from `start` up to `end` stand in the recipe."""
        return self._line.span(self._offset + start, self._offset + end)


class Vector(Script):
    """The exec form: one command, whose words stand where the instruction does."""

    def __init__(self, args: tuple[str, ...], span: Span) -> None:
        super().__init__(
            " ".join(args), "", Line(span.source, "", (0,), (0,), anchor=span), 0
        )
        words = tuple(ShellWord(text, 0, 0) for text in args)
        self._commands = (ShellCommand(words, "", 0, False),)


def shell_name(shell: tuple[str, ...]) -> str:
    """Which shell a SHELL instruction names; "" for one of another family (`cmd`,
    PowerShell), "sh" without one."""
    if not shell:
        return "sh"
    name = shell[0].replace("\\", "/").rpartition("/")[2].lower()
    return name if name in SHELLS else ""


def scripts(run: Run, shell: tuple[str, ...], escape: str) -> tuple[Script, ...]:
    """The scripts of a RUN in a stage whose SHELL is `shell`."""
    return tuple(_scripts(run, shell_name(shell), escape))


def _scripts(run: Run, shell: str, escape: str) -> Iterator[Script]:
    if not isinstance(run.command, ShellForm):
        yield from _vector(run.command.args, run.span)
    elif shell:
        yield from _shell_form(run, run.command.text, shell, escape)


def _vector(args: tuple[str, ...], span: Span) -> Iterator[Script]:
    if len(args) > 2 and shell_name(args) and args[1].endswith("c"):
        anchor = Line(span.source, "", (0,), (0,), anchor=span)
        yield Script(args[2], "", anchor, 0)
    elif args and args[0]:
        yield Vector(args, span)


def _shell_form(run: Run, text: str, shell: str, escape: str) -> Iterator[Script]:
    line, behind = line_again(run.span, escape)
    words = _OPENING.sub(" ", text).split()
    if words or not run.heredocs:
        yield _with_documents(run, text, shell, (line, behind))
    # Of several that are its standard input, a shell reads the last one.
    numbers = [found[1] for found in _OPENING.finditer(text)]
    inputs = [place for place, number in enumerate(numbers) if number in ("", "0")]
    reader = _reader(words) if words else shell
    for place, heredoc in enumerate(run.heredocs):
        if reader and place in inputs[-1:]:
            found = _document(heredoc, reader, run.span, behind)
            if found is not None:
                yield found
        behind = _end(heredoc, run.span, behind)


def _with_documents(run: Run, text: str, shell: str, place: tuple[Line, int]) -> Script:
    """The command line and, as a shell reads them, its here-documents below it."""
    line, behind = place
    offset = len(line.text) - len(text)
    if not run.heredocs:
        return Script(text, shell, line, offset)
    end = behind
    for heredoc in run.heredocs:
        end = _end(heredoc, run.span, end)
    bodies = "\n" + run.span.source.text[behind:end]
    whole = replace(
        line,
        text=line.text + bodies,
        starts=(*line.starts, len(line.text)),
        offsets=(*line.offsets, behind - 1),
    )
    return Script(text + bodies, shell, whole, offset)


def _reader(words: list[str]) -> str:
    """The shell that `bash -eux` starts with a script as its input, or ""."""
    plain = all(word.startswith("-") for word in words[1:])
    return shell_name((words[0],)) if plain else ""


def _document(heredoc: Heredoc, shell: str, span: Span, start: int) -> Script | None:
    """The script in a here-document, unless its `#!` names something else."""
    if heredoc.body.startswith("#!"):
        words = heredoc.body.partition("\n")[0][2:].split()
        names = [word.rpartition("/")[2] for word in words]
        while names and (names[0] == "env" or names[0].startswith("-")):
            names.pop(0)
        shell = shell_name((names[0],)) if names else ""
        if not shell:
            return None
    line = Line(span.source, heredoc.body, (0,), (start,))
    return Script(heredoc.body, shell, line, 0)


def _end(heredoc: Heredoc, span: Span, start: int) -> int:
    """Where the line behind a here-document starts whose body starts at `start`."""
    newline = span.source.text.find("\n", start + len(heredoc.body))
    return len(span.source.text) if newline < 0 else newline + 1
