"""`lamina build`, as a user calls it: what recipes make, what is built again."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import stat
import subprocess
import tarfile
import threading
from pathlib import Path

import pytest

from tests.end_to_end.bases import Done, Lamina, owner, project


def build(lamina: Lamina, folder: Path, *args: str | Path) -> Done:
    return lamina.run("build", *args, folder)


# What recipes make


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


# Flags


def test_target_builds_one_stage(lamina: Lamina, tmp_path: Path) -> None:
    folder = project(
        tmp_path / "app",
        "FROM busybox AS one\nRUN echo > /one\nFROM busybox AS two\nRUN false\n",
    )
    done = build(lamina, folder, "--target", "one")
    assert done.ran == ["RUN echo > /one"]
    assert build(lamina, folder, "--target", "0").ran == []


def test_the_image_id_is_all_of_stdout(lamina: Lamina, tmp_path: Path) -> None:
    folder = project(tmp_path / "app", "FROM busybox\nRUN echo noise\n")
    done = build(lamina, folder, "--iidfile", tmp_path / "iid", "-t", "a", "-t", "b:2")
    assert re.fullmatch(r"sha256:[0-9a-f]{64}\n", done.out)
    assert (tmp_path / "iid").read_text() == done.out.strip()
    assert re.search(r"^#\d+ \d+\.\d{3} noise$", done.err, re.M)
    quiet = build(lamina, folder, "-q", "--no-cache")
    assert re.fullmatch(r"sha256:[0-9a-f]{64}\n", quiet.out)
    assert quiet.err == ""
    names = lamina.inspect(done.out.strip())["RepoTags"]
    assert names == ["a:latest", "b:2"]


def test_progress_in_a_pipe_has_no_control_codes(
    lamina: Lamina, tmp_path: Path
) -> None:
    folder = project(
        tmp_path / "app",
        "FROM busybox\nRUN printf 'a\\033[31mred\\033[0m\\rb\\nwithout end'\n",
    )
    done = build(lamina, folder)
    assert "\x1b" not in done.err and "\r" not in done.err
    assert "without end" in done.err


def test_a_recipe_on_stdin(lamina: Lamina, tmp_path: Path) -> None:
    folder = project(tmp_path / "app", "FROM scratch\n", file="f\n")
    recipe = "FROM busybox\nCOPY file /file\n"
    image = lamina.run("build", "-f", "-", folder, given=recipe).out.strip()
    assert lamina.run("run", "--rm", image, "cat", "/file").out == "f\n"
    alone = lamina.run("build", "-", given="FROM busybox\nRUN echo a > /a\n")
    assert re.fullmatch(r"sha256:[0-9a-f]{64}\n", alone.out)


def test_where_the_recipe_is_looked_for(lamina: Lamina, tmp_path: Path) -> None:
    folder = tmp_path / "app"
    folder.mkdir()
    for name in ("Containerfile", "Dockerfile", "Recipe"):
        (folder / name).write_text(f"FROM busybox\nLABEL from={name}\n")
        labels = lamina.config(lamina.build(folder))["Labels"]
        assert labels == {"from": name}
    (folder / "other").write_text("FROM busybox\nLABEL from=other\n")
    given = lamina.build(Path("app"), "-f", "app/other")
    assert lamina.config(given)["Labels"] == {"from": "other"}


def test_outputs(lamina: Lamina, tmp_path: Path) -> None:
    folder = project(tmp_path / "app", "FROM busybox\nRUN echo out > /out\n")
    image = lamina.build(
        folder,
        *("-t", "out", "-o", "type=oci,dest=oci.tar"),
        *("-o", "type=docker,dest=docker.tar", "-o", "type=tar,dest=files.tar"),
        *("-o", "type=local,dest=files"),
    )
    assert (tmp_path / "files/out").read_text() == "out\n"
    with tarfile.open(tmp_path / "files.tar") as tar:
        found = tar.extractfile("out")
        assert found is not None and found.read() == b"out\n"
    for archive in ("oci.tar", "docker.tar"):
        other = Lamina(tmp_path, tmp_path / archive.partition(".")[0])
        other.run("load", "-i", archive)
        assert other.inspect("out")["Id"] == image
        assert other.left_behind() == []
    # To stdout nothing else goes.
    process = lamina.start("build", "-o", "-", folder)
    out, _ = process.communicate()
    assert process.returncode == 0
    with tarfile.open(fileobj=io.BytesIO(out)) as tar:
        assert "out" in [name.removeprefix("./") for name in tar.getnames()]


# What is built again


def test_times_do_not_count_and_content_does(lamina: Lamina, tmp_path: Path) -> None:
    folder = project(
        tmp_path / "app",
        "FROM busybox\nCOPY file /file\nRUN cat /file > /made\n",
        file="aaaa",
    )
    first = lamina.build(folder)
    os.utime(folder / "file", (1, 1))
    touched = build(lamina, folder)
    assert (touched.ran, touched.out.strip()) == ([], first)
    # The same size at the same time, as a checkout or an editor leaves it.
    before = (folder / "file").stat()
    (folder / "file").write_text("bbbb")
    os.utime(folder / "file", ns=(before.st_atime_ns, before.st_mtime_ns))
    changed = build(lamina, folder)
    assert changed.ran == ["COPY file /file", "RUN cat /file > /made"]
    assert changed.out.strip() != first


def test_a_changed_mode_counts(lamina: Lamina, tmp_path: Path) -> None:
    folder = project(tmp_path / "app", "FROM scratch\nCOPY file /\n", file="f")
    build(lamina, folder)
    (folder / "file").chmod(0o755)
    assert build(lamina, folder).ran == ["COPY file /"]


def test_one_file_only_runs_its_own_steps(lamina: Lamina, tmp_path: Path) -> None:
    folder = project(
        tmp_path / "app",
        "FROM busybox AS one\nCOPY one /\nRUN cat /one > /made\n"
        "FROM busybox AS two\nCOPY two /\nRUN cat /two > /made\n"
        "FROM scratch\nCOPY --from=one /made /1\nCOPY --from=two /made /2\n",
        one="1",
        two="2",
        unused="u",
    )
    assert len(build(lamina, folder).ran) == 6
    (folder / "two").write_text("3")
    ran = ["COPY --from=two /made /2", "COPY two /", "RUN cat /two > /made"]
    assert build(lamina, folder).ran == ran
    (folder / "unused").write_text("changed")
    assert build(lamina, folder).ran == []


def test_the_same_result_lets_later_steps_hit(lamina: Lamina, tmp_path: Path) -> None:
    """A step that ran again and made the same bytes invalidates nothing after it."""
    folder = project(
        tmp_path / "app",
        "FROM busybox AS one\nCOPY source /\nRUN grep -v '#' /source > /made\n"
        "FROM busybox\nCOPY --from=one /made /\nRUN cat /made > /again\n",
        source="code\n",
    )
    build(lamina, folder)
    (folder / "source").write_text("code\n# a comment\n")
    done = build(lamina, folder)
    assert done.ran == ["COPY source /", "RUN grep -v '#' /source > /made"]
    assert done.steps["RUN cat /made > /again"] == "CACHED"
    # The same with a step above in the same stage.
    text = (folder / "Recipe").read_text()
    (folder / "Recipe").write_text(text.replace("RUN cat", "RUN true; cat"))
    build(lamina, folder)
    (folder / "Recipe").write_text(text.replace("COPY --from=one /", "COPY --from=0 /"))
    assert build(lamina, folder).ran == []


def test_no_cache_runs_every_step(lamina: Lamina, tmp_path: Path) -> None:
    folder = project(
        tmp_path / "app", "FROM busybox\nWORKDIR /w\nCOPY f .\nRUN date > d\n", f="f"
    )
    first = build(lamina, folder)
    again = build(lamina, folder, "--no-cache")
    assert again.ran == ["COPY f .", "RUN date > d"]
    assert build(lamina, folder).ran == []
    assert len(first.ran) == 3


def test_a_variable_counts_for_the_steps_that_see_it(
    lamina: Lamina, tmp_path: Path
) -> None:
    folder = project(
        tmp_path / "app",
        "FROM busybox\nRUN echo before\nARG V=1\nRUN echo after\n",
    )
    build(lamina, folder)
    assert build(lamina, folder, "--build-arg", "V=2").ran == ["RUN echo after"]


def test_two_builds_at_once_run_a_step_once(lamina: Lamina, tmp_path: Path) -> None:
    folder = project(
        tmp_path / "app",
        "FROM busybox\n"
        "RUN --mount=type=cache,target=/c echo ran >> /c/log; sleep 0.5; echo > /a\n"
        "RUN --mount=type=cache,target=/c echo ran >> /c/log; sleep 0.5; echo > /b\n",
    )
    running = [lamina.start("build", folder) for _ in range(3)]
    ended = [process.communicate() for process in running]
    assert [process.returncode for process in running] == [0, 0, 0]
    assert len({out for out, _ in ended}) == 1
    # Each step was made by one of them, and the others say that they waited for it.
    said = b"".join(err for _, err in ended).decode()
    assert said.count("DONE") == 2 and said.count("CACHED") == 4
    assert said.count("waiting for another build that makes it") >= 2
    count = project(
        tmp_path / "count",
        "FROM busybox\nRUN --mount=type=cache,target=/c cp /c/log /log\n",
    )
    assert (lamina.files(count) / "log").read_text() == "ran\n" * 2
    lamina.check()


def test_equal_steps_of_two_stages_run_once(lamina: Lamina, tmp_path: Path) -> None:
    step = "RUN --mount=type=cache,target=/c echo ran >> /c/log; sleep 0.5; echo > /a\n"
    folder = project(
        tmp_path / "app",
        f"FROM busybox AS one\n{step}FROM busybox AS two\n{step}"
        "FROM busybox\nCOPY --from=one /a /1\nCOPY --from=two /a /2\n"
        "RUN --mount=type=cache,target=/c test $(wc -l < /c/log) = 1\n",
    )
    done = build(lamina, folder, "--jobs", "2")
    # Nobody else builds here.
    assert "another build" not in done.err


def test_independent_stages_run_side_by_side(lamina: Lamina, tmp_path: Path) -> None:
    # Each waits for the other: one after the other they would never end.
    wait = "i=0; until [ -e /c/{0} ]; do sleep 0.1; i=$((i+1)); [ $i -lt 300 ]; done"
    step = "RUN --mount=type=cache,target=/c set -e; touch /c/{1}; " + wait
    folder = project(
        tmp_path / "app",
        f"FROM busybox AS one\n{step.format('two', 'one')}\n"
        f"FROM busybox AS two\n{step.format('one', 'two')}\n"
        "FROM scratch\nCOPY --from=one /etc/motd /1\nCOPY --from=two /etc/motd /2\n",
    )
    build(lamina, folder, "--jobs", "2")


# What a step sees


def test_mounts_of_a_step(lamina: Lamina, tmp_path: Path) -> None:
    folder = project(
        tmp_path / "app",
        "FROM busybox AS other\nRUN mkdir /o && echo other > /o/file\n"
        "FROM busybox\n"
        "RUN --mount=type=bind,target=/ctx cat /ctx/file > /from-context\n"
        "RUN --mount=type=bind,from=other,source=/o,target=/m cat /m/file > /from-o\n"
        "RUN --mount=type=bind,target=/ctx ! touch /ctx/new 2>/dev/null\n"
        "RUN --mount=type=bind,target=/ctx,rw touch /ctx/new\n"
        "RUN --mount=type=tmpfs,target=/t grep -w /t /proc/mounts; echo > /t/x\n"
        "RUN --mount=type=cache,target=/c,id=k echo kept > /c/file\n"
        "RUN --mount=type=cache,target=/other,id=k cat /other/file > /from-cache\n",
        file="context\n",
    )
    files = lamina.files(folder)
    assert (files / "from-context").read_text() == "context\n"
    assert (files / "from-o").read_text() == "other\n"
    assert (files / "from-cache").read_text() == "kept\n"
    assert not (folder / "new").exists()
    # The places they were mounted at are in no layer.
    assert not {"ctx", "m", "t", "c", "other"} & set(os.listdir(files))


def test_a_secret_is_in_no_layer_and_no_history(lamina: Lamina, tmp_path: Path) -> None:
    """CVE-2019-13509."""
    (tmp_path / "token").write_text("hush-4711")
    folder = project(
        tmp_path / "app",
        "FROM busybox\n"
        "RUN --mount=type=secret,id=token,required=true "
        "test $(wc -c < /run/secrets/token) = 9\n"
        "RUN --mount=type=secret,id=two,env=TWO test -n $TWO && echo > /done\n",
    )
    secrets = ("--secret", "id=token,src=token", "--secret", "id=two,env=SECOND")
    env = {"SECOND": "hush-4712"}
    lamina.build(folder, "-t", "app", *secrets, env=env)
    lamina.run("save", "-o", "app.tar", "app")
    assert b"hush-" not in (tmp_path / "app.tar").read_bytes()
    for path in lamina.store.rglob("*"):
        if path.is_file():
            assert b"hush-47" not in path.read_bytes(), path
    # Another secret is not another step.
    (tmp_path / "token").write_text("different")
    assert lamina.run("build", *secrets, folder, env=env).ran == []
    refused = lamina.run("build", "--no-cache", folder, code=1)
    assert "'token' is required" in refused.err and "--secret id=token" in refused.err


def test_a_step_without_network(lamina: Lamina, tmp_path: Path) -> None:
    folder = project(
        tmp_path / "app",
        "FROM busybox\nRUN ip -o link > /with\nRUN --network=none ip -o link > /none\n",
    )
    files = lamina.files(folder)
    assert "eth0" in (files / "with").read_text()
    assert len((files / "none").read_text().splitlines()) == 1


def test_what_a_step_leaves_running_ends_with_it(
    lamina: Lamina, tmp_path: Path
) -> None:
    folder = project(
        tmp_path / "app",
        "FROM busybox\n"
        "RUN (setsid sleep 1000 </dev/null >/dev/null 2>&1 &) ; echo started > /a\n"
        "RUN ! pidof sleep\n"
        "RUN (sleep 1000 &) ; echo with our output > /b\n",
    )
    files = lamina.files(folder)
    assert (files / "a").read_text() == "started\n"


def test_steps_see_nothing_of_the_machine(lamina: Lamina, tmp_path: Path) -> None:
    folder = project(
        tmp_path / "app",
        "FROM busybox\nRUN hostname > /seen; umask >> /seen; date +%Z >> /seen;"
        " echo $SOURCE_DATE_EPOCH >> /seen; ls /proc | grep -c '^[0-9]' >> /seen;"
        " env | grep MARK >> /seen || true\n",
    )
    files = lamina.files(folder, env={"MARK": "x", "TZ": "Asia/Tokyo"})
    lines = (files / "seen").read_text().splitlines()
    assert lines[:4] == ["lamina", "0022", "UTC", "315532800"]
    assert int(lines[4]) < 6 and len(lines) == 5


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


def test_a_build_while_the_store_is_pruned(lamina: Lamina, tmp_path: Path) -> None:
    """Garbage collection beside builds takes nothing that they stand on."""
    stop = threading.Event()

    def prune() -> None:
        while not stop.is_set():
            lamina.run("system", "prune", "-f")

    worker = threading.Thread(target=prune)
    worker.start()
    try:
        for number in range(4):
            steps = "".join(f"RUN echo {number} > /{i}\n" for i in range(6))
            lamina.build(project(tmp_path / "app", f"FROM busybox\n{steps}"), "-t", "b")
    finally:
        stop.set()
        worker.join()
    lamina.check()


def test_steps_that_make_the_same_bytes(lamina: Lamina, tmp_path: Path) -> None:
    folder = project(
        tmp_path / "app",
        "FROM busybox\nRUN true\nRUN  true\nRUN echo > /a\nRUN rm /a\n"
        "RUN echo > /a\nRUN test -e /a && echo yes > /b\n",
    )
    assert (lamina.files(folder) / "b").read_text() == "yes\n"
    assert (lamina.files(folder) / "a").exists()


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


# What compat=buildkit changes in files


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


def test_a_cache_mount_begins_with_files_of_a_stage(
    lamina: Lamina, tmp_path: Path
) -> None:
    mount = "--mount=type=cache,target=/c,from=seed,source=/s,uid=1000,mode=700"
    folder = project(
        tmp_path / "app",
        "FROM busybox AS seed\nRUN mkdir /s && echo 1 > /s/number\n"
        f"FROM busybox\nRUN {mount} stat -c %u:%a /c > /stat; echo 2 >> /c/number\n"
        f"RUN {mount} cat /c/number > /kept\n",
    )
    files = lamina.files(folder)
    assert (files / "stat").read_text() == "1000:700\n"
    assert (files / "kept").read_text() == "1\n2\n"
    # With other files it is another cache.
    text = (folder / "Recipe").read_text()
    (folder / "Recipe").write_text(text.replace("echo 1", "echo 7"))
    assert (lamina.files(folder) / "kept").read_text() == "7\n2\n"


def test_proxies_given_as_arguments_reach_steps_and_no_key(
    lamina: Lamina, tmp_path: Path
) -> None:
    text = "FROM busybox\nRUN echo $HTTP_PROXY,$http_proxy > /said\n"
    folder = project(tmp_path / "app", text)
    files = lamina.files(folder, "--build-arg", "http_proxy=http://one")
    assert (files / "said").read_text() == "http://one,http://one\n"
    again = build(lamina, folder, "--build-arg", "HTTP_PROXY=http://two")
    assert again.ran == []
    (folder / "Recipe").write_text(text.replace("RUN", "ARG HTTP_PROXY\nRUN"))
    assert build(lamina, folder, "--build-arg", "HTTP_PROXY=http://two").ran != []
