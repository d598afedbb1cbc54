"""PlanOptions: what the command line adds to a recipe."""

from __future__ import annotations

from collections.abc import Mapping

from lamina.values import EMPTY, value


@value
class PlanOptions:
    """What the command line adds to a recipe. `platform` is this machine's,
    `os/arch[/variant]`, and `platforms` those to build for, () for the same; `targets`,
    `all_targets`, `tests`, `allow` and `hosts` are as in BuildInputs."""

    platform: str
    targets: tuple[str, ...] = ()
    all_targets: bool = False
    tests: bool = True
    build_args: Mapping[str, str] = EMPTY
    labels: Mapping[str, str] = EMPTY
    network: str = "default"
    allow: frozenset[str] = frozenset()
    hosts: tuple[tuple[str, str], ...] = ()
    platforms: tuple[str, ...] = ()
    contexts: Mapping[str, str] = EMPTY
