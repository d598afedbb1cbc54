"""What runs again after the machine's start, and in which order."""

from __future__ import annotations

import pytest

from lamina.oci.config import ImageConfig
from lamina.runtime.containers.booting import in_order, is_due
from lamina.runtime.containers.options import Options
from lamina.runtime.containers.state import Container, State
from lamina.values import replace

ENDED = State("exited", started=1, finished=2)


def container(name: str, **options: str) -> Container:
    config = ImageConfig(architecture="amd64", os="linux")
    chosen = Options(**options)  # type: ignore[arg-type]
    return Container(name, name, 1, "sha256:1a", "busybox", (), (), config, chosen)


@pytest.mark.parametrize(
    ("restart", "state", "again"),
    [
        ("no", ENDED, False),
        ("always", ENDED, True),
        # As with docker: who stops one of `always` stops it until the next start.
        ("always", replace(ENDED, stopped=True), True),
        ("always", State("created"), False),
        ("always", replace(ENDED, status="running"), False),
        ("always", replace(ENDED, status="restarting"), False),
        ("unless-stopped", ENDED, True),
        ("unless-stopped", replace(ENDED, stopped=True), False),
        ("on-failure", ENDED, False),
        ("on-failure", replace(ENDED, exit_code=137), True),
        ("on-failure", replace(ENDED, exit_code=137, stopped=True), False),
        ("on-failure:2", replace(ENDED, exit_code=1, restart_count=1), True),
        ("on-failure:2", replace(ENDED, exit_code=1, restart_count=2), False),
    ],
)
def test_policies(restart: str, state: State, again: bool) -> None:
    assert is_due(container("a", restart=restart), state) is again


@pytest.mark.parametrize("restart", ["always", "unless-stopped", "on-failure"])
def test_what_a_user_has_stopped_is_left_alone_while_the_machine_is_up(
    restart: str,
) -> None:
    lost = replace(ENDED, exit_code=137)
    assert is_due(container("a", restart=restart), lost, spared=True)
    assert not is_due(
        container("a", restart=restart), replace(lost, stopped=True), spared=True
    )


def test_whose_namespaces_are_shared_comes_first() -> None:
    last = container("last", pid="container:middle")
    middle = container("middle", ipc="container:first")
    first = container("first", pid="container:elsewhere")
    found = [one.name for one in in_order((last, middle, container("free"), first))]
    assert sorted(found) == ["first", "free", "last", "middle"]
    assert found.index("first") < found.index("middle") < found.index("last")


def test_a_circle_ends() -> None:
    one, two = container("a", pid="container:b"), container("b", pid="container:a")
    assert sorted(c.name for c in in_order((one, two))) == ["a", "b"]
