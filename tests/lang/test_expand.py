"""Expansion of words. The tables are BuildKit's (`shell/lex_test.go`, `envVarTest`)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina.lang.expand import expand, expand_heredoc, expand_list
from lamina.lang.nodes import Copy, Env, Expose
from lamina.lang.parser import parse
from lamina.lang.source import RecipeError, Source, Span
from lamina.lang.words import Heredoc, Word

ENV = {
    "PWD": "/home",
    "SHELL": "bash",
    "KOREAN": "한국어",
    "NULL": "",
    "FOO": "xxyy",
    "한": "han",
}


def word(text: str) -> Word:
    return Word(text, Span(Source("Recipe", text), 0, len(text)))


def expanded(text: str, escape: str = "\\", **more: str) -> str:
    return expand(word(text), ENV | more, escape)


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("hello", "hello"),
        ("he'll'o", "hello"),
        (r"he\'llo", "he'llo"),
        (r"a\tb", "atb"),
        ("abc\\", "abc"),
        (r"'hello\there'", r"hello\there"),
        ("'hello\\\\there'", "hello\\\\there"),
        (r'"abc\tdef"', r"abc\tdef"),
        (r'"abc\\tdef"', r"abc\tdef"),
        (r'"he\\$PWD"', "he\\/home"),
        (r'"he\$PWD"', "he$PWD"),
        (r'"he\'llo"', r"he\'llo"),
        ('"he\'llo"', "he'llo"),
        (r"""'he"llo'""", 'he"llo'),
        (r'"\""', '"'),
        ('""', ""),
        ("he$PWDx", "he"),
        ("he$PWD.x", "he/home.x"),
        ("he${PWD}xx", "he/homexx"),
        ("he$1x", "hex"),
        ("he$.x", "he$.x"),
        ("he$", "he$"),
        ("$ a", "$ a"),
        ("$@$*$#$?$-$$$!$0", ""),
        ("$001aaa", "aaa"),
        (r"\${}aaa", "${}aaa"),
        (r"\$x", "$x"),
        ("'$PWD'", "$PWD"),
        ('"$PWD"', "/home"),
        ("he$KOREAN", "he한국어"),
        ("$한", "han"),
        ("he${XXX:-000}xx", "he000xx"),
        ("he${PWD:-000}xx", "he/homexx"),
        ("he${NULL:-000}xx", "he000xx"),
        ("he${NULL-000}xx", "hexx"),
        ("he${XXX-000}xx", "he000xx"),
        ("he${PWD:+${PWD}:}xx", "he/home:xx"),
        ("he${XXX:+${PWD}:}xx", "hexx"),
        ("he${NULL:+x}xx", "hexx"),
        ("he${NULL+x}xx", "hexxx"),
        ("he${XXX+x}xx", "hexx"),
        ("he${XXX:-${YYY:-yyy}}xx", "heyyyxx"),
        ('he${XXX:-"a b"}xx', "hea bxx"),
        ("\"${XXX:-'a'}\"", "a"),
        ("he${PWD:?}", "he/home"),
        ("he${NULL?}", "he"),
        ("${PWD:?message}", "/home"),
        ("${aaa}}", "}"),
        ("${aaa:-bbb {foo}", "bbb {foo"),
        (r"${aaa:-b\}b}", "b}b"),
        ("${XXX:-}", ""),
        ("${-}", ""),
        ("${@:-x}", "x"),
        ("${0:-x}${12:-y}", "xy"),
        ("${FOO#*}", "xxyy"),
        ("${FOO##*x}", "yy"),
        ("${FOO#*x*y}", "y"),
        ("${FOO#}", "xxyy"),
        ("${FOO##}", "xxyy"),
        ("${FOO%}", "xxyy"),
        ("${FOO%%}", "xxyy"),
        ("${FOO%y}", "xxy"),
        ("${FOO%%y*}", "xx"),
        ("${FOO#?}", "xyy"),
        ("${FOO#z}", "xxyy"),
        ("${XXX#a}", ""),
        ("${FOO/x/a}", "axyy"),
        ("${FOO//x/a}", "aayy"),
        ("${FOO//x/}", "yy"),
        ("${FOO/y*/a}", "xxa"),
        ("${FOO///}", "xxyy"),
        ("${XXX///}", ""),
        ("${FOO//z/a}", "xxyy"),
        ("${FOO/$NULL/ww}", "wwxxyy"),
        ("${FOO//x/$1}", "yy"),
        ("${FOO//?/[$PWD]}", "[/home][/home][/home][/home]"),
        ("${FOO#${FOO%yy}}", "yy"),
    ],
)
def test_forms(text: str, result: str) -> None:
    assert expanded(text) == result


@pytest.mark.parametrize(
    ("text", "env", "result"),
    [
        (r"${V#()[]{\}^$.\*\?|\\}", "()[]{}^$.*?|\\x", "x"),
        (r"${V%%\**}", "xx**", "xx"),
        (r"${V%%\**\*}", "a***yy*", "a"),
        (r"${V#?\?}", "???y", "?y"),
        (r"${V//\//\/}", "/tmp/foo.txt", r"\/tmp\/foo.txt"),
        ("${V/$N/.} - ${V//$N/.}", "/foo*/*/*.txt", "/foo.*/*.txt - /foo..*.txt"),
        ("${V#f*b}", "foobarbaz", "arbaz"),
        ("${V##f*b}", "foobarbaz", "az"),
        ("${V%b*}", "foobarbaz", "foobar"),
        ("${V%%b*}", "foobarbaz", "foo"),
        ("${V//a*b/-}", "a\nab\nxab", "a\n-\nx-"),
        ("${V#*}", "a\nb", "a\nb"),
        ("${V##*}", "a\nb", "\nb"),
        ("${V//$E/-}", "ab", "-a-b-"),
        ("${V//*/-}", "ab", "-"),
    ],
)
def test_patterns(text: str, env: str, result: str) -> None:
    assert expanded(text, V=env, N=r"\*/", E="") == result


@pytest.mark.parametrize(
    "text",
    [
        "he${}xx",
        "${.}",
        "${:-b}",
        "${{a}",
        "${",
        "${a",
        "${a:",
        "${a:-b",
        "${a#b",
        "${FOO//ww}",
        "${FOO//}",
        "he${PWD:=000}xx",
        "${FOO=aaa}",
        "${FOO=:aaa}",
        "${FOO^^}",
        "${#FOO}",
        "${FOO,,}",
        "${FOO:0:1}",
        "'abc",
        '"abc',
        'a"b${c:-"}',
        "he${NULL:?}",
        "he${XXX?}",
        "he${XXX:?no $PWD}",
    ],
)
def test_errors(text: str) -> None:
    with pytest.raises(RecipeError):
        expanded(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("${XXX?}", "XXX: is not allowed to be unset"),
        ("${NULL:?}", "NULL: is not allowed to be empty"),
        ("${XXX:?set it, as in $PWD}", "XXX: set it, as in /home"),
    ],
)
def test_a_missing_variable_says_what_the_recipe_says(text: str, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        expanded(text)


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("`$x", "$x"),
        (r"C:\dir", r"C:\dir"),
        ("C:\\$PWD", "C:\\/home"),
        ('"`"a"', '"a'),
        ("${FOO#`x}", "xyy"),
        ("${V#`*}", "b"),
        ("${XXX:-`}`\\}", "}\\"),
        ("'a`b'", "a`b"),
    ],
)
def test_another_escape_character(text: str, result: str) -> None:
    assert expanded(text, "`", V="*b") == result


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("80", ("80",)),
        ("$PORTS", ("80", "443/udp")),
        ("hello${space}bye", ("helloabc", "defbye")),
        ('hello"${space}"bye', ("helloabc  defbye",)),
        ("a${padded}b", ("a", "x", "b")),
        ("$NULL", ()),
        ("$NULL$NULL", ()),
        ('""', ()),
        ("${XXX:-1}2", ("12",)),
    ],
)
def test_lists_split_what_variables_hold(text: str, result: tuple[str, ...]) -> None:
    env = {"PORTS": "80 443/udp", "space": "abc  def", "padded": " x ", "NULL": ""}
    assert expand_list(word(text), env) == result


@pytest.mark.parametrize(
    ("body", "result"),
    [
        ("plain\n", "plain\n"),
        ('it\'s "$PWD"\n', 'it\'s "/home"\n'),
        ("${XXX:-'a'}\n", "'a'\n"),
        (r"\$PWD \\ \x \'", r"$PWD \ x '"),
        ("a\\\nb\n", "a\nb\n"),
        ("${PWD#/}${FOO//x/z}\n", "homezzyy\n"),
        ("$\n", "$\n"),
    ],
)
def test_documents_keep_their_quotes(body: str, result: str) -> None:
    span = Span(Source("Recipe", "<<E"), 0, 3)
    assert expand_heredoc(Heredoc("E", body, True, False, span, span), ENV) == result


def test_a_quoted_document_is_taken_as_it_is() -> None:
    span = Span(Source("Recipe", "<<'E'"), 0, 5)
    heredoc = Heredoc("E", "\t$PWD\n\t\t\\\n", False, True, span, span)
    assert expand_heredoc(heredoc, ENV) == "$PWD\n\\\n"


def test_parsed_words_expand_as_loose_ones_do() -> None:
    recipe = parse(
        Source(
            "Recipe",
            "FROM a\nENV A=\"x $FOO\"'$FOO' B=${FOO%y}\nEXPOSE $FOO\n"
            "COPY <<E /x\n$FOO\nE\n",
        )
    )
    env, expose, copy = recipe.stages[0].instructions
    assert isinstance(env, Env) and isinstance(expose, Expose)
    assert isinstance(copy, Copy)
    assert [expand(pair.value, ENV) for pair in env.pairs] == ["x xxyy$FOO", "xxy"]
    assert expand_list(expose.ports[0], {"FOO": "1 2"}) == ("1", "2")
    assert expand_heredoc(copy.heredocs[0], ENV) == "xxyy\n"


@given(st.text(alphabet="ab*?\\/", max_size=8), st.text(alphabet="ab*?\n", max_size=12))
def test_trimming_only_takes_away(pattern: str, value: str) -> None:
    for operator in ("#", "##"):
        left = expanded(f"${{V{operator}$P}}", V=value, P=pattern)
        assert value.endswith(left)
    shortest = expanded("${V%$P}", V=value, P=pattern)
    longest = expanded("${V%%$P}", V=value, P=pattern)
    assert value.startswith(shortest) and shortest.startswith(longest)


def test_no_pattern_is_slow() -> None:
    # A backtracking matcher would need longer than there is time for this one.
    assert expanded("${V%%$P}", V="a" * 2000, P="*a" * 30 + "b") == "a" * 2000
