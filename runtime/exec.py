"""`exec`: one more process in a container that runs."""

from __future__ import annotations

import contextlib
import os

from lamina.runtime import plan, state
from lamina.runtime.errors import ContainerError
from lamina.runtime.session import Console, Session, open_streams
from lamina.runtime.supervisor import seccomp_filter
from lamina.values import replace, value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lamina.oci.store import Store
    from lamina.runtime.spec import Process
    from lamina.runtime.state import Container
    from lamina.runtime.zygote import Zygote


@value
class Execution:
    """What `exec` asks for; "" and () as the container has it."""

    args: tuple[str, ...]
    env: tuple[str, ...] = ()
    user: str = ""
    working_dir: str = ""
    terminal: bool = False
    interactive: bool = False
    privileged: bool = False
    detached: bool = False


def execute(
    store: Store,
    zygote: Zygote,
    container: Container,
    asked: Execution,
    console: Console,
) -> int:
    """Run a command in a container; its exit code, or 0 at once when detached.

    `zygote` is one with `exec_only`. Raises ContainerError when the container does
    not run, and as launch_exec does.
    """
    pidfd, found = _running(store, container)
    options = container.options
    if asked.privileged:
        container = replace(container, options=replace(options, privileged=True))
    with contextlib.ExitStack() as stack:
        stack.callback(os.close, pidfd)
        streams, ends = open_streams(asked.terminal, asked.interactive, stack)
        try:
            sandbox = zygote.launch_exec(
                pidfd,
                _process(container, asked, console),
                streams,
                bpf=seccomp_filter(store, container),
                cgroups=_cgroups(found.cgroup),
                detached=asked.detached,
            )
        except BaseException:
            ends.close()
            raise
    with sandbox:
        if asked.detached:
            ends.close()
            return 0
        return Session(sandbox, ends, console).run().code


def join_session(root: str, name: str) -> None:
    """As an ordinary user: enter the user namespace that the container is in.

    Each session of a user has one of its own; who owns it may enter it from outside
    (user_namespaces(7)), and is its root then. For a process with one thread.
    """
    from lamina.runtime import syscalls

    found = state.see(root, state.find(root, name))
    pidfd = state.open_process(found.init)
    if pidfd is None:
        return  # `execute` says that it does not run
    try:
        syscalls.setns(pidfd, syscalls.CLONE_NEWUSER)
        with contextlib.suppress(PermissionError):
            os.setgroups([])  # denied where only one id is mapped
        syscalls.unshare(syscalls.CLONE_NEWNS)
    finally:
        os.close(pidfd)


def _running(store: Store, container: Container) -> tuple[int, state.State]:
    found = state.see(store.root, container.id)
    pidfd = state.open_process(found.init) if found.status == state.RUNNING else None
    if pidfd is None:
        status = "is paused" if found.status == state.PAUSED else "is not running"
        error = ContainerError(
            f"Container {container.name} {status}.",
            hint="`lamina ps` lists those that run.",
        )
        error.exit_code = 1
        raise error
    return pidfd, found


def _process(container: Container, asked: Execution, console: Console) -> Process:
    """The container's own process, with what was asked for instead."""
    from lamina.runtime.streams import size_of

    size = size_of(console.terminal) if console.terminal >= 0 else (0, 0)
    return replace(
        plan.process(container),
        args=asked.args,
        env=plan.environment(container, asked.terminal, asked.env),
        cwd=asked.working_dir or container.config.working_dir or "/",
        user=asked.user or container.config.user,
        terminal=asked.terminal,
        console_size=size,
        init=False,
    )


def _cgroups(path: str) -> tuple[str, ...]:
    if not path:
        return ()
    from lamina.runtime.cgroup import Cgroup

    return Cgroup(path).directories
