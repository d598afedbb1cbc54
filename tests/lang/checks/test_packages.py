"""What package managers install and leave behind."""

from __future__ import annotations

import pytest

from tests.lang.checks.places import findings, places


@pytest.mark.parametrize(
    ("rule", "command", "word"),
    [
        ("UnpinnedAptPackage", "apt-get install -y curl", "curl"),
        ("UnpinnedAptPackage", "apt-get -qq -o A::B=c install git=1 jq", "jq"),
        ("UnpinnedAptPackage", "apt install 'curl'", "'curl'"),
        ("UnpinnedAptPackage", "sudo -E apt-get install curl", "curl"),
        ("UnpinnedAptPackage", "if true; then apt-get install x; fi", "x"),
        ("UnpinnedAptPackage", "(A=b apt-get install -t sid x)", "x"),
        ("UnpinnedPipPackage", "pip install flask", "flask"),
        ("UnpinnedPipPackage", "pip3.12 install -i URL 'a[b]'", "'a[b]'"),
        ("UnpinnedPipPackage", "python3 -m pip install --upgrade pip", "pip"),
        ("UnpinnedNpmPackage", "npm install -g typescript", "typescript"),
        ("UnpinnedNpmPackage", "npm i @scope/name", "@scope/name"),
        ("UnpinnedApkPackage", "apk --no-cache add git", "git"),
        ("UnpinnedApkPackage", "apk add -t .build a=1 b@edge", "b@edge"),
        ("UnpinnedYumPackage", "yum -y install gcc-c++", "gcc-c++"),
        ("UnpinnedDnfPackage", "dnf install -y python3-devel", "python3-devel"),
        ("UnpinnedDnfPackage", "microdnf --setopt a=b install tar", "tar"),
    ],
)
def test_a_package_without_a_version(rule: str, command: str, word: str) -> None:
    (place,) = places(rule, f"FROM a:1\nRUN {command}")
    assert place == f"2:{5 + command.rindex(word)} {word}"


@pytest.mark.parametrize(
    ("rule", "command"),
    [
        ("UnpinnedAptPackage", "apt-get install curl=7.88.1-10 git=1:2*"),
        ("UnpinnedAptPackage", "apt-get install curl/bookworm ./x.deb /y.deb z.deb"),
        ("UnpinnedAptPackage", "apt-get install -y $PACKAGES lib${X}-dev"),
        ("UnpinnedAptPackage", "apt-get install curl- && apt-get update"),
        ("UnpinnedAptPackage", "echo apt-get install curl"),
        ("UnpinnedAptPackage", "echo 'x; apt-get install curl' # apt-get install x"),
        ("UnpinnedPipPackage", "pip install flask==3.0 'a>=1' b~=2 c@https://x"),
        ("UnpinnedPipPackage", "pip install -r requirements.txt flask"),
        ("UnpinnedPipPackage", "pip install . ./a /b git+https://x/y x.whl"),
        ("UnpinnedPipPackage", "pip download flask"),
        ("UnpinnedNpmPackage", "npm install && npm ci"),
        ("UnpinnedNpmPackage", "npm i a@1 @b/c@2 ./d e/f --registry https://g"),
        ("UnpinnedApkPackage", "apk add a=1 b~2 'c>3' -X https://d !e .f=1"),
        ("UnpinnedYumPackage", "yum install gcc-4.8 @group /x.rpm https://y/z.rpm"),
        ("UnpinnedDnfPackage", "dnf install -y gcc-13.2 --releasever 39"),
    ],
)
def test_no_package_without_a_version(rule: str, command: str) -> None:
    assert places(rule, f"FROM a:1\nRUN {command}") == []


def test_a_finding_says_what_to_write() -> None:
    text = "FROM a:1\nRUN apt-get install a b=1 c d e"
    (finding,) = findings("UnpinnedAptPackage", text)
    assert finding.message == "apt-get installs any version of a, c, d and 1 more"
    assert finding.hint == "Write a=VERSION; `apt-cache madison a` lists them."


def test_places_go_through_continuations_comments_and_heredocs() -> None:
    text = (
        "# escape=`\nFROM a:1\nRUN set -e; `\n# why\n\n  apt-get install `\n    curl\n"
        "RUN --mount=type=cache,target=/x <<A 3<<-B bash -e\n"
        " apt-get install \\\n  jq\nA\napt-get install x\nB\n"
        "RUN <<-E\n\tpip install \\\n\t\tflask\n\tE\n"
    )
    assert places("UnpinnedAptPackage", text) == ["7:5 curl", "10:3 jq"]
    assert places("UnpinnedPipPackage", text) == ["16:3 flask"]


def test_the_exec_form_is_a_command_too() -> None:
    text = 'FROM a:1\nRUN ["apt-get", "install", "curl"]\n'
    assert places("UnpinnedAptPackage", text) == [
        '2:1 RUN ["apt-get", "install", "curl"]'
    ]
    text = 'FROM a:1\nRUN ["sh", "-ec", "apt-get update && apt-get install curl"]\n'
    assert len(places("UnpinnedAptPackage", text)) == 1


@pytest.mark.parametrize("reader", ["python3", "cat > /x", "tee /x"])
def test_what_other_programs_read_is_no_script(reader: str) -> None:
    text = f"FROM a:1\nRUN {reader} <<E\npip install x\nE\n"
    assert places("UnpinnedPipPackage", text) == []


@pytest.mark.parametrize(
    ("first", "count"),
    [("#!/bin/bash -e", 1), ("#!/usr/bin/env -S sh", 1), ("#!/usr/bin/perl", 0)],
)
def test_the_first_line_names_the_shell(first: str, count: int) -> None:
    text = f"FROM a:1\nRUN <<E\n{first}\npip install x\nE\n"
    assert len(places("UnpinnedPipPackage", text)) == count


def test_the_commands_of_powershell_are_not_read() -> None:
    text = 'FROM a:1\nSHELL ["pwsh", "-c"]\nRUN pip install x\n'
    assert places("UnpinnedPipPackage", text) == []


@pytest.mark.parametrize(
    ("rule", "run", "place"),
    [
        ("AptListsLeft", "apt-get update && apt-get install x", "apt-get update"),
        ("AptListsLeft", "apt-get update; rm -rf /var/cache/apt", "apt-get update"),
        ("ApkCacheLeft", "apk add x", "apk add x"),
        ("PipCacheLeft", "pip install x", "pip install x"),
        ("DnfCacheLeft", "dnf install -y x", "dnf install -y x"),
        ("YumCacheLeft", "yum -y install x", "yum -y install x"),
    ],
)
def test_a_cache_in_the_layer(rule: str, run: str, place: str) -> None:
    assert places(rule, f"FROM a:1\nRUN {run}") == [f"2:5 {place}"]


@pytest.mark.parametrize(
    ("rule", "run"),
    [
        ("AptListsLeft", "apt-get update && rm -rf /var/lib/apt/lists/*"),
        ("AptListsLeft", "apt-get update && apt-get distclean"),
        ("AptListsLeft", "--mount=type=cache,target=/var/lib/apt apt-get update"),
        ("AptListsLeft", "--mount=type=tmpfs,dst=/var/lib/apt/lists apt-get update"),
        ("AptListsLeft", "--mount=type=cache,target=$LISTS apt-get update"),
        ("AptListsLeft", "apt-get install x"),
        ("ApkCacheLeft", "apk add --no-cache x"),
        ("ApkCacheLeft", "apk add x && rm -rf /var/cache/apk/*"),
        ("ApkCacheLeft", "--mount=type=cache,target=/var/cache/apk/ apk add x"),
        ("PipCacheLeft", "pip install --no-cache-dir x"),
        ("PipCacheLeft", "PIP_NO_CACHE_DIR=1 pip install x"),
        ("PipCacheLeft", "--mount=type=cache,target=/root/.cache/pip pip install x"),
        ("PipCacheLeft", "--mount=type=cache,target=/root/.cache pip install x"),
        ("PipCacheLeft", "pip install x && pip cache purge"),
        ("PipCacheLeft", "pip install x && rm -rf ~/.cache"),
        ("DnfCacheLeft", "dnf install -y x && dnf clean all"),
        ("DnfCacheLeft", "--mount=type=cache,target=/var/cache dnf install x"),
        ("YumCacheLeft", "yum -y install x && rm -rf /var/cache/yum"),
    ],
)
def test_no_cache_in_the_layer(rule: str, run: str) -> None:
    assert places(rule, f"FROM a:1\nRUN {run}") == []


def test_a_mount_of_the_context_hides_nothing() -> None:
    run = "RUN --mount=type=bind,target=/var/cache/apk apk add x"
    assert places("ApkCacheLeft", f"FROM a:1\n{run}") == ["2:45 apk add x"]


def test_stages_that_are_thrown_away_may_keep_their_caches() -> None:
    build = "FROM a:1 AS build\nRUN apk add x\n"
    assert places("ApkCacheLeft", f"{build}FROM b:1\nCOPY --from=build /x /\n") == []
    assert places("ApkCacheLeft", f"{build}FROM build\n") == ["2:5 apk add x"]
    assert places("ApkCacheLeft", f"{build}FROM b:1\n") == ["2:5 apk add x"]


def test_pip_is_told_by_a_variable() -> None:
    text = "FROM a:1\nENV PIP_NO_CACHE_DIR=1\nRUN pip install x"
    assert places("PipCacheLeft", text) == []
