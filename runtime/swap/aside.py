"""A command beside a container's program, whose output is passed on."""

from __future__ import annotations

import os
import threading

from lamina.runtime.containers.console import Console
from lamina.runtime.containers.exec import Execution, execute

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from lamina.runtime.containers.state import Container


def run_aside(
    root: str, container: Container, script: str, wrote: Callable[[bytes], None]
) -> int:
    """Run a shell script in a running container; its exit code. `wrote` gets what it
    writes. Raises ContainerError."""
    reader, writer = os.pipe()

    def read() -> None:
        while data := os.read(reader, 1 << 16):
            wrote(data)

    thread = threading.Thread(target=read, name="lamina-aside")
    thread.start()
    shell = container.config.shell or ("/bin/sh", "-c")
    try:
        console = Console(stdout=writer, stderr=writer, proxied=False)
        code = execute(root, container, Execution((*shell, script)), console)
    finally:
        os.close(writer)
        thread.join()
        os.close(reader)
    return code or 0
