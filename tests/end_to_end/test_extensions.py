"""What recipes can say and Dockerfiles cannot: UNSET, TEST, flags, several products."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest

from tests.end_to_end.bases import Done, Lamina, project


def build(lamina: Lamina, folder: Path, *args: str | Path, code: int = 0) -> Done:
    return lamina.run("build", *args, folder, code=code)


# UNSET

EVERYTHING = """\
FROM busybox AS base
ENV ONE=1 TWO=2
LABEL a=1 b=2
EXPOSE 80 53/udp 8000-8002
VOLUME /v /w
ENTRYPOINT ["/bin/sh", "-c"]
CMD ["true"]
USER guest
HEALTHCHECK CMD true
STOPSIGNAL SIGINT
"""


def test_unset_takes_back_what_a_base_set(lamina: Lamina, tmp_path: Path) -> None:
    folder = project(
        tmp_path / "app",
        f"{EVERYTHING}FROM base\nUNSET USER\nRUN echo $ONE,$TWO > /before\n"
        "UNSET ENV ONE\nRUN echo ${ONE-gone},$TWO > /after\n"
        "UNSET LABEL a\nUNSET EXPOSE 80 53/udp 8001-8002\nUNSET VOLUME /v\n"
        "UNSET ENTRYPOINT\nUNSET CMD\nUNSET HEALTHCHECK\nUNSET STOPSIGNAL\n",
    )
    done = build(lamina, folder, "-t", "app")
    assert "warning" not in done.err
    config = lamina.config("app")
    assert [pair for pair in config["Env"] if "PATH" not in pair] == ["TWO=2"]
    assert config["Labels"] == {"b": "2"}
    assert config["ExposedPorts"] == {"8000/tcp": {}}
    assert config["Volumes"] == {"/w": {}}
    assert not config.get("Entrypoint") and not config.get("Cmd")
    assert not config.get("User") and not config.get("StopSignal")
    assert "Healthcheck" not in config
    files = lamina.files(folder)
    assert (files / "before").read_text() == "1,2\n"
    assert (files / "after").read_text() == "gone,2\n"
    history = lamina.run("history", "--no-trunc", "app").out
    assert "UNSET EXPOSE 80/tcp 53/udp 8001/tcp 8002/tcp" in history


def test_unset_without_names_takes_back_all_of_them(
    lamina: Lamina, tmp_path: Path
) -> None:
    text = "FROM base\nARG KEPT=arg\nARG ONE=arg\nUSER root\n"
    text += "UNSET ENV\nUNSET LABEL\nUNSET EXPOSE\nUNSET VOLUME\n"
    text += "RUN echo ${KEPT-gone},${ONE-gone},${TWO-gone} > /env; echo $PATH > /path\n"
    folder = project(tmp_path / "app", EVERYTHING + text)
    config = lamina.config(lamina.build(folder))
    assert [pair.partition("=")[0] for pair in config["Env"]] == ["PATH"]
    assert not config.get("Labels")
    assert not config.get("ExposedPorts") and not config.get("Volumes")
    files = lamina.files(folder)
    assert (files / "env").read_text() == "arg,gone,gone\n"
    assert (files / "path").read_text().startswith("/usr/local/sbin:")


def test_unset_path_gives_the_usual_one_back(lamina: Lamina, tmp_path: Path) -> None:
    folder = project(
        tmp_path / "app", "FROM busybox\nENV PATH=/odd\nUNSET ENV PATH\nRUN ls /\n"
    )
    config = lamina.config(lamina.build(folder))
    path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    assert config["Env"] == [f"PATH={path}"]


@pytest.mark.parametrize(
    ("line", "warning"),
    [
        ("UNSET ENV TW", "UNSET ENV TW: nothing has set it here. Did you mean TWO?"),
        ("UNSET LABEL zzz", "UNSET LABEL zzz: nothing has set it here."),
        ("UNSET EXPOSE 53", "UNSET EXPOSE 53/tcp: nothing has set it here."),
        ("UNSET VOLUME /x/y/z", "UNSET VOLUME /x/y/z: nothing has set it here."),
    ],
)
def test_unset_of_nothing_is_told(
    lamina: Lamina, tmp_path: Path, line: str, warning: str
) -> None:
    folder = project(tmp_path / "app", f"{EVERYTHING}{line}\n")
    done = build(lamina, folder)
    assert warning in done.err and "Recipe:11" in done.err


# TEST


def test_a_test_leaves_nothing_behind(lamina: Lamina, tmp_path: Path) -> None:
    plain = "FROM busybox\nRUN echo 1 > /made\n"
    folder = project(tmp_path / "app", plain + "RUN true\n")
    without = lamina.inspect(lamina.build(folder))
    text = plain + "TEST grep -q 1 /made && echo junk > /junk\nRUN true\n"
    (folder / "Recipe").write_text(text)
    done = build(lamina, folder)
    assert done.ran == ["TEST grep -q 1 /made && echo junk > /junk"]
    found = lamina.inspect(done.out.strip())
    assert found["RootFS"] == without["RootFS"]
    assert found["Config"] == without["Config"]
    assert not (lamina.files(folder) / "junk").exists()
    lamina.check()


def test_a_passed_test_is_not_run_again(lamina: Lamina, tmp_path: Path) -> None:
    text = "FROM busybox\nCOPY number /\nTEST test $(cat /number) -lt 10\n"
    folder = project(tmp_path / "app", text, number="1")
    assert len(build(lamina, folder).ran) == 2
    assert build(lamina, folder).ran == []
    # Not the record of the whole build, but the test's own row.
    (folder / "Recipe").write_text(f"{text}LABEL a=b\n")
    done = build(lamina, folder)
    assert done.steps["TEST test $(cat /number) -lt 10"] == "CACHED"
    lamina.run("system", "prune", "--force", code=None)
    (folder / "number").write_text("2")
    assert len(build(lamina, folder).ran) == 2
    (folder / "number").write_text("11")
    failed = build(lamina, folder, code=1)
    assert "TEST test $(cat /number) -lt 10 ended with exit code 1" in failed.err
    assert ">>> TEST test" in failed.err
    # What failed is tried again.
    assert "ended with exit code 1" in build(lamina, folder, code=1).err
    assert build(lamina, folder, "--skip-tests").code == 0
    assert "ended with exit code 1" in build(lamina, folder, code=1).err


def test_tests_run_beside_what_follows(lamina: Lamina, tmp_path: Path) -> None:
    """Each waits for the other: only side by side do they come to an end."""
    meet = "--mount=type=cache,target=/meet"
    wait = (
        "for i in $(seq 300); do test -e /meet/{0} && exit 0; sleep 0.1; done; exit 1"
    )
    text = "FROM busybox\n"
    text += f"TEST {meet} touch /meet/one; {wait.format('two')}\n"
    text += f"TEST {meet} touch /meet/two; {wait.format('three')}\n"
    text += f"RUN {meet} touch /meet/three; {wait.format('one')}\n"
    folder = project(tmp_path / "app", text)
    assert len(build(lamina, folder, "--jobs", "3").ran) == 3


def test_the_build_ends_with_its_tests(lamina: Lamina, tmp_path: Path) -> None:
    folder = project(
        tmp_path / "app", "FROM busybox\nTEST sleep 1; false\nRUN echo > /done\n"
    )
    done = build(lamina, folder, "-t", "app", code=1)
    assert done.ran == ["RUN echo > /done"]
    assert lamina.run("inspect", "app", code=None).code == 1


def test_tests_of_other_stages_run_with_their_target_only(
    lamina: Lamina, tmp_path: Path
) -> None:
    folder = project(
        tmp_path / "app",
        "FROM busybox AS lib\nRUN echo lib > /lib\nTEST echo lib\n"
        "FROM busybox AS check\nTEST echo check\n"
        "FROM busybox AS app\nCOPY --from=lib /lib /\nTEST echo app\n",
    )
    tests = [name for name in build(lamina, folder).ran if "TEST" in name]
    assert tests == ["TEST echo app", "TEST echo lib"]
    assert build(lamina, folder, "--target", "check").ran == ["TEST echo check"]


def test_a_test_sees_mounts_and_the_environment(lamina: Lamina, tmp_path: Path) -> None:
    folder = project(
        tmp_path / "app",
        "FROM busybox\nWORKDIR /w\nENV A=1\nUSER guest\n"
        "TEST --mount=type=bind,target=/src --mount=type=tmpfs,target=/t "
        '[ "$A $(id -un) $(pwd) $(cat /src/f)" = "1 guest /w x" ]\n',
        f="x",
    )
    build(lamina, folder)
    (folder / "f").write_text("y")
    build(lamina, folder, code=1)


# Flags of COPY and RUN


def test_copy_if_exists(lamina: Lamina, tmp_path: Path) -> None:
    folder = project(
        tmp_path / "app",
        "FROM busybox AS lib\nRUN echo lib > /lib\n"
        "FROM busybox\nCOPY --if-exists settings* extra.toml Recipe /etc/app/\n"
        "COPY --if-exists --from=lib /lib /nowhere /libs/\n"
        "COPY --if-exists none /none/\nRUN ls /etc/app > /listed\n",
    )
    files = lamina.files(folder)
    assert (files / "listed").read_text() == "Recipe\n"
    assert [path.name for path in (files / "libs").iterdir()] == ["lib"]
    assert not (files / "none").exists()
    assert build(lamina, folder).ran == []
    # The cache notices when one appears, and when it goes.
    (folder / "extra.toml").write_text("x = 1\n")
    files = lamina.files(folder)
    assert (files / "listed").read_text() == "Recipe\nextra.toml\n"
    (folder / "settings.py").write_text("")
    assert (lamina.files(folder) / "etc/app/settings.py").exists()
    (folder / "extra.toml").unlink()
    (folder / "settings.py").unlink()
    assert (lamina.files(folder) / "listed").read_text() == "Recipe\n"
    text = (folder / "Recipe").read_text().replace("--if-exists none", "none")
    (folder / "Recipe").write_text(text)
    assert "none is not in the build context" in build(lamina, folder, code=1).err


def test_copy_from_a_variable(lamina: Lamina, tmp_path: Path) -> None:
    folder = project(
        tmp_path / "app",
        "FROM busybox AS fast\nRUN echo fast > /etc/motd\n"
        "FROM busybox AS small\nRUN echo small > /etc/motd\n"
        "FROM scratch\nARG KIND=small\nENV FROM=$KIND\n"
        "COPY --from=${FROM} /etc/motd /said\n",
    )
    assert (lamina.files(folder) / "said").read_text() == "small\n"
    for given, said in (
        ("fast", "fast\n"),
        ("Fast", "fast\n"),
        ("0", "fast\n"),
        ("busybox", "welcome\n"),
    ):
        files = lamina.files(folder, "--build-arg", f"KIND={given}")
        assert (files / "said").read_text() == said
    wrong = build(lamina, folder, "--build-arg", "KIND=smal", code=1)
    assert "Did you mean small?" in wrong.err
    empty = build(lamina, folder, "--build-arg", "KIND=", code=1)
    assert "--from is empty here" in empty.err
    beyond = build(lamina, folder, "--build-arg", "KIND=7", code=1)
    assert "no stage number 7" in beyond.err
    assert "Recipe:8" in beyond.err


def test_run_no_cache(lamina: Lamina, tmp_path: Path) -> None:
    text = "FROM busybox\nRUN --no-cache cat /proc/uptime > /dev/null\nRUN echo > /x\n"
    folder = project(tmp_path / "app", text)
    build(lamina, folder)
    # It runs every time, and what follows only when it made something else.
    assert build(lamina, folder).ran == ["RUN cat /proc/uptime > /dev/null"]
    text = text.replace("/dev/null", "/uptime")
    (folder / "Recipe").write_text(text)
    build(lamina, folder)
    assert len(build(lamina, folder).ran) == 2


def test_run_max_age(lamina: Lamina, tmp_path: Path) -> None:
    text = "FROM busybox\nRUN --max-age=2s cat /proc/uptime > /uptime\n"
    folder = project(tmp_path / "app", text)
    began = time.monotonic()
    first = build(lamina, folder)
    again = build(lamina, folder)
    if time.monotonic() - began < 1:
        assert again.ran == []
    time.sleep(3)
    later = build(lamina, folder)
    assert later.ran == ["RUN cat /proc/uptime > /uptime"]
    assert later.out != first.out
    (folder / "Recipe").write_text(text.replace("2s", "12h"))
    assert build(lamina, folder).ran == []
    assert build(lamina, folder).ran == []


def test_run_env(lamina: Lamina, tmp_path: Path) -> None:
    text = "FROM busybox\nARG VERSION=1\nENV HOST=a LEVEL=2\n"
    text += "RUN --env=LEVEL env | sort > /env\n"
    folder = project(tmp_path / "app", text)
    seen = dict(
        line.split("=", 1)
        for line in (lamina.files(folder) / "env").read_text().splitlines()
    )
    assert seen["LEVEL"] == "2" and seen["PATH"] and seen["HOME"]
    assert not {"VERSION", "HOST"} & set(seen)
    assert build(lamina, folder, "--build-arg", "VERSION=2").ran == []
    (folder / "Recipe").write_text(text.replace("HOST=a", "HOST=b"))
    assert build(lamina, folder).ran == []
    (folder / "Recipe").write_text(text.replace("LEVEL=2", "LEVEL=3"))
    assert build(lamina, folder).ran == ["RUN env | sort > /env"]


# Several products

PRODUCTS = """\
FROM busybox AS base
RUN echo base > /base
FROM base AS server
RUN echo server > /server
FROM base AS client
RUN echo client > /client
FROM scratch
COPY --from=server /server /
"""


def test_several_targets_share_their_steps(lamina: Lamina, tmp_path: Path) -> None:
    folder = project(tmp_path / "app", PRODUCTS)
    flags = ("--target", "server", "--target", "Client", "-t", "app-{target}:1")
    done = build(lamina, folder, *flags, "-t", "{target}", "--iidfile", "ids")
    lines = dict(line.split() for line in done.out.splitlines())
    assert list(lines) == ["server", "client"]
    assert len(done.ran) == 3
    for target, identity in lines.items():
        assert lamina.inspect(f"app-{target}:1")["Id"] == identity
        assert lamina.inspect(target)["Id"] == identity
        assert lamina.run("run", "--rm", identity, "cat", f"/{target}").code == 0
    assert (tmp_path / "ids").read_text().splitlines() == done.out.splitlines()
    again = build(lamina, folder, *flags)
    assert (again.ran, again.out) == ([], done.out)
    # Alone it is the same image, and its ID stands alone.
    assert build(lamina, folder, "--target", "client").out == f"{lines['client']}\n"
    # Collection leaves what a record of several images names.
    lamina.check()


def test_all_named_stages(lamina: Lamina, tmp_path: Path) -> None:
    folder = project(tmp_path / "app", PRODUCTS)
    done = build(lamina, folder, "--all", "-o", "type=local,dest=out/{target}")
    assert [line.split()[0] for line in done.out.splitlines()] == [
        *("base", "server", "client")
    ]
    assert (tmp_path / "out/server/server").read_text() == "server\n"
    assert not (tmp_path / "out/client/server").exists()


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--all", "-t", "app"), "Several images cannot all be called 'app'"),
        (("--all", "-o", "out"), "Several images cannot all go to 'out'"),
        (("--all", "-o", "-"), "Several images cannot all go to stdout"),
        (("--target", "sever"), "Did you mean server?"),
        (("--target", "server", "--target", "x"), "There is no stage 'x'"),
    ],
)
def test_what_several_products_need(
    lamina: Lamina, tmp_path: Path, flags: tuple[str, ...], message: str
) -> None:
    folder = project(tmp_path / "app", PRODUCTS)
    assert message in build(lamina, folder, *flags, code=1).err


def test_findings_stop_a_build_that_wants_none(lamina: Lamina, tmp_path: Path) -> None:
    strict = "# check=error=true\n"
    text = "FROM busybox:latest\nMAINTAINER me\n"
    folder = project(tmp_path / "app", text)
    told = lamina.run("build", folder)
    assert "warning: Maintainer instruction is deprecated" in told.err
    argument = ("--build-arg", "BUILDKIT_DOCKERFILE_CHECK=error=true")
    refused = lamina.run("build", *argument, folder, code=1)
    assert ">>> MAINTAINER me" in refused.err
    refused = lamina.run("build", project(tmp_path / "strict", strict + text), code=1)
    assert "(MaintainerDeprecated)" in refused.err
    skipped = ("--build-arg", "BUILDKIT_DOCKERFILE_CHECK=skip=MaintainerDeprecated")
    lamina.run("build", *skipped, tmp_path / "strict")


def test_dockerfiles_have_none_of_it(lamina: Lamina, tmp_path: Path) -> None:
    folder = tmp_path / "app"
    folder.mkdir()
    (folder / "Dockerfile").write_text("FROM busybox\nTEST true\n")
    assert "TEST" in build(lamina, folder, code=1).err


# The manual

MANUAL = Path(__file__).parents[2] / "docs" / "extensions.md"
EXAMPLES = re.findall(r"^```dockerfile\n(.*?)^```", MANUAL.read_text(), re.M | re.S)


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_the_manuals_recipes_build(lamina: Lamina, tmp_path: Path, number: int) -> None:
    folder = project(tmp_path / "app", EXAMPLES[number])
    (folder / "hello.sh").write_text("#!/bin/sh\necho hello\n")
    (folder / "hello.sh").chmod(0o755)
    (folder / "settings.toml").write_text("")
    done = build(lamina, folder)
    assert done.out.startswith("sha256:") and "UNSET" not in done.err
