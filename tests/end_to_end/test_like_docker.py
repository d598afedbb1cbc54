"""Image configs beside BuildKit's: what a Dockerfile means is the same in both.

The BuildKit of Docker 20.10 builds each case, and so does Lamina: config, layers and
history have to agree, but for the words that later versions of BuildKit changed.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lamina.oci.config import Healthcheck
from tests.busybox import make_image, open_store
from tests.end_to_end.bases import DOCKER, Lamina, known_to_docker

pytestmark = [
    pytest.mark.root("it asks dockerd"),
    pytest.mark.slow,
    pytest.mark.skipif("LAMINA_NO_DOCKER" in os.environ, reason="no dockerd runs here"),
]

# Docker's names are those of the whole machine.
BASE = f"lamina-like-docker-{os.getpid()}:1"

CASES = {
    "env": 'FROM scratch\nENV A=1 B="two words" C=a\\ b\nENV D $A rest\nENV A=2 E=$A\n'
    'ENV X=a\\ b Y=\'a b\' Z="a \\"b\\""\nCOPY f /',
    "env-of-a-base": "FROM base\nENV LANG=de X=$LANG\nENV PATH=",
    "cmd-then-entrypoint": 'FROM base\nCMD echo hi\nENTRYPOINT ["a", "b\\"c"]',
    "entrypoint-drops-cmd": "FROM base\nENTRYPOINT echo hi",
    "empty-cmd": "FROM base\nCMD []",
    "empty-entrypoint": 'FROM base\nENTRYPOINT []\nCMD ["x"]',
    "entrypoint-on-a-stage": 'FROM base AS x\nCMD ["a"]\nFROM x\nENTRYPOINT ["b"]',
    "quoting": 'FROM scratch\nCOPY f /\nCMD ["ü", "\\u0007", "\\t", "\\u00a0", "😀"]',
    "expose": "FROM base\nEXPOSE 443 53/UDP 8000-8003 127.0.0.1:99:98/tcp\nEXPOSE $N",
    "volume": 'FROM scratch\nCOPY f /\nVOLUME /b /a\nVOLUME ["/with blank", "/c"]',
    "workdir": "FROM base\nWORKDIR sub\nWORKDIR ../x/\nWORKDIR /",
    "workdir-of-scratch": "FROM scratch\nWORKDIR a/b\nCOPY f .\nCOPY f g sub/",
    "health": "FROM base\nHEALTHCHECK --interval=5m --timeout=1.5s CMD x  y",
    "no-health": "FROM base\nHEALTHCHECK NONE",
    "label": 'FROM scratch\nCOPY f /\nLABEL a=1 b="x y" "c d"=e\nLABEL a b c\n'
    'LABEL "com.example"="$A ${B}" m="a\\\nb" n="x\\ny" o=\'$A\' p=\\"q\\"',
    "shell": 'FROM scratch\nCOPY f /\nSHELL ["/bin/b", "-c"]\nCMD e\nENTRYPOINT x  y',
    "maintainer": "FROM scratch\nCOPY f /\nMAINTAINER someone <a@b>",
    "onbuild": "FROM scratch\nCOPY f /\nONBUILD RUN make   x\nONBUILD copy . /src\n"
    "onbuild ENV a=b",
    "stopsignal": "FROM scratch\nCOPY f /\nSTOPSIGNAL rtmin+3",
    "stopsignal-number": "FROM scratch\nCOPY f /\nSTOPSIGNAL 9",
    "stages": "ARG V=1\nFROM scratch AS Base\nARG V\nARG W=w$V\nARG N\nENV E=$W\n"
    'CMD ["b"]\nONBUILD LABEL t=1\nCOPY f /\nFROM base\nARG V=2\nCOPY g /\n'
    'ENTRYPOINT ["x"]\nCOPY --from=BASE f /h\nCOPY --from=0 f /i',
    "run": 'FROM base\nARG A=1\nARG B\nARG C="x y"\nENV A=2\nUSER root\n'
    'RUN echo   $A   && \\\n   true\nRUN ["/bin/sh", "-c", "echo \\"q\\""]',
    "copy": 'FROM base\nUSER root\nADD f /d2/\nCOPY ["f", "/blank name"]\nCOPY d /d\n'
    "COPY nomatch* /x/",
    "user": "FROM base\nUSER $LANG:x\nUSER 7",
    "user-of-nothing": "FROM base\nUSER $N",
    "arguments": "FROM scratch\nARG HTTP_PROXY=x\nARG A=1\nARG A\nCOPY f /",
}
# What BuildKit does and Lamina only in compat.
QUIRKS = {
    "several-sources": "FROM base\nUSER root\nCOPY f g /one\nCOPY d f /new",
    "unknown-owner": "FROM base\nUSER nobodyknows\nWORKDIR /made\nCOPY f /x",
    "empty-words": "FROM base\nWORKDIR $N\nCOPY f $N",
    "empty-commands": "FROM scratch\nCOPY f /\nCMD\nENTRYPOINT",
    "malformed-json": "FROM scratch\nCOPY f /\nCMD ['a', 'b']",
    "signal-numbers": "FROM scratch\nCOPY f /\nSTOPSIGNAL 65",
}
# Entries that BuildKit words in another way today, and what
# dockerd adds for layers of images that it loaded.
OTHER_WORDS = ("EXPOSE ", "HEALTHCHECK ", "ARG ", "from local", "fileop", "mount / ")


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lamina]:
    """The command on a store with a base that Docker has too."""
    place = tmp_path_factory.mktemp("like-docker")
    store = open_store(place)
    make_image(
        store,
        BASE,
        env=("PATH=/bin:/usr/bin", "LANG=C"),
        labels={"a": "1"},
        cmd=("sh", "-c", "x"),
        entrypoint=("/bin/e",),
        exposed_ports=("80/tcp",),
        volumes=("/v",),
        working_dir="/home",
        user="guest",
        stop_signal="SIGINT",
        healthcheck=Healthcheck(("CMD", "x"), 10**9, 0, 0, 0, 3),
        on_build=("ENV TRIG=1", "ARG TA=2", "LABEL trig=$TA"),
        author="me",
    )
    store.close()
    with known_to_docker(place, BASE) as command:
        yield command


def context(place: Path, text: str) -> Path:
    (place / "d").mkdir()
    for name in ("f", "g", "d/x"):
        (place / name).write_text(name)
    named = text if " AS Base" in text else text.replace("FROM base", f"FROM {BASE}")
    (place / "Dockerfile").write_text(f"{named}\n")
    return place


def meaning(found: dict[str, Any], history: str) -> dict[str, object]:
    """What counts of an image: its config without what is empty, layers, history."""
    config = {k: v for k, v in found["Config"].items() if v not in (None, "", {}, [])}
    for name in ("Hostname", "Domainname", "Image", "AttachStdin"):
        config.pop(name, None)
    config = {k: v for k, v in config.items() if v is not False and k != "ArgsEscaped"}
    words = [line for line in history.splitlines() if line.strip()]
    return {
        **config,
        "layers": len(found["RootFS"].get("Layers") or ()),
        "author": found["Author"],
        "history": [word for word in words if not word.startswith(OTHER_WORDS)],
    }


def by_docker(folder: Path) -> dict[str, object]:
    env = {**os.environ, "DOCKER_BUILDKIT": "1"}
    told = ["docker", "history", "--no-trunc", "--format", "{{.CreatedBy}}"]
    image = subprocess.check_output(
        [DOCKER, "build", "-q", folder], env=env, text=True, stderr=subprocess.DEVNULL
    ).strip()
    try:
        text = subprocess.check_output([DOCKER, "inspect", image])
        history = subprocess.check_output([*told, image], text=True)
    finally:
        subprocess.run([DOCKER, "rmi", "-f", image], capture_output=True, check=False)
    return meaning(json.loads(text)[0], history)


def by_lamina(lamina: Lamina, folder: Path, *flags: str) -> dict[str, object]:
    image = lamina.build(folder, *flags)
    config = lamina.inspect(image)
    history = lamina.run("history", "--no-trunc", "--format", "{{.CreatedBy}}", image)
    return meaning(config, history.out)


@pytest.mark.parametrize("name", CASES)
def test_a_dockerfile_means_the_same(both: Lamina, tmp_path: Path, name: str) -> None:
    folder = context(tmp_path, CASES[name])
    theirs = by_docker(folder)
    assert by_lamina(both, folder) == theirs
    assert by_lamina(both, folder, "--compat=buildkit") == theirs


@pytest.mark.parametrize("name", QUIRKS)
def test_a_quirk_is_an_error_unless_asked_for(
    both: Lamina, tmp_path: Path, name: str
) -> None:
    folder = context(tmp_path, QUIRKS[name])
    both.run("build", folder, code=1)
    assert by_lamina(both, folder, "--compat=buildkit") == by_docker(folder)
