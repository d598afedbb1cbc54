"""A container's health check, as its keeper wants it."""

from __future__ import annotations

from lamina.runtime.containers import process
from lamina.runtime.isolation.request import process_of
from lamina.values import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from lamina.oci.config import Healthcheck, ImageConfig
    from lamina.runtime.containers.state import Container

_SHELL = ("/bin/sh", "-c")


def check_of(config: ImageConfig) -> tuple[Any, ...] | None:
    """The fields of keeper/health.py's Check; None where none was asked for."""
    check = config.healthcheck
    args = _arguments(check, config.shell) if check is not None else ()
    if check is None or not args:
        return None
    from lamina.runtime.keeper.health import Check

    named = {
        "interval": check.interval,
        "timeout": check.timeout,
        "start_period": check.start_period,
        "start_interval": check.start_interval,
        "retries": check.retries,
    }
    # 0 is Docker's word for its default.
    found = Check(args, **{name: given for name, given in named.items() if given})
    return tuple(found.__dict__.values())


def probe(container: Container, bpf: bytes) -> dict[str, Any]:
    """What isolation/children.py needs to run the check: as `exec` would, as the
    container's user."""
    check = container.config.healthcheck
    args = _arguments(check, container.config.shell) if check is not None else ()
    if not args:
        return {}
    checking = replace(
        process.process(container),
        args=args,
        terminal=False,
        init=False,
        console_size=(0, 0),
    )
    return {"process": process_of(checking), "bpf": bpf, "detached": False}


def _arguments(check: Healthcheck, shell: tuple[str, ...] | None) -> tuple[str, ...]:
    kind, *rest = check.test or ("NONE",)
    if kind == "CMD":
        return tuple(rest)
    if kind == "CMD-SHELL":
        return (*(shell or _SHELL), *rest)
    return ()
