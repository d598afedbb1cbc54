"""Checks of the shell text in RUN."""

from __future__ import annotations

from lamina.lang.checks.rule import Found
from lamina.lang.checks.script import Script, Vector
from lamina.lang.checks.surroundings import nothing_said

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from lamina.lang.checks.reading import Reading, RunReading
    from lamina.lang.checks.shell import ShellCommand

# Programs on the left of a pipe that do not fail.
_SAFE = frozenset({"echo", "printf", "yes", "true", ":", "seq"})
# A UID with more digits makes lastlog and faillog sparse files of many gigabytes.
_MOST_UID = 99_999
_EXAMINED = frozenset({"sh", "bash", "dash", "ash", "ksh"})


def pipe_without_pipefail(reading: Reading) -> Iterator[Found]:
    """A pipe's status is its last command's: what fails before it goes unseen."""
    for run in reading.runs:
        if any("pipefail" in word for word in run.shell):
            continue
        if any("pipefail" in script.text for script in run.scripts):
            continue
        for script in run.scripts:
            pipe = next(_pipes(script), None)
            if pipe is not None and not isinstance(script, Vector):
                yield Found(
                    f"When {pipe[0].name} fails, this RUN goes on: only the last "
                    "command of a pipe counts",
                    script.span(pipe[0].start, pipe[-1].end),
                    _pipefail(reading, run, script),
                )


def _pipes(script: Script) -> Iterator[list[ShellCommand]]:
    """Pipes whose status is not asked for, and whose left sides may fail."""
    pipe: list[ShellCommand] = []
    if not script.may_call("|"):
        return
    for command in script.commands:
        if command.depth:
            continue
        pipe.append(command)
        if command.after in ("|", "|&"):
            continue
        # What ends with a parenthesis is a pattern of `case`.
        if len(pipe) > 1 and command.after not in ("||", ")"):
            safe = all(
                one.name in _SAFE or (one.name == "cat" and len(one.words) == 1)
                for one in pipe[:-1]
            )
            if not safe and not any(one.asked for one in pipe):
                yield pipe
        pipe = []


def _pipefail(reading: Reading, run: RunReading, script: Script) -> str:
    if "\n" in script.text:
        return "Write `set -o pipefail` on its first line."
    name = reading.image(run.stage) or ""
    shell = "/bin/ash" if "alpine" in name or "busybox" in name else "/bin/bash"
    return f'Write SHELL ["{shell}", "-o", "pipefail", "-c"] above.'


def cd_instead_of_workdir(reading: Reading) -> Iterator[Found]:
    """Where a whole RUN works in one folder, WORKDIR says it for what follows too."""
    for run in reading.runs:
        for script in run.scripts[:1]:
            if not script.may_call("cd"):
                continue
            commands = [c for c in script.commands if c.name not in ("set", "export")]
            moves = [c for c in commands if c.name == "cd" and not c.depth]
            if isinstance(script, Vector) or len(moves) != 1 or len(commands) < 2:
                continue
            (move,) = moves
            folder = move.words[1] if len(move.words) == 2 else None
            if move is commands[0] and folder is not None and folder.literal:
                if folder.text.startswith(("/tmp", "/var/tmp", "-", "..", "~")):
                    continue
                yield Found(
                    f"All of this RUN works in {folder.text}",
                    script.span(move.start, move.end),
                    f"Write WORKDIR {folder.text} above, and leave `cd` out.",
                )


def sparse_useradd(reading: Reading) -> Iterator[Found]:
    """useradd keeps logs indexed by UID: with a high one they are huge when packed."""
    valued = frozenset(
        (
            *("-u", "--uid", "-g", "--gid", "-G", "--groups", "-d", "--home-dir"),
            *("-s", "--shell", "-c", "--comment", "-b", "--base-dir", "-e", "-f"),
            *("-k", "--skel", "-K", "--key", "-p", "--password", "-R", "--root"),
        )
    )
    for run in reading.runs:
        for script, command in run.commands_of("useradd"):
            options = command.options(valued)
            uid = options.get("-u", options.get("--uid", ""))
            unlogged = "--no-log-init" in options or any(
                "l" in name for name in options if not name.startswith("--")
            )
            if uid.isdigit() and int(uid[:20]) > _MOST_UID and not unlogged:
                yield Found(
                    f"The logs of logins grow to the size of UID {uid}",
                    script.span(command.start, command.end),
                    "Write useradd --no-log-init.",
                )


def shell_check(reading: Reading) -> Iterator[Found]:
    """What ShellCheck says of the scripts in RUN."""
    if reading.surroundings.examine is nothing_said:
        return
    scripts = []
    for run in reading.runs:
        for script in run.scripts:
            if script.shell in _EXAMINED and script.text.strip():
                script.variables = script.mentioned(reading.variables(run.stage))
                scripts.append(script)
    if not scripts:
        return
    examined = reading.surroundings.examine(tuple(scripts))
    for script, findings in zip(scripts, examined, strict=True):
        for found in findings:
            yield Found(
                found.message,
                script.span(found.start, found.end),
                code=found.code,
                level=found.level,
            )
