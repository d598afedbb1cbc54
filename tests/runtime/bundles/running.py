"""What tests of bundles do again and again."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.runtime.oci import Runtime, base_config

Change = Callable[[dict[str, Any]], None]


def output(
    runtime: Runtime, root: Path, script: str, change: Change = lambda _: None
) -> str:
    """What a shell script prints in a container; `change` edits its config.json."""
    config = base_config("sh", "-ec", script)
    change(config)
    bundle = runtime.bundle(config, root)
    return runtime("run", "--bundle", str(bundle), runtime.new_id())


def created(
    runtime: Runtime,
    root: Path,
    *args: str,
    change: Change = lambda _: None,
    **options: Any,
) -> str:
    """The ID of a container that was created and not started."""
    config = base_config(*args)
    change(config)
    bundle = runtime.bundle(config, root)
    identity = runtime.new_id()
    runtime("create", "--bundle", str(bundle), identity, **options)
    return identity


def started(runtime: Runtime, root: Path, *args: str, **options: Any) -> str:
    """The ID of a container that runs."""
    identity = created(runtime, root, *(args or ("sleep", "1000")), **options)
    runtime("start", identity)
    return identity


def until(condition: Callable[[], bool]) -> None:
    """Wait for what is about to happen."""
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.01)


def until_stopped(runtime: Runtime, identity: str) -> None:
    until(lambda: runtime.state(identity)["status"] == "stopped")


def exists(pid: int) -> bool:
    """Whether it lives; its remains do not count."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(")")[2].split()[0] not in "ZX"
