"""`ps`: which containers are listed, and what of them."""

from __future__ import annotations

import json

import pytest

from tests.end_to_end.containers.machine import Machine

_QUIET = ("--network", "none")


@pytest.fixture
def three(lamina: Machine) -> Machine:
    """`one` has ended, `two` runs and has much, `three` was never started."""
    script = "echo abcd > /file; exit 3"
    lamina("run", *_QUIET, "--name", "one", "busybox", "sh", "-c", script, code=3)
    flags = ("-p", "127.0.0.1::80", "--expose", "90-92/udp", "-v", "store:/vol")
    labels = ("-l", "com.example.tier=web", "-l", "b=c")
    words = ("-v", "/etc:/a/long/place:ro", "--name", "two", "busybox", "sleep", "1000")
    lamina("run", "-d", *flags, *labels, *words)
    asked = (*_QUIET, "-p", "40080:80", "--tmpfs", "/t")
    lamina("create", *asked, "--name", "three", "guest", "sh", "-c", 'echo "a\nb"')
    return lamina


def test_filters(three: Machine) -> None:
    def names(*filters: str) -> str:
        flags = [word for text in filters for word in ("--filter", text)]
        words = ("ps", "-a", "--format", "{{.Names}}", *flags)
        return " ".join(sorted(three.out(*words).split()))

    identity = three.out("inspect", "-f", "{{.ID}}", "two")
    port = three.out("port", "two", "80").rpartition(":")[2]
    for filters, found in (
        (("name=^/t",), "three two"),
        (("name=^one$",), "one"),
        (("name=(",), ""),
        ((f"id={identity[:9]}",), "two"),
        (("status=exited",), "one"),
        (("status=exited", "status=created"), "one three"),
        (("status=dead",), ""),
        (("exited=3",), "one"),
        (("exited=0",), ""),
        (("label=b",), "two"),
        (("label=b=c", "label=com.example.tier"), "two"),
        (("label=b=x",), ""),
        (("ancestor=guest",), "three"),
        (("ancestor=nothing",), ""),
        (("before=two",), "one"),
        (("since=two",), "three"),
        (("volume=store",), "two"),
        (("volume=/vol/",), "two"),
        (("volume=/etc",), "two"),
        (("network=none",), "one three"),
        # Those of the host: what is asked for, and what was free.
        (("publish=80",), ""),
        (("publish=40080",), "three"),
        (("publish=40000-40100/tcp",), "three"),
        (("publish=40080/udp",), ""),
        ((f"publish={port}",), "two"),
        (("expose=80",), "three two"),
        (("expose=91/udp",), "two"),
        (("health=none", "is-task=false"), "one three two"),
        (("is-task=true",), ""),
        # As docker's client reads them.
        (("", " STATUS = exited "), "one"),
    ):
        assert names(*filters) == found, filters


@pytest.mark.parametrize(
    "text", ["x=y", "status=x", "health=x", "exited=x", "publish=x", "is-task=x"]
)
def test_filters_that_there_are_not(lamina: Machine, text: str) -> None:
    lamina("create", *_QUIET, "-p", "80", "--name", "box", "busybox", "true")
    assert lamina("ps", "-a", "--filter", text, code=1).stderr.startswith(b"lamina: ")


def test_filters_are_read_before_anything_is_looked_at(lamina: Machine) -> None:
    app = lamina.store.parent / "app"
    app.mkdir()
    (app / "Dockerfile").write_text("FROM busybox\n")
    for words in (
        ("network", "ls", "--filter", "type=x"),
        ("container", "prune", "-f", "--filter", "label=x", "--filter", "until=x"),
        ("build", "--label", "=x", str(app)),
        ("build", "--build-arg", "=x", str(app)),
    ):
        done = lamina(*words, code=None)
        assert done.returncode in (1, 125), words
        assert done.stderr.startswith(b"lamina: "), done.stderr
        assert b"Invalid " in done.stderr


def test_a_filter_by_another_needs_that_one(three: Machine) -> None:
    done = three("ps", "--filter", "before=nobody", code=1)
    assert b"No such container: nobody" in done.stderr


def test_sizes_labels_mounts(three: Machine) -> None:
    table = three.out("ps", "-as", "--filter", "name=one").splitlines()
    assert table[0].split()[-1] == "SIZE" and " 5B (virtual " in table[1]
    row = json.loads(three.out("ps", "--format", "json"))
    assert row["Mounts"] == "/etc,store" and row["LocalVolumes"] == "1"
    assert row["Labels"] == "b=c,com.example.tier=web" and "Label" not in row
    assert row["Size"].endswith(")")
    usage = three.out("system", "df", "-v")
    (line,) = (text for text in usage.splitlines() if text.endswith(" two"))
    assert line.split()[2:5] == ['"sleep', '1000"', "1"]
    style = '{{.Label "com.example.tier"}} {{.Label "no"}}|{{.LocalVolumes}}'
    assert three.out("ps", "--format", style) == "web |1"
    shown = three.out("ps", "--format", 'table {{.Names}}\t{{.Label "a.my-key"}}')
    assert shown.splitlines()[0].split(maxsplit=1) == ["NAMES", "my key"]
    assert three.out("ps", "--format", '{{ names }}: {{ label("b") }}') == "two: c"
    # `--tmpfs` is in none of docker's lists, and the command is quoted as in Go.
    words = ("ps", "-l", "--no-trunc", "--format")
    assert three.out(*words, "{{.Command}}") == r'''"sh -c 'echo \"a\nb\"'"'''
    assert "/t" not in three.out(*words, "{{.Mounts}}").split(",")


def test_which_ones_and_how_many(three: Machine) -> None:
    shown = ("--format", "{{.Names}}")
    assert three.out("ps", *shown) == "two"
    assert three.out("ps", "-l", *shown) == "three"
    assert three.out("ps", "-n", "2", *shown) == "three\ntwo"
    assert three.out("ps", "-q", *shown) == "two"
    # As docker has it, none is no limit.
    assert three.out("ps", "-n", "0", *shown) == "two"
    whole = three.out("ps", "-aq", "--no-trunc").split()
    assert [len(identity) for identity in whole] == [64] * 3
    assert three.out("ps", "-aq").split() == [identity[:12] for identity in whole]


def test_an_ancestor_is_an_image_that_others_were_made_on(lamina: Machine) -> None:
    lamina("run", *_QUIET, "--name", "base", "busybox", "touch", "/new")
    lamina("commit", "base", "grown")
    lamina("create", *_QUIET, "--name", "child", "grown", "true")
    words = ("ps", "-a", "--format", "{{.Names}}", "--filter")
    assert lamina.out(*words, "ancestor=grown") == "child"
    assert lamina.out(*words, "ancestor=busybox").split() == ["child", "base"]
    lamina("rm", "base", "child")
    lamina("rmi", "grown")
