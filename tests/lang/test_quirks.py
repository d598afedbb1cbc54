"""What compat=buildkit changes: each row of the table, with and without it."""

from __future__ import annotations

from typing import Any

import pytest

from lamina.lang import quirks
from lamina.lang.dialect import DOCKERFILE, Dialect
from lamina.lang.expand import expand
from lamina.lang.mounts import mount_options
from lamina.lang.nodes import Copy, Run
from lamina.lang.parser import parse
from lamina.lang.recipe import Recipe
from lamina.lang.source import RecipeError, Source
from lamina.lang.stages import stage_names

COMPAT = Dialect(compat=True)


def read(text: str, dialect: Dialect) -> Recipe:
    return parse(Source("Dockerfile", f"FROM a AS a\n{text}\n"), dialect=dialect)


def node(text: str, dialect: Dialect = COMPAT) -> Any:
    return read(text, dialect).stages[0].instructions[0]


# Accepted by BuildKit, an error here.
STRICTER = {
    quirks.SEVERAL_SOURCES: "COPY a b c",
    quirks.IGNORED_FLAGS: "ARG --what=ever A",
    quirks.EMPTY_FLAGS: "COPY --chown= a b",
    quirks.EMPTY_COMMANDS: "RUN",
    quirks.MALFORMED_JSON: "CMD ['a']",
    quirks.LATE_WORDS: "ENV A=${B:=c}",
    quirks.COPY_ADDRESSES: "COPY file:///srv/repo.git /srv/",
    quirks.NAMELESS: "ENV A=${+b}",
    quirks.COLON_TRIMS: "ENV A=${B:#c}",
    quirks.HEALTH_FLAGS: "HEALTHCHECK --interval=often --no-such=flag NONE",
    quirks.MOUNT_REPEATS: "RUN --mount=type=tmpfs,target=/a,target=/b x",
    quirks.MOUNT_FIELDS: "RUN --mount=type=tmpfs,target=/a,id=b x",
}
# The other way round.
LENIENT = {
    quirks.MOUNT_ORDER: "RUN --mount=size=1m,type=tmpfs,target=/a x",
    quirks.LAST_STAGE: "FROM b\nCOPY --from=a x /y\nFROM c AS a",
}
# Both read it, as different things; tested below.
OTHER = {
    *(quirks.GROUPS, quirks.DOUBLED_SIGNS, quirks.PATTERN_ESCAPES),
    *(quirks.HEREDOC_WORDS, quirks.ESCAPED_ESCAPE, quirks.FROM_CASE),
}
# Asked for by the builder, and tested there.
BUILDER = {
    *(quirks.UNKNOWN_OWNER, quirks.LINK_CHMOD, quirks.EXCLUDED_FILES),
    *(quirks.EMPTY_WORDS, quirks.EMPTY_NAMES, quirks.SIGNAL_NUMBERS),
}


def test_every_row_is_tried() -> None:
    assert {*STRICTER, *LENIENT, *OTHER, *BUILDER} == set(quirks.QUIRKS)
    names = [quirk.name for quirk in quirks.QUIRKS]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("quirk", STRICTER, ids=lambda quirk: quirk.name)
def test_stricter_than_buildkit(quirk: quirks.Quirk) -> None:
    assert read(STRICTER[quirk], COMPAT)
    with pytest.raises(RecipeError):
        read(STRICTER[quirk], DOCKERFILE)


@pytest.mark.parametrize("quirk", LENIENT, ids=lambda quirk: quirk.name)
def test_more_lenient_than_buildkit(quirk: quirks.Quirk) -> None:
    assert read(LENIENT[quirk], DOCKERFILE)
    with pytest.raises(RecipeError):
        read(LENIENT[quirk], COMPAT)


def test_what_words_hold_is_told_when_they_expand() -> None:
    for text in ("ENV A=${B:=c}", 'ENV A="b', "LABEL a='b c"):
        word = node(text).pairs[0].value
        with pytest.raises(RecipeError):
            expand(word, {})


@pytest.mark.parametrize(
    ("written", "upstream", "ours"),
    [
        ("${V//b/'$0$0'}", "abbc", "a$0$0c"),
        ("${V//b/'<${0}>'}", "a<b>c", "a<${0}>c"),
        ("${V//b/'$1'x}", "ac", "a$1xc"),
        ("${V//b/'$$'}", "a$c", "a$$c"),
        ("${V/b/'$0'}", "a$0c", "a$0c"),
        ("${W:-${V//b/'$0!'}}", "ab!c", "a$0!c"),
    ],
)
def test_groups_of_a_replacement(written: str, upstream: str, ours: str) -> None:
    env = {"V": "abc"}
    for dialect, value in ((COMPAT, upstream), (DOCKERFILE, ours)):
        assert expand(node(f"ENV A={written}", dialect).pairs[0].value, env) == value


@pytest.mark.parametrize(
    ("written", "upstream", "ours"),
    [
        ("${V#'#'a*}", "#ax", "x"),
        ("${V#'#'?}", "ax", "x"),
        ("${V#$P}", "", "ax"),
        ("${V##'#'a}", "x", "x"),
        ("${W%'%'*b}", "", "ab"),
    ],
)
def test_what_a_pattern_begins_with(written: str, upstream: str, ours: str) -> None:
    env = {"V": "#ax", "P": "#*", "W": "ab"}
    for dialect, value in ((COMPAT, upstream), (DOCKERFILE, ours)):
        assert expand(node(f"ENV A={written}", dialect).pairs[0].value, env) == value


@pytest.mark.parametrize(
    "written", ["${V//\\x/y}", "${V#\\x}", "${V/\\#/y}", "${V%\\.}"]
)
def test_what_a_pattern_can_escape(written: str) -> None:
    assert expand(node(f"ENV A={written}", DOCKERFILE).pairs[0].value, {"V": "xx"})
    with pytest.raises(RecipeError, match="A pattern cannot escape") as caught:
        expand(node(f"ENV A={written}").pairs[0].value, {"V": "x"})
    assert caught.value.span.text == written


def test_a_backtick_in_a_pattern_is_itself() -> None:
    text = "# escape=`\nFROM a\nENV A=${V#`*}\n"
    values = {
        dialect: expand(_first_value(text, dialect), {"V": "`*x"}, "`")
        for dialect in (COMPAT, DOCKERFILE)
    }
    assert values == {COMPAT: "*x", DOCKERFILE: "`*x"}


def _first_value(text: str, dialect: Dialect) -> Any:
    recipe = parse(Source("Dockerfile", text), dialect=dialect)
    (env,) = recipe.stages[0].instructions
    return env.pairs[0].value  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("line", "upstream", "ours"),
    [
        ("echo $((1 << 2))", ["2))"], []),
        ("echo $((1<<2))", [], []),
        ("echo ${x^^} <<E", [], ["E"]),
        ('echo "${#x}" <<E', [], ["E"]),
        ("echo '${x^^}' <<E", ["E"], ["E"]),
        ("echo ${x:-y} <<E", ["E"], ["E"]),
    ],
)
def test_what_opens_a_heredoc(line: str, upstream: list[str], ours: list[str]) -> None:
    for dialect, names in ((COMPAT, upstream), (DOCKERFILE, ours)):
        bodies = "".join(f"\n{name}" for name in names)
        run = node(f"RUN {line}{bodies}", dialect)
        assert [heredoc.name for heredoc in run.heredocs] == names


def test_three_escapes_at_the_end_of_a_line() -> None:
    text = "RUN a\\\\\\\nRUN b"
    assert node(text, DOCKERFILE).command.text == "a\\\\RUN b"
    assert node(text).command.text == "a\\\\\\"


def test_a_stage_in_another_case() -> None:
    recipe = read("FROM A", DOCKERFILE)
    assert stage_names(recipe.stages, DOCKERFILE).base("A", 1) is recipe.stages[0]
    assert stage_names(recipe.stages, COMPAT).base("A", 1) is None
    assert stage_names(recipe.stages, COMPAT).source("A", 1) is recipe.stages[0]


def test_what_becomes_of_the_accepted() -> None:
    run = node(STRICTER[quirks.MOUNT_REPEATS])
    assert mount_options(run.mounts[0], {}, dialect=COMPAT).target == "/b"
    run = node(STRICTER[quirks.MOUNT_FIELDS])
    assert mount_options(run.mounts[0], {}, dialect=COMPAT).id == ""
    copy = node(STRICTER[quirks.EMPTY_FLAGS])
    assert isinstance(copy, Copy) and copy.chown is None
    empty = node("RUN")
    assert isinstance(empty, Run) and empty.command.text == ""  # type: ignore[union-attr]


@pytest.mark.parametrize("name", ["size", "required", "mode", "uid", "sharing"])
def test_fields_that_are_never_ignored(name: str) -> None:
    value = {"size": "1m", "required": "true", "mode": "7", "uid": "1"}.get(
        name, "shared"
    )
    with pytest.raises(RecipeError):
        node(f"RUN --mount=type=bind,target=/a,{name}={value} x")
