from __future__ import annotations

import pytest

from lamina.lang.assist.names import definition, references, rename
from lamina.lang.assist.reading import read
from lamina.lang.source import RecipeError
from tests.lang.assist.cursors import cursor


def defined(text: str, name: str = "Dockerfile") -> str:
    """The line and what stands there where the name at the cursor is made."""
    written, at = cursor(text)
    place = definition(read(name, written), at)
    return "" if place is None else f"{place.line}: {place.text}"


def places(text: str) -> list[str]:
    written, at = cursor(text)
    return [f"{p.line}: {p.text}" for p in references(read("Dockerfile", written), at)]


STAGES = "FROM a AS One\nFROM one AS two\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (STAGES + "COPY --from=o|ne a b", "1: One"),
        (STAGES + "COPY --from=|0 a b", "1: One"),
        (STAGES + "COPY --from=two| a b", ""),
        (STAGES + "RUN --mount=from=on|e,target=/x true", "1: One"),
        (STAGES + "ONBUILD COPY --from=o|ne a b", "1: One"),
        ("FROM a AS One\nFROM o|ne AS two\n", "1: One"),
        ("FROM a AS x\nFROM b AS x\nFROM |x", "2: x"),
        ("FROM a AS x\nFROM debian|", ""),
        ("FROM a\nFROM |0", ""),
    ],
)
def test_stages(text: str, expected: str) -> None:
    assert defined(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ARG V=1\nFROM a:$|V", "1: V"),
        ("ARG V=1\nFROM a:${V|:-2}", "1: V"),
        ("ARG V=1\nFROM a\nARG |V", "1: V"),
        ("ARG V=1\nFROM a\nARG V\nENV X=$V|", "3: V"),
        ("ARG V=1\nFROM a\nENV X=$V|", ""),
        ("FROM a\nENV A=1 \\\n  B=2\nRUN echo $|B", "3: B"),
        ("FROM a\nENV A=1\nENV A=$|A", "2: A"),
        ("FROM a\nENV A=1 B=$|A", ""),
        ("FROM a AS x\nENV A=1\nFROM x\nCOPY $|A /", "2: A"),
        ("FROM a\nENV A=1\nRUN <<EOF\necho ${|A}\nEOF\n", "2: A"),
        ("FROM a\nENV A=1\nRUN echo ${X:-$|A}", "2: A"),
        ("FROM a\nENV A=1\nRUN echo \\$|A", ""),
        ("FROM a\nENV A 1 2\nRUN echo $|A", "2: A"),
    ],
)
def test_variables(text: str, expected: str) -> None:
    assert defined(text) == expected


def test_among_template_marks() -> None:
    text = (
        "FROM {{ base }} AS x\n{% for p in ps %}\n"
        "FROM b\nCOPY --from=|x {{ p }} /\n{% endfor %}"
    )
    assert defined(text, "Recipe") == "1: x"


def test_references() -> None:
    assert places(STAGES + "FROM c\nCOPY --from=0 a b\nCOPY --from=o|ne a b") == [
        "1: One",
        "2: one",
        "4: 0",
        "5: one",
    ]
    assert places("ARG |V=1\nFROM a:$V\nARG V\nENV W=${V}$W\nFROM b\nRUN $V") == [
        "1: V",
        "2: V",
        "3: V",
        "4: V",
    ]
    assert places("FROM a\n|RUN x") == []


def test_rename_leaves_numbers() -> None:
    written, at = cursor(STAGES + "FROM c\nCOPY --from=0 a b\nCOPY --from=o|ne a b")
    found = rename(read("Dockerfile", written), at, "base")
    assert [place.text for place in found] == ["One", "one", "one"]


@pytest.mark.parametrize(
    ("text", "name"),
    [("FROM a AS |x", "1x"), ("FROM a AS |x", "a b"), ("FROM a\nARG |X", "A-B")],
)
def test_a_new_name_has_to_be_one(text: str, name: str) -> None:
    written, at = cursor(text)
    with pytest.raises(RecipeError, match="cannot be the new name"):
        rename(read("Dockerfile", written), at, name)
