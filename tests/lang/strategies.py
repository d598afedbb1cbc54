"""Recipes as hypothesis makes them up: a grammar of the language, run backwards.

`recipes()` draws whole recipes that parse, in every layout that the language allows:
odd casing, blanks, continuations with comments and blank lines inside, heredocs, both
escape characters, both line ends. `instructions(escape)` draws one instruction.
A text that is drawn ends without a newline, but for those of `recipes`.
"""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

Text = SearchStrategy[str]

COMMENTS = st.sampled_from(
    ["#", "# why", "#no blank", "# a=b", "  # in between", "\t# NAME what it is  "]
)
NAMES = st.sampled_from(["A", "b", "NAME", "PATH_2", "_x", "Version"])
STAGES = ("base", "build", "Files", "x-1")
IMAGES = st.sampled_from(
    ["debian", "debian:bookworm", "scratch", "$NAME", "registry.example:5000/a/b:1"]
)
SHELL_WORDS = st.sampled_from(
    [
        *("echo", "a", "-x", "'b  c'", '"d $NAME"', "&&", "|", ";", "$(date)", "${#x}"),
        *("$((1<<2))", "x=#y", ">", "/dev/null", "ünïcode", "[", "]", "{}", "a,b"),
    ]
)


@st.composite
def _keyword(draw: st.DrawFn, name: str) -> str:
    return draw(st.sampled_from([name, name, name.lower(), name.capitalize()]))


def blanks() -> Text:
    return st.sampled_from([" ", " ", " ", "  ", "\t", " \t  "])


@st.composite
def gaps(draw: st.DrawFn, escape: str) -> str:
    """What parts two words: blanks, or the end of a line and comments."""
    if draw(st.integers(0, 3)):
        return draw(blanks())
    before = draw(st.sampled_from(["", " ", "   "]))
    after = draw(st.sampled_from(["", " ", "  ", "    ", "\t"]))
    between = draw(st.lists(COMMENTS | st.just("") | st.just("  "), max_size=2))
    lines = "".join(f"{line}\n" for line in between)
    trailing = draw(st.sampled_from(["", "", " ", "\t"]))
    # One blank at least on either side, or the words would be one.
    if not before and not after:
        before = " "
    return f"{before}{escape}{trailing}\n{lines}{after}"


@st.composite
def joined(draw: st.DrawFn, escape: str, words: list[str]) -> str:
    """The words with gaps between them."""
    text = ""
    for word in words:
        text += (draw(gaps(escape)) if text else "") + word
    return text


def plain_words() -> Text:
    return st.sampled_from(["a", "x/y", "/opt/app", "./", "*.txt", "1.2", "a-b_c", "ü"])


@st.composite
def words(draw: st.DrawFn, escape: str) -> str:
    """A word without blanks that may hold variables."""
    piece = st.one_of(
        plain_words(),
        NAMES.map("${}".format),
        NAMES.map("${{{}}}".format),
        st.builds("${{{}:-{}}}".format, NAMES, plain_words()),
        st.builds("${{{}:+${{{}%.*}}}}".format, NAMES, NAMES),
        st.sampled_from([f"{escape}$x", f"{escape}{escape}"]),
    )
    pieces = draw(st.lists(piece, min_size=1, max_size=3))
    # An escape character at the end would join this word to the next.
    return "".join(pieces).rstrip(escape) or "a"


def values(escape: str) -> Text:
    """The value of ENV, LABEL, ARG: a word, quoted or not."""
    inner = st.sampled_from(["", "b  c", "$NAME x", "#1", "a=b", "[", "ü ü"])
    return st.one_of(
        words(escape),
        inner.map('"{}"'.format),
        inner.map("'{}'".format),
        st.just(f"a{escape} b"),
        st.just(f'"{escape}"{escape}{escape}"'),
        st.just("'a'\"b\"c"),
    )


@st.composite
def from_(draw: st.DrawFn, escape: str, name: str | None) -> str:
    parts = [draw(_keyword("FROM"))]
    if draw(st.booleans()):
        parts.append(draw(st.sampled_from(["--platform=linux/amd64", "--platform=$P"])))
    parts.append(draw(IMAGES))
    if name is not None:
        parts += [draw(_keyword("AS")), name]
    return draw(joined(escape, parts))


@st.composite
def arg(draw: st.DrawFn, escape: str) -> str:
    given = st.one_of(
        NAMES,
        NAMES.map("{}=".format),
        st.builds("{}={}".format, NAMES, values(escape)),
    )
    parts = draw(st.lists(given, min_size=1, max_size=3))
    return draw(joined(escape, [draw(_keyword("ARG")), *parts]))


@st.composite
def pairs(draw: st.DrawFn, escape: str, name: str) -> str:
    keyword = draw(_keyword(name))
    if draw(st.integers(0, 3)) == 0:
        rest = draw(st.lists(values(escape), min_size=1, max_size=3))
        return draw(joined(escape, [keyword, draw(NAMES), *rest]))
    pair = st.builds("{}={}".format, NAMES, values(escape) | st.just(""))
    parts = draw(st.lists(pair, min_size=1, max_size=4))
    return draw(joined(escape, [keyword, *parts]))


@st.composite
def arrays(draw: st.DrawFn, escape: str, at_least: int = 0) -> str:
    """A JSON array of strings, in any layout."""
    string = st.sampled_from(['"a"', '"b c"', '"-c"', r'"\""', r'"ü\n"', '"$NAME"'])
    items = draw(st.lists(string, min_size=at_least, max_size=3))
    around = st.just("") | gaps(escape)
    text = "[" + draw(around)
    for place, item in enumerate(items):
        comma = f"{draw(around)},{draw(around)}" if place else ""
        text += comma + item
    return text + (draw(around) if items else "") + "]"


@st.composite
def shell_text(draw: st.DrawFn, escape: str) -> str:
    parts = draw(st.lists(SHELL_WORDS, min_size=1, max_size=6))
    # What starts with `[` could be read as JSON, with `--` as a flag.
    return draw(joined(escape, ["echo", *parts]))


@st.composite
def heredoc(draw: st.DrawFn) -> tuple[str, str]:
    """The word that opens a heredoc, and its lines with the one that ends it."""
    name = draw(st.sampled_from(["EOF", "END", "f.txt"]))
    strip = draw(st.booleans())
    body_line = st.sampled_from(
        ["", "a", "  b  ", "\tc", "# no comment", "$NAME", "x \\", "RUN x", "`", "é\t"]
    )
    body = "".join(f"{line}\n" for line in draw(st.lists(body_line, max_size=4)))
    quote = draw(st.sampled_from(["", "", "'", '"']))
    end = "\t" * draw(st.integers(0, 2)) if strip else ""
    opening = f"<<{'-' if strip else ''}{quote}{name}{quote}"
    return opening, f"\n{body}{end}{name}"


MOUNTS = st.sampled_from(
    [
        "--mount=type=cache,target=/root/.cache",
        "--mount=type=cache,id=$NAME,target=/c,sharing=locked",
        "--mount=type=secret,id=token,required=true",
        "--mount=type=ssh",
        "--mount=target=/src,ro",
        "--mount=type=tmpfs,target=/t",
    ]
)


@st.composite
def run(draw: st.DrawFn, escape: str) -> str:
    parts = [draw(_keyword("RUN")), *draw(st.lists(MOUNTS, max_size=2))]
    if draw(st.booleans()):
        parts.append(draw(st.sampled_from(["--network=none", "--security=sandbox"])))
    kind = draw(st.integers(0, 4))
    if kind == 0:
        return draw(joined(escape, [*parts, draw(arrays(escape, 1))]))
    if kind == 1:
        opening, body = draw(heredoc())
        before = draw(st.sampled_from(["", "cat ", "cat  "]))
        after = draw(st.sampled_from(["", " > /x", "  | cat -n"]))
        return draw(joined(escape, [*parts, f"{before}{opening}{after}"])) + body
    return draw(joined(escape, [*parts, draw(shell_text(escape))]))


@st.composite
def copy(draw: st.DrawFn, escape: str, stages: tuple[str, ...] = ()) -> str:
    name = draw(st.sampled_from(["COPY", "ADD"]))
    flags = ["--chown=1:1", "--chmod=0644", "--link", "--link=false", "--exclude=*.o"]
    if name == "COPY":
        flags += ["--parents", *(f"--from={stage}" for stage in stages)]
    else:
        flags += ["--unpack=false", "--keep-git-dir"]
    chosen = draw(st.lists(st.sampled_from(flags), max_size=2))
    known = {flag.split("=")[0] for flag in chosen}
    parts = [draw(_keyword(name)), *(chosen if len(known) == len(chosen) else ())]
    kind = draw(st.integers(0, 4))
    if kind == 0:
        return draw(joined(escape, [*parts, '["a b", "/c/"]']))
    if kind == 1:
        opening, body = draw(heredoc())
        return draw(joined(escape, [*parts, opening, "/etc/x"])) + body
    sources = draw(st.lists(words(escape), min_size=1, max_size=3))
    # A source that looks like a URL or a flag would mean something else.
    return draw(joined(escape, [*parts, *sources, "/srv/"]))


@st.composite
def one_text(draw: st.DrawFn, escape: str) -> str:
    """Instructions that take the rest of the line as it is."""
    name, rest = draw(
        st.sampled_from(
            [
                ("WORKDIR", words(escape)),
                ("USER", words(escape)),
                ("STOPSIGNAL", st.sampled_from(["SIGTERM", "9", "$NAME"])),
                ("MAINTAINER", st.sampled_from(["A  B <a@b.example>", "me"])),
            ]
        )
    )
    return draw(joined(escape, [draw(_keyword(name)), draw(rest)]))


@st.composite
def command(draw: st.DrawFn, escape: str) -> str:
    name = draw(st.sampled_from(["CMD", "ENTRYPOINT"]))
    rest = draw(arrays(escape) | shell_text(escape))
    return draw(joined(escape, [draw(_keyword(name)), rest]))


@st.composite
def shell(draw: st.DrawFn, escape: str) -> str:
    return draw(joined(escape, [draw(_keyword("SHELL")), draw(arrays(escape, 1))]))


@st.composite
def ports_and_volumes(draw: st.DrawFn, escape: str) -> str:
    name, item = draw(
        st.sampled_from(
            [
                ("EXPOSE", st.sampled_from(["80", "443/tcp", "53/udp", "8000-8010"])),
                ("VOLUME", words(escape)),
            ]
        )
    )
    items = draw(st.lists(item, min_size=1, max_size=3))
    return draw(joined(escape, [draw(_keyword(name)), *items]))


@st.composite
def healthcheck(draw: st.DrawFn, escape: str) -> str:
    keyword = draw(_keyword("HEALTHCHECK"))
    if draw(st.integers(0, 3)) == 0:
        return draw(joined(escape, [keyword, draw(_keyword("NONE"))]))
    flags = ["--interval=1m30s", "--timeout=3s", "--start-period=0s", "--retries=3"]
    chosen = draw(st.lists(st.sampled_from(flags), max_size=3, unique=True))
    rest = draw(arrays(escape, 1) | shell_text(escape))
    return draw(joined(escape, [keyword, *chosen, draw(_keyword("CMD")), rest]))


@st.composite
def onbuild(draw: st.DrawFn, escape: str) -> str:
    inner = draw(st.one_of(run(escape), copy(escape), pairs(escape, "ENV")))
    return draw(_keyword("ONBUILD")) + draw(gaps(escape)) + inner


def instructions(escape: str, stages: tuple[str, ...] = ()) -> Text:
    """One instruction of a stage, that may copy from `stages`."""
    return st.one_of(
        run(escape),
        copy(escape, stages),
        pairs(escape, "ENV"),
        pairs(escape, "LABEL"),
        arg(escape),
        one_text(escape),
        command(escape),
        shell(escape),
        ports_and_volumes(escape),
        healthcheck(escape),
        onbuild(escape),
    )


DIRECTIVES = st.sampled_from(
    [
        "# syntax=docker/dockerfile:1",
        "#syntax = docker/dockerfile:1",
        "# check=skip=JSONArgsRecommended",
        "#  Check = skip=all;error=true",
    ]
)


@st.composite
def extended_only(draw: st.DrawFn, escape: str) -> str:
    """An instruction that only extended recipes have, or one with such a flag."""
    many = st.sampled_from(["ENV", "LABEL", "EXPOSE", "VOLUME"])
    what = st.lists(plain_words() | NAMES, max_size=3)
    flags = st.sampled_from(["--no-cache", "--max-age=12h", "--env=A"])
    kind = draw(st.integers(0, 3))
    if kind == 0:
        parts = ["UNSET", draw(many), *draw(what)]
    elif kind == 1:
        parts = ["unset", draw(st.sampled_from(["CMD", "User", "HEALTHCHECK"]))]
    elif kind == 2:
        parts = [draw(_keyword("TEST")), draw(MOUNTS), draw(shell_text(escape))]
    else:
        parts = [draw(_keyword("RUN")), draw(flags), draw(shell_text(escape))]
    return draw(joined(escape, parts))


def extended_instructions(escape: str, stages: tuple[str, ...] = ()) -> Text:
    """One instruction of an extended recipe."""
    return extended_only(escape) | instructions(escape, stages)


@st.composite
def _between(draw: st.DrawFn, heading: bool = False) -> str:
    """What stands between two instructions: comments and blank lines."""
    line = COMMENTS | st.sampled_from(["", "", "  "])
    if not heading:  # where a second one of its kind would be an error
        line |= st.sampled_from(["# check=skip=all", "# lamina: scrub"])
    return "".join(f"{text}\n" for text in draw(st.lists(line, max_size=3)))


@st.composite
def recipes(
    draw: st.DrawFn,
    instruction: Callable[[str, tuple[str, ...]], Text] = instructions,
    line_ends: tuple[str, ...] = ("\n", "\n", "\r\n"),
) -> str:
    """A whole recipe. `instruction` draws what stands in its stages."""
    escape = draw(st.sampled_from("\\\\`"))
    heading = [draw(DIRECTIVES)] if draw(st.booleans()) else []
    if escape == "`":
        spelled = draw(st.sampled_from(["# escape=`", "#Escape = `  "]))
        heading.insert(draw(st.integers(0, len(heading))), spelled)
    text = "".join(f"{line}\n" for line in heading) + draw(_between(heading=True))
    for _ in range(draw(st.integers(0, 2))):
        text += draw(arg(escape)) + "\n" + draw(_between())
    count = draw(st.integers(1, 3))
    for index in range(count):
        named = draw(st.booleans())
        name = STAGES[index] if named else None
        text += draw(_between()) if index else ""
        text += draw(from_(escape, name)) + "\n"
        before = tuple(n for n in STAGES[:index] if f" {n}" in text)
        inner = instruction(escape, before)
        for statement in draw(st.lists(inner, max_size=4)):
            indent = draw(st.sampled_from(["", "", "", "  ", "\t"]))
            text += draw(_between()) + indent + statement + "\n"
    if draw(st.booleans()):
        text = text.removesuffix("\n")
    bom = draw(st.sampled_from(["", "", "", "\ufeff"]))
    return bom + text.replace("\n", draw(st.sampled_from(line_ends)))
