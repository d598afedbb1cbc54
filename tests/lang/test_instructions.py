"""Every instruction: its arguments, its flags, what expands in it."""

from __future__ import annotations

import pytest

from lamina.lang.dialect import EXTENDED, Dialect
from lamina.lang.instructions import TABLE
from tests.lang.single import error, one, said, texts

# The flags of each instruction, as the reference's table has them.
FLAGS = {
    "RUN": {"mount", "network", "security", "device"},
    "COPY": {"from", "chown", "chmod", "link", "parents", "exclude"},
    "ADD": {
        *("chown", "chmod", "link", "keep-git-dir", "checksum", "unpack", "exclude"),
    },
    "HEALTHCHECK": {"interval", "timeout", "start-period", "start-interval", "retries"},
}
OURS = {"RUN": {"no-cache", "max-age", "env"}, "COPY": {"if-exists"}}


def test_the_table_has_what_the_reference_has() -> None:
    upstream = {name: form for name, form in TABLE.items() if not form.extended}
    assert len(upstream) == 18
    assert {n: set(f.flags) for n, f in upstream.items() if f.flags} == FLAGS
    assert {
        n: set(f.extended_flags) for n, f in upstream.items() if f.extended_flags
    } == OURS
    assert set(TABLE) - set(upstream) == {"UNSET", "TEST"}


@pytest.mark.parametrize(
    ("written", "command"),
    [
        ("echo a  b", "echo a  b"),
        ('["a", "b c"]', ("a", "b c")),
        ('[ "a" , "b" ]', ("a", "b")),
        (r'["\u00fc\n\"", ""]', ('ü\n"', "")),
        (r'["\ud800"]', ("\ufffd",)),
        ("[ -f a ] && b", "[ -f a ] && b"),
        ("[ x = y ]", "[ x = y ]"),
        ('[ "$a" = "b" ] && c', '[ "$a" = "b" ] && c'),
        ('[ "$a" ] && c', '[ "$a" ] && c'),
        ('[[ "$a" == b ]]', '[[ "$a" == b ]]'),
        ("[a]", "[a]"),
        ('"a", "b"', '"a", "b"'),
        ("$HOME/x \\$y 'z", "$HOME/x \\$y 'z"),
    ],
)
def test_json_or_the_shells_text(written: str, command: str | tuple[str, ...]) -> None:
    assert said(one(f"RUN {written}")) == command
    assert said(one(f"CMD {written}")) == command
    assert said(one(f"ENTRYPOINT {written}")) == command
    assert said(one(f"HEALTHCHECK CMD {written}")) == command
    assert said(one(f"TEST {written}", EXTENDED)) == command


@pytest.mark.parametrize(
    ("written", "place"),
    [
        ("['a', 'b']", 2),
        ('["a", "b"', 9),
        ('["a" "b"]', 5),
        ('["a",]', 6),
        ('["a", b]', 7),
        ('["a"] b', 7),
        ('[ "a", ', 6),
        ('[ "a" , b ]', 9),
        ('["\\x"]', 2),
        ('["a\tb"]', 2),
    ],
)
def test_what_looks_like_json_and_is_none(written: str, place: int) -> None:
    found = error(f"RUN {written}")
    assert found.message == "This is where a JSON array stops being one."
    assert found.place == f"Dockerfile:3:{place + 4}"
    assert said(one(f"RUN {written}", Dialect(compat=True))) == written.strip()


@pytest.mark.parametrize("array", ["[1]", '["a", null]', '[["a"]]', '[{"a": "b"}]'])
@pytest.mark.parametrize("keyword", ["RUN", "CMD", "SHELL", "VOLUME", "COPY"])
def test_an_array_holds_strings_only(keyword: str, array: str) -> None:
    assert "strings only" in error(f"{keyword} {array}").message


def test_clearing_and_nothing() -> None:
    assert said(one("CMD []")) == said(one("ENTRYPOINT [ ]")) == ()
    for text in ("RUN", "RUN []", "CMD", "ENTRYPOINT", "SHELL", "SHELL []", "SHELL sh"):
        assert error(text).message
    for keyword in sorted(set(TABLE) - {"CMD", "ENTRYPOINT"}):
        assert error(keyword, EXTENDED).message


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("COPY a b /c/", (["a", "b"], "/c/")),
        ("COPY \t a\vb\f/c/", (["a", "b"], "/c/")),
        (r"COPY a c\ d/", (["a", "c\\"], "d/")),
        ('COPY ["a b", "/c"]', (["a b"], "/c")),
        ("ADD https://x.org/a /c", (["https://x.org/a"], "/c")),
        ("ADD git@host:a/b.git#v1:dir /c", (["git@host:a/b.git#v1:dir"], "/c")),
        ("COPY a /c#d", (["a"], "/c#d")),
    ],
)
def test_words_of_copy(text: str, what: object) -> None:
    copy = one(text)
    assert (texts(copy.sources), copy.dest.text) == what


def test_flags_of_copy_and_add() -> None:
    copy = one(
        "COPY --from=a --chown=u:$G --chmod=u=rwX,go= --link --parents=TRUE "
        "--exclude=*.a --exclude='b c' x /y/"
    )
    assert (copy.from_.text, copy.chown.text, copy.chmod.text) == (
        "a",
        "u:$G",
        "u=rwX,go=",
    )
    assert (copy.link, copy.parents, copy.exclude) == (True, True, ("*.a", "b c"))
    add = one("ADD --keep-git-dir=false --checksum=sha256:$S --unpack --link=False x y")
    assert (add.keep_git_dir, add.unpack, add.link) == (False, True, False)
    assert add.checksum.text == "sha256:$S"
    assert one("ADD x y").unpack is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("COPY --chown a b", "--chown needs a value"),
        ("COPY --chown= a b", "--chown needs a value"),
        ("COPY --link= a b", "--link is true or false"),
        ("COPY --link=yes a b", "--link is true or false"),
        ("COPY --link --link a b", "--link is there twice"),
        ("COPY --from=a --from=a a b", "--from is there twice"),
        ("COPY --checksum=x a b", "COPY has no flag --checksum"),
        ("ADD --from=a a b", "ADD has no flag --from"),
        ("ADD --checksum=x a b c/", "one source only"),
        ("ENV --x a=b", "ENV has no flag --x"),
        ("ARG --x a", "ARG has no flag --x"),
        ("STOPSIGNAL --x 9", "STOPSIGNAL has no flag --x"),
        ("USER --x a", "USER has no flag --x"),
        ("RUN --Mount=type=tmpfs,target=/x a", "RUN has no flag --Mount"),
        ("COPY --from=$A a b", "does not expand"),
        ("COPY <<E <<F\nE\nF", "cannot be the destination"),
    ],
)
def test_flags_that_are_wrong(text: str, message: str) -> None:
    assert message in error(text).message


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("COPY --form=a a b", "Did you mean --from?"),
        ("RUN --mout=type=cache a", "Did you mean --mount?"),
        ("HEALTHCHECK --retry=3 CMD a", "Did you mean --retries?"),
        ("CPOY a b", "Did you mean COPY?"),
        ("nothing-like-it a", ""),
        ("RUN --mount=type=cahce,target=/x a", "Did you mean cache?"),
        ("RUN --mount=type=cache,traget=/x a", "Did you mean target?"),
    ],
)
def test_what_was_meant(text: str, hint: str) -> None:
    assert error(text).hint == hint


def test_flags_end_at_the_first_word_or_at_two_dashes() -> None:
    assert said(one("RUN --network=none -- --x")) == "--x"
    assert one("RUN a --network=none").network == "default"
    assert one('RUN --network="none" a').network == "none"
    assert one(r"RUN --network=no\ne a").network == "none"
    assert one("RUN --network=host --security=insecure a").security == "insecure"


@pytest.mark.parametrize(
    ("written", "devices"),
    [
        ("--device=vendor.com/gpu=all", ("vendor.com/gpu=all",)),
        ("--device=a,required --device=b", ("a,required", "b")),
    ],
)
def test_devices(written: str, devices: tuple[str, ...]) -> None:
    assert one(f"RUN {written} x").devices == devices


@pytest.mark.parametrize("written", ["--device=", "--device=,required", "--device=a,b"])
def test_devices_that_are_none(written: str) -> None:
    assert "device" in error(f"RUN {written} x").message


@pytest.mark.parametrize(
    ("text", "pairs"),
    [
        ("ENV a=b", [("a", "b")]),
        ('ENV a="b c" d=e\\ f g=', [("a", '"b c"'), ("d", "e\\ f"), ("g", "")]),
        ("ENV a=b=c", [("a", "b=c")]),
        ("ENV $A=b", [("$A", "b")]),
        ("ENV a b  c", [("a", "b  c")]),
        ("ENV a b=c", [("a", "b=c")]),
        (
            r"LABEL maintainer Erik \\Hollensbe <e@x>\"",
            [("maintainer", r"Erik \\Hollensbe <e@x>\"")],
        ),
        ('LABEL "a.b c"=d', [('"a.b c"', "d")]),
        ("LABEL a=b \\\n  c=d", [("a", "b"), ("c", "d")]),
    ],
)
def test_pairs(text: str, pairs: list[tuple[str, str]]) -> None:
    assert [(p.key.text, p.value.text) for p in one(text).pairs] == pairs


@pytest.mark.parametrize(
    "text", ["ENV a", "ENV a=b c", "ENV =b", 'ENV "a=b" c', "ENV a='b", "ARG a b=${"]
)
def test_pairs_that_are_none(text: str) -> None:
    assert error(text).message


@pytest.mark.parametrize(
    ("text", "args"),
    [
        ("ARG a", [("a", None)]),
        ("ARG a=", [("a", "")]),
        (
            'ARG a=b c d="e f" g=h=i',
            [("a", "b"), ("c", None), ("d", '"e f"'), ("g", "h=i")],
        ),
        ("ARG a=${b:-$c}", [("a", "${b:-$c}")]),
    ],
)
def test_args(text: str, args: list[tuple[str, str | None]]) -> None:
    assert [(n, w and w.text) for n, w in one(text).args] == args


@pytest.mark.parametrize(
    ("text", "array"),
    [
        ('COPY "f 1" /x', 'COPY ["f 1", "/x"]'),
        ("ADD a 'b c'", 'ADD ["a", "b c"]'),
        ('VOLUME "/a b"', 'VOLUME ["/a b"]'),
        ('COPY "a /x', 'COPY ["a b", "c"]'),
    ],
)
def test_quotes_that_keep_no_blanks(text: str, array: str) -> None:
    found = error(text)
    assert "never closed" in found.message
    assert found.hint.endswith(f"stand in a JSON array: {array}")


@pytest.mark.parametrize(
    ("text", "marked"),
    [
        ("ENV A=1 FOO", "FOO"),
        ("ENV FOO", "FOO"),
        ("FROM debian az x", "az"),
        ("FROM a as", "as"),
        ("HEALTHCHECK CURL x", "CURL"),
        ("HEALTHCHECK --interval=5days CMD x", "5days"),
        ("ARG A=b =c", "=c"),
        ('ENV A="x', '"'),
    ],
)
def test_the_whole_word_is_marked(text: str, marked: str) -> None:
    assert error(text).span.text == marked


@pytest.mark.parametrize(
    ("text", "name", "column"),
    [
        ("RUN\u00a0true", "a no-break space (U+00A0)", 4),
        ("\u200bRUN true", "a zero width space (U+200B)", 1),
        ("RU\x07N true", "a character (U+0007)", 3),
    ],
)
def test_a_character_that_cannot_be_seen_is_named(
    text: str, name: str, column: int
) -> None:
    found = error(text)
    assert found.message == f"There is {name} in the instruction's name."
    assert found.place == f"Dockerfile:3:{column}"


def test_the_rest() -> None:
    assert one("WORKDIR  /a  b ").path.text == "/a  b"
    assert one("USER a:b").user.text == "a:b"
    assert one("STOPSIGNAL $SIG").signal.text == "$SIG"
    assert one("MAINTAINER Me <me@x>").name == "Me <me@x>"
    assert one('SHELL ["a", "-c"]').args == ("a", "-c")
    assert texts(one("EXPOSE 80 443/udp $P 1-3").ports) == [
        "80",
        "443/udp",
        "$P",
        "1-3",
    ]
    assert texts(one('VOLUME ["/a b", "/c"]').paths) == ["/a b", "/c"]
    assert texts(one("VOLUME /a /b").paths) == ["/a", "/b"]
    assert said(one("run x")) == said(one("RuN x")) == "x"


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ("--interval=5m", (300 * 10**9, 0, 0, 0, 0)),
        ("--timeout=1.5s --retries=3", (0, 1_500_000_000, 0, 0, 3)),
        (
            "--start-period=1h2m3s --start-interval=5ms",
            (0, 0, 3723 * 10**9, 5 * 10**6, 0),
        ),
        ("--interval=0 --timeout=0s --retries=0", (0, 0, 0, 0, 0)),
    ],
)
def test_healthcheck(flags: str, expected: tuple[int, ...]) -> None:
    check = one(f"HEALTHCHECK {flags} CMD a")
    times = (check.interval, check.timeout, check.start_period, check.start_interval)
    assert (*times, check.retries) == expected


@pytest.mark.parametrize(
    "text",
    [
        "HEALTHCHECK NONE x",
        "HEALTHCHECK CMD",
        "HEALTHCHECK x",
        "HEALTHCHECK --interval=1 CMD a",
        "HEALTHCHECK --interval=1d CMD a",
        "HEALTHCHECK --interval=1us CMD a",
        "HEALTHCHECK --retries=-1 CMD a",
        "HEALTHCHECK --interval=5s NONE",
    ],
)
def test_healthchecks_that_are_none(text: str) -> None:
    assert error(text).message


def test_healthcheck_none() -> None:
    assert one("HEALTHCHECK none").command is None


@pytest.mark.parametrize("inner", ["FROM a", "ONBUILD RUN x", "MAINTAINER x", "x", ""])
def test_triggers_that_cannot_be(inner: str) -> None:
    assert error(f"ONBUILD {inner}").message
