"""The instructions and flags that are Lamina's own."""

from __future__ import annotations

import pytest

from lamina.lang.dialect import EXTENDED
from tests.lang.single import error, one, texts


def test_unset() -> None:
    unset = one("UNSET env A $B", EXTENDED)
    assert (unset.what, texts(unset.names)) == ("ENV", ["A", "$B"])
    assert one("UNSET CMD", EXTENDED).names == ()
    assert error("UNSET ENVS", EXTENDED).hint == "Did you mean ENV?"
    assert "no names" in error("UNSET USER root", EXTENDED).message


def test_a_test_has_all_of_run() -> None:
    node = one("TEST --mount=type=tmpfs,target=/x --network=none <<E\nx\nE", EXTENDED)
    assert node.test and node.network == "none" and len(node.mounts) == 1
    assert node.heredocs[0].content == "x\n"
    assert not one("RUN x").test


@pytest.mark.parametrize(
    ("written", "hours"),
    [("12h", 12), ("7d", 168), ("1d12h", 36), ("90m", 1.5), ("1.5d", 36)],
)
def test_max_age(written: str, hours: float) -> None:
    node = one(f"RUN --max-age={written} x", EXTENDED)
    assert node.max_age == hours * 3600 * 10**9


def test_steps_with_few_variables() -> None:
    assert one("RUN x").env is None
    assert one("RUN --env=A --env=B_1 --env=A x", EXTENDED).env == ("A", "B_1")
    assert "cannot name a variable" in error("RUN --env=A=b x", EXTENDED).message
    assert one("RUN --no-cache x", EXTENDED).no_cache
    assert "exclude" in error("RUN --no-cache --max-age=1h x", EXTENDED).message


def test_sources_that_may_be_missing_and_a_stage_in_a_variable() -> None:
    copy = one("COPY --if-exists --from=${WHICH:-a} x /y", EXTENDED)
    assert copy.if_exists and copy.from_.text == "${WHICH:-a}"
    assert copy.from_.parts is not None and copy.from_.span.text == "${WHICH:-a}"


@pytest.mark.parametrize(
    "text",
    [
        *("UNSET CMD", "TEST x", "RUN --no-cache x", "RUN --max-age=1h x"),
        *("RUN --env=A x", "COPY --if-exists a b", "COPY --from=$A a b"),
        "ONBUILD TEST x",
    ],
)
def test_a_dockerfile_has_none_of_it_and_says_how_to_get_it(text: str) -> None:
    assert "# lamina: extended" in error(text).hint
    assert one(text, EXTENDED)
