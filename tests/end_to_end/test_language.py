"""The language beside Docker's BuildKit: the same recipes, by both.

What both build is compared: the image's configuration, the texts of its history, the
tree of its files. What both refuse is refused here. Docker 20.10 has BuildKit's
frontend of 2020; OLDER lists what that does not know yet, and STRICTER what Lamina
refuses on purpose, which `--compat=buildkit` takes.
"""

from __future__ import annotations

import itertools
import json
import os
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from lamina.lang.expand import expand
from lamina.lang.nodes import Label
from lamina.lang.parser import parse
from lamina.lang.source import Source
from tests.busybox import BUSYBOX
from tests.end_to_end.bases import Lamina

pytestmark = [
    pytest.mark.root("it asks dockerd"),
    pytest.mark.skipif("LAMINA_NO_DOCKER" in os.environ, reason="dockerd cannot run"),
]

# The recipes differ in what they end as: FROM scratch costs no time.
CONFIGS = {
    "env": 'ENV a=b c="d e" d=\\$x e= f=\'$a\'\nENV a=2 g=$a h=$a$c "i"=j k$a=l',
    "env of the line before": "ENV a=1\nENV a=2 b=$a c=${a}",
    "legacy env": "ENV name the  rest \"of the\" line $PATH\nLABEL x y 'z  z'",
    "path": "ENV PATH=/opt/bin:$PATH",
    "labels": 'LABEL a=1 b="2 3" "c d"=4\nLABEL a=5 e=\\\n6 f="a\\\nb"\nLABEL g=a\\ b',
    "argument": "ARG A=1\nARG B=${A}2 C\nENV x=$A y=$B z=${C:-none}\nARG A=3\nENV a=$A",
    "argument after environment": "ENV A=env\nARG A=arg\nLABEL a=$A",
    "environment after argument": "ARG A=arg\nENV A=env\nLABEL a=$A",
    "shell forms": "CMD a  b\nENTRYPOINT exec c \\\n  d",
    "exec forms": 'CMD ["a", "b c", "$d"]\nENTRYPOINT [ "e\\n" , "\\u00e9" ]',
    "cmd before entrypoint": 'CMD ["a"]\nENTRYPOINT ["b"]',
    "cmd after entrypoint": 'ENTRYPOINT ["b"]\nCMD ["a"]',
    "empty commands": 'ENTRYPOINT ["a"]\nCMD ["b"]\nCMD []\nENTRYPOINT []',
    "inherited cmd": 'CMD ["a"]\nFROM base\nENTRYPOINT ["b"]',
    "shell": 'SHELL ["/bin/bash", "-c"]\nCMD a\nENTRYPOINT b',
    "shell, inherited": 'SHELL ["/bin/bash", "-c"]\nFROM base\nCMD a',
    "volumes": 'VOLUME /a /b\nVOLUME ["/c d", "/a"]\nENV x=/e\nVOLUME $x',
    "user": "ARG U=me\nUSER $U:${G:-staff}",
    "user again": "USER 5\nUSER 1000:1000",
    "stop signal": "STOPSIGNAL SIGTERM\nARG S=9\nSTOPSIGNAL $S",
    "onbuild": "ONBUILD RUN a && \\\n  b\nONBUILD   COPY a  b /c/\nonbuild env a=$b",
    "maintainer": "MAINTAINER A Person <a@b>",
    "workdir": "WORKDIR /a\nWORKDIR b/../c\nENV d=e\nWORKDIR $d/\nWORKDIR ./f",
    "quoted workdir": 'WORKDIR "/a b"\nWORKDIR c\\ d',
    "comments": "# one\nENV a=1 \\\n# two\n  b=2 \\\n\n  # three\n  c=3",
    "casing": 'env A=1\nLaBeL b=c\ncmd ["x"]\nuSER 1',
    "continued words": "LABEL a=b\\\nc d=\\\n e=f\nCMD a\\\n    b",
    "trailing blanks": "ENV a=1 \\  \n  b=2\t\nLABEL c=d  ",
    "odd words": "ENV a=b=c d='e' f=\"g\"'h'i j=\\\"k l=m\\\\n",
    "unicode": "ENV grüße='schöne $x' a=한국어\nLABEL ü=ü",
    "health": "HEALTHCHECK --interval=5m --timeout=3s --retries=4 CMD curl x || exit 1",
    "health as a vector": 'HEALTHCHECK --start-period=1h30m CMD ["a", "b"]',
    "no health": "HEALTHCHECK CMD a\nHEALTHCHECK NONE",
    "ports": 'EXPOSE 80 53/udp 8000-8002\nARG P="90 91"\nEXPOSE $P 443/tcp',
}
# Texts of history that the frontend has changed since: how it writes these.
CHANGED = ("EXPOSE ", "HEALTHCHECK ")

BAD = {
    "no argument": "ENV",
    "a name alone": "ENV a",
    "pairs that are none": "ENV a=b c",
    "an open quote": 'LABEL a="b',
    "a label alone": "LABEL a",
    "no instruction": "FOO a",
    "one word of copy": "COPY a",
    "no such flag": "COPY --x=y a b",
    "a flag twice": "COPY --chown=1 --chown=2 a b",
    "numbers in JSON": "CMD [1]",
    "a shell of words": "SHELL /bin/bash -c",
    "an empty shell": "SHELL []",
    "a check of nothing": "HEALTHCHECK CMD",
    "a check of that sort": "HEALTHCHECK MAYBE x",
    "no time": "HEALTHCHECK --interval=soon CMD x",
    "a short time": "HEALTHCHECK --interval=5us CMD x",
    "no retries": "HEALTHCHECK --retries=x CMD x",
    "a trigger of triggers": "ONBUILD ONBUILD RUN x",
    "a trigger of a base": "ONBUILD FROM x",
    "a trigger of nothing": "ONBUILD",
    "no signal": "STOPSIGNAL SIGNONE",
    "two bases": "FROM a b",
    "a bad name": "FROM scratch AS 1x",
    "a bad base": "FROM a::b",
    "a port": "EXPOSE web",
    "a large port": "EXPOSE 70000",
    "no field of a mount": "RUN --mount=type=cache,foo=bar,target=/x a",
    "no type of a mount": "RUN --mount=type=x,target=/x a",
    "a mount of nowhere": "RUN --mount=type=cache a",
    "no network": "RUN --network=some a",
    "a later stage": "COPY --from=later a b\nFROM scratch AS later\nFROM base",
    "an empty volume": 'VOLUME ["  "]',
    "a substitution of nothing": "ENV a=${}",
    "an open substitution": "ENV a=${b",
    "no such form": "ENV a=${b:=c}",
    "a needed variable": "ENV a=${b:?is needed}",
    "no directive": "FROM scratch\n# escape=`\nENV a=b `\n c=d",
}
STRICTER = {
    "several sources": "COPY a b c",
    "flags of STOPSIGNAL": "STOPSIGNAL --x 9",
    "flags of ARG": "ARG --x A",
    "almost JSON": "CMD ['a']",
}
OLDER = {
    "heredoc": "COPY <<a /x\nb\na",
    "parents": "COPY --parents a/x /b/",
    "link": "COPY --link a /b",
    "pattern": "ENV a=bc\nENV d=${a#b}",
    "default without a colon": "ENV a=${b-c}",
    "start interval": "HEALTHCHECK --start-interval=1s CMD x",
}
COMPARED = (
    *("Env", "Cmd", "Entrypoint", "WorkingDir", "Labels", "ExposedPorts", "Volumes"),
    *("User", "OnBuild", "Healthcheck", "StopSignal", "Shell"),
)


def recipe(text: str) -> str:
    return f"FROM scratch AS base\n{text}\n"


class Docker:
    """Docker's BuildKit, and the images that it made."""

    def __init__(self, context: Path) -> None:
        self.context = context
        self.images: list[str] = []

    def call(self, *words: str | Path, given: str = "") -> tuple[int, str]:
        done = subprocess.run(
            ["/usr/bin/docker", *words],
            input=given.encode(),
            env={**os.environ, "DOCKER_BUILDKIT": "1"},
            capture_output=True,
            check=False,
        )
        return done.returncode, done.stdout.decode()

    def build(self, text: str) -> str | None:
        """The ID of the image; None where Docker refuses."""
        code, out = self.call("build", "-q", "-f", "-", self.context, given=text)
        if code:
            return None
        self.images.append(out.strip())
        return out.strip()

    def inspect(self, *images: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self.call("inspect", *images)[1])
        return found

    def history(self, image: str) -> list[str]:
        words = ("history", "--no-trunc", "--format", "{{.CreatedBy}}", image)
        return self.call(*words)[1].splitlines()


@pytest.fixture
def context(tmp_path: Path) -> Path:
    place = tmp_path / "context"
    place.mkdir()
    for name in ("a", "b", "tool"):
        (place / name).mkdir()
        (place / name / "x").write_text(f"{name}\n")
    (place / "busybox").write_bytes(Path(BUSYBOX).read_bytes())
    (place / "busybox").chmod(0o755)
    return place


@pytest.fixture
def docker(context: Path) -> Iterator[Docker]:
    command = Docker(context)
    yield command
    if command.images:
        command.call("rmi", "-f", *command.images)


def all_of_docker(docker: Docker, recipes: dict[str, str]) -> dict[str, str | None]:
    with ThreadPoolExecutor(2) as pool:
        made = pool.map(docker.build, map(recipe, recipes.values()))
        return dict(zip(recipes, made, strict=True))


def refusals(
    lamina: Lamina, context: Path, recipes: dict[str, str], *flags: str
) -> dict[str, bool]:
    """Which of the recipes Lamina refuses, each with a message that is worth it."""

    def refused(text: str) -> bool:
        words: tuple[str | Path, ...] = ("build", "-q", *flags, "-f", "-", context)
        done = lamina.run(*words, given=recipe(text), code=None)
        assert done.code in (0, 1), done.err
        return done.code != 0

    with ThreadPoolExecutor(2) as pool:
        found = pool.map(refused, recipes.values())
        return dict(zip(recipes, found, strict=True))


def compared(config: dict[str, Any]) -> dict[str, Any]:
    return {name: config.get(name) or None for name in COMPARED}


def test_the_same_configuration_and_history(
    lamina: Lamina, docker: Docker, context: Path
) -> None:
    theirs = all_of_docker(docker, CONFIGS)
    assert None not in theirs.values()
    ids = [str(image) for image in theirs.values()]
    expected = [
        (compared(found["Config"]), docker.history(found["Id"]))
        for found in docker.inspect(*ids)
    ]
    flags = ("build", "-q", "-f", "-", context)
    with ThreadPoolExecutor(2) as pool:
        done = pool.map(
            lambda text: lamina.run(*flags, given=recipe(text)).out.strip(),
            CONFIGS.values(),
        )
        ours = list(done)
    documents = json.loads(lamina.run("inspect", *ours).out)
    for name, image, document, (config, history) in zip(
        CONFIGS, ours, documents, expected, strict=True
    ):
        assert compared(document["Config"]) == config, name
        words = ("history", "--no-trunc", "--format", "{{.CreatedBy}}", image)
        lines = lamina.run(*words).out.splitlines()
        assert [line for line in lines if not line.startswith(CHANGED)] == [
            line for line in history if not line.startswith(CHANGED)
        ], name


def test_both_refuse(lamina: Lamina, docker: Docker, context: Path) -> None:
    assert all_of_docker(docker, BAD) == dict.fromkeys(BAD)
    assert refusals(lamina, context, BAD) == dict.fromkeys(BAD, True)


def test_lamina_is_stricter_where_docker_says_nothing(
    lamina: Lamina, docker: Docker, context: Path
) -> None:
    theirs = all_of_docker(docker, STRICTER)
    assert None not in theirs.values()
    assert refusals(lamina, context, STRICTER) == dict.fromkeys(STRICTER, True)
    configs = docker.inspect(*map(str, theirs.values()))
    words = ("build", "-q", "--compat=buildkit", "-f", "-", context)
    for text, expected in zip(STRICTER.values(), configs, strict=True):
        image = lamina.run(*words, given=recipe(text)).out.strip()
        assert compared(lamina.config(image)) == compared(expected["Config"]), text


def test_what_is_newer_than_this_docker(
    lamina: Lamina, docker: Docker, context: Path
) -> None:
    assert all_of_docker(docker, OLDER) == dict.fromkeys(OLDER)
    assert refusals(lamina, context, OLDER) == dict.fromkeys(OLDER, False)


def expressions() -> list[str]:
    """Words in all the forms that both know, plain, quoted and nested."""
    names = ["full", "empty", "unset", "1", "@"]
    inner = ["", "w", "$full", "${unset:-${empty:-deep}}", "'$full'", "\\}", '"q}"']
    words = [
        f"${{{name}:{sign}{word}}}"
        for name, sign, word in itertools.product(names, "-+", inner)
    ]
    words += [f"${{full{sign}{word}}}" for sign in ("?", ":?") for word in ("", "m")]
    words += [f"x${name}y-${{{name}}}z" for name in names]
    words += [f'"{word}"' for word in words if '"' not in word]
    words += [
        *("\\a", "a\\\\b", '"\\a"', '"\\\\"', '"\\$full"', "'\\a'", "'\"'", '"\'"'),
        *("$", "a$", "$.", "$full$full", "${full}$", "\\$full", "\\${full}", "$/"),
        *("'a'\"b\"c", "a=b", "=", "$full=$full", "a\\ b", "#", "a#b", "한$full"),
    ]
    return words


def test_words_expand_as_in_docker(docker: Docker) -> None:
    words = expressions()
    assert len(words) > 100
    labels = " \\\n".join(f"  l{place}={word}" for place, word in enumerate(words))
    text = f"FROM scratch\nENV full=value empty=\nLABEL \\\n{labels}\n"
    image = docker.build(text)
    assert image is not None
    (found,) = docker.inspect(image)
    (stage,) = parse(Source("Dockerfile", text)).stages
    label = stage.instructions[-1]
    assert isinstance(label, Label)
    env = {"full": "value", "empty": "", "PATH": "/bin"}
    ours = {pair.key.text: expand(pair.value, env) for pair in label.pairs}
    assert ours == found["Config"]["Labels"]


TREES = """
FROM scratch AS base
COPY busybox /bin/sh
ENV PATH=/bin
FROM base AS one
ARG WHO=nobody
RUN echo "$WHO" '$WHO' \\$WHO  a   b > /said
RUN echo continued \\
# a comment
    line > /line && \\

    echo [ "$WHO" ] >> /line
FROM base AS two
RUN ["sh", "-c", "echo exec $0 > /exec"]
WORKDIR /deep/er
RUN pwd > where
WORKDIR ../up
RUN pwd > where
FROM two AS three
ENV A=1
ARG A=2
RUN echo $A > /value
ENV B=$A A=3
RUN echo $A $B > /after
SHELL ["/bin/sh", "-e", "-c"]
RUN echo $- > /flags
FROM base AS four
COPY a/x b/x tool /d/
COPY ["a", "/with blank/"]
COPY a* /glob/
ADD --chown=7:8 tool /owned/
ONBUILD RUN echo triggered > /triggered
ONBUILD COPY a /from-trigger
FROM four AS five
COPY --from=0 /bin /zero
COPY --from=THREE /value /value
RUN --mount=type=bind,source=a,target=/mnt --mount=type=tmpfs,target=/t \\
    cp /mnt/x /bound && echo > /t/y
FROM scratch
COPY --from=one /said /line /one/
COPY --from=two /exec /deep /two/
COPY --from=three /value /after /flags /three/
COPY --from=four /d /four/d
COPY --from=four ["/with blank", "/four/blank"]
COPY --from=four /glob /four/glob
COPY --from=four /owned /four/owned
COPY --from=five /zero /value /bound /triggered /from-trigger /five/
"""


def tree(place: Path) -> dict[str, tuple[str, int, int, int, bytes]]:
    found = {}
    for path in sorted(place.rglob("*")):
        status = path.lstat()
        content = path.read_bytes() if path.is_file() else b""
        kind = "directory" if path.is_dir() else "file"
        name = str(path.relative_to(place))
        owner = (status.st_uid, status.st_gid)
        found[name] = (kind, status.st_mode, *owner, content)
    return found


def test_the_same_files(
    lamina: Lamina, docker: Docker, context: Path, tmp_path: Path
) -> None:
    out = tmp_path / "theirs.tar"
    words = ("build", "-q", "-f", "-", "-o", f"type=tar,dest={out}", context)
    assert docker.call(*words, given=TREES)[0] == 0
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    subprocess.run(["tar", "-xpf", out, "-C", theirs, "--same-owner"], check=True)
    ours = tmp_path / "ours"
    output = f"type=local,dest={ours},owners=keep"
    lamina.run("build", "-o", output, "-f", "-", context, given=TREES)
    assert tree(ours) == tree(theirs)
