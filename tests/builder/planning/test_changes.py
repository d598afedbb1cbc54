"""builder.changes: `--change` of `commit` and `import`."""

from __future__ import annotations

import pytest

from lamina.builder.planning.changes import apply_changes
from lamina.lang.source import RecipeError
from lamina.oci.config import History, ImageConfig

CONFIG = ImageConfig(
    "amd64",
    "linux",
    env=("PATH=/bin", "A=1"),
    cmd=("old",),
    on_build=("RUN true",),
    history=(History(created_by="before"),),
)


def test_instructions_change_the_config_and_no_history() -> None:
    changes = ('CMD ["new"]', "ENV A=2 B=$A", "WORKDIR /a", "WORKDIR b", "USER me")
    found = apply_changes(CONFIG, changes)
    assert found.cmd == ("new",)
    assert found.env == ("PATH=/bin", "A=2", "B=1")
    assert (found.working_dir, found.user) == ("/a/b", "me")
    assert found.history == CONFIG.history


def test_triggers_are_added_and_not_run() -> None:
    found = apply_changes(CONFIG, ("ONBUILD COPY . /app",))
    assert found.on_build == ("RUN true", "COPY . /app")


def test_no_change() -> None:
    assert apply_changes(CONFIG, ("",)) == CONFIG


@pytest.mark.parametrize(
    "change", ["RUN true", "COPY a b", "ARG x", "FROM y", "NOSUCH", "ENV"]
)
def test_what_needs_more_than_a_config(change: str) -> None:
    with pytest.raises(RecipeError):
        apply_changes(CONFIG, (change,))
