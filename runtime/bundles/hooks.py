"""Hooks: programs that an engine has run at the turns of a container's life.

runtime-spec, config.md, POSIX-platform Hooks: each gets the container's state on its
stdin, nothing of our environment, and as long as its timeout says.
"""

from __future__ import annotations

import os
import select
import time

from lamina.runtime.bundles import fields
from lamina.runtime.bundles.json_text import InvalidJson
from lamina.runtime.errors import ContainerError
from lamina.values import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from lamina.runtime.bundles.fields import Object

_SIGKILL = 9
# Of what a hook that fails has written, so much is told.
_MOST_OUTPUT = 4096
# Seconds between two looks at a hook in a container, whose filter may know no poll.
_PAUSE = 0.005


@value
class Hook:
    """`args` with the program's name; `timeout` in seconds, 0 is any time."""

    path: str
    args: tuple[str, ...]
    env: tuple[str, ...] = ()
    timeout: int = 0


@value
class Hooks:
    """By the moment: where and when each kind runs, the specification says."""

    prestart: tuple[Hook, ...] = ()
    create_runtime: tuple[Hook, ...] = ()
    create_container: tuple[Hook, ...] = ()
    start_container: tuple[Hook, ...] = ()
    poststart: tuple[Hook, ...] = ()
    poststop: tuple[Hook, ...] = ()


_NAMES = {
    "prestart": "prestart",
    "createRuntime": "create_runtime",
    "createContainer": "create_container",
    "startContainer": "start_container",
    "poststart": "poststart",
    "poststop": "poststop",
}


def read_hooks(config: Object) -> Hooks:
    """The Hooks of a config.json; raises InvalidJson."""
    given = fields.obj(config, "hooks")
    return Hooks(
        **{
            field: tuple(_hook(row) for row in fields.objects(given, name))
            for name, field in _NAMES.items()
        }
    )


def _hook(row: Object) -> Hook:
    path = fields.text(row, "path")
    if not path.startswith("/"):
        raise InvalidJson(f"a hook's `path` {path!r} is not absolute")
    timeout = fields.optional_number(row, "timeout")
    if timeout is not None and timeout <= 0:
        raise InvalidJson(f"the hook {path} has a `timeout` that is not above zero")
    args = fields.texts(row, "args") or (path,)
    return Hook(path, args, fields.texts(row, "env"), timeout or 0)


class HookFailed(ContainerError):
    """A hook that could not run, failed, or took longer than it may."""


def run_hooks(kind: str, hooks: tuple[Hook, ...], state: bytes) -> None:
    """Run hooks in their order until one fails; raises HookFailed."""
    for hook in hooks:
        try:
            code, output = _run(hook, state)
        except OSError as error:
            raise HookFailed(
                f"the {kind} hook {hook.path} cannot run: {error.strerror}"
            ) from error
        if code is None:
            raise HookFailed(f"the {kind} hook {hook.path} took over {hook.timeout} s")
        if code:
            said = output.decode("utf-8", "replace").strip()
            raise HookFailed(
                f"the {kind} hook {hook.path} failed with exit code {code}"
                + (f": {said}" if said else "")
            )


def _run(hook: Hook, state: bytes) -> tuple[int | None, bytes]:
    """Its exit code, None for a hook that was too slow, and what it wrote."""
    reader = _fed(state)
    output, theirs = os.pipe()
    try:
        actions: list[Any] = [
            (os.POSIX_SPAWN_DUP2, reader, 0),
            (os.POSIX_SPAWN_DUP2, theirs, 1),
            (os.POSIX_SPAWN_DUP2, theirs, 2),
        ]
        environment = dict(pair.partition("=")[::2] for pair in hook.env)
        pid = os.posix_spawn(
            hook.path, hook.args, environment, file_actions=actions, setsigmask=()
        )
    except BaseException:
        os.close(output)
        raise
    finally:
        os.close(reader)
        os.close(theirs)
    try:
        return _attend(pid, output, hook.timeout)
    finally:
        os.close(output)


def _fed(state: bytes) -> int:
    """A descriptor to read the state from: a file in memory, so that nobody waits."""
    memory = os.memfd_create("state", os.MFD_CLOEXEC)
    os.write(memory, state)
    os.lseek(memory, 0, os.SEEK_SET)
    return memory


def _attend(pid: int, output: int, timeout: int) -> tuple[int | None, bytes]:
    """Wait for a hook, reading what it writes; kill it when its time is over.

    Its end counts, and not the end of its output: it may leave a process behind.
    """
    os.set_blocking(output, False)
    deadline = time.monotonic() + timeout if timeout else None
    said = b""
    while True:
        ended, status = os.waitpid(pid, os.WNOHANG)
        said = (said + _read(output))[:_MOST_OUTPUT]
        if ended:
            code = os.waitstatus_to_exitcode(status)
            return (code if code >= 0 else 128 - code), said
        if deadline is not None and time.monotonic() > deadline:
            os.kill(pid, _SIGKILL)
            os.waitpid(pid, 0)
            return None, said
        select.select((), (), (), _PAUSE)


def _read(fd: int) -> bytes:
    data = b""
    try:
        while piece := os.read(fd, 65536):
            data += piece
    except BlockingIOError:
        pass
    return data
