"""Text that is meant to hurt: its cost grows as its length does, no faster.

Calls are counted, not seconds: what is twice as long may take little more than twice
as many.
"""

from __future__ import annotations

import sys
import tracemalloc
from collections.abc import Callable

import pytest

from lamina.lang.checks.checking import EVERYTHING, check
from lamina.lang.checks.surroundings import BaseFacts, Surroundings
from lamina.lang.outline import LONGEST, outline
from lamina.lang.parser import examine, parse
from lamina.lang.source import RecipeError, Source, decode

HOSTILE: dict[str, Callable[[int], str]] = {
    "nested substitutions": lambda n: "ENV a=" + "${a:-\\\n" * n + "}\\\n" * n,
    "open substitutions": lambda n: "ENV a=" + "${a:-\\\n" * n,
    "continuations": lambda n: "RUN x" + " \\\ny" * n,
    "blank continuations": lambda n: "RUN x \\\n" + "\n" * n + "y",
    "comments in between": lambda n: "RUN x \\\n" + "# c\n" * n + "y",
    "comments above": lambda n: "# c\n" * n + "RUN x",
    "directives": lambda n: "# check=skip=all\n" * n + "RUN x",
    "a long heredoc": lambda n: "COPY <<E /x\n" + "$a ${b:-c} \\$\n" * n + "E",
    "a heredoc without end": lambda n: "RUN <<E\n" + "x\n" * n,
    "heredocs on one line": lambda n: "RUN " + "<<E \\\n" * n + "\n" + "E\n" * n,
    "flags": lambda n: "RUN " + "--network=none \\\n" * n + "x",
    "excludes": lambda n: "COPY " + "--exclude=a \\\n" * n + "b c",
    "mounts": lambda n: "RUN " + "--mount=type=tmpfs,target=/x \\\n" * n + "x",
    "fields": lambda n: "RUN --mount=type=tmpfs" + ",\\\ntarget=/x" * n + " x",
    "nested arrays": lambda n: "CMD " + "[\\\n" * n + "]\\\n" * n,
    "nested objects": lambda n: "CMD " + '[{"a":\\\n' * n,
    "words": lambda n: "COPY " + "a \\\n" * n + "b/",
    "pairs": lambda n: "ENV " + "a=b \\\n" * n,
    "quotes": lambda n: "ENV a=" + "\"\\\n'" * n,
    "stages": lambda n: "FROM a AS b\n" * n,
    "stages in a row": lambda n: "".join(f"FROM s{i} AS s{i + 1}\n" for i in range(n)),
    "wrong instructions": lambda n: "BAD x\n" * n,
    "wrong words": lambda n: "ENV a=${\n" * n,
    "triggers in triggers": lambda n: "ONBUILD " + "ONBUILD \\\n" * n + "RUN x",
}


def counted(call: Callable[[], object]) -> int:
    """How many functions a call calls, Python's own too."""
    count = 0

    def seen(_frame: object, event: str, _argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(seen)
    try:
        call()
    finally:
        sys.setprofile(before)
    return count


def calls(text: str) -> int:
    """How many functions are called to read a text."""
    return counted(lambda: examine(Source("Dockerfile", text)))


@pytest.mark.parametrize("name", HOSTILE)
def test_twice_the_text_is_twice_the_work(name: str) -> None:
    make = HOSTILE[name]
    examine(Source("Dockerfile", "FROM a\nENV a=$b\nRUN x"))  # grammars are open
    few, many = (calls("FROM z\n" + make(n)) for n in (1_000, 2_000))
    assert many < 2.3 * few + 1_000


@pytest.mark.parametrize("name", HOSTILE)
def test_much_of_it_is_read_or_refused(name: str) -> None:
    # What the calls above do not show: memory, the stack, the work in one call.
    make = HOSTILE[name]
    each = len(make(200)) // 200
    text = "FROM z\n" + make(250_000 // each)
    for error in examine(Source("Dockerfile", text)).errors:
        assert len(error.message) < 300
        assert len(error.excerpt) < 5_000


TEN = "$a" * 10
VALUES: dict[str, Callable[[int], str]] = {
    "variables in variables": lambda n: "ENV a=aaaaaaaaaa\n" + f"ENV a={TEN}\n" * n,
    "arguments in arguments": lambda n: "ARG a=aaaaaaaaaa\n" + f"ARG a={TEN}\n" * n,
    "patterns": lambda n: f"ARG a={'a' * n}\nARG b=${{a//{'*a' * n}/x}}\n",
    "ends of patterns": lambda n: f"ARG a={'a' * n}\nARG b=${{a%%{'?*' * n}}}\n",
    "many of one pattern": lambda n: f"ARG a={'ab' * n}\nARG b=${{a//?*b/x}}\n",
    "replacements": lambda n: f"ARG a={'a' * n}\nARG b=${{a//a/$a}}\n",
    "many variables": lambda n: "".join(f"ENV a{i}=$a{i - 1}\n" for i in range(n)),
    "stages with variables": lambda n: "".join(
        f"FROM s{i} AS s{i + 1}\nENV a{i}=$b\n" for i in range(n // 2)
    ),
    "mounts": lambda n: "ARG a=b\n" + "RUN --mount=type=cache,target=$a x\n" * n,
    "secrets": lambda n: "ARG a=b\n" + "RUN --mount=type=secret,id=$a x\n" * n,
    "triggers": lambda n: "ONBUILD ENV a=$a\n" * n + "FROM z\nENV b=$a\n",
}


def uses(text: str) -> int:
    """How many functions are called to check a recipe and to outline it."""
    recipe = parse(Source("Dockerfile", text))

    def use() -> None:
        check(recipe, around, EVERYTHING)
        outline(recipe)

    around = Surroundings(base=lambda _: BaseFacts(frozenset(), (), "/", "linux/amd64"))
    return counted(use)


@pytest.mark.parametrize("name", VALUES)
def test_twice_the_values_are_twice_the_work(name: str) -> None:
    make = VALUES[name]
    uses("FROM a\nENV A=$b\nRUN x")
    few, many = (uses("FROM z AS s0\n" + make(n)) for n in (500, 1_000))
    assert many < 2.3 * few + 2_000


GLOBALS = "ARG a=aaaaaaaaaa\n" + "".join(
    f"ARG b{n}=$a\nARG a={TEN}\n" for n in range(99)
)


@pytest.mark.parametrize(
    "text",
    [
        *("FROM z AS s0\n" + make(1_500) for make in VALUES.values()),
        GLOBALS + "FROM scratch$b50\n" * 1_000,
        GLOBALS + "FROM --platform=$a scratch\nRUN x\n",
    ],
)
def test_many_values_are_checked_and_outlined(text: str) -> None:
    # What the calls above do not show: memory, and the work in one call.
    recipe = parse(Source("Dockerfile", text))
    tracemalloc.start()
    try:
        for finding in check(recipe, options=EVERYTHING):
            assert len(finding.message) < 10_000
        for arg in outline(recipe).args:
            assert len(arg.value or "") <= max(LONGEST, len(text))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 60 << 20


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"FROM a\n" + b"RUN x\n" * 100_000 + b"\xff", "not valid UTF-8"),
        (b"FROM a\n" + b"\x00" * 1_000_000, "NUL"),
        (b"\xff\xfe" + b"F\0" * 500_000, "not valid UTF-8"),
        (b"FROM " + b"a" * 1_000_000, "longer than 65535 bytes"),
    ],
)
def test_bytes(data: bytes, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        errors = examine(decode("Dockerfile", data)).errors
        raise errors[0]
