"""`lamina build`, as a user calls it: what recipes make, and what it is good for."""

from __future__ import annotations

import io
import json
import os
import shutil
import stat
import subprocess
import tarfile
from pathlib import Path

import pytest

from tests.end_to_end.bases import Lamina, build, owner, project


def test_a_recipe_becomes_an_image_that_runs(lamina: Lamina, tmp_path: Path) -> None:
    folder = project(
        tmp_path / "app",
        "FROM busybox\nCOPY greet /usr/bin/\nRUN chmod 755 /usr/bin/greet\n"
        'ENTRYPOINT ["greet"]\nCMD ["world"]\n',
        greet="#!/bin/sh\necho hello $1\n",
    )
    lamina.build(folder, "-t", "app")
    assert lamina.run("run", "--rm", "app").out == "hello world\n"
    assert lamina.run("run", "--rm", "app", "there").out == "hello there\n"
    lamina.check()


def test_stages_hand_files_on(lamina: Lamina, tmp_path: Path) -> None:
    folder = project(
        tmp_path / "app",
        "FROM busybox AS one\nRUN mkdir /out && echo 1 > /out/number\n"
        "FROM one AS two\nRUN echo 2 >> /out/number\n"
        "FROM busybox AS unused\nRUN false\n"
        "FROM scratch\nCOPY --from=two /out/number /\nCOPY --from=0 /out /first/\n",
    )
    files = lamina.files(folder)
    assert (files / "number").read_text() == "1\n2\n"
    assert (files / "first/number").read_text() == "1\n"
    assert sorted(os.listdir(files)) == ["first", "number"]


def test_copy_from_an_image_of_the_store(lamina: Lamina, tmp_path: Path) -> None:
    folder = project(
        tmp_path / "app", "FROM scratch\nCOPY --from=busybox /etc/motd /motd\n"
    )
    assert (lamina.files(folder) / "motd").read_text() == "welcome\n"


def test_arg_and_env(lamina: Lamina, tmp_path: Path) -> None:
    folder = project(
        tmp_path / "app",
        "ARG BASE=busybox\nFROM ${BASE}\nARG WHO=nobody\nARG NEVER\n"
        'ENV GREETING="hello $WHO" DIR=/srv/${WHO:-x}\nWORKDIR $DIR\n'
        'RUN echo "$GREETING,$WHO,${NEVER:-unset}" > said\n',
    )
    files = lamina.files(folder)
    assert (files / "srv/nobody/said").read_text() == "hello nobody,nobody,unset\n"
    files = lamina.files(folder, "--build-arg", "WHO=you", "--build-arg", "NEVER=set")
    assert (files / "srv/you/said").read_text() == "hello you,you,set\n"


def test_an_arg_takes_its_value_from_the_environment(
    lamina: Lamina, tmp_path: Path
) -> None:
    folder = project(
        tmp_path / "app", "FROM busybox\nARG WHO=nobody\nRUN echo $WHO > /who\n"
    )
    files = lamina.files(folder, "--build-arg", "WHO", env={"WHO": "me"})
    assert (files / "who").read_text() == "me\n"
    files = lamina.files(folder, "--build-arg", "WHO")
    assert (files / "who").read_text() == "nobody\n"


def test_forms_of_copy(lamina: Lamina, tmp_path: Path) -> None:
    folder = project(
        tmp_path / "app",
        "FROM busybox\nWORKDIR /w\n"
        "COPY one.txt two.txt sub/\n"
        "COPY *.txt /glob/\n"
        'COPY ["with blank", "/blank/"]\n'
        "COPY tree /tree\n"
        "COPY --chown=guest:extra --chmod=640 one.txt /owned\n"
        "COPY --chmod=u=rwx,go=rx one.txt /symbolic\n"
        "COPY --exclude=*.c --exclude=deep/ tree /part/\n"
        "COPY --parents tree/deep/leaf /parents/\n"
        "COPY --link one.txt /linked\n",
        one=b"",
        tree__main="m\n",
        tree__skip="s\n",
        tree__deep__leaf="l\n",
    )
    for name in ("one.txt", "two.txt", "with blank"):
        (folder / name).write_text(f"{name}\n")
    (folder / "tree/code.c").write_text("c\n")
    files = lamina.files(folder)
    assert sorted(os.listdir(files / "w/sub")) == ["one.txt", "two.txt"]
    assert sorted(os.listdir(files / "glob")) == ["one.txt", "two.txt"]
    assert (files / "blank/with blank").read_text() == "with blank\n"
    assert (files / "tree/deep/leaf").read_text() == "l\n"
    owned = (files / "owned").stat()
    assert owner(owned) == (1000, 50)
    assert stat.S_IMODE(owned.st_mode) == 0o640
    assert stat.S_IMODE((files / "symbolic").stat().st_mode) == 0o755
    assert sorted(os.listdir(files / "part")) == ["main", "skip"]
    assert (files / "parents/tree/deep/leaf").exists()
    assert (files / "linked").read_text() == "one.txt\n"


def test_add_unpacks_archives_and_copies_the_rest(
    lamina: Lamina, tmp_path: Path
) -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:xz") as tar:
        member = tarfile.TarInfo("inner/file")
        member.size = 3
        tar.addfile(member, io.BytesIO(b"abc"))
    folder = project(
        tmp_path / "app",
        "FROM busybox\nADD files.tar.xz /unpacked/\nADD plain /plain\n"
        "ADD --unpack=false files.tar.xz /kept/\nCOPY files.tar.xz /copied/\n",
        plain="plain\n",
    )
    (folder / "files.tar.xz").write_bytes(packed.getvalue())
    files = lamina.files(folder)
    assert (files / "unpacked/inner/file").read_text() == "abc"
    assert (files / "plain").read_text() == "plain\n"
    assert (files / "kept/files.tar.xz").read_bytes() == packed.getvalue()
    assert (files / "copied/files.tar.xz").read_bytes() == packed.getvalue()


def test_heredocs(lamina: Lamina, tmp_path: Path) -> None:
    folder = project(
        tmp_path / "app",
        "FROM busybox\nENV NAME=value\n"
        "RUN <<EOF\nset -e\necho one > /one\necho $NAME > /two\nEOF\n"
        "RUN <<'EOF' cat > /three\n$NAME\nEOF\n"
        "COPY <<plain <<-'raw' /files/\n$NAME\nplain\n\t$NAME\nraw\n",
    )
    files = lamina.files(folder)
    assert (files / "one").read_text() == "one\n"
    assert (files / "two").read_text() == "value\n"
    assert (files / "three").read_text() == "$NAME\n"
    assert (files / "files/plain").read_text() == "value\n"
    assert (files / "files/raw").read_text() == "$NAME\n"


def test_workdir_and_user(lamina: Lamina, tmp_path: Path) -> None:
    folder = project(
        tmp_path / "app",
        "FROM busybox\nRUN mkdir -m 777 /open\nWORKDIR /open\nWORKDIR deeper\n"
        "RUN pwd > where\nWORKDIR /open\nUSER guest:extra\n"
        "RUN id -u > ids; id -g >> ids\nCOPY Recipe /open/recipe\n",
    )
    files = lamina.files(folder)
    assert (files / "open/deeper/where").read_text() == "/open/deeper\n"
    assert (files / "open/ids").read_text() == "1000\n50\n"
    assert owner((files / "open/ids").stat())[0] == 1000
    assert owner((files / "open/recipe").stat())[0] == 0
    config = lamina.config(lamina.build(folder))
    assert (config["WorkingDir"], config["User"]) == ("/open", "guest:extra")


def test_dockerignore(lamina: Lamina, tmp_path: Path) -> None:
    folder = project(
        tmp_path / "app",
        "FROM scratch\nCOPY . /\n",
        keep="k\n",
        skip__log="s\n",
        logs__a="a\n",
        logs__keep="a\n",
    )
    (folder / ".dockerignore").write_text("# c\nskip\nlogs/*\n!logs/keep\n.d*\n")
    assert sorted(os.listdir(lamina.files(folder))) == ["Recipe", "keep", "logs"]
    (folder / "logs/a").write_text("changed\n")
    assert build(lamina, folder).ran == []
    # A recipe's own file goes before the context's.
    (folder / "Recipe.dockerignore").write_text("*\n!keep\n")
    assert os.listdir(lamina.files(folder)) == ["keep"]


def test_what_instructions_write_into_the_config(
    lamina: Lamina, tmp_path: Path
) -> None:
    folder = project(
        tmp_path / "app",
        "FROM busybox\n"
        "EXPOSE 80 53/udp\nVOLUME /data /more\nSTOPSIGNAL SIGINT\n"
        "LABEL a=1 b='two words'\nMAINTAINER somebody\n"
        "HEALTHCHECK --interval=5s --timeout=1m --retries=3 CMD check me\n"
        'SHELL ["/bin/sh", "-ec"]\nENTRYPOINT serve it\nCMD ["a", "b"]\n',
    )
    image = lamina.build(folder, "--label", "b=3", "--label", "c=4")
    config = lamina.config(image)
    assert config["ExposedPorts"] == {"80/tcp": {}, "53/udp": {}}
    assert config["Volumes"] == {"/data": {}, "/more": {}}
    assert config["StopSignal"] == "SIGINT"
    assert config["Labels"] == {"a": "1", "b": "3", "c": "4"}
    assert config["Entrypoint"] == ["/bin/sh", "-ec", "serve it"]
    assert config["Cmd"] == ["a", "b"]
    check = config["Healthcheck"]
    assert check["Test"] == ["CMD-SHELL", "check me"]
    assert (check["Interval"], check["Timeout"]) == (5 * 10**9, 60 * 10**9)
    assert check["Retries"] == 3
    assert lamina.inspect(image)["Author"] == "somebody"


def test_what_a_base_says_is_inherited(lamina: Lamina, tmp_path: Path) -> None:
    base = project(
        tmp_path / "base",
        "FROM busybox\nENV A=1\nWORKDIR /srv\nUSER guest\nLABEL of=base\n"
        'EXPOSE 1\nENTRYPOINT ["/bin/echo"]\nCMD ["base"]\n',
    )
    lamina.build(base, "-t", "base:1")
    above = project(tmp_path / "above", "FROM base:1\nENV B=$A-2\nENTRYPOINT []\n")
    config = lamina.config(lamina.build(above))
    assert {"A=1", "B=1-2"} < set(config["Env"])
    assert (config["WorkingDir"], config["User"]) == ("/srv", "guest")
    assert config["Labels"] == {"of": "base"}
    assert config["ExposedPorts"] == {"1/tcp": {}}
    # A new ENTRYPOINT takes back the CMD that was written for the old one.
    assert not config.get("Entrypoint") and not config.get("Cmd")


def test_onbuild_is_carried_out_by_the_next_build(
    lamina: Lamina, tmp_path: Path
) -> None:
    base = project(
        tmp_path / "base",
        "FROM busybox\nONBUILD ARG NAME=x\nONBUILD COPY file /got/\n"
        "ONBUILD RUN echo $NAME > /got/name\n",
    )
    lamina.build(base, "-t", "base")
    assert len(lamina.config("base")["OnBuild"]) == 3
    above = project(tmp_path / "above", "FROM base\nRUN cat /got/name\n", file="f\n")
    files = lamina.files(above, "--build-arg", "NAME=y")
    assert (files / "got/file").read_text() == "f\n"
    assert (files / "got/name").read_text() == "y\n"
    assert not lamina.config(lamina.build(above)).get("OnBuild")


def test_history_says_what_was_done(lamina: Lamina, tmp_path: Path) -> None:
    folder = project(
        tmp_path / "app",
        "FROM busybox\nARG V=1\nENV A=1\nRUN echo $V\nCOPY Recipe /r\nCMD x\n",
    )
    lamina.build(folder, "-t", "app")
    lamina.run("save", "-o", "app.tar", "app")
    with tarfile.open(tmp_path / "app.tar") as tar:
        manifest = tar.extractfile("manifest.json")
        assert manifest is not None
        config = tar.extractfile(json.load(manifest)[0]["Config"])
        assert config is not None
        history = json.load(config)["history"]
    said = [entry.get("created_by") for entry in history]
    assert "RUN |1 V=1 /bin/sh -c echo $V # buildkit" in said
    assert "COPY Recipe /r # buildkit" in said
    assert [entry.get("empty_layer", False) for entry in history if "RUN" in str(entry)]


def test_deleted_and_replaced_files(lamina: Lamina, tmp_path: Path) -> None:
    folder = project(
        tmp_path / "app",
        "FROM busybox\nRUN mkdir -p /d/sub && echo 1 > /d/a && echo 1 > /d/sub/b\n"
        "RUN rm /d/a && rm -r /d/sub && mkdir /d/sub && echo 2 > /d/sub/c\n"
        "RUN rm -r /data && ln -s d /data && mv /etc/motd /etc/motd2\n",
    )
    files = lamina.files(folder)
    assert sorted(os.listdir(files / "d")) == ["sub"]
    assert os.listdir(files / "d/sub") == ["c"]
    assert os.readlink(files / "data") == "d"
    assert not (files / "etc/motd").exists()
    assert (files / "etc/motd2").read_text() == "welcome\n"


def test_a_container_as_a_base_of_a_build(lamina: Lamina, tmp_path: Path) -> None:
    lamina.run("run", "--name", "made-here", "busybox", "sh", "-c", "echo made > /made")
    lamina.run("commit", "made-here", "made")
    lamina.run("rm", "made-here")
    folder = project(tmp_path / "app", "FROM made\nRUN cat /made > /seen\n")
    assert (lamina.files(folder) / "seen").read_text() == "made\n"


@pytest.mark.root("it asks dockerd")
@pytest.mark.skipif(shutil.which("docker") is None, reason="docker is not installed")
def test_docker_runs_what_was_built(lamina: Lamina, tmp_path: Path) -> None:
    if os.environ.get("LAMINA_NO_DOCKER"):
        pytest.skip("no dockerd runs here")
    name = f"lamina-test-{os.getpid()}"
    folder = project(
        tmp_path / "app", 'FROM busybox\nRUN echo hi > /hi\nCMD ["cat", "/hi"]\n'
    )
    image = lamina.build(folder, "-t", name)
    lamina.run("save", "-o", "app.tar", name)
    try:
        subprocess.run(["docker", "load", "-i", tmp_path / "app.tar"], check=True)
        told = ["docker", "image", "inspect", "-f", "{{.Id}}", name]
        assert subprocess.check_output(told, text=True).strip() == image
        ran = ["docker", "run", "--rm", "--network=none", name]
        assert subprocess.check_output(ran, text=True) == "hi\n"
    finally:
        subprocess.run(["docker", "rmi", "-f", name], check=False, capture_output=True)


def test_quirks_of_copy(lamina: Lamina, tmp_path: Path) -> None:
    folder = project(
        tmp_path / "app",
        "# lamina: compat=buildkit\nFROM busybox\n"
        "COPY one two /last\nCOPY dir one /mixed\n"
        "COPY --chown=nobody:nobody one /unknown\nCOPY --chown=guest:no one /half\n"
        "COPY --exclude=*.txt *.txt dir /excluded/\n"
        "USER stranger\nWORKDIR /made\n",
        one="1\n",
        two="2\n",
        dir__inner="i\n",
    )
    for name in ("a.txt", "dir/b.txt"):
        (folder / name).write_text("t\n")
    files = lamina.files(folder)
    assert (files / "last").read_text() == "2\n"
    assert sorted(os.listdir(files / "mixed")) == ["b.txt", "inner", "one"]
    owners = [(files / name).stat() for name in ("unknown", "half", "made")]
    assert [owner(status) for status in owners] == [(0, 0), (1000, 0), (0, 0)]
    assert sorted(os.listdir(files / "excluded")) == ["a.txt", "inner"]
    # The cache of one is not the other's.
    text = (folder / "Recipe").read_text()
    (folder / "Recipe").write_text(text.partition("\n")[2])
    assert "slash" in lamina.run("build", folder, code=1).err
    strict = "FROM busybox\nCOPY --exclude=*.txt *.txt dir /excluded/\n"
    (folder / "Recipe").write_text(strict)
    assert os.listdir(lamina.files(folder) / "excluded") == ["inner"]


def test_parents_of_nothing_make_the_destination(
    lamina: Lamina, tmp_path: Path
) -> None:
    folder = project(
        tmp_path / "app", "FROM scratch\nCOPY --parents no*/x /made/\nCOPY f /\n", f="f"
    )
    assert os.listdir(lamina.files(folder) / "made") == []
