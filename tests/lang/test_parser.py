"""parse: what it costs, what it keeps, and that no text is too much for it."""

from __future__ import annotations

import os
import subprocess
import sys
from ast import literal_eval

import pytest

from lamina.lang.checks.checking import check
from lamina.lang.codec import decode, encode
from lamina.lang.dialect import DOCKERFILE
from lamina.lang.nodes import Cmd, Copy, Env, Run, Shell, Workdir
from lamina.lang.parser import parse, parse_trigger
from lamina.lang.recipe import Recipe
from lamina.lang.source import RecipeError, Source, Span
from lamina.lang.variables import variables
from lamina.lang.words import ExecForm, ShellForm

EXAMPLE = """\
# escape=\\
ARG TAG=bookworm
FROM debian:$TAG AS build
ENV A=1 "B C"='x y' \\
    # in between
    D=${A:-"q"}
RUN --mount=type=cache,target=/root/.cache make <<E
all
E
COPY --chown=1:2 <<X b /dir/
hello $A
X

FROM scratch
COPY --from=build ["/a b", "/c"]
CMD ["/c"]
ONBUILD RUN <<E
x
E
"""
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


class Cache(dict[str, bytes]):
    """A ParseCache."""

    def put(self, key: str, data: bytes) -> None:
        self[key] = data


def parsed(text: str) -> Recipe:
    return parse(Source("Recipe", text))


def test_spans_are_exact() -> None:
    env, run, *_ = parsed(EXAMPLE).stages[0].instructions
    assert isinstance(env, Env) and isinstance(run, Run)
    last = env.pairs[2]
    assert (str(last.key.span), last.key.span.text) == ("Recipe:6:5", "D")
    assert last.value.span.text == '${A:-"q"}'
    fields = [(name, word.span.text) for name, word in run.mounts[0].fields if word]
    assert fields == [("type", "cache"), ("target", "/root/.cache")]
    assert run.span.text == EXAMPLE.split("\n")[6]
    copy = parsed(EXAMPLE).stages[1].instructions[0]
    assert isinstance(copy, Copy)
    assert copy.sources[0].span.text == '"/a b"'


def test_every_node_has_its_span() -> None:
    recipe = parsed(
        'FROM a\nENV K=x$A \\\n L="${B:-$C}"\nRUN x \\\n  y\nCMD ["a b", "c"]\n'
        'SHELL ["sh"]\nCOPY <<-E /\n\t\t$D x\n\t-${E}\n\tE\nFROM b\n'
    )
    env, run, cmd, shell, copy = recipe.stages[0].instructions
    assert isinstance(env, Env) and isinstance(run, Run) and isinstance(cmd, Cmd)
    assert isinstance(shell, Shell) and isinstance(copy, Copy)
    assert [pair.span.text for pair in env.pairs] == ["K=x$A", 'L="${B:-$C}"']
    used = [variables(pair.value.parts) for pair in env.pairs]
    assert [part.span.text for parts in used for part in parts] == [
        *("$A", "${B:-$C}", "$C")
    ]
    assert run.command.span.text == "x \\\n  y"
    assert isinstance(cmd.command, ExecForm)
    assert cmd.command.span.text == '["a b", "c"]'
    assert [span.text for span in cmd.command.places] == ['"a b"', '"c"']
    assert [span.text for span in shell.places] == ['"sh"']
    (heredoc,) = copy.heredocs
    assert heredoc.lines.text == "\t\t$D x\n\t-${E}\n"
    places = [str(part.span) for part in variables(heredoc.parts)]
    assert places == ["Recipe:9:3", "Recipe:10:3"]
    assert recipe.stages[0].span.text.endswith("\n\t-${E}\n")
    assert recipe.stages[1].span.text == "FROM b"


def test_a_cache_gives_back_the_same_recipe() -> None:
    cache = Cache()
    first = parse(Source("Dockerfile", EXAMPLE), cache)
    before = dict(cache)
    again = parse(Source("Other", EXAMPLE), cache)
    assert cache == before
    assert again.source.name == "Other"
    assert again.stages[0].base.span.source.name == "Other"
    assert repr(again) == repr(first).replace("Dockerfile", "Other")


def test_a_process_decodes_no_recipe_twice() -> None:
    cache = Cache()
    first = parse(Source("Dockerfile", EXAMPLE), cache)
    assert parse(Source("Dockerfile", EXAMPLE), cache) is first
    # Whatever the process remembers, another cache is given it too.
    other = Cache()
    assert parse(Source("Dockerfile", EXAMPLE), other) == first
    assert other.keys() >= {key for key in cache if key.startswith("recipe")}


def test_the_codec_loses_nothing() -> None:
    source = Source("Recipe", EXAMPLE)
    recipe = parse(source)
    again = decode(encode(recipe), source, recipe.dialect)
    assert again is not None
    # A stage is read when it is asked for.
    assert [sorted(stage.__dict__) for stage in again.stages] == [
        ["_encoded", "index"],
        ["_encoded", "index"],
    ]
    assert again == recipe
    assert hash(again) == hash(recipe)


@pytest.mark.parametrize(
    "data", [b"", b"{}", b"[99]", b"[0]", b"[1,2]", b"null", b"\xff", b"[" * 100_000]
)
def test_a_damaged_cache_is_as_good_as_none(data: bytes) -> None:
    source = Source("Recipe", EXAMPLE)
    assert decode(data, source, DOCKERFILE) is None
    cache = Cache()
    parse(source, cache)
    for key in cache:
        cache[key] = data
    assert parse(source, cache) == parse(source)


def test_what_was_parsed_before_imports_no_grammar() -> None:
    program = """
import sys
from lamina.lang.parser import parse
from lamina.lang.checks.checking import check
from lamina.lang.source import Source
class Cache(dict):
    put = dict.__setitem__
cache = Cache(eval(sys.stdin.read()))
recipe = parse(Source("Recipe", sys.argv[1]), cache)
check(recipe)
costly = {"lark", "difflib", "dataclasses", "inspect", "typing", "logging"}
print(sorted(costly & set(sys.modules)), recipe.stages[1].base.image.text)
"""
    cache = Cache()
    parse(Source("Recipe", EXAMPLE), cache)
    done = subprocess.run(
        [sys.executable, "-S", "-c", program, EXAMPLE],
        input=repr(dict(cache)),
        env={"PYTHONPATH": ROOT},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "[] scratch\n"


# Needs the parser: no regular expression reads it.
DEEP = """\
FROM a
ENV A=${A:-${B#"x"}}
COPY <<E /x
${A//a/b}
E
RUN -- x
"""


def test_a_new_process_takes_the_grammar_from_the_cache() -> None:
    program = """
import sys
from lamina.lang import lalr
from lamina.lang.parser import parse
from lamina.lang.source import Source
class Cache(dict):
    put = dict.__setitem__
cache = Cache(eval(sys.stdin.read()))
recipe = parse(Source("Recipe", sys.argv[1]), cache)
print(("lark" in sys.modules, dict(cache)))
lalr._larks.clear()
assert recipe == parse(Source("Recipe", sys.argv[1]))
"""

    def read(text: str, known: dict[str, bytes]) -> tuple[bool, dict[str, bytes]]:
        """Whether a new process needs lark for it, and what is known afterwards."""
        done = subprocess.run(
            [sys.executable, "-c", program, text],
            input=repr(known),
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
        lark, cache = literal_eval(done.stdout)
        return lark, cache

    lark, known = read(DEEP, {})
    kinds = ["grammar", "grammar", "recipe"]
    assert (lark, sorted(key.partition("-")[0] for key in known)) == (True, kinds)
    assert read(DEEP, known) == (False, known)
    recipes = {key for key in known if key.startswith("recipe")}
    tables = {key: known[key] for key in known.keys() - recipes}
    assert read(DEEP, tables) == (True, known)
    # What most recipes are like needs no parser, and no cache.
    lark, cache = read(EXAMPLE.replace('"q"', "q"), {})
    assert (lark, [key.partition("-")[0] for key in cache]) == (False, ["recipe"])


SPAN = Span(Source("Recipe", "FROM base"), 0, 9)


def test_triggers() -> None:
    run = parse_trigger("RUN --network=none make \\\n all", "\\", SPAN)
    assert isinstance(run, Run)
    assert run.command == ShellForm("make  all", SPAN)
    assert run.span == SPAN
    copy = parse_trigger("COPY <<E /x\nhello $A\nE", "\\", SPAN)
    assert isinstance(copy, Copy)
    assert copy.heredocs[0].body == "hello $A\n"
    assert copy.dest.span == SPAN
    exec_form = parse_trigger('RUN ["a"]', "`", SPAN)
    assert isinstance(exec_form, Run)
    assert exec_form.command == ExecForm(("a",), (SPAN,), SPAN)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("RUNN x", "There is no instruction RUNN"),
        ("FROM x", "cannot be a trigger"),
        ("ONBUILD RUN x", "cannot be a trigger"),
        ("RUN a\nRUN b", "not one instruction"),
        ("", "not one instruction"),
        ("# comment", "not one instruction"),
        ("ENV a='", "never closed"),
    ],
)
def test_bad_triggers_are_told_about_at_their_from(text: str, message: str) -> None:
    with pytest.raises(RecipeError, match=message) as caught:
        parse_trigger(text, "\\", SPAN)
    assert caught.value.span == SPAN


def test_onbuild_keeps_its_text_and_its_heredocs() -> None:
    recipe = parsed("FROM a\nONBUILD  COPY <<A <<-B \\\n /x/\na\nA\n\tb\n\tB\n")
    text = getattr(recipe.stages[0].instructions[0], "text", "")
    assert text == "COPY <<A <<-B  /x/\na\nA\n\tb\nB"
    copy = parse_trigger(text, "\\", SPAN)
    assert isinstance(copy, Copy)
    assert [heredoc.content for heredoc in copy.heredocs] == ["a\n", "b\n"]


def test_another_escape_character() -> None:
    recipe = parsed(
        "# escape=`\nFROM a\n"
        'ENV A="x`"y" B=c:\\d` e\nWORKDIR C:\\\nCOPY a `\n b c:\\\\/\n'
    )
    env, workdir, copy = recipe.stages[0].instructions
    assert isinstance(env, Env) and isinstance(workdir, Workdir)
    assert [pair.value.parts for pair in env.pairs] == [('x"y',), ("c:\\d e",)]
    assert workdir.path.text == "C:\\"
    assert isinstance(copy, Copy)
    assert copy.dest.text == "c:\\\\/"


def test_the_escape_character_of_flags() -> None:
    def target(flag: str, escape: str) -> object:
        text = f"# escape={escape}\nFROM a\nRUN --mount=type=tmpfs,{flag} x\n"
        (run,) = parsed(text).stages[0].instructions
        assert isinstance(run, Run) and isinstance(run.command, ShellForm)
        assert run.command.text == "x"
        return run.mounts[0].fields[1][1].text  # type: ignore[union-attr]

    assert target("target=C:\\x", "`") == "C:\\x"
    assert target("target=C:` x", "`") == "C: x"
    assert target("target=C:\\ x", "\\") == "C: x"
    assert target("'target=a` b'", "`") == "a b"
    assert target('"target=a` b\\"', "`") == "a b\\"


@pytest.mark.parametrize("blank", ["\u00a0", " \u00a0", "\u2003\t"])
def test_blanks_of_any_script_part_flags_from_the_rest(blank: str) -> None:
    text = f"FROM a\nRUN {blank}--network=none{blank}true\nRUN {blank}x{blank}y\n"
    first, second = parsed(text).stages[0].instructions
    assert isinstance(first, Run) and isinstance(second, Run)
    assert (first.network, first.command.text) == ("none", "true")  # type: ignore[union-attr]
    assert second.command.text == f"x{blank}y"  # type: ignore[union-attr]


LONG = {
    "continuations": "FROM a\nRUN x" + "\\\n y" * 50_000,
    "words": "FROM a\nCOPY " + "a \\\n" * 20_000 + "b/",
    "closed nesting": "FROM a\nENV a=" + "${a:-\\\n" * 20_000 + "}\\\n" * 20_000,
    "open nesting": "FROM a\nENV a=" + "${a:-\\\n" * 50_000,
    "patterns": "FROM a\nENV a=" + "${a/${a#\\\n" * 20_000,
    "strings": "FROM a\nENV a=" + '"${a:-\\\n' * 20_000,
    "open heredoc": "FROM a\nRUN <<E\n" + "x\n" * 200_000,
    "heredoc": "FROM a\nCOPY <<E /x\n" + "$a \\$ ${b:-c}\n" * 10_000 + "E",
    "heredocs": "FROM a\nRUN " + "<<E " * 5_000 + "\n" + "E\n" * 5_000,
    "arithmetic": "FROM a\nRUN <<E " + "$(( \\\n" * 30_000 + "\nE",
    "open arrays": "FROM a\nCMD " + "[\\\n" * 50_000,
    "arrays": "FROM a\nCMD " + "[\\\n" * 30_000 + "]\\\n" * 30_000,
    "objects": "FROM a\nCMD " + '[{"a":\\\n' * 20_000,
    "stages": "FROM a\n" * 150_000,
    "onbuild": "FROM a\nONBUILD " + "ONBUILD " * 5_000 + "RUN x",
    "comments": "FROM a\n" + "# check=skip=all\n" * 20_000 + "RUN x",
    "blank": "\n" * 1_000_000,
    "backslashes": "FROM a\nRUN " + "\\" * 60_000,
    "digits": "FROM a\nHEALTHCHECK --interval=" + "1" * 60_000 + "s CMD x",
    "retries": "FROM a\nHEALTHCHECK --retries=" + "1" * 60_000 + " CMD x",
    "mount": "FROM a\nRUN --mount=" + "size=1," * 9_000 + "type=tmpfs x",
    "stage chain": "FROM scratch AS s0\n"
    + "".join(f"FROM s{n} AS s{n + 1}\nENV a=$b\n" for n in range(3_000)),
    "line": "FROM a\nRUN " + "x" * 1_000_000,
}


@pytest.mark.parametrize("name", LONG)
def test_no_text_is_too_much(name: str) -> None:
    # Each would take minutes or the stack if anything were quadratic or recursive.
    try:
        check(parsed(LONG[name]))
    except RecipeError as error:
        assert len(error.excerpt) < 5_000
