"""BuildKit's rules, and where only compat keeps them."""

from __future__ import annotations

import pytest

from lamina.builder.planning.state import DEFAULT_PATH
from lamina.builder.solving.graph import (
    BaseOp,
)
from lamina.lang.source import RecipeError
from tests.builder.planning.plans import (
    BARE,
    LAYERS,
    config_of,
    copied,
    env_of,
    planned,
)


def test_globals_are_for_from_and_for_args_without_a_default() -> None:
    text = "ARG G=1\nARG H=$G\nFROM base\nRUN x\n"
    assert not {"G", "H"} & set(env_of(planned(text)))
    text = "ARG G=1\nARG H=2\nFROM base\nARG G\nARG H=own\nRUN x\n"
    env = env_of(planned(text))
    assert (env["G"], env["H"]) == ("1", "own")
    assert env_of(planned(text, build_args={"H": "given"}))["H"] == "given"


def test_the_default_of_a_given_argument_is_not_looked_at() -> None:
    text = "ARG B=${B:?needed}\nFROM base\nARG C=${C:?needed}\nRUN x\n"
    assert env_of(planned(text, build_args={"B": "1", "C": "2"}))["C"] == "2"
    with pytest.raises(RecipeError, match="B: needed"):
        planned(text)


@pytest.mark.parametrize(
    ("targets", "value"), [((), "default"), (("a",), "a"), (("a", "b"), "a,b")]
)
def test_the_target_as_an_argument(targets: tuple[str, ...], value: str) -> None:
    text = "FROM base AS a\nARG TARGETSTAGE\nRUN x\nFROM a AS b\nRUN x\nFROM a\n"
    assert env_of(planned(text, targets=targets))["TARGETSTAGE"] == value


def test_a_stage_inherits_arguments_and_no_triggers() -> None:
    text = "FROM base AS a\nARG A=1\nONBUILD ENV T=1\nFROM a AS b\nRUN x\nFROM b\n"
    graph = planned(text, targets=("b",))
    assert env_of(graph)["A"] == "1" and env_of(graph)["T"] == "1"
    assert config_of(graph).on_build == ()
    assert planned(text, targets=("a",)).products[0].config.on_build == ("ENV T=1",)


def test_scratch_has_a_path_and_a_folder() -> None:
    config = config_of(planned("FROM scratch\nLABEL a=b\n"))
    assert config.env == (f"PATH={DEFAULT_PATH}",)
    assert config.working_dir == "/"
    assert f"PATH={DEFAULT_PATH}" in config_of(planned("FROM b\n", BARE)).env


def test_from_in_another_case() -> None:
    text = "FROM base AS a\nRUN a\nFROM A\nRUN b\n"
    assert len(planned(text).steps) == 3
    assert planned(text, compat=True).steps[0].operation == BaseOp("A", LAYERS)


def test_a_quirk_is_in_a_step_only_where_it_may_count() -> None:
    assert copied("COPY --chown=1:2 a /b", compat=True).quirks == ()
    assert copied("COPY --chown=me a /b").quirks == ()
    assert copied("COPY --chown=me a /b", compat=True).quirks == ("unknown-owner",)
    assert copied("COPY a b /c/", compat=True).quirks == ()
    assert copied("COPY a b /c", compat=True).quirks == ("several-sources",)
    excluded = "COPY --exclude=*.o * /c/"
    assert copied(excluded, compat=True).quirks == ("excluded-files",)
    assert copied(excluded).quirks == ()


def test_chmod_switches_link_off_in_compat() -> None:
    text = "COPY --link --chmod=755 a /b"
    assert copied(text).link
    assert not copied(text, compat=True).link
    assert copied("COPY --link a /b", compat=True).link
