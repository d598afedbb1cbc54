"""What a recipe offers: stages, arguments, secrets, caches."""

from __future__ import annotations

import pytest

from lamina.lang.outline import NoSuchTarget, Outline, outline
from lamina.lang.parser import parse
from lamina.lang.source import Source

TEXT = """\
# VERSION of Debian
# unused is told by nothing
ARG VERSION=12
ARG UNUSED=1
ARG SUITE=v$VERSION
# base is what all stand on
FROM debian:$SUITE AS base
# MODE debug or release
ARG MODE=release

FROM base AS Build
ARG VERSION
ARG TARGETARCH
ARG EMPTY
ENV DIR=/cache
RUN --mount=type=cache,target=$DIR/$MODE --mount=type=cache,id=x,target=/x \\
    --mount=type=secret,id=token,required=true --mount=type=ssh make
RUN --mount=type=secret,target=/run/netrc --mount=type=secret,id=token true

FROM alpine AS docs
ARG LINKS=1
RUN --mount=type=bind,from=build,target=/b make docs

FROM scratch
COPY --from=Build /out /
"""


def outline_of(text: str, target: str = "", **given: str) -> Outline:
    recipe = parse(Source("Dockerfile", text))
    return outline(recipe, target, given, {"TARGETARCH": "amd64"})


def values(found: Outline) -> dict[str, str | None]:
    return {arg.name: arg.value for arg in found.args}


def test_stages() -> None:
    found = outline_of(TEXT)
    assert [(s.title, s.base, s.needs) for s in found.stages] == [
        ("base", "debian:v12", ()),
        ("build", "base", (0,)),
        ("docs", "alpine", (1,)),
        ("stage-3", "scratch", (1,)),
    ]
    assert found.target.index == 3
    assert found.stages[0].description == "is what all stand on"


def test_arguments_of_the_target_and_what_it_needs() -> None:
    found = outline_of(TEXT)
    assert values(found) == {
        "SUITE": "v12",
        "VERSION": "12",
        "MODE": "release",
        "TARGETARCH": "amd64",
        "EMPTY": None,
    }
    described = {arg.name: arg.description for arg in found.args if arg.description}
    assert described == {"VERSION": "of Debian", "MODE": "debug or release"}
    assert "LINKS" in values(outline_of(TEXT, "docs"))
    assert values(outline_of(TEXT, "base")) == {
        "VERSION": "12",
        "SUITE": "v12",
        "MODE": "release",
    }


def test_given_arguments() -> None:
    assert values(outline_of(TEXT, VERSION="13"))["SUITE"] == "v13"
    assert outline_of(TEXT, VERSION="13").stages[0].base == "debian:v13"


def test_mounts() -> None:
    found = outline_of(TEXT)
    assert [(s.name, s.required, s.span.line) for s in found.secrets] == [
        ("token", True, 17),
        ("netrc", False, 18),
    ]
    assert [agent.name for agent in found.ssh] == ["default"]
    assert [cache.id for cache in found.cache] == ["/cache/release", "x"]
    assert outline_of(TEXT, "base").secrets == ()


def test_triggers_of_a_stage_belong_to_those_on_top_of_it() -> None:
    text = (
        "FROM a AS base\nONBUILD RUN --mount=type=secret,id=s x\nONBUILD ARG A=1\n"
        "FROM base AS top\nFROM top AS more\n"
    )
    assert outline_of(text, "base").secrets == ()
    assert [s.name for s in outline_of(text, "top").secrets] == ["s"]
    assert values(outline_of(text, "top")) == {"A": "1"}


def test_what_is_not_known_stays_as_it_is_written() -> None:
    found = outline_of("FROM $NOWHERE\nARG P=$PATH:/x\nARG Q=${R:?needed}\n")
    assert found.target.base == "$NOWHERE"
    assert values(found) == {"P": "$PATH:/x", "Q": "${R:?needed}"}


def test_variables_that_double_each_other() -> None:
    lines = [f"ARG A{n + 1}=$A{n}$A{n}\n" for n in range(60)]
    found = outline_of("FROM a\nARG A0=0123456789\n" + "".join(lines))
    assert all(len(value or "") < 5000 for value in values(found).values())


@pytest.mark.parametrize(("target", "index"), [("BASE", 0), ("1", 1), ("", 3)])
def test_targets(target: str, index: int) -> None:
    assert outline_of(TEXT, target).target.index == index


def test_no_such_target() -> None:
    with pytest.raises(NoSuchTarget, match="no stage 'bild'") as caught:
        outline_of(TEXT, "bild")
    assert "build" in caught.value.hint
