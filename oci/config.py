"""ImageConfig: how an image runs, and the layers it is made of.

OCI image-spec, config.md; the fields that only Docker has (Healthcheck, OnBuild,
Shell, ArgsEscaped) as in moby's image/spec. An image's ID is its config's digest.
"""

from __future__ import annotations

from collections.abc import Mapping

from lamina.oci.digest import Digest
from lamina.values import EMPTY, replace, value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


@value
class Healthcheck:
    """`test` is ("NONE",), ("CMD", ...) or ("CMD-SHELL", text); times in ns."""

    test: tuple[str, ...]
    interval: int = 0
    timeout: int = 0
    start_period: int = 0
    start_interval: int = 0
    retries: int = 0


@value
class History:
    """One line of `history`; `created` is RFC 3339 text, or empty when unknown."""

    created: str = ""
    created_by: str = ""
    comment: str = ""
    author: str = ""
    empty_layer: bool = False


@value
class ImageConfig:
    """An image's configuration. Absent lists are None where absence has a meaning."""

    architecture: str
    os: str
    variant: str = ""
    os_version: str = ""
    created: str = ""
    author: str = ""
    user: str = ""
    exposed_ports: tuple[str, ...] = ()
    env: tuple[str, ...] = ()
    entrypoint: tuple[str, ...] | None = None
    cmd: tuple[str, ...] | None = None
    volumes: tuple[str, ...] = ()
    working_dir: str = ""
    labels: Mapping[str, str] = EMPTY
    stop_signal: str = ""
    shell: tuple[str, ...] | None = None
    on_build: tuple[str, ...] = ()
    args_escaped: bool = False
    healthcheck: Healthcheck | None = None
    diff_ids: tuple[Digest, ...] = ()
    history: tuple[History, ...] = ()
    # What others wrote beside these, kept as it was: top level, and under `config`.
    other: Mapping[str, Any] = EMPTY
    other_config: Mapping[str, Any] = EMPTY


def with_whole_history(config: ImageConfig, layers: int) -> ImageConfig:
    """`config` with a line of history that is not empty for each of `layers`, so that
    the lines of further layers stand beside theirs.

    Where lines are missing, some are put last; where there are too many, the upper ones
    are said to be empty (as BuildKit's exporter/containerimage/writer.go does).
    """
    lines, seen = list(config.history), 0
    for index, entry in enumerate(lines):
        if not entry.empty_layer and seen == layers:
            lines[index] = replace(entry, empty_layer=True)
        else:
            seen += not entry.empty_layer
    lines += [History()] * (layers - seen)
    history = tuple(lines)
    return config if history == config.history else replace(config, history=history)
