from __future__ import annotations

import pytest

from lamina.lang.assist.hover import hover
from lamina.lang.assist.reading import read
from lamina.lang.assist.reference.flags import FLAGS
from lamina.lang.assist.reference.instructions import INSTRUCTIONS
from lamina.lang.assist.reference.mounts import MOUNT_FIELDS, MOUNT_TYPES
from lamina.lang.assist.reference.variables import VARIABLES
from tests.lang.assist.cursors import cursor


def told(text: str, name: str = "Dockerfile") -> tuple[str, str]:
    """What is said, and about which characters."""
    written, at = cursor(text)
    found = hover(read(name, written), at)
    return ("", "") if found is None else (found.text, found.place.text)


@pytest.mark.parametrize(
    ("text", "said", "about"),
    [
        ("FROM a\nR|UN x", INSTRUCTIONS["RUN"].text, "RUN"),
        ("from a\nrun| x", INSTRUCTIONS["RUN"].text, "run"),
        ("FROM a\nONBUILD C|OPY a b", INSTRUCTIONS["COPY"].text, "COPY"),
        ("FROM a\nONBU|ILD COPY a b", INSTRUCTIONS["ONBUILD"].text, "ONBUILD"),
        ("FROM a\nCOPY --ch|own=1 a b", FLAGS["COPY"]["chown"].text, "--chown=1"),
        ("FROM a\nADD --li|nk a b", FLAGS["ADD"]["link"].text, "--link"),
        (
            "FROM a\nRUN --mount=type=ca|che,target=/x y",
            MOUNT_TYPES["cache"].text,
            "cache",
        ),
        (
            "FROM a\nRUN --mount=type=cache,d|st=/x y",
            MOUNT_FIELDS["target"].text,
            "dst",
        ),
        (
            "FROM a\nRUN --mo|unt=type=cache,dst=/x y",
            FLAGS["RUN"]["mount"].text,
            "--mount=type=cache,dst=/x",
        ),
        ("FROM a\nRUN --network=no|ne x", "Loopback only.", "none"),
        ("FROM --platform=$BUILD|PLATFORM a", "of this machine", "BUILDPLATFORM"),
        ("# syn|tax=a\nFROM a", "the language itself", "# syntax=a"),
        ("# lamina: scr|ub\nFROM a", "package managers", "# lamina: scrub"),
    ],
)
def test_words_of_the_language(text: str, said: str, about: str) -> None:
    found, place = told(text)
    assert said in found
    assert place == about


def test_what_lamina_adds() -> None:
    assert told("FROM a\nTES|T x")[0] == ""
    assert INSTRUCTIONS["TEST"].text in told("FROM a\nTES|T x", "Recipe")[0]


@pytest.mark.parametrize(
    "text", ["|", "FROM a\n|\nRUN x", "# a com|ment", "FROM a\nRUN ec|ho", "FROM a|"]
)
def test_nothing_to_say(text: str) -> None:
    assert told(text) == ("", "")


def test_a_variable_and_what_it_holds() -> None:
    found, place = told(
        'ARG V="1.2"\nFROM a AS x\nARG V\nENV W=v${V}\nFROM x\nRUN echo $W|'
    )
    assert place == "W"
    assert "ENV W=v${V}" in found
    assert "Set on line 4." in found
    assert "Its value is `v1.2`." in found


def test_an_arg_that_repeats_one_above() -> None:
    found, _ = told('ARG V="1.2"\nFROM a\nARG V\nRUN echo $V|')
    assert found.index("Set on line 3.") < found.index("Set on line 1.")
    assert "Its value is `1.2`." in found
    assert "--build-arg V" in found


def test_an_automatic_variable() -> None:
    assert (
        VARIABLES["TARGETARCH"] in told("FROM a\nARG TARGETARCH\nRUN $TARGETARC|H")[0]
    )


def test_variables_that_grow_without_end() -> None:
    lines = ["ENV A=xxxxxxxxxx", *["ENV A=$A$A$A$A$A$A$A$A"] * 200]
    assert "Its value" not in told("\n".join(["FROM a", *lines, "RUN $|A"]))[0]


def test_a_value_that_hangs_on_the_base_is_not_told() -> None:
    assert "Its value" not in told("FROM a\nENV PATH=/x:$PATH\nRUN $PAT|H")[0]


def test_a_stage_and_what_it_stands_on() -> None:
    text = "FROM debian:12 AS base\nFROM base AS build\nFROM a\nCOPY --from=bui|ld a b"
    found, place = told(text)
    assert place == "build"
    assert "FROM base AS build" in found
    assert "on line 1: `FROM debian:12 AS base`" in found


def test_a_template_is_shown_as_it_is_written() -> None:
    text = "FROM {{ image }} AS base\nFROM a\nCOPY --from=ba|se a b"
    assert "FROM {{ image }} AS base" in told(text, "Recipe")[0]
