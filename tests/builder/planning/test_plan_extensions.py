"""What Dockerfiles cannot say: tests, several targets, UNSET, flags of RUN."""

from __future__ import annotations

import pytest

from lamina.builder.errors import InvalidInstruction, InvalidOption
from lamina.builder.solving.graph import (
    BaseOp,
    RunOp,
)
from tests.builder.planning.plans import (
    LAYERS,
    config_of,
    env_of,
    operations,
    planned,
)


def test_nothing_stands_on_a_test() -> None:
    text = "FROM base\nRUN make\nTEST --mount=type=tmpfs,target=/t check\nRUN install\n"
    graph = planned(text)
    _, make, test, install = graph.steps
    assert test.is_test and test.name == "[stage-0 3/4] TEST check"
    assert test.parent == make.index and install.parent == make.index
    assert graph.products[0].tip == install.index
    without = planned("FROM base\nRUN make\nRUN install\n")
    assert config_of(graph) == config_of(without)
    assert operations(planned(text, tests=False)) == operations(without)


def test_the_tests_of_every_stage_on_the_way_are_planned() -> None:
    text = (
        "FROM base AS a\nTEST a\nFROM base AS b\nTEST b\nFROM a AS c\nTEST c\n"
        "FROM scratch\nCOPY --from=c /x /\n"
    )
    tests = [step.name.partition("TEST ")[2] for step in planned(text).steps]
    assert sorted(filter(None, tests)) == ["a", "c"]


def test_flags_of_run_are_for_the_executor() -> None:
    run = planned("FROM base\nRUN --max-age=12h a\n").steps[1].operation
    assert isinstance(run, RunOp) and run.max_age == 12 * 3600 * 10**9
    run = planned("FROM base\nRUN --no-cache a\n").steps[1].operation
    assert isinstance(run, RunOp) and run.no_cache


def test_run_env_lets_in_what_it_names() -> None:
    text = "FROM base\nARG A=1\nARG B=2\nENV C=3 D=4\nRUN --env=A --env=C x\n"
    graph = planned(text)
    assert set(env_of(graph)) == {"A", "C", "PATH", "SOURCE_DATE_EPOCH"}
    assert config_of(graph).history[-1].created_by.startswith("RUN |1 A=1 /bin/sh")
    assert "D=4" in config_of(graph).env


def test_several_targets_are_one_graph() -> None:
    text = (
        "FROM base AS a\nRUN a\nFROM a AS b\nRUN b\nFROM a AS c\nRUN c\nFROM scratch\n"
    )
    graph = planned(text, targets=("c", "B", "c"))
    assert [product.name for product in graph.products] == ["c", "b"]
    assert len(graph.steps) == 4
    graph = planned(text, all_targets=True)
    assert [product.name for product in graph.products] == ["a", "b", "c"]
    assert [product.name for product in planned(text).products] == ["stage-3"]
    with pytest.raises(InvalidOption, match="No stage of Recipe has a name"):
        planned("FROM base\n", all_targets=True)


def test_a_stage_by_a_variable() -> None:
    text = "FROM base AS a\nRUN a\nFROM base\nARG S=%s\nCOPY --from=$S /x /x\n"
    graph = planned(text % "a")
    assert graph.steps[graph.steps[-1].reads[0]].name.endswith("RUN a")
    assert planned(text % "other").steps[-2].operation == BaseOp("other", LAYERS)
    for name, message in (
        ("", "--from is empty"),
        ("5", "no stage number 5"),
        ("later", "not done yet"),
    ):
        with pytest.raises(InvalidInstruction, match=message) as caught:
            planned(f"{text % name}FROM base AS later\nCOPY --from=1 /x /\n")
        assert caught.value.place.startswith("Recipe:5:")


def test_unset_leaves_what_was_not_named() -> None:
    text = "FROM base\nENV X=1 Y=2\nARG Z=3\nUNSET ENV X LANG\nRUN x\n"
    graph = planned(text)
    assert config_of(graph).env == ("PATH=/bin", "Y=2")
    assert {"Y", "Z"} <= set(env_of(graph)) and "X" not in env_of(graph)
    assert graph.notes == ()
    assert config_of(graph).history[-2].created_by == "UNSET ENV X LANG"


def test_unset_of_an_argument_is_told() -> None:
    graph = planned("FROM base\nARG X=1\nUNSET ENV X\nRUN x\n")
    assert env_of(graph)["X"] == "1"
    assert graph.notes == ("warning: UNSET ENV X: nothing has set it here. Recipe:3:1",)
