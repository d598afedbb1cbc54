"""The one layout, and that it never means something else."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings

from lamina.lang.dialect import DOCKERFILE, Dialect
from lamina.lang.formatting.format import format_source
from lamina.lang.formatting.reader import Reader
from lamina.lang.formatting.sameness import (
    FormatRefused,
    check_same,
    meaning_of,
    nodes_of,
)
from lamina.lang.parser import parse
from lamina.lang.recipe import Recipe
from lamina.lang.source import RecipeError, Source
from tests.lang.strategies import extended_instructions, recipes
from tests.lang.test_fuzz import RECIPES


def formatted(text: str, name: str = "Dockerfile") -> str:
    return format_source(Source(name, text))


def after(*lines: str) -> str:
    """The text of the lines, formatted, without its base."""
    text = formatted("FROM a\n" + "\n".join(lines))
    assert formatted(text) == text
    return text.removeprefix("FROM a\n").removesuffix("\n")


def tree(recipe: Recipe) -> list[object]:
    """All that a recipe says, without places. ENV and LABEL by their values: of them
    the formatter may change the quotes."""
    stages = ((stage.base, *stage.instructions) for stage in recipe.stages)
    nodes = (*recipe.global_args, *(node for stage in stages for node in stage))
    directives = [(d.name, d.value, d.heading) for d in recipe.directives]
    return [recipe.escape, directives, *map(meaning_of, nodes)]


@pytest.mark.parametrize(
    ("before", "expected"),
    [
        ("run   echo  a", "RUN echo  a"),
        ("  \tcmd\t[ 'a' ]".replace("'", '"'), 'CMD ["a"]'),
        ('CMD [ "a","b" , "c"]', 'CMD ["a", "b", "c"]'),
        ("CMD []", "CMD []"),
        ("Copy  --link   a    b  /c/", "COPY --link a b /c/"),
        ("COPY --  --odd /c", "COPY -- --odd /c"),
        ("env A=1   B='x  y'", "ENV A=1 B='x  y'"),
        ("expose 80   443", "EXPOSE 80 443"),
        (
            "healthcheck  --timeout=3s   cmd  curl  -f x",
            "HEALTHCHECK --timeout=3s CMD curl  -f x",
        ),
        ("healthcheck none", "HEALTHCHECK NONE"),
        ("workdir   /a b", "WORKDIR /a b"),
        ("user  me", "USER me"),
        ('shell ["/bin/bash","-c"]', 'SHELL ["/bin/bash", "-c"]'),
        ('volume ["/a","/b"]', 'VOLUME ["/a", "/b"]'),
        ("arg  A   B=1", "ARG A B=1"),
        # The image keeps a trigger's text.
        ("onbuild  run   x  y", "ONBUILD run   x  y"),
        ("LABEL a.b=c   d=e", "LABEL a.b=c d=e"),
        ("maintainer  A  <a@b.example>", "MAINTAINER A  <a@b.example>"),
    ],
)
def test_words(before: str, expected: str) -> None:
    assert after(before) == expected


@pytest.mark.parametrize(
    ("before", "expected"),
    [
        ("ENV A b", "ENV A=b"),
        ("ENV A b  c", 'ENV A="b  c"'),
        ("ENV A $B:/x y", 'ENV A="$B:/x y"'),
        ('ENV A "b c"', 'ENV A="b c"'),
        ("LABEL a  it is", 'LABEL a="it is"'),
        # Within double quotes these would be something else, or hard to read.
        ("ENV A the 'b'", "ENV A the 'b'"),
        ('ENV A the "b" c', 'ENV A the "b" c'),
        (r"ENV A b\ c d", r"ENV A b\ c d"),
        ("ENV A b \\\n  c", "ENV A b \\\n  c"),
    ],
)
def test_pairs_without_equals(before: str, expected: str) -> None:
    assert after(before) == expected


def test_lines_that_go_on() -> None:
    assert after(
        "ENV A=1\\",
        "  B=2 \\  ",
        "",
        "# why",
        "",
        "      C=3",
        'COPY [ "a", \\',
        '"b" \\',
        ' , "c/" ]',
    ).split("\n") == [
        "ENV A=1 \\",
        "    B=2 \\",
        "    # why",
        "    C=3",
        'COPY ["a", \\',
        '    "b", \\',
        '    "c/"]',
    ]


def test_the_text_of_a_shell_stays() -> None:
    lines = (
        "RUN apt-get update  && \\",
        "  # the tools",
        "  apt-get install  curl   \\",
        "\t&& ech\\",
        "o ok",
    )
    assert after(*lines).split("\n") == list(lines)


def test_flags_stand_above_the_text_that_follows_them() -> None:
    assert after(
        "RUN --mount=type=ssh\\",
        "        --network=none    git clone x && \\",
        "  make",
        "RUN --network=none \\",
        "make",
    ).split("\n") == [
        "RUN --mount=type=ssh \\",
        "  --network=none git clone x && \\",
        "  make",
        "RUN --network=none \\",
        "    make",
    ]


def test_a_blank_line_between_stages() -> None:
    text = "ARG V=1\nFROM a:$V\nRUN x\n# the rest\nFROM b\n\n\n\nRUN y\n# end\n\n\n"
    assert formatted(text) == (
        "ARG V=1\nFROM a:$V\nRUN x\n\n# the rest\nFROM b\n\nRUN y\n# end\n"
    )


def test_directives() -> None:
    text = (
        "#  Syntax = docker/dockerfile:1  \n#escape=`\n#check= skip=all\n"
        "#   lamina:  scrub \nFROM a\nRUN x `\n    y\n"
    )
    assert formatted(text) == (
        "# syntax=docker/dockerfile:1\n# escape=`\n# check=skip=all\n"
        "# lamina: scrub\nFROM a\nRUN x `\n    y\n"
    )


def test_what_is_no_directive_does_not_become_one() -> None:
    assert formatted("\n\n# escape=`\nFROM a\n") == "\n# escape=`\nFROM a\n"
    assert formatted("\n\n# about\nFROM a\n") == "# about\nFROM a\n"


def test_heredocs_stay_to_the_byte() -> None:
    text = (
        "FROM a\r\nrun   cat <<A  <<-'B'\r\n  x  \r\nA\r\n\r\n\ty\r\n\tB\r\n"
        "copy  <<C   /x\n\nC\n"
    )
    assert formatted(text) == (
        "FROM a\nRUN cat <<A  <<-'B'\n  x  \r\nA\n\r\n\ty\r\n\tB\nCOPY <<C /x\n\nC\n"
    )


def test_line_ends_and_marks() -> None:
    assert formatted("\ufefffrom a\r\nrun x \\\r\n  y") == "FROM a\nRUN x \\\n  y\n"


def test_an_escape_at_the_end_of_the_file() -> None:
    assert formatted("FROM a\nRUN x \\") == "FROM a\nRUN x\n"
    assert formatted("FROM a\nRUN x \\\n# c\n") == "FROM a\nRUN x \\\n    # c\n"


def test_extended_recipes() -> None:
    text = "from a\nunset env  A  B\ntest  x  y\nunset cmd\n"
    assert formatted(text, "Recipe") == (
        "FROM a\nUNSET ENV A B\nTEST x  y\nUNSET CMD\n"
    )


def test_malformed_json_is_text_where_it_is_buildkits() -> None:
    source = Source("Dockerfile", "FROM a\ncmd  ['a',  'b']\n")
    with pytest.raises(RecipeError):
        format_source(source)
    compat = Dialect(compat=True)
    assert format_source(source, compat) == "FROM a\nCMD ['a',  'b']\n"


def test_what_cannot_be_parsed_is_told_as_elsewhere() -> None:
    with pytest.raises(RecipeError, match="There is no instruction RUNN"):
        formatted("FROM a\nRUNN x\n")


@pytest.mark.parametrize(
    ("result", "message"),
    [
        ("FROM a\nCOPY a b\nRUN <<E\nx\nE\n", "Dockerfile:2:1 would not mean the same"),
        ("FROM a\nCOPY --link a b\nRUN <<E\ny\nE\n", "Dockerfile:3:1 would not be"),
        ("FROM a\nCOPY --link a b\n", "directives or instructions"),
        ("# escape=`\nFROM a\nCOPY --link a b\nRUN <<E\nx\nE\n", "directives or"),
        ("# a x\nFROM a\nCOPY --link a b\nRUN <<E\nx\nE\n", "Dockerfile:1:1 would"),
        ("FROM a\nCOPY --linc a b\nRUN <<E\nx\nE\n", "cannot be parsed"),
    ],
)
def test_another_meaning_is_refused(result: str, message: str) -> None:
    """The proof does not trust the layout."""
    source = Source("Dockerfile", "FROM a\nCOPY --link a b\nRUN <<E\nx\nE\n")
    reader = Reader(None, DOCKERFILE)
    nodes = nodes_of(parse(source))
    before = reader.scan(source)
    check_same(before, nodes, reader, source)
    with pytest.raises(FormatRefused, match=message):
        check_same(before, nodes, reader, Source("Dockerfile", result))


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(recipes())
def test_formatting_is_the_identity_on_the_tree(text: str) -> None:
    result = formatted(text)
    assert tree(parse(Source("Dockerfile", result))) == tree(
        parse(Source("Dockerfile", text))
    )
    assert formatted(result) == result


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(recipes(extended_instructions))
def test_of_extended_recipes_too(text: str) -> None:
    result = formatted(text, "Recipe")
    assert tree(parse(Source("Recipe", result))) == tree(parse(Source("Recipe", text)))
    assert formatted(result, "Recipe") == result


@settings(max_examples=100, deadline=None)
@given(RECIPES)
def test_nothing_that_parses_is_refused(text: str) -> None:
    try:
        parse(Source("Dockerfile", text))
    except RecipeError:
        return
    result = formatted(text)
    assert formatted(result) == result


def test_the_tree_shows_what_differs() -> None:
    """What the property compares sees quotes, flags and blanks."""
    one, other = (
        tree(parse(Source("Dockerfile", f"FROM a\n{line}\n")))
        for line in ("RUN a  b", "RUN a b")
    )
    assert one != other


@pytest.mark.parametrize(
    "line",
    [
        "RUN x \\\u00a0",
        "RUN x \\\v",
        "RUN x \\ \\",
        "COPY -- a\\ /b \\ \\\n",
        'VOLUME ["/a\tb",  "/c"]',
        'VOLUME ["/\va",  ""]',
        "ENV --  K  v",
    ],
)
@pytest.mark.parametrize("compat", [False, True])
def test_what_is_hard_to_tell_apart(line: str, compat: bool) -> None:
    dialect = Dialect(compat=compat)
    source = Source("Dockerfile", f"FROM a\n{line}")
    try:
        before = parse(source, None, dialect)
    except RecipeError:
        return
    result = Source("Dockerfile", format_source(source, dialect))
    assert tree(parse(result, None, dialect)) == tree(before)
    assert format_source(result, dialect) == result.text
