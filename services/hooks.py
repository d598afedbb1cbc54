"""What a service has run in its containers: after they start, before they stop."""

from __future__ import annotations

from lamina.runtime.containers import exec as execution
from lamina.runtime.containers import state
from lamina.runtime.containers.console import Console
from lamina.services.errors import ComposeError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from lamina.runtime.containers.state import Container
    from lamina.services.project import Service


def after_start(root: str, container: Container, service: Service) -> None:
    """Run `post_start`; raises ComposeError when a command of it fails."""
    for hook in service.keys.get("post_start") or ():
        run(root, container, hook, "post_start")


def before_stop(root: str, container: Container, service: Service) -> None:
    """Run `pre_stop` in a container that runs; raises ComposeError."""
    hooks = service.keys.get("pre_stop") or ()
    if hooks and state.see(root, container.id).status == state.RUNNING:
        for hook in hooks:
            run(root, container, hook, "pre_stop")


def run(root: str, container: Container, hook: Mapping[str, Any], kind: str) -> None:
    """Run a command in a container, as exec does; `kind` is what it is called where it
    fails: ComposeError."""
    variables = hook.get("environment") or {}
    asked = execution.Execution(
        args=tuple(hook["command"]),
        env=tuple(f"{name}={given}" for name, given in variables.items()),
        user=str(hook.get("user") or ""),
        working_dir=hook.get("working_dir") or "",
        privileged=bool(hook.get("privileged")),
    )
    code = execution.execute(root, container, asked, Console(proxied=False))
    if code:
        raise ComposeError(
            f"{kind} of container {container.name} failed: "
            f"{' '.join(asked.args)} exited with {code}"
        )
