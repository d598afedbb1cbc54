from __future__ import annotations

import pytest

from lamina.lang.assist.completion import complete
from lamina.lang.assist.offer import Completion
from tests.lang.assist.cursors import cursor


def offers(text: str, name: str = "Dockerfile") -> list[Completion]:
    return list(complete(name, *cursor(text)))


def labels(text: str, name: str = "Dockerfile") -> list[str]:
    return [offer.label for offer in offers(text, name)]


def completed(text: str, label: str, name: str = "Dockerfile") -> str:
    """The text before the cursor, with an offer taken."""
    written, at = cursor(text)
    taken = next(offer for offer in offers(text, name) if offer.label == label)
    return written[: at - taken.typed] + (taken.insert or taken.label)


def test_instructions_at_the_start_of_a_line() -> None:
    found = labels("FROM a\nR|")
    assert {"RUN", "COPY", "FROM"} <= set(found)
    assert completed("FROM a\nR|", "RUN") == "FROM a\nRUN"


def test_what_lamina_adds_is_offered_in_its_own_files_only() -> None:
    assert "TEST" not in labels("FROM a\n|x")
    assert {"TEST", "UNSET"} <= set(labels("FROM a\n|x", "Recipe"))
    assert {"TEST", "UNSET"} <= set(labels("# lamina: scrub\nFROM a\nT|"))
    assert "--if-exists" in labels("FROM a\nCOPY --|", "Recipe")
    assert "--if-exists" not in labels("FROM a\nCOPY --|")


@pytest.mark.parametrize(
    ("text", "offer"),
    [
        ("|", "FROM"),
        ("f|", "from"),
        ("from a\nr|", "run"),
        ("from a\nR|", "run"),
        ("FROM a\nr|", "RUN"),
        ("FROM a |", "AS"),
        ("from a |", "as"),
        ("from a\nonbuild c|", "copy"),
    ],
)
def test_case_follows_the_file(text: str, offer: str) -> None:
    assert offer in labels(text)


def test_flags_of_the_instruction() -> None:
    found = labels("FROM a\nCOPY --|")
    assert {"--from", "--chown", "--parents"} <= set(found)
    assert "--mount" not in found
    assert completed("FROM a\nCOPY --fr|", "--from").endswith("COPY --from=")
    assert completed("FROM a\nCOPY -|", "--link").endswith("COPY --link")


def test_a_flag_is_offered_once_unless_it_may_be_repeated() -> None:
    assert "--chown" not in labels("FROM a\nCOPY --chown=1 --|")
    assert "--exclude" in labels("FROM a\nCOPY --exclude=1 --|")
    assert "--mount" in labels("FROM a\nRUN --mount=type=tmpfs,target=/x --|")


def test_no_flags_among_arguments() -> None:
    assert labels("FROM a\nRUN make --|") == []


def test_flags_on_continued_lines() -> None:
    text = "FROM a AS b\nFROM c\nCOPY \\\n  # why\n  --from=|"
    assert labels(text) == ["b"]


def test_values_of_flags() -> None:
    assert labels("FROM a\nRUN --network=|") == ["default", "none", "host"]
    assert labels("FROM a\nRUN --security=i|") == ["sandbox", "insecure"]
    assert labels("FROM a\nCOPY --link=|") == ["true", "false"]
    assert "linux/arm64" in labels("FROM --platform=|")


def test_mounts() -> None:
    assert "cache" in labels("FROM a\nRUN --mount=type=|")
    assert {"type", "target", "sharing"} <= set(labels("FROM a\nRUN --mount=|"))
    fields = labels("FROM a\nRUN --mount=type=secret,id=x,|")
    assert {"required", "env", "target"} <= set(fields)
    assert not {"id", "type", "sharing", "size"} & set(fields)
    assert labels("FROM a\nRUN --mount=type=cache,sharing=|") == [
        "shared",
        "private",
        "locked",
    ]
    assert completed("FROM a\nRUN --mount=type=cache,ta|", "target").endswith(
        "type=cache,target="
    )
    assert completed("FROM a\nRUN --mount=type=ssh,req|", "required").endswith(
        ",required"
    )


STAGES = "FROM a AS one\nFROM b AS two\nFROM c AS three\n"


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("COPY --from=|", ["two", "one"]),
        ("COPY --from=t|", ["two", "one"]),
        ("RUN --mount=type=bind,from=|", ["two", "one"]),
        ("ONBUILD COPY --from=|", ["two", "one"]),
        ("FROM |", ["three", "two", "one", "scratch"]),
        ("FROM --platform=linux/amd64 t|", ["three", "two", "one", "scratch"]),
    ],
)
def test_stages_above(line: str, expected: list[str]) -> None:
    found = [offer.label for offer in offers(STAGES + line) if offer.kind != "flag"]
    assert found == expected


def test_a_stage_tells_its_base() -> None:
    assert offers("FROM debian:12 AS x\nFROM a\nCOPY --from=|")[0].detail == (
        "FROM debian:12"
    )


SCOPES = """ARG BASE=debian
FROM $BASE AS one
ARG HERE=1
ENV BOTH=$HERE/x \\
    MORE=2
FROM one AS two
ENV UPPER=3
FROM scratch
"""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (SCOPES + "ENV A=$|", []),
        (SCOPES + "ARG OWN\nRUN echo ${|", ["OWN"]),
        (SCOPES + "FROM two\nRUN echo $|", ["HERE", "BOTH", "MORE", "UPPER"]),
        (SCOPES + "FROM two\nCOPY a /$B|", ["HERE", "BOTH", "MORE", "UPPER"]),
        (SCOPES + "FROM two\nRUN <<EOF\necho $|", ["HERE", "BOTH", "MORE", "UPPER"]),
        (SCOPES + "FROM one\nRUN \\\n echo a $|", ["HERE", "BOTH", "MORE"]),
        (SCOPES + "FROM one\nRUN echo \\$|", []),
    ],
)
def test_variables_in_scope(text: str, expected: list[str]) -> None:
    assert labels(text) == expected


def test_variables_of_from() -> None:
    found = labels(SCOPES + "FROM $|")
    assert "BASE" in found and "TARGETARCH" in found and "HERE" not in found


def test_variables_tell_their_value_and_close_their_brace() -> None:
    text = SCOPES + "FROM one\nRUN ${B|"
    assert offers(text)[1].detail == "ENV BOTH=1/x"
    assert completed(text, "BOTH").endswith("RUN ${BOTH}")


def test_args_to_repeat() -> None:
    found = labels("ARG VERSION=1\nFROM a\nARG |")
    assert found[0] == "VERSION" and "TARGETPLATFORM" in found


def test_words_after_some_instructions() -> None:
    assert labels("FROM a\nHEALTHCHECK --interval=3s |")[:2] == ["CMD", "NONE"]
    assert "SIGTERM" in labels("FROM a\nSTOPSIGNAL |")
    assert labels("FROM a\nEXPOSE 80/|") == ["tcp", "udp", "sctp"]
    assert "ENTRYPOINT" in labels("FROM a\nUNSET |", "Recipe")
    assert labels("FROM a\nENV A=1 B=2\nUNSET ENV |", "Recipe") == ["A", "B"]


def test_triggers() -> None:
    found = labels("FROM a\nONBUILD |")
    assert "COPY" in found and "FROM" not in found
    assert "--from" in labels("FROM a\nONBUILD COPY --|")


def test_directives() -> None:
    assert completed("# esc|", "escape") == "# escape="
    assert "lamina" in labels("# |")
    assert labels("FROM a\n# |") == ["check"]
    assert "template=jinja2" in labels("# lamina: |")
    assert "scrub" in labels("# lamina: s|", "Recipe")
    assert labels("# check=|") == ["skip=", "error=true"]
    found = labels("# check=skip=A,|")
    assert "all" in found and "StageNameCasing" in found


def test_a_comment_in_the_middle_of_an_instruction() -> None:
    assert labels("FROM a\nRUN x \\\n# $|") == []


def test_the_variables_of_a_template() -> None:
    text = "# lamina: var version:str = '1'\nFROM a:{{ ver|"
    assert completed(text, "version", "Recipe").endswith("{{ version")


def test_around_template_marks() -> None:
    text = "FROM {{ base }} AS one\n{% for x in y %}\nFROM c\nCOPY --from=|"
    assert labels(text, "Recipe") == ["one"]


def test_another_escape_character() -> None:
    text = "# escape=`\nFROM a AS b\nFROM c\nCOPY `\n--from=|"
    assert labels(text) == ["b"]
