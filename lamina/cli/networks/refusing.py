"""What the commands on networks say when they cannot do it."""

from __future__ import annotations

import contextlib

from lamina.runtime.errors import ContainerError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


@contextlib.contextmanager
def told() -> Iterator[None]:
    """Errors of these commands exit with 1, as docker's do: 125 is for `run`."""
    try:
        yield
    except ContainerError as error:
        error.exit_code = 1
        raise
